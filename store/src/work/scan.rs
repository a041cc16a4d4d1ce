//! Requests for scans: submitted by anybody, run by exactly one worker at a time.

use calipso_model::{Map, Str};
use serde::{Deserialize, Serialize};

use crate::{records::Collection, work::row::Row};

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
    /// Done; some steps failed, as the report says.
    CompletedWithErrors,
    /// Could not be done.
    Failed,
    /// Cancelled.
    Aborted,
}

impl ScanStatus {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Pending, Self::Running, Self::Completed, Self::CompletedWithErrors, Self::Failed, Self::Aborted];

    /// Its name.
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
    /// Objects.
    Inventory,
    /// Links.
    Links,
    /// Cliques.
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
    /// Of so many.
    pub stages: u64,
    /// Fetchers run so far.
    pub steps_done: u64,
    /// Fetchers known to be run; grows while parents are found.
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
    /// Begin as if nothing had been known.
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
    /// How many workers have begun it.
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
    /// Figures of its report: objects, links, cliques, failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Map>,
    /// When this document last changed.
    pub updated_millis: i64,
}

impl Row for ScanTask {
    const COLLECTION: Collection = Collection::Scans;
}
