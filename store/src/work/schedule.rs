//! Schedules: when a scan is asked for again.

mod cron;
mod due;
mod plan;

use std::fmt;

use calipso_model::Str;
use serde::{Deserialize, Serialize};

pub use due::due;

use crate::{
    error::StoreError,
    records::{Collection, Records},
    work::{
        message::Level,
        row::{self, Row, Versioned, stamp, unstamp},
        scan::ScanOnly,
        schedule::plan::Plan,
    },
};

/// How often a schedule is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Recurrence {
    /// At one time.
    #[default]
    Once,
    /// Every hour, at the minute of the first time.
    Hourly,
    /// Every day at the same local time.
    Daily,
    /// Every week, on the weekday of the first time.
    Weekly,
    /// Every month; where a month is too short, on its last day.
    Monthly,
    /// Every year, on the date of the first time.
    Yearly,
    /// As the cron expression says.
    Cron,
}

impl Recurrence {
    /// All of them.
    pub const ALL: &'static [Self] =
        &[Self::Once, Self::Hourly, Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly, Self::Cron];

    /// The word that documents hold.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "ONCE",
            Self::Hourly => "HOURLY",
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
            Self::Cron => "CRON",
        }
    }
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
///
/// Days, weeks, months and years are counted on the calendar of the time zone, from the first time: the 31st becomes the last
/// day of shorter months, and the 31st again of longer ones. A local time that a change of clocks leaves out is as much later
/// as the clocks are moved; one that comes twice is meant the first time. Hours are real hours, and so are those of a cron
/// expression whose hour is `*`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// What is scanned.
    pub environment: Str,
    /// How often it is due.
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
    /// Forget all that is known before the scan.
    pub clear: bool,
    /// What messages the scans leave.
    pub log_level: Str,
    /// Who made it.
    pub submitted_by: Str,
    /// When it was made.
    pub submit_timestamp: Str,
    /// How many planned times passed while no worker ran, or while the environment was being scanned.
    pub missed: u64,
    /// Why it is finished, if not because its last time is past.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Str>,
}

impl Row for Schedule {
    const COLLECTION: Collection = Collection::ScheduledScans;
}

/// What is wrong with one field of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// Name of the field that is wrong.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub sentence: String,
}

impl FieldProblem {
    fn new(field: &'static str, sentence: impl Into<String>) -> Self {
        Self { field, sentence: sentence.into() }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.sentence)
    }
}

impl Schedule {
    /// The next planned time after another, in milliseconds since 1970 UTC; nothing when there is no further one.
    ///
    /// # Errors
    /// The fields that are wrong.
    pub fn next_after(&self, millis: i64) -> Result<Option<i64>, Vec<FieldProblem>> {
        Ok(Plan::of(self)?.next_after(millis))
    }

    /// The first planned time that is not past; nothing when all are.
    ///
    /// # Errors
    /// The fields that are wrong.
    pub fn first_planned(&self, now_millis: i64) -> Result<Option<i64>, Vec<FieldProblem>> {
        self.next_after(now_millis.saturating_sub(1))
    }

    /// Whether it can be kept: every field that is wrong, with what to do.
    ///
    /// # Errors
    /// The fields that are wrong.
    pub fn validate(&self, now_millis: i64) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        if self.environment.is_empty() {
            problems.push(FieldProblem::new("environment", "a schedule needs an environment"));
        }
        if !self.log_level.is_empty() && Level::from_name(&self.log_level).is_none() {
            let sentence = format!("`{}` is no level; write error, warning, info or debug", self.log_level);
            problems.push(FieldProblem::new("log_level", sentence));
        }
        match Plan::of(&self.begun(now_millis)) {
            Err(found) => problems.extend(found),
            Ok(_) if self.recurrence == Recurrence::Once && self.first_timestamp.is_empty() => {
                problems.push(FieldProblem::new("first_timestamp", "a schedule that runs once needs a time"));
            }
            Ok(plan) if plan.next_after(now_millis.saturating_sub(1)).is_none() => {
                problems.push(match self.recurrence {
                    Recurrence::Cron => FieldProblem::new(
                        "cron",
                        "no such time comes within forty years; correct the day, the month or the day of the week",
                    ),
                    _ => FieldProblem::new("first_timestamp", "the time is past; name one in the future"),
                })
            }
            Ok(_) => {}
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The same with a first time and a time zone where none is named: now, UTC.
    fn begun(&self, now_millis: i64) -> Self {
        let mut begun = self.clone();
        if begun.first_timestamp.is_empty() {
            begun.first_timestamp = stamp(now_millis);
        }
        if begun.time_zone.is_empty() {
            begun.time_zone = "UTC".into();
        }
        begun
    }
}

/// Stores a schedule. The first time defaults to now, the time zone to UTC; fields that only workers write are reset.
///
/// # Errors
/// [`StoreError::Invalid`] with every field that is wrong ([`Schedule::validate`] tells them apart).
pub async fn create(
    records: &dyn Records,
    schedule: Schedule,
    now_millis: i64,
) -> Result<Versioned<Schedule>, StoreError> {
    schedule.validate(now_millis).map_err(|problems| invalid(&problems))?;
    let mut fresh = schedule.begun(now_millis);
    let planned = fresh.first_planned(now_millis).map_err(|problems| invalid(&problems))?;
    fresh.first_timestamp = unstamp(&fresh.first_timestamp).map(stamp).unwrap_or_default();
    fresh.scheduled_timestamp = planned.map(stamp);
    fresh.last_timestamp = None;
    fresh.status = ScheduleStatus::Upcoming;
    fresh.log_level = Level::from_name(&fresh.log_level).unwrap_or_default().as_str().into();
    fresh.submit_timestamp = stamp(now_millis);
    fresh.missed = 0;
    fresh.problem = None;
    row::insert(records, &row::new_id(now_millis)?, fresh).await
}

/// Removes a schedule; scans that it asked for stay. Tells whether it was there.
///
/// # Errors
/// Those of the store.
pub async fn remove(records: &dyn Records, id: &str) -> Result<bool, StoreError> {
    records.remove(Collection::ScheduledScans, id, None).await
}

fn invalid(problems: &[FieldProblem]) -> StoreError {
    let sentences: Vec<String> = problems.iter().map(ToString::to_string).collect();
    StoreError::invalid(sentences.join("; "))
}
