//! A scan: fetch in stages, place, derive, commit what is different.

mod run;
mod subtree;

use std::{sync::Arc, time::Duration};

use calipso_derive::RulesError;
use calipso_model::{ObjectKey, Str};
use calipso_store::{Backend, Commit, CommitInfo, Searched, StoreError};
use calipso_transport::{Door, Scrubber};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::SecretSource,
    environment::{Contributor, Residents, View},
    identity::Identities,
    plan::Plan,
    report::ScanReport,
};

/// What is scanned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScanMode {
    #[default]
    Full,
    /// One object and what is under it.
    Partial(ObjectKey),
    /// One object and what is under it, without what is derived: links and cliques stay, except those of objects that are gone.
    PartialInventory(ObjectKey),
    /// Objects only; links and cliques stay, except those of objects that are gone.
    Inventory,
    /// Links only, derived anew from what is known.
    Links,
    /// Cliques only, derived anew from what is known.
    Cliques,
}

impl ScanMode {
    /// Whether anything outside is asked.
    #[must_use]
    pub fn fetches(&self) -> bool {
        matches!(self, Self::Full | Self::Partial(_) | Self::PartialInventory(_) | Self::Inventory)
    }

    /// Its name in reports.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial(_) => "partial",
            Self::PartialInventory(_) => "partial inventory",
            Self::Inventory => "inventory",
            Self::Links => "links",
            Self::Cliques => "cliques",
        }
    }
}

/// One scan to be made.
pub struct ScanRequest<'a> {
    /// What to do.
    pub plan: Arc<Plan>,
    /// Who answers. Wrap it so that equal requests are made once.
    pub door: Arc<dyn Door>,
    /// Where the environment is kept.
    pub store: Arc<dyn Backend>,
    /// The environments that this process holds in memory.
    pub residents: Arc<Residents>,
    /// Where references to secrets lead.
    pub secrets: &'a dyn SecretSource,
    /// Learns every secret that is met.
    pub scrubber: Arc<Scrubber>,
    /// What is scanned.
    pub mode: ScanMode,
    /// Whether to begin as if nothing had been known; what is not found then goes, in the same revision.
    pub clear: bool,
    /// The time at which it begins.
    pub now: jiff::Timestamp,
    /// Who holds the lease, for messages.
    pub holder: Str,
    /// Whether answers come from the living world: only then it is worth while to wait between attempts.
    pub is_live: bool,
    /// How many fetchers run at the same time; 0: as many as is sensible.
    pub max_tasks: usize,
    /// How long the environment stays ours after we stopped: the lease is renewed four times in this time.
    pub lease: Duration,
    /// Ends the scan when it is cancelled. One that has all its answers by then is derived and committed as a whole.
    pub cancel: CancellationToken,
}

/// The lease of a scan that somebody waits for.
pub const LEASE: Duration = Duration::from_secs(60);

/// What a scan tells while it goes on.
pub trait Observer: Send + Sync {
    /// Another part of the work begins.
    fn phase(&self, _phase: Phase) {}
    /// A stage begins, with so many runs of fetchers.
    fn stage(&self, _stage: usize, _n_stages: usize, _n_runs: usize) {}
    /// A fetcher has run under one parent.
    fn run(&self, _fetcher: &str, _parent: &ObjectKey, _n_objects: usize, _n_failures: usize) {}
}

/// The parts of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading what is known.
    Load,
    Fetch,
    /// Deriving attributes, links and cliques.
    Derive,
    /// Finding and writing what is different.
    Commit,
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {}

