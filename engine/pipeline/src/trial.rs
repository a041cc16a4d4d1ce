//! Runs one fetcher once under one parent, tells what each step did and what would come out, and keeps nothing.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Map, Object, ObjectKey, Str, Value};
use calipso_spec::checked::At;
use calipso_store::{Store, StoreError};
use calipso_transport::{Door, Scrubber, Stage};

use crate::{
    connection::{Asker, SecretSource, Sessions},
    environment::View,
    fetch::{Asking, fetch},
    identity::{Identities, place},
    known::Known,
    plan::{Plan, PlannedFetcher, is_root},
    trace::{Trace, Traced},
};

/// What is tried, and who answers.
pub struct TrialRequest<'a> {
    /// The plan of the environment.
    pub plan: &'a Plan,
    pub fetcher: &'a str,
    /// Id or name of the object under which it runs; none: the only one that there is.
    pub under: Option<&'a str>,
    /// What is known; only read.
    pub store: &'a dyn Store,
    pub door: Arc<dyn Door>,
    /// Where references to secrets lead.
    pub secrets: &'a dyn SecretSource,
    /// Learns every secret that is met; nothing that is told holds one.
    pub scrubber: Arc<Scrubber>,
    /// The time at which it begins.
    pub now: jiff::Timestamp,
    /// Whether answers come from the living world.
    pub is_live: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Trial {
    /// The object under which it ran.
    pub parent: ObjectKey,
    /// Where the fetcher is.
    pub at: At,
    /// Whether the fetcher's `when` let it run.
    pub runs: bool,
    /// What each step did, in the order of the spec.
    pub steps: Vec<(At, Traced)>,
    /// What would be written: whole objects with id, name and parent, folders included.
    pub objects: Vec<Object>,
    /// What failed, each with its place.
    pub failures: Vec<String>,
    /// Values that are taken although no spec declares them.
    pub remarks: Vec<String>,
    /// Whether everything was found out.
    pub complete: bool,
}

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No spec has this name.
    #[error("there is no fetcher `{0}`")]
    NoFetcher(String),
    /// The environment does not use it.
    #[error("the environment `{environment}` does not use the fetcher `{fetcher}`: {why}")]
    NotUsed {
        environment: Str,
        fetcher: String,
        /// What decided it.
        why: String,
    },
    /// No object to run under, or several.
    #[error("the fetcher `{fetcher}` runs under a {under}, and {what}")]
    NoParent {
        fetcher: String,
        /// The type that it runs under.
        under: Str,
        /// What is wrong.
        what: String,
        /// Ids of objects that it could run under.
        known: Vec<Str>,
    },
}

/// Tries one fetcher.
///
/// # Errors
/// [`TrialError`]; what fails while it runs is told by the [`Trial`].
pub async fn try_fetcher(request: &TrialRequest<'_>) -> Result<Trial, TrialError> {
    let plan = request.plan;
    let planned = planned(request)?;
    let fetcher = &*planned.fetcher;
    let ids = Identities::new(&plan.specs, plan.values(), &plan.environment.name);
    let view = View::from_records(&ids, request.store.scopes(&plan.environment.name).await?);
    let (parent, parent_document) = parent(request, &fetcher.under, &ids, &view.known)?;
    let asker = Asker {
        door: Arc::clone(&request.door),
        scrubber: Arc::clone(&request.scrubber),
        stage: Stage::Work,
        now: request.now,
        waits: request.is_live,
    };
    let sessions = Sessions::for_plan(plan, request.secrets, asker);
    let trace = Trace::default();
    let values = plan.values();
    let asking = Asking {
        fetcher,
        settings: &planned.settings,
        document: &parent_document,
        narrow: &Map::new(),
        values: &values,
        world: &sessions,
        known: &view.known,
        ids: &ids,
        coverage: None,
        trace: Some(&trace),
        waits: request.is_live,
    };
    let fetched = fetch(&asking).await;
    let steps = trace.steps();
    let clean = |text: &str| request.scrubber.text(text);
    let mut failures: Vec<String> =
        fetched.failures.iter().map(|failure| clean(&format!("{}: {}", failure.at, failure.why.sentence))).collect();
    let remarks = fetched.remarks.iter().map(|(at, remark)| clean(&format!("{at}: {remark}"))).collect();
    let complete = fetched.problem.is_none();
    let (objects, misplaced) = placed(&ids, &view, fetched.members.into_values().flatten());
    failures.extend(misplaced.iter().map(|sentence| clean(sentence)));
    Ok(Trial {
        runs: !steps.is_empty() || !complete,
        at: fetcher.head.at.clone(),
        steps: steps.into_iter().map(|(at, traced)| (at, scrubbed(traced, &request.scrubber))).collect(),
        objects: objects.into_iter().map(|object| whole(object, &request.scrubber)).collect(),
        complete: complete && misplaced.is_empty(),
        parent,
        failures,
        remarks,
    })
}

