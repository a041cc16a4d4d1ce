//! The table of tests.

use std::collections::BTreeSet;

use calipso_model::{Str, Value};

use super::{Asks, Test, lists::Ordered};
use crate::{
    error::OpError,
    failed,
    fuel::Fuel,
    ops::{Comparison, compare, contains},
};

const fn is(name: &'static str, does: &'static str, run: Asks) -> Test {
    Test { name, aliases: &[], does, args: 0, open: false, run }
}

const fn open(name: &'static str, does: &'static str, run: Asks) -> Test {
    Test { open: true, ..is(name, does, run) }
}

const fn with(name: &'static str, aliases: &'static [&'static str], does: &'static str, run: Asks) -> Test {
    Test { name, aliases, does, args: 1, open: false, run }
}

/// Every test, in the order of the reference.
pub static ALL: &[Test] = &[
    open("defined", "the value is there; a path may break off here", |v, _, _| Ok(v.is_some())),
    open("undefined", "the value is not there; a path may break off here", |v, _, _| Ok(v.is_none())),
    open("none", "the value is null or not there; a path may break off here", |v, _, _| {
        Ok(v.is_none_or(Value::is_null))
    }),
    with("eq", &["equalto", "=="], "equal; values of different types are never equal", |v, a, _| Ok(v == a)),
    with("ne", &["!="], "not equal", |v, a, _| Ok(v != a)),
    with("lt", &["lessthan", "<"], "less; false for different types", |v, a, f| ordered(Comparison::Lt, v, a, f)),
    with("le", &["<="], "less or equal; false for different types", |v, a, f| ordered(Comparison::Le, v, a, f)),
    with("gt", &["greaterthan", ">"], "greater; false for different types", |v, a, f| ordered(Comparison::Gt, v, a, f)),
    with("ge", &[">="], "greater or equal; false for different types", |v, a, f| ordered(Comparison::Ge, v, a, f)),
    with("in", &[], "an element of the list, a key of the map, a part of the text", |v, a, fuel| match (v, a) {
        (Some(value), Some(holder)) => contains(value, holder, fuel),
        _ => Ok(false),
    }),
    with("containing", &[], "a list, map or text that contains the argument", |v, a, fuel| match (v, a) {
        (Some(value), Some(part)) => contains(part, value, fuel),
        _ => Ok(false),
    }),
    with("startingwith", &[], "a text that begins with the argument", |v, a, _| {
        Ok(texts(v, a, |x, y| x.starts_with(y)))
    }),
    with("endingwith", &[], "a text that ends with the argument", |v, a, _| Ok(texts(v, a, |x, y| x.ends_with(y)))),
    with("subset_of", &[], "a map whose every entry, or a list whose every element, is in the argument", subset_of),
    is("true", "is true", |v, _, _| Ok(v == Some(&Value::Bool(true)))),
    is("false", "is false", |v, _, _| Ok(v == Some(&Value::Bool(false)))),
    is("boolean", "is true or false", |v, _, _| Ok(matches!(v, Some(Value::Bool(_))))),
    is("string", "is text", |v, _, _| Ok(matches!(v, Some(Value::Str(_))))),
    is("number", "is a number", |v, _, _| Ok(matches!(v, Some(Value::Int(_) | Value::Float(_))))),
    is("integer", "is a whole number", |v, _, _| Ok(matches!(v, Some(Value::Int(_))))),
    is("mapping", "is a map", |v, _, _| Ok(matches!(v, Some(Value::Map(_))))),
    is("sequence", "is a list", |v, _, _| Ok(matches!(v, Some(Value::List(_))))),
    is("odd", "is an odd number", |v, _, _| Ok(v.and_then(Value::as_int).is_some_and(|n| n.rem_euclid(2) == 1))),
    is("even", "is an even number", |v, _, _| Ok(v.and_then(Value::as_int).is_some_and(|n| n.rem_euclid(2) == 0))),
];

fn ordered(op: Comparison, value: Option<&Value>, arg: Option<&Value>, fuel: &mut Fuel) -> Result<bool, OpError> {
    match (value, arg) {
        (Some(value), Some(other)) => compare(op, value, other, fuel),
        _ => Ok(false),
    }
}

fn texts(value: Option<&Value>, arg: Option<&Value>, holds: fn(&str, &str) -> bool) -> bool {
    match (value, arg) {
        (Some(Value::Str(text)), Some(Value::Str(part))) => holds(text, part),
        _ => false,
    }
}

fn subset_of(value: Option<&Value>, arg: Option<&Value>, fuel: &mut Fuel) -> Result<bool, OpError> {
    match (value, arg) {
        (Some(Value::Map(small)), Some(Value::Map(large))) => {
            fuel.burn(small.len() as u64)?;
            let unknown = |(key, _): &(Str, Value)| !large.contains_key(key) && failed::hides(large, key);
            if failed::note(small).is_some() || small.iter().any(unknown) {
                return Err(OpError::Failed);
            }
            Ok(small.iter().all(|(key, value)| large.get(key) == Some(value)))
        }
        (Some(Value::List(small)), Some(Value::List(large))) => {
            fuel.burn((small.len() + large.len()) as u64)?;
            if small.iter().chain(large.iter()).any(failed::is_marker) {
                return Err(OpError::Failed);
            }
            let known: BTreeSet<Ordered<'_>> = large.iter().map(Ordered).collect();
            Ok(small.iter().all(|item| known.contains(&Ordered(item))))
        }
        (Some(value), Some(other)) => Err(OpError::new(format!(
            "`subset_of` compares two maps or two lists, not {} and {}",
            value.kind(),
            other.kind()
        ))),
        _ => Ok(false),
    }
}
