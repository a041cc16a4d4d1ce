//! Requests for scans: submitted by anybody, run by exactly one worker at a time.

mod claim;
mod history;
mod hold;
mod slot;

use calipso_model::{Map, Str};
use serde::{Deserialize, Serialize};

pub use claim::claim;
pub(in crate::work) use claim::unfinished;
pub use history::{EnvironmentState, forget_old, state};
pub use hold::{Beat, beat, finish, hand_back};

use crate::{
    error::StoreError,
    records::{Collection, Records},
    work::{
        message::Level,
        row::{self, Row, Versioned, stamp},
    },
};

/// Where a request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanStatus {
    /// Waits for a worker.
    #[default]
    Pending,
    /// A worker has it.
    Running,
    /// Done, and every source answered.
    Completed,
    /// Ended; some steps failed, see the report.
    CompletedWithErrors,
    /// Could not be done.
    Failed,
    /// Cancelled before its end.
    Aborted,
}

impl ScanStatus {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Pending, Self::Running, Self::Completed, Self::CompletedWithErrors, Self::Failed, Self::Aborted];

    /// The word that documents hold.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::CompletedWithErrors => "completed_with_errors",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// The only part that a scan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanOnly {
    /// Only objects are renewed.
    Inventory,
    /// Only links are renewed.
    Links,
    /// Only cliques are renewed.
    Cliques,
}

/// How far a scan has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// `load`, `fetch`, `derive`, `commit`.
    pub phase: Str,
    /// The stage of fetching, from 1.
    pub stage: u64,
    /// Total number of stages.
    pub stages: u64,
    /// Fetchers run so far.
    pub steps_done: u64,
    /// Number of fetchers known so far; grows while parents are found.
    pub steps_planned: u64,
    /// Objects found so far.
    pub objects: u64,
    /// Steps that failed so far.
    pub failures: u64,
}

/// One request for a scan.
///
/// # Shape
/// Times are RFC 3339 as [`crate::work::stamp`] writes them.
/// # Units
/// `…_millis` in milliseconds since 1970 UTC.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanTask {
    /// What is scanned.
    pub environment: Str,
    /// Where it stands.
    pub status: ScanStatus,
    /// The only part to do; all where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<ScanOnly>,
    /// Forget all that is known before the scan.
    pub clear: bool,
    /// Only this object and what is under it; its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_type: Option<Str>,
    /// Only this object and what is under it; its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Str>,
    /// What messages the scan leaves: `error`, `warning`, `info`, `debug`.
    pub log_level: Str,
    /// Who asked: a user, or a schedule.
    pub submitted_by: Str,
    /// The schedule that asked, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule_id: Option<Str>,
    /// When it was asked for.
    pub submit_timestamp: Str,
    /// When a worker began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<Str>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_timestamp: Option<Str>,
    /// Not before this time.
    pub not_before_millis: i64,
    /// The worker that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Str>,
    /// When another worker may take it.
    pub lease_until_millis: i64,
    /// How many workers have begun it and did not hand it back.
    pub attempts: u64,
    /// Somebody wants it to end.
    pub cancel_requested: bool,
    /// How far it is.
    pub progress: Progress,
    /// The report that it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_id: Option<u64>,
    /// The revision that was current after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Why it failed or was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Str>,
    /// Why it waits again after a worker had begun it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_because: Option<Str>,
    /// Figures of its report: objects, links, cliques, failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Map>,
    /// When this document last changed.
    pub updated_millis: i64,
}

impl Row for ScanTask {
    const COLLECTION: Collection = Collection::Scans;
}

impl ScanTask {
    /// Whether it is about the whole environment, objects, links and cliques.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.object_id.is_none() && self.only.is_none()
    }

    /// Whether it is about one object and what is below it.
    #[must_use]
    pub fn is_of_part(&self) -> bool {
        self.object_id.is_some()
    }

    /// What messages it leaves; a level that is not named is [`Level::Info`].
    #[must_use]
    pub fn level(&self) -> Level {
        Level::from_name(&self.log_level).unwrap_or_default()
    }

    /// Whether a worker holds it at that time.
    #[must_use]
    pub fn is_held(&self, now_millis: i64) -> bool {
        self.status == ScanStatus::Running && self.lease_until_millis > now_millis
    }
}

