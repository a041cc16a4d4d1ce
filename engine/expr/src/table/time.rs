//! Filters about points in time.

use calipso_model::Value;

use super::Given;
use crate::{error::OpError, fuel::Fuel};

/// Seconds since 1970 of an RFC 3339 text, `YYYY-MM-DD HH:MM:SS` (UTC), or of a number.
pub(super) fn timestamp(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    seconds(value).map(
        |seconds| {
            if seconds.fract() == 0.0 { Value::Int(seconds as i64) } else { Value::Float(seconds) }
        },
    )
}

pub(super) fn plus_secs(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, OpError> {
    let more = match given.at(0) {
        Some(Value::Int(more)) => *more as f64,
        Some(Value::Float(more)) => *more,
        _ => return Err(OpError::new("the seconds are a number")),
    };
    let sum = seconds(value)? + more;
    Ok(if sum.fract() == 0.0 { Value::Int(sum as i64) } else { Value::Float(sum) })
}

fn seconds(value: &Value) -> Result<f64, OpError> {
    match value {
        Value::Int(seconds) => Ok(*seconds as f64),
        Value::Float(seconds) => Ok(*seconds),
        Value::Str(text) => parse_time(text).ok_or_else(|| OpError::new(format!("`{text}` is no time"))),
        other => Err(OpError::new(format!("a time is text or a number, not {}", other.kind()))),
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn parse_time(text: &str) -> Option<f64> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse::<i64>().ok() } else { None }
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let separators: String = [4, 7, 10, 13, 16].iter().filter_map(|start| text.get(*start..start + 1)).collect();
    if !["--T::", "--t::", "-- ::"].contains(&separators.as_str()) {
        return None;
    }
    if !(1..=12).contains(&month)
        || !(1..=days_of(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone_at);
    let fraction: f64 = match fraction.strip_prefix('.') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            format!("0.{digits}").parse().ok()?
        }
        None if fraction.is_empty() => 0.0,
        _ => return None,
    };
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let digits: String = zone.get(1..)?.chars().filter(|character| *character != ':').collect();
            if digits.len() != 4 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            let total = digits.get(..2)?.parse::<i64>().ok()? * 3600 + digits.get(2..)?.parse::<i64>().ok()? * 60;
            if zone.starts_with('-') { -total } else { total }
        }
    };
    // Days since 1970 of a proleptic Gregorian date.
    let (shifted_year, shifted_month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    Some((days * 86_400 + hour * 3600 + minute * 60 + second - offset) as f64 + fraction)
}
