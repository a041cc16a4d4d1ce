//! A request for a scan, and how it becomes a task for workers.

use calipso_model::Str;
use calipso_store::{
    Collection, RecordQuery, StoreError, Test,
    work::{self, ScanOnly, ScanStatus, ScanTask, row::Task},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    lookup,
    problem::{FieldError, Problem},
    service::Service,
};

/// What messages scans leave.
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
    /// The environment.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) env_name: String,
    /// What messages it leaves.
    #[serde(default)]
    #[schema(inline, default = "info")]
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
    /// Only the object of this id, and what is under it.
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
        // Whether there is such an environment.
        service.backend.current(&self.env_name).await?;
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
        if only.is_some() {
            return Err(rejected("/object_id", "a scan of one object does all parts; leave out `scan_only_…`"));
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
async fn same(service: &Service, task: &ScanTask) -> Result<Vec<Task<ScanTask>>, Problem> {
    let open = [ScanStatus::Pending, ScanStatus::Running].map(|status| status.as_str().into());
    let query = RecordQuery::all()
        .equals("environment", task.environment.clone())
        .and("status", Test::AnyOf(open.to_vec()));
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

fn conflict(other: &Task<ScanTask>) -> Problem {
    let status = other.row.status.as_str();
    let error = FieldError::body("/env_name", format!("the same scan is {status}")).id(&*other.id);
    Problem::conflict(format!("the same scan is {status}: `{}`", other.id)).with_errors(vec![error])
}

/// Asks for a scan, unless the same one waits or runs.
///
/// # Errors
/// 409 with the id of the other.
pub(super) async fn submit(service: &Service, task: ScanTask) -> Result<Str, Problem> {
    if let Some(other) = same(service, &task).await?.first() {
        return Err(conflict(other));
    }
    let submitted = work::scan::submit(&*service.backend, task, service.now_millis()).await?;
    // Two who ask at once both find nothing: of those that are there now the first by id stays.
    let others = same(service, &submitted.row).await?;
    let Some(other) = others.iter().find(|other| other.id < submitted.id) else { return Ok(submitted.id) };
    match service.backend.remove(Collection::Scans, &submitted.id, Some(submitted.version)).await {
        Ok(_) => Err(conflict(other)),
        // A worker has begun it already.
        Err(StoreError::Changed { .. }) => Ok(submitted.id),
        Err(error) => Err(error.into()),
    }
}
