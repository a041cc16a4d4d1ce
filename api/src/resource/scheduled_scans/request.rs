//! A schedule as clients write it.

use calipso_model::Str;
use calipso_store::work::{self, FieldProblem, Schedule, ScheduleStatus};
use jiff::{civil, tz::TimeZone};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    problem::{FieldError, Problem},
    resource::scans::{LogLevel, only},
};

/// How often.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Recurrence {
    Once,
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
    Cron,
}

impl From<Recurrence> for work::Recurrence {
    fn from(recurrence: Recurrence) -> Self {
        match recurrence {
            Recurrence::Once => Self::Once,
            Recurrence::Hourly => Self::Hourly,
            Recurrence::Daily => Self::Daily,
            Recurrence::Weekly => Self::Weekly,
            Recurrence::Monthly => Self::Monthly,
            Recurrence::Yearly => Self::Yearly,
            Recurrence::Cron => Self::Cron,
        }
    }
}

/// A scan to be done again and again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleRequest {
    /// Name of the environment.
    #[schema(min_length = 1, max_length = 256)]
    pub(super) env_name: String,
    #[schema(inline)]
    recurrence: Recurrence,
    /// Five fields of cron, with `CRON` only.
    #[schema(min_length = 1, max_length = 256)]
    cron: Option<String>,
    /// IANA name of the time zone in which days and hours are counted; UTC when not given.
    #[schema(min_length = 1, max_length = 64)]
    time_zone: Option<String>,
    /// The first time: RFC 3339, or without an offset the local time of the time zone. Now when not given.
    #[schema(min_length = 1, max_length = 64)]
    scheduled_timestamp: Option<String>,
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
}

impl ScheduleRequest {
    /// The schedule, not yet planned.
    pub(super) fn schedule(&self, user: &Str) -> Result<Schedule, Problem> {
        let time_zone: Str = self.time_zone.as_deref().unwrap_or("UTC").into();
        let first = match &self.scheduled_timestamp {
            None => "".into(),
            Some(text) => millis(text, &time_zone).map(work::stamp).ok_or_else(|| {
                let sentence = "is not a time such as 2026-01-31T12:00:00Z or 2026-01-31T12:00";
                Problem::rejected(vec![FieldError::body("/scheduled_timestamp", sentence)])
            })?,
        };
        Ok(Schedule {
            environment: self.env_name.as_str().into(),
            recurrence: self.recurrence.into(),
            cron: self.cron.as_deref().map(Into::into),
            time_zone,
            first_timestamp: first,
            only: only(self.scan_only_inventory, self.scan_only_links, self.scan_only_cliques)?,
            clear: self.clear,
            log_level: self.log_level.as_str().into(),
            submitted_by: user.clone(),
            ..Schedule::default()
        })
    }
}

/// A time with an offset, or a local time of a zone, in milliseconds since 1970 UTC.
fn millis(text: &str, time_zone: &str) -> Option<i64> {
    work::unstamp(text).or_else(|| {
        let local: civil::DateTime = text.parse().ok()?;
        let zone = if time_zone == "UTC" { TimeZone::UTC } else { TimeZone::get(time_zone).ok()? };
        Some(local.to_zoned(zone).ok()?.timestamp().as_millisecond())
    })
}

/// A schedule that replaces another, with its next time.
pub(super) fn planned(mut schedule: Schedule, now_millis: i64) -> Result<Schedule, Vec<FieldProblem>> {
    schedule.validate(now_millis)?;
    if schedule.first_timestamp.is_empty() {
        schedule.first_timestamp = work::stamp(now_millis);
    }
    schedule.scheduled_timestamp = schedule.first_planned(now_millis)?.map(work::stamp);
    schedule.status = ScheduleStatus::Upcoming;
    schedule.submit_timestamp = work::stamp(now_millis);
    Ok(schedule)
}

/// What is wrong with a schedule, told with the names that clients use.
pub(super) fn problem(found: &[FieldProblem]) -> Problem {
    let name = |field: &'static str| match field {
        "first_timestamp" => "scheduled_timestamp",
        "environment" => "env_name",
        other => other,
    };
    let error = |problem: &FieldProblem| FieldError::body(format!("/{}", name(problem.field)), &*problem.sentence);
    Problem::rejected(found.iter().map(error).collect())
}
