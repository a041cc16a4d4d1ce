//! Filters about lists.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet};

use calipso_model::{Map, Value};

use super::{Given, filter, look, test};
use crate::{
    error::OpError,
    failed,
    fuel::Fuel,
    ops::{join_text, path, truth},
};

type Answer = Result<Value, OpError>;

/// A value in the total order of values: by kind, then by content.
pub(crate) struct Ordered<'v>(pub &'v Value);

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Ordered<'_> {}
impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(other.0)
    }
}

/// The elements of a list, the keys of a map, the characters of a text; paid for.
fn elements<'v>(value: &'v Value, fuel: &mut Fuel) -> Result<Cow<'v, [Value]>, OpError> {
    match value {
        Value::List(items) => {
            fuel.list(items.len())?;
            Ok(Cow::Borrowed(items))
        }
        Value::Map(map) => {
            fuel.list(map.len())?;
            Ok(Cow::Owned(map.keys().cloned().map(Value::Str).collect()))
        }
        Value::Str(text) => {
            fuel.list(text.chars().count())?;
            Ok(Cow::Owned(text.chars().map(|one| Value::text(one.encode_utf8(&mut [0; 4]))).collect()))
        }
        Value::Null => Err(OpError::new("takes a list, not null; use `| default([])` or `| as_list`")),
        other => Err(OpError::new(format!("takes a list, not {}", other.kind()))),
    }
}

/// Whether a filter may treat each element by itself; one that is not known then stays what it is, and costs no other.
fn part_known(found: Answer) -> Answer {
    match found {
        Err(OpError::Failed) => Ok(failed::marker()),
        other => other,
    }
}

/// Elements that will be looked at: a failed one is a failure.
fn looked<'v>(value: &'v Value, fuel: &mut Fuel) -> Result<Cow<'v, [Value]>, OpError> {
    let items = elements(value, fuel)?;
    if items.iter().any(failed::is_marker) { Err(OpError::Failed) } else { Ok(items) }
}

pub(super) fn as_list(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Answer {
    Ok(match value {
        Value::Null => Value::list(Vec::new()),
        Value::List(_) => value.clone(),
        other => Value::list(vec![other.clone()]),
    })
}

pub(super) fn list(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(match elements(value, fuel)? {
        Cow::Borrowed(_) => value.clone(),
        Cow::Owned(items) => Value::list(items),
    })
}

pub(super) fn first(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    match value {
        Value::List(items) => Ok(items.first().cloned().unwrap_or_default()),
        other => Ok(elements(other, fuel)?.first().cloned().unwrap_or_default()),
    }
}

pub(super) fn last(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    match value {
        Value::List(items) => Ok(items.last().cloned().unwrap_or_default()),
        other => Ok(elements(other, fuel)?.last().cloned().unwrap_or_default()),
    }
}

pub(super) fn length(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Answer {
    let n_elements = match value {
        // One that is not known may stand for none or for many.
        Value::List(items) if items.iter().any(failed::is_marker) => return Err(OpError::Failed),
        Value::Map(map) if failed::note(map).is_some() => return Err(OpError::Failed),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        Value::Str(text) => text.chars().count(),
        other => return Err(OpError::new(format!("{} has no length", other.kind()))),
    };
    i64::try_from(n_elements).map(Value::Int).map_err(|_| OpError::new("the length is too large"))
}

pub(super) fn map(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let items = elements(value, fuel)?;
    let mut mapped = Vec::with_capacity(items.len());
    if let Some(attribute) = given.named_text("attribute")? {
        let other = given.named("default");
        let of = |item: &Value| match path(item, attribute)?.or(other) {
            Some(found) => Ok(found.clone()),
            None => Err(OpError::new(format!("an element has no `{attribute}`; give `default=` if that may be"))),
        };
        for item in items.iter() {
            mapped.push(part_known(of(item))?);
        }
        return Ok(Value::list(mapped));
    }
    let entry = filter(given.text(0, "the filter")?).ok_or_else(|| OpError::new("there is no such filter"))?;
    let rest = Given { positional: given.positional.get(1..).unwrap_or_default(), named: &[], pattern: given.pattern };
    for item in items.iter() {
        mapped.push(part_known(look(item).and_then(|item| (entry.run)(item, &rest, fuel)))?);
    }
    Ok(Value::list(mapped))
}

fn passes(value: Option<&Value>, given: &Given<'_>, at: usize, fuel: &mut Fuel) -> Result<bool, OpError> {
    let Some(_) = given.at(at) else { return Ok(value.is_some_and(truth)) };
    let entry = test(given.text(at, "the test")?).ok_or_else(|| OpError::new("there is no such test"))?;
    if value.is_none() && !entry.open {
        return Ok(false);
    }
    (entry.run)(value, given.at(at + 1), fuel)
}

fn choose(value: &Value, given: &Given<'_>, fuel: &mut Fuel, wanted: bool) -> Answer {
    // Dropping nulls looks at no element: what is not known stays in the list.
    let opaque = !wanted && given.at(0).and_then(Value::as_str) == Some("none");
    let mut chosen = Vec::new();
    for item in elements(value, fuel)?.iter() {
        let holds =
            if opaque { Ok(item.is_null()) } else { look(item).and_then(|item| passes(Some(item), given, 0, fuel)) };
        chosen.extend(keep_if(holds, wanted, item)?);
    }
    Ok(Value::list(chosen))
}

/// The element where it is chosen; the mark where that is not known.
fn keep_if(holds: Result<bool, OpError>, wanted: bool, item: &Value) -> Result<Option<Value>, OpError> {
    match holds {
        Ok(holds) => Ok((holds == wanted).then(|| item.clone())),
        Err(OpError::Failed) => Ok(Some(failed::marker())),
        Err(other) => Err(other),
    }
}

pub(super) fn select(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    choose(value, given, fuel, true)
}

pub(super) fn reject(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    choose(value, given, fuel, false)
}

fn choose_attribute(value: &Value, given: &Given<'_>, fuel: &mut Fuel, wanted: bool) -> Answer {
    let attribute = given.text(0, "the attribute")?;
    let mut chosen = Vec::new();
    for item in elements(value, fuel)?.iter() {
        let holds = path(item, attribute).and_then(|found| passes(found, given, 1, fuel));
        chosen.extend(keep_if(holds, wanted, item)?);
    }
    Ok(Value::list(chosen))
}

pub(super) fn selectattr(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    choose_attribute(value, given, fuel, true)
}

pub(super) fn rejectattr(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    choose_attribute(value, given, fuel, false)
}

pub(super) fn sort(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let items = looked(value, fuel)?;
    let rounds = u64::from(usize::BITS - items.len().leading_zeros());
    fuel.burn(items.len() as u64 * rounds)?;
    let attribute = given.named_text("attribute")?;
    let exact = given.flag("case_sensitive", true)?;
    let mut keyed = Vec::with_capacity(items.len());
    for item in items.iter() {
        let key = match attribute {
            Some(attribute) => path(item, attribute)?.cloned().unwrap_or_default(),
            None => item.clone(),
        };
        keyed.push(match &key {
            Value::Str(text) if !exact => (Value::from(text.to_lowercase()), item),
            _ => (key, item),
        });
    }
    if given.flag("reverse", false)? {
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
    } else {
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item.clone()).collect()))
}