fn planned<'a>(request: &TrialRequest<'a>) -> Result<&'a PlannedFetcher, TrialError> {
    let (plan, fetcher) = (request.plan, request.fetcher);
    if let Some(planned) = plan.fetcher(fetcher) {
        return Ok(planned);
    }
    if !plan.specs.fetchers.contains_key(fetcher) {
        return Err(TrialError::NoFetcher(fetcher.to_owned()));
    }
    let choice = plan.choices.iter().find(|choice| choice.kind == "fetcher" && choice.name.as_ref() == fetcher);
    let why = choice.map(|choice| choice.why.clone()).unwrap_or_default();
    Err(TrialError::NotUsed { environment: plan.environment.name.clone(), fetcher: fetcher.to_owned(), why })
}

/// The object that the fetcher runs under: the environment, the one with the id or name that was given, or the only one.
fn parent(
    request: &TrialRequest<'_>,
    under: &Str,
    ids: &Identities,
    known: &Known,
) -> Result<(ObjectKey, Value), TrialError> {
    if is_root(under) {
        return Ok((ids.root(), Value::Map(ids.root_document())));
    }
    let all: Vec<(ObjectKey, Value)> = known.table(under).map(|table| table.rows()).unwrap_or_default();
    let wanted = request.under.map(|text| text.strip_prefix(&format!("{under}/")).unwrap_or(text));
    let has = |document: &Value, field: &str, text: &str| {
        document.as_map().and_then(|map| map.get(field)).and_then(Value::as_str) == Some(text)
    };
    let found: Vec<&(ObjectKey, Value)> = match wanted {
        None => all.iter().collect(),
        Some(text) => {
            let by_id: Vec<_> = all.iter().filter(|(key, _)| key.id.as_ref() == text).collect();
            if by_id.is_empty() { all.iter().filter(|(_, found)| has(found, "name", text)).collect() } else { by_id }
        }
    };
    match (found.as_slice(), wanted) {
        ([one], _) => Ok((*one).clone()),
        (found, wanted) => {
            let what = match (found.len(), wanted) {
                (0, Some(text)) => format!("none that is known is called `{text}`"),
                (0, None) => "none is known".to_owned(),
                (n, Some(text)) => format!("{n} are called `{text}`"),
                (n, None) => format!("{n} are known"),
            };
            let listed = if found.is_empty() { all.iter().collect() } else { found.to_vec() };
            let known = listed.iter().map(|(key, _)| key.id.clone()).collect();
            Err(TrialError::NoParent { fetcher: request.fetcher.to_owned(), under: under.clone(), what, known })
        }
    }
}

/// Gives what was found its place among what is known; what could not be placed is told in sentences.
fn placed(
    ids: &Identities,
    view: &View,
    members: impl Iterator<Item = (ObjectKey, crate::merge::Contribution)>,
) -> (Vec<Object>, Vec<String>) {
    let mut found: BTreeMap<ObjectKey, Map> = BTreeMap::new();
    let mut emitted = std::collections::BTreeSet::new();
    for (key, contribution) in members {
        if contribution.asserts {
            emitted.insert(key.object_type.clone());
        }
        let mut attributes = if contribution.asserts {
            Map::new()
        } else {
            // What is only added to an object goes to what is known of it.
            view.inventory.merged(&key, ids.types.get(&key.object_type).map(|known| &**known))
        };
        for (name, value) in &contribution.attributes {
            attributes.insert(name.clone(), value.clone());
        }
        found.insert(key, attributes);
    }
    let others = view.known.keys().filter(|key| !found.contains_key(key));
    let given: BTreeMap<ObjectKey, Map> =
        others.filter_map(|key| view.known.document(&key).map(|document| (key, document))).collect();
    let keys: std::collections::BTreeSet<ObjectKey> = found.keys().cloned().collect();
    let placement = place(ids, found, &emitted, &given);
    let sentences =
        placement.misplaced.iter().map(|misplaced| format!("{}: {}", misplaced.key, misplaced.sentence)).collect();
    let objects = placement.objects.into_values().filter(|object| keys.contains(&object.key)).collect();
    (objects, sentences)
}

fn scrubbed(mut traced: Traced, scrubber: &Scrubber) -> Traced {
    for question in &mut traced.questions {
        question.asked = scrubber.text(&question.asked);
        question.why = question.why.as_deref().map(|why| scrubber.text(why));
        question.value = question.value.as_ref().map(|value| scrubber.value(value));
    }
    for (_, value) in &mut traced.bound {
        *value = scrubber.value(value);
    }
    for failure in &mut traced.failures {
        *failure = scrubber.text(failure);
    }
    traced
}

fn whole(object: Object, scrubber: &Scrubber) -> Object {
    let id = scrubber.text(&object.key.id);
    let doc = match scrubber.value(&Value::Map(object.doc)) {
        Value::Map(doc) => doc,
        _ => Map::new(),
    };
    Object { key: ObjectKey::new(object.key.object_type, id), doc }
}
