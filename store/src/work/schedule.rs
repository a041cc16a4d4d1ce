//! Schedules: when a scan is asked for again.

use calipso_model::Str;
use serde::{Deserialize, Serialize};

use crate::{
    records::Collection,
    work::{row::Row, scan::ScanOnly},
};

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Recurrence {
    /// At one time.
    #[default]
    Once,
    /// Every hour.
    Hourly,
    /// Every day at the same local time.
    Daily,
    /// Every week.
    Weekly,
    /// Every month; where a month is too short, on its last day.
    Monthly,
    /// Every year.
    Yearly,
    /// As the cron expression says.
    Cron,
}

/// Where a schedule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleStatus {
    /// Has not run yet.
    #[default]
    Upcoming,
    /// Has run, and will again.
    Ongoing,
    /// Will not run any more.
    Finished,
}

/// One schedule.
///
/// # Shape
/// The planned times of a recurrence follow from `first_timestamp` and the time zone alone, never from when a worker
/// happened to look: there is no drift. Times that passed while no worker ran are made up for by one scan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// What is scanned.
    pub environment: Str,
    /// How often.
    pub recurrence: Recurrence,
    /// Five fields of cron; only with [`Recurrence::Cron`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<Str>,
    /// IANA time zone in which days and hours are counted.
    pub time_zone: Str,
    /// The first planned time.
    pub first_timestamp: Str,
    /// The next planned time; empty when it is finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_timestamp: Option<Str>,
    /// The planned time that ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<Str>,
    /// Where it stands.
    pub status: ScheduleStatus,
    /// The only part to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<ScanOnly>,
    /// Begin as if nothing had been known.
    pub clear: bool,
    /// What messages the scans leave.
    pub log_level: Str,
    /// Who made it.
    pub submitted_by: Str,
    /// When it was made.
    pub submit_timestamp: Str,
    /// How many planned times passed while no worker ran, or while the environment was being scanned.
    pub missed: u64,
}

impl Row for Schedule {
    const COLLECTION: Collection = Collection::ScheduledScans;
}
