//! A request for a scan, and how it becomes a task for workers.

use std::time::Duration;

use calipso_model::{Map, Str, Value};
use calipso_store::{
    Collection, FieldTest, RecordQuery, StoreError,
    work::{self, ScanOnly, ScanStatus, ScanTask, row::Versioned},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    environments::view,
    lookup,
    problem::{FieldError, Problem},
    service::Service,
};

/// What messages scans leave; `info` when not given.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::resource) enum LogLevel {
    Critical,
    Error,
    Warning,
    #[default]
    Info,
    Debug,
    Notset,
}

impl LogLevel {
    /// Its name.
    pub(in crate::resource) fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Notset => "notset",
        }
    }
}

/// The only part that a scan does, and how requests name it.
pub(super) const PARTS: &[(&str, ScanOnly)] = &[
    ("scan_only_inventory", ScanOnly::Inventory),
    ("scan_only_links", ScanOnly::Links),
    ("scan_only_cliques", ScanOnly::Cliques),
];

/// A scan to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScanRequest {
    /// Name of the environment.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) env_name: String,
    #[serde(default)]
    #[schema(inline)]
    log_level: LogLevel,
    /// Begin as if nothing had been known.
    #[serde(default)]
    clear: bool,
    /// Only objects. At most one of `scan_only_…` is true.
    #[serde(default)]
    scan_only_inventory: bool,
    /// Only links.
    #[serde(default)]
    scan_only_links: bool,
    /// Only cliques.
    #[serde(default)]
    scan_only_cliques: bool,
    /// Only the object of this id, and what is under it; not together with `scan_only_links` or `scan_only_cliques`.
    #[schema(min_length = 1, max_length = 4_096)]
    object_id: Option<String>,
    /// Type of that object, where several have the id.
    #[schema(min_length = 1, max_length = 256)]
    object_type: Option<String>,
}

/// The only part that is wanted.
///
/// # Errors
/// 422 when there are several.
pub(in crate::resource) fn only(inventory: bool, links: bool, cliques: bool) -> Result<Option<ScanOnly>, Problem> {
    let wanted: Vec<_> = PARTS.iter().zip([inventory, links, cliques]).filter(|(_, wanted)| *wanted).collect();
    match wanted.as_slice() {
        [] => Ok(None),
        [((_, part), _)] => Ok(Some(*part)),
        several => {
            let error = |name: &str| FieldError::body(format!("/{name}"), "is true beside another `scan_only_…`");
            Err(Problem::rejected(several.iter().map(|((name, _), _)| error(name)).collect()))
        }
    }
}

impl ScanRequest {
    /// The task for workers: environment and object are there.
    pub(super) async fn task(&self, service: &Service, user: &Str) -> Result<ScanTask, Problem> {
        let only = only(self.scan_only_inventory, self.scan_only_links, self.scan_only_cliques)?;
        let environment = service.backend.environment(&self.env_name).await?;
        if view::is_archived(&environment) {
            return Err(Problem::conflict(format!("of `{}` only the inventory is left", self.env_name)));
        }
        let mut task = ScanTask {
            environment: self.env_name.as_str().into(),
            only,
            clear: self.clear,
            log_level: self.log_level.as_str().into(),
            submitted_by: user.clone(),
            ..ScanTask::default()
        };
        let Some(id) = &self.object_id else {
            if self.object_type.is_some() {
                return Err(rejected("/object_type", "says nothing without `object_id`"));
            }
            return Ok(task);
        };
        if matches!(only, Some(ScanOnly::Links | ScanOnly::Cliques)) {
            let sentence = "links and cliques are derived for the whole environment; leave out the object";
            return Err(rejected("/object_id", sentence));
        }
        let found = lookup::namesakes(service, &self.env_name, None, id, self.object_type.as_deref()).await?;
        match found.items.as_slice() {
            [] => return Err(rejected("/object_id", "there is no such object in the environment")),
            [object] => {
                task.object_type = Some(object.key.object_type.clone());
                task.object_id = Some(object.key.id.clone());
            }
            several => {
                let error = |object: &calipso_model::Object| {
                    FieldError::body("/object_type", format!("could be `{}`", object.key.object_type))
                };
                return Err(Problem::rejected(several.iter().map(error).collect()));
            }
        }
        Ok(task)
    }
}

