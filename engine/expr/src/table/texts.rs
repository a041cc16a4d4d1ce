//! Filters about text.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use calipso_model::{Map, Str, Value};
use regex::Regex;

use super::Given;
use crate::{
    error::OpError,
    fuel::{Fuel, MAX_LIST},
};

type Answer = Result<Value, OpError>;

fn a_text<'v>(value: &'v Value, fuel: &mut Fuel) -> Result<&'v str, OpError> {
    match value {
        Value::Str(text) => {
            fuel.text(text.len())?;
            Ok(text)
        }
        other => Err(OpError::new(format!("takes text, not {}", other.kind()))),
    }
}

pub(super) fn lower(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(Value::from(a_text(value, fuel)?.to_lowercase()))
}

pub(super) fn upper(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(Value::from(a_text(value, fuel)?.to_uppercase()))
}

pub(super) fn trim(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(Value::text(a_text(value, fuel)?.trim()))
}

pub(super) fn replace(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    let (from, to) = (given.text(0, "what is replaced")?, given.text(1, "the replacement")?);
    if from.is_empty() {
        return Err(OpError::new("what is replaced is not empty"));
    }
    fuel.text(text.matches(from).count().saturating_mul(to.len()))?;
    Ok(Value::from(text.replace(from, to)))
}

pub(super) fn split(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    let cuts = match given.at(1) {
        None => usize::MAX,
        Some(Value::Int(cuts)) => usize::try_from(*cuts).map_err(|_| OpError::new("the number of cuts is positive"))?,
        Some(other) => return Err(OpError::new(format!("the number of cuts must be a number, not {}", other.kind()))),
    };
    match given.at(0) {
        None | Some(Value::Null) => {
            fuel.list(text.split_whitespace().count())?;
            Ok(Value::list(text.split_whitespace().map(Value::text).collect()))
        }
        Some(_) => {
            let separator = given.text(0, "the separator")?;
            if separator.is_empty() {
                return Err(OpError::new("the separator is not empty"));
            }
            let n_parts = cuts.saturating_add(1);
            fuel.list(text.splitn(n_parts, separator).count())?;
            Ok(Value::list(text.splitn(n_parts, separator).map(Value::text).collect()))
        }
    }
}

pub(super) fn lines(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    fuel.list(text.lines().count())?;
    Ok(Value::list(text.lines().map(Value::text).collect()))
}

pub(super) fn strip_prefix(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    Ok(text.strip_prefix(given.text(0, "the prefix")?).map_or_else(|| value.clone(), Value::text))
}

pub(super) fn strip_suffix(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    Ok(text.strip_suffix(given.text(0, "the suffix")?).map_or_else(|| value.clone(), Value::text))
}

pub(super) fn regex_get(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let text = a_text(value, fuel)?;
    let made;
    let regex = match given.pattern {
        Some(regex) => regex,
        None => {
            made = computed(given.text(0, "the regular expression")?)?;
            &made
        }
    };
    let Some(found) = regex.captures(text) else { return Ok(Value::Null) };
    let part = match given.at(1) {
        None => found.get(0),
        Some(Value::Int(group)) => usize::try_from(*group).ok().and_then(|group| found.get(group)),
        Some(Value::Str(group)) => found.name(group),
        Some(other) => return Err(OpError::new(format!("a group is a name or a number, not {}", other.kind()))),
    };
    Ok(part.map_or(Value::Null, |part| Value::text(part.as_str())))
}

/// Most patterns that are kept compiled.
const MAX_KEPT: usize = 1000;

/// A pattern that was not written as a constant; those of a spec are compiled when it is parsed.
fn computed(pattern: &str) -> Result<Arc<Regex>, OpError> {
    static KEPT: LazyLock<Mutex<BTreeMap<String, Arc<Regex>>>> = LazyLock::new(Mutex::default);
    if let Some(known) = KEPT.lock().unwrap_or_else(PoisonError::into_inner).get(pattern) {
        return Ok(Arc::clone(known));
    }
    let regex = Regex::new(pattern).map_err(|_| OpError::new(format!("`{pattern}` is no regular expression")))?;
    let regex = Arc::new(regex);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= MAX_KEPT {
        kept.clear();
    }
    kept.insert(pattern.to_owned(), Arc::clone(&regex));
    Ok(regex)
}

pub(super) fn key_values(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    let (separator, equals) = (given.text(0, "the separator")?, given.text(1, "the sign between key and value")?);
    if separator.is_empty() || equals.is_empty() {
        return Err(OpError::new("the separators are not empty"));
    }
    let mut pairs: Vec<(Str, Value)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (part, after) = cut(rest, separator, equals).unwrap_or((rest, ""));
        rest = after;
        if part.trim().is_empty() {
            continue;
        }
        fuel.burn(1)?;
        if pairs.len() >= MAX_LIST {
            return Err(OpError::Limit("the map would have more than 1,000,000 keys"));
        }
        let (key, value) = cut(part, equals, equals).unwrap_or((part, ""));
        pairs.push((Str::from(unquoted(key)), Value::text(unquoted(value))));
    }
    Ok(Value::Map(Map::from_pairs(pairs)))
}

/// What is before and behind the first separator outside of quotes. A quote opens at the begin of a key or value only,
/// and one that is never closed is an ordinary character.
fn cut<'t>(text: &'t str, separator: &str, equals: &str) -> Option<(&'t str, &'t str)> {
    let (mut offset, mut fresh) = (0, true);
    while let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
        if let Some(after) = rest.strip_prefix(separator) {
            return Some((text.get(..offset)?, after));
        }
        if rest.starts_with(equals) {
            (offset, fresh) = (offset + equals.len(), true);
            continue;
        }
        let first = rest.chars().next()?;
        let closed = (fresh && matches!(first, '"' | '\'')).then(|| rest.get(1..)?.find(first)).flatten();
        offset += closed.map_or(first.len_utf8(), |close| close + 2);
        fresh &= first.is_whitespace();
    }
    None
}

fn unquoted(part: &str) -> &str {
    let part = part.trim();
    let inside = |quote: char| part.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('\'')).unwrap_or(part)
}