/// Requests a scan. Fields that only workers write (status, holder, progress, …) are reset, whatever the request has in them.
///
/// # Shape
/// Neither the environment nor the object is looked up; a scan of what is not there fails with a sentence.
/// # Errors
/// [`StoreError::Invalid`] when it names no environment, one part of an object only, an object together with a part to do, or
/// a level that is none.
pub async fn submit(records: &dyn Records, task: ScanTask, now_millis: i64) -> Result<Versioned<ScanTask>, StoreError> {
    submit_as(records, &row::new_id(now_millis)?, task, now_millis).await
}

/// As [`submit`], with an id: an id made from the cause of the request makes it idempotent.
///
/// # Errors
/// As [`submit`], and [`StoreError::Exists`].
pub async fn submit_as(
    records: &dyn Records,
    id: &str,
    task: ScanTask,
    now_millis: i64,
) -> Result<Versioned<ScanTask>, StoreError> {
    if task.environment.is_empty() {
        return Err(StoreError::invalid("a scan needs an environment"));
    }
    if task.object_type.is_some() != task.object_id.is_some() {
        return Err(StoreError::invalid("an object is named by its type and its id, not by one of them"));
    }
    if task.object_id.is_some() && matches!(task.only, Some(ScanOnly::Links | ScanOnly::Cliques)) {
        return Err(StoreError::invalid("links and cliques are derived for a whole environment; leave out the object"));
    }
    if !task.log_level.is_empty() && Level::from_name(&task.log_level).is_none() {
        return Err(StoreError::invalid(format!("`{}` is no level of messages", task.log_level)));
    }
    let fresh = ScanTask {
        environment: task.environment,
        only: task.only,
        clear: task.clear,
        object_type: task.object_type,
        object_id: task.object_id,
        log_level: Level::from_name(&task.log_level).unwrap_or_default().as_str().into(),
        submitted_by: task.submitted_by,
        schedule_id: task.schedule_id,
        submit_timestamp: stamp(now_millis),
        not_before_millis: task.not_before_millis,
        updated_millis: now_millis,
        ..ScanTask::default()
    };
    row::insert(records, id, fresh).await
}

/// Keeps in the history a scan that was made without a request, as a command does it by itself; [`state`] then knows of it.
///
/// # Errors
/// [`StoreError::Invalid`] when it names no environment or has not ended.
pub async fn record(records: &dyn Records, scan: ScanTask, now_millis: i64) -> Result<Versioned<ScanTask>, StoreError> {
    if scan.environment.is_empty() || !scan.status.is_final() {
        return Err(StoreError::invalid("only a scan of an environment that has ended can be recorded"));
    }
    let mut ended = scan;
    if ended.submit_timestamp.is_empty() {
        ended.submit_timestamp = ended.start_timestamp.clone().unwrap_or_else(|| stamp(now_millis));
    }
    ended.end_timestamp.get_or_insert_with(|| stamp(now_millis));
    ended.lease_until_millis = 0;
    ended.updated_millis = now_millis;
    row::insert(records, &row::new_id(now_millis)?, ended).await
}

/// Ends a waiting request at once; asks the worker of a running one to end it.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Finished`] when nothing more will happen to it anyway.
pub async fn cancel(records: &dyn Records, id: &str, by: &str, now_millis: i64) -> Result<ScanTask, StoreError> {
    loop {
        let Some(mut task) = row::get::<ScanTask>(records, id).await? else {
            return Err(StoreError::NotFound { what: "scan", name: id.into() });
        };
        match task.row.status {
            ScanStatus::Pending => {
                task.row.status = ScanStatus::Aborted;
                task.row.end_timestamp = Some(stamp(now_millis));
            }
            ScanStatus::Running => {}
            done => return Err(StoreError::Finished { what: "scan", name: id.into(), status: done.as_str() }),
        }
        task.row.cancel_requested = true;
        task.row.error.get_or_insert_with(|| format!("cancelled by {by}").into());
        task.row.updated_millis = now_millis;
        match task.save(records).await {
            Ok(()) => return Ok(task.row),
            Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}
