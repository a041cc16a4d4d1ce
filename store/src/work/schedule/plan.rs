//! The planned times of a schedule.

use jiff::{Timestamp, ToSpan, civil::DateTime, tz::TimeZone};

use crate::work::{
    row::unstamp,
    schedule::{FieldProblem, Recurrence, Schedule, cron::Cron},
};

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

/// A schedule with its fields parsed.
pub(super) struct Plan {
    /// The first time, in milliseconds since 1970 UTC.
    first: i64,
    zone: TimeZone,
    times: Times,
}

enum Times {
    Once,
    Hourly,
    /// The first time, and times at a fixed distance of days or months after it.
    Days(i64),
    Months(i64),
    Cron(Box<Cron>),
}

impl Plan {
    pub(super) fn of(schedule: &Schedule) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let zone_name = if schedule.time_zone.is_empty() { "UTC" } else { &schedule.time_zone };
        let zone = TimeZone::get(zone_name).unwrap_or_else(|_| {
            let sentence = format!("there is no time zone `{zone_name}`; write one like UTC or Europe/Berlin");
            problems.push(FieldProblem::new("time_zone", sentence));
            TimeZone::UTC
        });
        let first = unstamp(&schedule.first_timestamp).unwrap_or_else(|| {
            let sentence = format!(
                "`{}` is no time; write it in the form 2026-01-31T02:00:00Z, with Z or a distance to UTC at its end",
                schedule.first_timestamp
            );
            problems.push(FieldProblem::new("first_timestamp", sentence));
            0
        });
        let times = match (schedule.recurrence, &schedule.cron) {
            (Recurrence::Cron, Some(text)) => match Cron::new(text, zone_name, &zone) {
                Ok(cron) => Times::Cron(Box::new(cron)),
                Err(sentence) => {
                    problems.push(FieldProblem::new("cron", sentence));
                    Times::Once
                }
            },
            (Recurrence::Cron, None) => {
                problems.push(FieldProblem::new("cron", "the recurrence CRON needs a cron expression"));
                Times::Once
            }
            (_, Some(_)) => {
                problems.push(FieldProblem::new("cron", "only the recurrence CRON takes a cron expression"));
                Times::Once
            }
            (Recurrence::Once, None) => Times::Once,
            (Recurrence::Hourly, None) => Times::Hourly,
            (Recurrence::Daily, None) => Times::Days(1),
            (Recurrence::Weekly, None) => Times::Days(7),
            (Recurrence::Monthly, None) => Times::Months(1),
            (Recurrence::Yearly, None) => Times::Months(12),
        };
        if problems.is_empty() { Ok(Self { first, zone, times }) } else { Err(problems) }
    }

    /// The first planned time after `after`, in milliseconds since 1970 UTC.
    pub(super) fn next_after(&self, after: i64) -> Option<i64> {
        if let Times::Cron(cron) = &self.times {
            let after = Timestamp::from_millisecond(after.max(self.first.saturating_sub(1))).ok()?;
            return cron.next_after(after).map(Timestamp::as_millisecond);
        }
        if after < self.first {
            return Some(self.first);
        }
        match self.times {
            Times::Once | Times::Cron(_) => None,
            Times::Hourly => Some(self.first + (after - self.first) / HOUR * HOUR + HOUR),
            Times::Days(step) => self.next_on_calendar(after, |first, local| {
                let days = (local.date() - first.date()).get_days();
                i64::from(days) / step
            }),
            Times::Months(step) => self.next_on_calendar(after, |first, local| {
                let months = |date: DateTime| i64::from(date.year()) * 12 + i64::from(date.month());
                (months(local) - months(first)) / step
            }),
        }
    }

    /// Steps on the calendar from two before the time asked about: a day may be left out by a change of clocks.
    fn next_on_calendar(&self, after: i64, steps: impl Fn(DateTime, DateTime) -> i64) -> Option<i64> {
        let first = self.zone.to_datetime(Timestamp::from_millisecond(self.first).ok()?);
        let local = self.zone.to_datetime(Timestamp::from_millisecond(after).ok()?);
        let mut n = (steps(first, local) - 2).max(1);
        loop {
            let at = self.nth(first, n)?;
            if at > after {
                return Some(at);
            }
            n += 1;
        }
    }

    /// The n-th time after the first one, always counted from the first: a short month does not shorten later ones.
    fn nth(&self, first: DateTime, n: i64) -> Option<i64> {
        let span = match self.times {
            Times::Days(step) => jiff::Span::new().try_days(n.checked_mul(step)?),
            Times::Months(step) => jiff::Span::new().try_months(n.checked_mul(step)?),
            Times::Once | Times::Hourly | Times::Cron(_) => Ok(0.days()),
        };
        let local = first.checked_add(span.ok()?).ok()?;
        Some(self.zone.to_ambiguous_timestamp(local).compatible().ok()?.as_millisecond())
    }
}
