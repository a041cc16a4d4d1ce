//! Runs the fetchers of a plan stage by stage, and keeps what they bring.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{ObjectKey, Str, Value};
use calipso_store::ScopeKey;
use calipso_transport::{Counted, Door, Stage};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    connection::{Asker, Sessions},
    environment::View,
    fetch::{Asking, Fetched, fetch},
    identity::{Identities, is_newer},
    known::Known,
    merge::{Inventory, Refused},
    plan::{Plan, PlannedFetcher},
    report::ScanReport,
    scan::{Observer, ScanError, ScanMode, ScanRequest, subtree::Subtree},
};

/// How many fetchers run at once where the request does not say.
const MAX_TASKS: usize = 256;

/// What all runs of a scan share.
struct Shared {
    plan: Arc<Plan>,
    sessions: Sessions,
    ids: Identities,
    waits: bool,
}

/// One fetcher under one parent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    /// Place of the fetcher in the plan.
    pub(super) fetcher: usize,
    pub(super) parent: ObjectKey,
    /// Only what lies below the object of a partial scan counts.
    pub(super) below_only: bool,
}

/// Runs everything that the request's mode asks for.
pub(super) async fn stages(
    request: &ScanRequest<'_>,
    observer: &dyn Observer,
    ids: &Identities,
    view: &mut View,
    report: &mut ScanReport,
    now: &Str,
) -> Result<(), ScanError> {
    let plan = &request.plan;
    let door = Arc::new(Counted::new(Arc::clone(&request.door)));
    let asker = Asker {
        door: Arc::clone(&door) as Arc<dyn Door>,
        scrubber: Arc::clone(&request.scrubber),
        stage: Stage::Work,
        now: request.now,
        waits: request.is_live,
    };
    let sessions = Sessions::for_plan(plan, request.secrets, asker);
    let shared = Arc::new(Shared { plan: Arc::clone(plan), sessions, ids: ids.clone(), waits: request.is_live });
    let mut subtree = match &request.mode {
        ScanMode::Partial(object) | ScanMode::PartialInventory(object) if !view.inventory.exists(object) => {
            return Err(ScanError::NoObject(object.clone()));
        }
        ScanMode::Partial(object) | ScanMode::PartialInventory(object) => {
            Some(Subtree::new(object.clone(), &shared.ids, view))
        }
        _ => {
            withdraw_unplanned(plan, &mut view.inventory, None, now);
            None
        }
    };
    let permits = Arc::new(Semaphore::new(if request.max_tasks == 0 { MAX_TASKS } else { request.max_tasks }));
    let mut done: BTreeSet<Job> = BTreeSet::new();
    for stage in 0..plan.n_stages {
        // A type whose objects lie under each other brings parents while the stage runs.
        loop {
            view.refresh(&shared.ids);
            let jobs: Vec<Job> = match &subtree {
                None => all_jobs(plan, stage, &view.inventory, &shared.ids),
                Some(subtree) => subtree.jobs(plan, stage, view, &shared.ids),
            };
            let jobs: Vec<Job> = jobs.into_iter().filter(|job| done.insert(job.clone())).collect();
            if jobs.is_empty() {
                break;
            }
            observer.stage(stage, plan.n_stages, jobs.len());
            let results =
                run_jobs(&shared, &permits, Arc::new(view.known.clone()), jobs, subtree.as_ref(), observer).await;
            for (job, fetched) in results {
                keep(&shared, view, report, subtree.as_mut(), &job, fetched, now);
            }
            view.inventory.withdraw_orphans(&shared.ids.root());
        }
        if subtree.is_none() {
            withdraw_unplanned(plan, &mut view.inventory, Some(stage), now);
            view.inventory.withdraw_orphans(&shared.ids.root());
        }
    }
    report.sources = door.stats();
    Ok(())
}

/// Takes back scopes of fetchers that do not run here any more: at once (no `stage`) where none replaces them, else when all
/// that do have run, the last of them in `stage`. Where one of those gave no answer, what was known stays.
fn withdraw_unplanned(plan: &Plan, inventory: &mut Inventory, stage: Option<usize>, now: &Str) {
    let brings = |planned: &PlannedFetcher, object_type: &Str| {
        planned.fetcher.emits.contains(object_type) || planned.fetcher.extends.contains(object_type)
    };
    let is_planned =
        |key: &ScopeKey| plan.fetcher(&key.fetcher).is_some_and(|planned| brings(planned, &key.object_type));
    let last_stage = |object_type: &Str| {
        plan.fetchers.iter().filter(|planned| brings(planned, object_type)).map(|planned| planned.stage).max()
    };
    let gone: Vec<ScopeKey> = inventory
        .scope_keys()
        .filter(|key| !is_planned(key) && last_stage(&key.object_type) == stage)
        .cloned()
        .collect();
    if gone.is_empty() {
        return;
    }
    let unanswered: BTreeSet<Str> =
        inventory.doubtful().filter(|key| is_planned(key)).map(|key| key.object_type.clone()).collect();
    // What a fetcher refused that runs no more is nobody's doubt any more.
    let refused: BTreeMap<&Str, Refused> =
        gone.iter().map(|key| (&key.object_type, inventory.refused(&key.object_type, is_planned))).collect();
    for key in &gone {
        if unanswered.contains(&key.object_type) {
            let problem = format!("`{}` runs no more, and what replaces it gave no answer", key.fetcher);
            inventory.doubt(key, problem, now);
        } else {
            inventory.withdraw_but(key, &refused.get(&key.object_type).cloned().unwrap_or_default(), now);
        }
    }
}