pub(super) fn reverse(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(Value::list(elements(value, fuel)?.iter().rev().cloned().collect()))
}

pub(super) fn distinct(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let items = elements(value, fuel)?;
    let mut seen = BTreeSet::new();
    let mut keep_if = Vec::new();
    for item in items.iter() {
        if failed::holds_marker(item) || seen.insert(Ordered(item)) {
            keep_if.push(item.clone());
        }
    }
    Ok(Value::list(keep_if))
}

pub(super) fn flatten(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let items = elements(value, fuel)?;
    let n_elements = items.iter().map(|item| item.as_list().map_or(1, <[Value]>::len)).fold(0, usize::saturating_add);
    fuel.list(n_elements)?;
    let mut flat = Vec::with_capacity(n_elements);
    for item in items.iter() {
        match item {
            Value::List(inner) => flat.extend(inner.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Ok(Value::list(flat))
}

pub(super) fn merged(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let mut pairs = Vec::new();
    let mut any_key = false;
    for item in elements(value, fuel)?.iter() {
        match item {
            // What it would add is not known; what the others say is.
            unknown if failed::is_marker(unknown) => any_key = true,
            Value::Map(map) if failed::note(map).is_some() => {
                fuel.list(map.len())?;
                any_key = true;
                pairs.extend(map.iter().filter(|(key, _)| !failed::is_text(key)).cloned());
            }
            Value::Map(map) => {
                fuel.list(map.len())?;
                pairs.extend(map.iter().cloned());
            }
            Value::Null => {}
            other => return Err(OpError::new(format!("merges maps, not {}", other.kind()))),
        }
    }
    let mut map = Map::from_pairs(pairs);
    if any_key {
        failed::open(&mut map, [failed::Ends::default()]);
    }
    Ok(Value::Map(map))
}

pub(super) fn min(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(looked(value, fuel)?.iter().min_by(|a, b| a.total_cmp(b)).cloned().unwrap_or_default())
}

pub(super) fn max(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(looked(value, fuel)?.iter().max_by(|a, b| a.total_cmp(b)).cloned().unwrap_or_default())
}

/// The element, or its attribute.
fn part<'v>(item: &'v Value, attribute: Option<&str>) -> Result<&'v Value, OpError> {
    match attribute {
        None => Ok(item),
        Some(attribute) => {
            path(item, attribute)?.ok_or_else(|| OpError::new(format!("an element has no `{attribute}`")))
        }
    }
}

pub(super) fn sum(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let attribute = given.named_text("attribute")?;
    let (mut whole, mut real, mut exact) = (0i64, 0f64, true);
    for item in looked(value, fuel)?.iter() {
        match part(item, attribute)? {
            Value::Int(number) => {
                whole = whole.checked_add(*number).ok_or_else(|| OpError::new("the sum is too large"))?;
                real += *number as f64;
            }
            Value::Float(number) => {
                exact = false;
                real += number;
            }
            other => return Err(OpError::new(format!("adds numbers, not {}", other.kind()))),
        }
    }
    Ok(if exact { Value::Int(whole) } else { Value::Float(real) })
}

pub(super) fn join(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let separator = if given.at(0).is_some() { given.text(0, "the separator")? } else { "" };
    let attribute = given.named_text("attribute")?;
    let mut text = String::new();
    for (number, item) in looked(value, fuel)?.iter().enumerate() {
        if number > 0 {
            fuel.text(separator.len())?;
            text.push_str(separator);
        }
        join_text(&mut text, part(item, attribute)?, fuel)?;
    }
    Ok(Value::from(text))
}
