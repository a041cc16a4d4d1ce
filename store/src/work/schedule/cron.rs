//! Times by a cron expression of five fields.
//!
//! The expression is matched against the calendar of the time zone, and the local times that fit become moments as those of
//! every other recurrence do. Only an expression that runs in every hour is matched against real time: then no hour is left out and
//! none runs twice at once when clocks change.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::{
    SignedDuration, Timestamp, Zoned,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// Names of the fields, for messages.
const FIELDS: [&str; 5] = ["minute", "hour", "day of month", "month", "day of week"];
/// How far one search of the library goes.
const SEARCHED: SignedDuration = SignedDuration::from_hours(4 * 365 * 24);
/// Maximum number of such searches before an expression counts as never due.
const SEARCHES: usize = 10;
/// No change of clocks in the database of time zones leaves out more than a day.
const LONGEST_GAP: SignedDuration = SignedDuration::from_hours(25);

/// An expression and the time zone that it is read in.
pub(super) struct Cron {
    crontab: Crontab,
    zone: TimeZone,
    /// Matched against real time, not against the calendar.
    every_hour: bool,
}

impl Cron {
    /// Understands an expression; the error is a sentence with the place.
    pub(super) fn new(text: &str, zone_name: &str, zone: &TimeZone) -> Result<Self, String> {
        let fields = fields(text);
        if text.trim_start().starts_with('@') {
            return Err(format!(
                "`{}` is not understood; write five fields, or choose another recurrence",
                text.trim()
            ));
        }
        if fields.len() != FIELDS.len() {
            return Err(format!(
                "an expression has five fields ({}), and this has {}",
                FIELDS.join(", "),
                fields.len()
            ));
        }
        for index in [2, 4] {
            if let Some((start, field)) = fields.get(index)
                && let Some(at) = field.find(['l', 'L'])
            {
                return Err(format!(
                    "character {}: `L` is not understood; for the last day of every month choose the recurrence MONTHLY \
                     with a first time on a 31st",
                    character(text, start + at)
                ));
            }
        }
        let every_hour = fields.get(1).is_some_and(|(_, hour)| *hour == "*");
        let words: Vec<&str> = fields.iter().map(|(_, field)| *field).collect();
        let read = format!("{} {}", words.join(" "), if every_hour { zone_name } else { "UTC" });
        let crontab = cronexpr::parse_crontab(&read).map_err(|error| located(text, &fields, &error.to_string()))?;
        Ok(Self { crontab, zone: zone.clone(), every_hour })
    }

    /// The first time after another; nothing when none comes within forty years.
    pub(super) fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.every_hour {
            return Some(self.find(after)?.timestamp());
        }
        // Local times that a change of clocks left out are behind local time already when their moment is yet to come.
        let earlier = after.checked_sub(LONGEST_GAP).unwrap_or(Timestamp::MIN);
        let local = self.zone.to_datetime(after);
        let mut from = if self.zone.to_offset(earlier) == self.zone.to_offset(after) {
            local
        } else {
            local.min(self.zone.to_datetime(earlier))
        };
        let mut best: Option<Timestamp> = None;
        loop {
            let candidate = self.find(utc(from)?)?.datetime();
            if best.is_some_and(|best| candidate >= self.zone.to_datetime(best)) {
                return best;
            }
            let ambiguous = self.zone.to_ambiguous_timestamp(candidate);
            let left_out = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
            let moment = ambiguous.compatible().ok()?;
            if moment > after {
                best = Some(best.map_or(moment, |best| best.min(moment)));
                if !left_out {
                    return best;
                }
            }
            from = candidate;
        }
    }

    /// The library looks four years ahead; a 29th of February may be eight years away.
    fn find(&self, after: Timestamp) -> Option<Zoned> {
        let mut after = after;
        for _ in 0..SEARCHES {
            if let Ok(found) = self.crontab.find_next(MakeTimestamp(after)) {
                return Some(found);
            }
            after = after.checked_add(SEARCHED).ok()?;
        }
        None
    }
}

/// Local time as the library sees it: a moment of UTC.
fn utc(local: DateTime) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(local).ok()
}

/// The fields, each with the byte that it begins at.
fn fields(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut begin = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_whitespace(), begin) {
            (false, None) => begin = Some(at),
            (true, Some(start)) => {
                found.push((start, text.get(start..at).unwrap_or_default()));
                begin = None;
            }
            _ => {}
        }
    }
    found
}

/// The number of the character at a byte, from 1.
fn character(text: &str, byte: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < byte).count() + 1
}

/// The library's complaint, which draws a mark under what it read, as a sentence about what was written.
fn located(text: &str, fields: &[(usize, &str)], complaint: &str) -> String {
    let marked = complaint.lines().last().unwrap_or_default();
    let Some((blanks, reason)) = marked.split_once('^') else { return complaint.to_owned() };
    let mut rest = blanks.len();
    for ((start, field), name) in fields.iter().zip(FIELDS) {
        if rest <= field.len() {
            return format!("character {} ({name}): {}", character(text, start + rest), reason.trim());
        }
        rest -= field.len() + 1;
    }
    reason.trim().to_owned()
}
