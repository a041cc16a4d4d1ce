//! Filters about addresses, URLs and times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use calipso_model::Value;

use super::{Given, Trouble};
use crate::eval::Fuel;

/// Address and prefix length of `a.b.c.d/n`, or of a map with `local` and `prefixlen`.
fn address(value: &Value) -> Result<(IpAddr, u8), Trouble> {
    let (text, length) = match value {
        Value::Str(text) => {
            let (address, length) = text
                .split_once('/')
                .ok_or_else(|| Trouble::says(format!("`{text}` is no address with a prefix length")))?;
            (address.to_owned(), length.parse::<u8>().ok())
        }
        Value::Map(map) => {
            let address = map.text("local").ok_or_else(|| Trouble::says("the map has no text `local`"))?.to_string();
            let length = match map.get("prefixlen") {
                Some(Value::Int(length)) => u8::try_from(*length).ok(),
                Some(Value::Str(length)) => length.parse().ok(),
                _ => None,
            };
            (address, length)
        }
        other => return Err(Trouble::says(format!("an address is text or a map, not {}", other.kind()))),
    };
    let address: IpAddr = text.parse().map_err(|_| Trouble::says(format!("`{text}` is no IP address")))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length
        .filter(|length| *length <= most)
        .ok_or_else(|| Trouble::says("the prefix length is no number in range"))?;
    Ok((address, length))
}

fn network(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
        }
    }
}

pub(super) fn cidr_of(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let (address, length) = address(value)?;
    Ok(Value::from(format!("{}/{length}", network(address, length))))
}

pub(super) fn netmask(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let length = match value {
        Value::Int(length) => u8::try_from(*length).ok().filter(|length| *length <= 32),
        Value::Str(text) if !text.contains('/') => text.parse::<u8>().ok().filter(|length| *length <= 32),
        other => match address(other)? {
            (IpAddr::V4(_), length) => Some(length),
            (IpAddr::V6(_), _) => None,
        },
    };
    let length = length.ok_or_else(|| Trouble::says("a netmask is made of an IPv4 prefix length"))?;
    Ok(Value::from(Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_string()))
}

pub(super) fn ip_in(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let text = value.as_str().ok_or_else(|| Trouble::says(format!("an address is text, not {}", value.kind())))?;
    let inside: IpAddr = text.parse().map_err(|_| Trouble::says(format!("`{text}` is no IP address")))?;
    let (around, length) = address(&Value::text(given.text(0, "the network")?))?;
    Ok(Value::Bool(inside.is_ipv4() == around.is_ipv4() && network(inside, length) == network(around, length)))
}

pub(super) fn with_host(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let url = value.as_str().ok_or_else(|| Trouble::says(format!("a URL is text, not {}", value.kind())))?;
    let host = match given.at(0) {
        None | Some(Value::Null) => return Ok(value.clone()),
        Some(Value::Str(host)) => host.clone(),
        Some(other) => return Err(Trouble::says(format!("a host is text, not {}", other.kind()))),
    };
    let valid = !host.is_empty()
        && host.chars().all(|character| character.is_ascii_alphanumeric() || ".-_:[]".contains(character));
    if !valid {
        return Err(Trouble::says(format!("`{host}` is no host")));
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(|| Trouble::says(format!("`{url}` is no absolute URL")))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let after_user = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = match after_user.rfind(']') {
        Some(bracket) => &after_user[bracket + 1..],
        None => after_user.find(':').map_or("", |colon| &after_user[colon..]),
    };
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_string() };
    Ok(Value::from(format!("{scheme}://{host}{port}{tail}")))
}

/// Seconds since 1970 of an RFC 3339 text, `YYYY-MM-DD HH:MM:SS` (UTC), or of a number.
pub(super) fn timestamp(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    seconds(value).map(
        |seconds| {
            if seconds.fract() == 0.0 { Value::Int(seconds as i64) } else { Value::Float(seconds) }
        },
    )
}

pub(super) fn plus_secs(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Result<Value, Trouble> {
    let more = match given.at(0) {
        Some(Value::Int(more)) => *more as f64,
        Some(Value::Float(more)) => *more,
        _ => return Err(Trouble::says("the seconds are a number")),
    };
    let sum = seconds(value)? + more;
    Ok(if sum.fract() == 0.0 { Value::Int(sum as i64) } else { Value::Float(sum) })
}

fn seconds(value: &Value) -> Result<f64, Trouble> {
    match value {
        Value::Int(seconds) => Ok(*seconds as f64),
        Value::Float(seconds) => Ok(*seconds),
        Value::Str(text) => parse_time(text).ok_or_else(|| Trouble::says(format!("`{text}` is no time"))),
        other => Err(Trouble::says(format!("a time is text or a number, not {}", other.kind()))),
    }
}

fn parse_time(text: &str) -> Option<f64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let separators = [text.get(4..5)?, text.get(7..8)?, text.get(10..11)?, text.get(13..14)?, text.get(16..17)?];
    if separators[..2] != ["-", "-"] || !["T", "t", " "].contains(&separators[2]) || separators[3..] != [":", ":"] {
        return None;
    }
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (fraction, zone) = rest.split_at(zone_at);
    let fraction: f64 = match fraction.strip_prefix('.') {
        Some(digits) if digits.chars().all(|digit| digit.is_ascii_digit()) => format!("0.{digits}0").parse().ok()?,
        None if fraction.is_empty() => 0.0,
        _ => return None,
    };
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let digits: String = zone.get(1..)?.chars().filter(|character| *character != ':').collect();
            if digits.len() != 4 {
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