/// Why a scan could not be made or kept. A step that fails is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object of a partial scan is not known.
    #[error("there is no object {0} in the environment; scan the whole environment first")]
    NoObject(ObjectKey),
    /// Somebody wanted it to end.
    #[error("the scan was cancelled; nothing of it was kept")]
    Cancelled,
    /// Another contribution to the environment failed half way, so what this one began with is not what is known now.
    #[error(
        "what was known of the environment had to be read anew while the scan went on, since another change of it could not be kept; \
         nothing of the scan was kept: scan again"
    )]
    Forgotten,
    /// The specs do not make rules for this environment; a check of the specs says where.
    #[error("the rules of this environment cannot be used")]
    Rules(#[source] RulesError),
    /// There is more than the rules can be followed for.
    #[error("the rules of this environment cannot be used: {0}")]
    Crowded(String),
    /// What is in memory contradicts itself; it is read from the store again.
    #[error("the environment in memory is not whole, and nothing was written; scan again, and report this fault")]
    Broken(#[from] calipso_derive::MissingDocument),
}

/// Scans.
///
/// # Errors
/// [`ScanError`]; nothing was changed then.
pub async fn scan(request: &ScanRequest<'_>, observer: &dyn Observer) -> Result<ScanReport, ScanError> {
    let environment = &request.plan.environment.name;
    let started = std::time::Instant::now();
    observer.phase(Phase::Load);
    let mut contributor = request.residents.begin(request).await?;
    let scanned = contribute(request, observer, &mut contributor, started).await;
    contributor.leave().await;
    let mut report = scanned?;
    let body = report.to_value();
    // The scan is committed, whatever becomes of its report.
    match request.store.put_report(environment, &report.at, report.revision_after, &body, REPORTS_KEPT).await {
        Ok(id) => report.id = Some(id),
        Err(error) => tracing::warn!(%environment, %error, "The report of a scan could not be kept."),
    }
    Ok(report)
}

/// How many reports of an environment are kept.
const REPORTS_KEPT: usize = 100;

/// Asks, and hands over what was answered.
async fn contribute(
    request: &ScanRequest<'_>,
    observer: &dyn Observer,
    contributor: &mut Contributor,
    started: std::time::Instant,
) -> Result<ScanReport, ScanError> {
    let plan = &request.plan;
    let store = &*request.store;
    let environment = &plan.environment.name;
    let now: Str = request.now.to_string().into();
    let mut report = ScanReport::new(plan, &request.mode, now.clone());
    let mut view = contributor.take_view()?;
    if request.mode.fetches() {
        observer.phase(Phase::Fetch);
        fetch_all(request, observer, contributor.ids(), &mut view, &mut report, &now).await?;
    }
    observer.phase(Phase::Derive);
    let mut turn = unless_cancelled(request, contributor.turn()).await??;
    // Whoever cancels from here on comes too late: a turn that ends early costs everybody who contributes what they found.
    turn.contribute(view, store).await?;
    observer.phase(Phase::Commit);
    let resident = turn.resident()?;
    resident.tell(&mut report);
    let base = resident.revision();
    report.revision_before = base;
    let (delta, scopes) = resident.pending(&request.mode, store).await?;
    let info = CommitInfo { at: now, note: format!("{} scan", request.mode.as_str()).into() };
    let lease = turn.lease().await;
    let rows = [turn.resident()?.signed(&lease)];
    let commit = Commit { scopes: &scopes, rows: &rows, ..Commit::new(base, &lease, &delta, &info) };
    let after = turn.commit(store, &searched(plan), &commit).await?;
    turn.resident()?.saved(after, &lease);
    turn.end();
    report.revision_after = after;
    if after != base {
        // The scan is kept, whatever becomes of these figures.
        match store.revisions_after(environment, base, 1).await {
            Ok(made) => made.iter().for_each(|made| report.count_changes(made.written, made.removed)),
            Err(error) => {
                tracing::warn!(%environment, %error, "How much a scan changed could not be read.");
                report
                    .warnings
                    .push("how much it changed could not be read; the difference of the revisions tells".to_owned());
            }
        }
    }
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

/// Asks everything that the mode wants to know.
async fn fetch_all(
    request: &ScanRequest<'_>,
    observer: &dyn Observer,
    ids: &Identities,
    view: &mut View,
    report: &mut ScanReport,
    now: &Str,
) -> Result<(), ScanError> {
    if request.clear && request.mode == ScanMode::Full {
        view.inventory.clear();
    }
    let asking = run::stages(request, observer, ids, view, report, now);
    unless_cancelled(request, asking).await??;
    report.close_runs();
    report.add_disputes(view.inventory.disputes(&request.plan.specs.object_types));
    Ok(())
}

/// By what the specs let objects be found.
fn searched(plan: &Plan) -> Searched {
    let types = plan.specs.object_types.iter().filter(|(_, declared)| !declared.search.is_empty());
    types.map(|(name, declared)| (name.clone(), declared.search.clone())).collect()
}

/// The outcome of a part of the work, unless somebody wants the scan to end before it is there.
async fn unless_cancelled<T>(request: &ScanRequest<'_>, work: impl Future<Output = T>) -> Result<T, ScanError> {
    tokio::select! {
        biased;
        () = request.cancel.cancelled() => Err(ScanError::Cancelled),
        done = work => Ok(done),
    }
}

/// Work that waits for nothing and takes long: other tasks of this thread go on elsewhere, above all those that renew leases.
pub(crate) fn at_length<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