fn all_jobs(plan: &Plan, stage: usize, inventory: &Inventory, ids: &Identities) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (place, planned) in plan.fetchers.iter().enumerate().filter(|(_, planned)| planned.stage == stage) {
        for parent in parents(&planned.fetcher.under, inventory, ids) {
            jobs.push(Job { fetcher: place, parent, below_only: false });
        }
    }
    jobs
}

/// The objects that a fetcher can run under.
pub(super) fn parents(under: &Str, inventory: &Inventory, ids: &Identities) -> Vec<ObjectKey> {
    if crate::plan::is_root(under) { vec![ids.root()] } else { inventory.of_type(under) }
}

async fn run_jobs(
    shared: &Arc<Shared>,
    permits: &Arc<Semaphore>,
    known: Arc<Known>,
    jobs: Vec<Job>,
    subtree: Option<&Subtree>,
    observer: &dyn Observer,
) -> Vec<(Job, Fetched)> {
    let mut tasks = JoinSet::new();
    for job in jobs {
        let (shared, permits, known) = (Arc::clone(shared), Arc::clone(permits), Arc::clone(&known));
        let document = known.document(&job.parent);
        let document = Value::Map(document.unwrap_or_else(|| shared.ids.root_document()));
        let narrow = subtree.map(|subtree| subtree.narrowing(&shared.plan, &job)).unwrap_or_default();
        tasks.spawn(async move {
            let _permit = permits.acquire().await;
            let Some(planned) = shared.plan.fetchers.get(job.fetcher) else { return (job, Fetched::default()) };
            let values = shared.plan.values();
            let asking = Asking {
                fetcher: &planned.fetcher,
                settings: &planned.settings,
                document: &document,
                narrow: &narrow,
                values: &values,
                world: &shared.sessions,
                known: &known,
                ids: &shared.ids,
                coverage: None,
                trace: None,
                waits: shared.waits,
            };
            let fetched = fetch(&asking).await;
            (job, fetched)
        });
    }
    let mut results = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        let (job, fetched) = match joined {
            Ok(result) => result,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if let Some(planned) = shared.plan.fetchers.get(job.fetcher) {
            observer.run(&planned.fetcher.head.name, &job.parent, fetched.n_objects(), fetched.failures.len());
        }
        results.push((job, fetched));
    }
    results.sort_by(|(a, _), (b, _)| a.cmp(b));
    results
}

/// Reports a run and puts what it brought in place of what was known.
fn keep(
    shared: &Shared,
    view: &mut View,
    report: &mut ScanReport,
    subtree: Option<&mut Subtree>,
    job: &Job,
    mut fetched: Fetched,
    now: &Str,
) {
    let Some(planned) = shared.plan.fetchers.get(job.fetcher) else { return };
    report.add_run(&planned.fetcher.head.name, &job.parent, &fetched);
    keep_newest(&shared.ids, &view.inventory, report, planned, job, &mut fetched, now);
    let subtree = match subtree {
        Some(subtree) if job.below_only => {
            subtree.learn(&shared.ids, &view.known, &fetched);
            Some(&*subtree)
        }
        _ => None,
    };
    for (key, answer) in fetched.answers(&planned.fetcher, &job.parent, &Value::Null) {
        match subtree {
            Some(subtree) => {
                let is_below = |object: &ObjectKey, _: &ObjectKey| subtree.holds(object);
                view.inventory.apply_within(key, planned.order, answer, &subtree.extent(), &is_below, now);
            }
            None => view.inventory.apply(key, planned.order, answer, now),
        }
    }
}

/// Leaves what is known where the answer is older than that, unless the answer is the better witness all the same: it is
/// complete, and was asked for after the newer one had come. Then its source went back, and that is told.
fn keep_newest(
    ids: &Identities,
    inventory: &Inventory,
    report: &mut ScanReport,
    planned: &PlannedFetcher,
    job: &Job,
    fetched: &mut Fetched,
    now: &Str,
) {
    let fetcher = &planned.fetcher.head.name;
    for (type_name, members) in &mut fetched.members {
        if ids.types.get(type_name).is_none_or(|known| known.newest_by.is_none()) {
            continue;
        }
        let scope = ScopeKey {
            fetcher: fetcher.clone(),
            object_type: type_name.clone(),
            parent: job.parent.clone(),
            narrowing: Value::Null,
        };
        let asked_later = inventory.tried_at(&scope).is_none_or(|former| is_later(now, former));
        let wins = asked_later && !fetched.lost.holds(type_name);
        for (key, contribution) in members.iter_mut() {
            let Some(former) = inventory.contribution(&scope, key) else { continue };
            let versions =
                (ids.version(type_name, &former.attributes), ids.version(type_name, &contribution.attributes));
            let (Some(old), Some(new)) = versions else { continue };
            if !is_newer(&old, &new) {
                continue;
            }
            if wins {
                report.add_reversal(fetcher, key, &old, &new);
            } else {
                *contribution = former;
            }
        }
    }
}

/// Whether one moment is after another; what is no moment is before all.
fn is_later(moment: &str, than: &str) -> bool {
    match (moment.parse::<jiff::Timestamp>(), than.parse::<jiff::Timestamp>()) {
        (Ok(moment), Ok(than)) => moment > than,
        (Ok(_), Err(_)) => true,
        (Err(_), _) => false,
    }
}