fn rejected(pointer: &str, sentence: &str) -> Problem {
    Problem::rejected(vec![FieldError::body(pointer, sentence)])
}

/// Scans of the same that wait or run.
async fn same(service: &Service, task: &ScanTask) -> Result<Vec<Versioned<ScanTask>>, Problem> {
    let open = [ScanStatus::Pending, ScanStatus::Running].map(|status| status.as_str().into());
    let query = RecordQuery::all()
        .equals("environment", task.environment.clone())
        .and("status", FieldTest::AnyOf(open.to_vec()));
    let mut found = work::all::<ScanTask>(&*service.backend, &query).await?;
    found.retain(|other| {
        other.row.only == task.only
            && other.row.clear == task.clear
            && other.row.object_type == task.object_type
            && other.row.object_id == task.object_id
            && !other.row.cancel_requested
    });
    Ok(found)
}

fn conflict(other: &Versioned<ScanTask>) -> Problem {
    let status = other.row.status.as_str();
    let error = FieldError::body("/env_name", format!("the same scan is {status}")).id(&*other.id);
    Problem::conflict(format!("the same scan is {status}: `{}`", other.id)).with_errors(vec![error])
}

/// Asks for a scan, unless the same one waits or runs.
///
/// # Errors
/// 409 with the id of the other.
pub(super) async fn submit(service: &Service, task: ScanTask) -> Result<Str, Problem> {
    // Two who ask at once would both find nothing: one passes the gate after the other.
    let gate = Gate::pass(service, &task.environment).await?;
    let submitted = match same(service, &task).await {
        Ok(others) => match others.first() {
            Some(other) => Err(conflict(other)),
            None => work::scan::submit(&*service.backend, task, service.now_millis())
                .await
                .map(|task| task.id)
                .map_err(Problem::from),
        },
        Err(problem) => Err(problem),
    };
    gate.leave(service).await;
    submitted
}

/// How long a gate stays shut at most, in milliseconds: a process that stops inside it does not lock it for ever.
const SHUT_MILLIS: i64 = 5_000;

/// Time between two attempts to pass a gate.
const WAIT: Duration = Duration::from_millis(10);

/// A document that only one request for an environment can make at a time, among all processes.
struct Gate {
    id: String,
    version: u64,
}

impl Gate {
    async fn pass(service: &Service, environment: &str) -> Result<Self, Problem> {
        let id = format!("scan-gate:{environment}");
        let began = service.now_millis();
        loop {
            let now = service.now_millis();
            let until = now.saturating_add(SHUT_MILLIS);
            let doc: Map = [("kind", Value::text("gate")), ("until_millis", Value::Int(until))].into_iter().collect();
            match service.backend.insert(Collection::Settings, &id, &doc).await {
                Ok(record) => return Ok(Self { id, version: record.version }),
                Err(StoreError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let shut = service.backend.record(Collection::Settings, &id).await?;
            let Some(shut) = shut else { continue };
            if shut.doc.get("until_millis").and_then(Value::as_int).is_none_or(|until| until < now) {
                match service.backend.replace(Collection::Settings, &id, shut.version, &doc).await {
                    Ok(record) => return Ok(Self { id, version: record.version }),
                    Err(StoreError::Changed { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            if now.saturating_sub(began) > 2 * SHUT_MILLIS {
                return Err(Problem::store_away("requests for scans wait for each other"));
            }
            tokio::time::sleep(WAIT).await;
        }
    }

    async fn leave(self, service: &Service) {
        if let Err(error) = service.backend.remove(Collection::Settings, &self.id, Some(self.version)).await {
            tracing::warn!(%error, "A gate stays shut for some seconds.");
        }
    }
}
