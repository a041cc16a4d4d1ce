//! Tests and functions.

use calipso_model::Value;

use super::{Function, Test};
use crate::eval::{Fuel, compare, contains};
use crate::syntax::Comparison;

const fn entry(
    name: &'static str,
    does: &'static str,
    args: usize,
    run: fn(Option<&Value>, &[&Value]) -> Result<bool, String>,
) -> Test {
    Test { name, does, args, open: false, run }
}

/// Every test, in the order of the reference.
pub static TESTS: &[Test] = &[
    Test {
        name: "defined",
        does: "the value is there; a path may break off here",
        args: 0,
        open: true,
        run: |v, _| Ok(v.is_some()),
    },
    Test { name: "undefined", does: "the value is not there", args: 0, open: true, run: |v, _| Ok(v.is_none()) },
    Test {
        name: "none",
        does: "the value is null or not there",
        args: 0,
        open: true,
        run: |v, _| Ok(v.is_none_or(Value::is_null)),
    },
    entry("eq", "equal; different types are never equal", 1, |v, a| Ok(v == a.first().copied())),
    entry("ne", "not equal", 1, |v, a| Ok(v != a.first().copied())),
    entry("lt", "less", 1, |v, a| ordered(Comparison::Lt, v, a)),
    entry("le", "less or equal", 1, |v, a| ordered(Comparison::Le, v, a)),
    entry("gt", "greater", 1, |v, a| ordered(Comparison::Gt, v, a)),
    entry("ge", "greater or equal", 1, |v, a| ordered(Comparison::Ge, v, a)),
    entry("in", "an element of the list, a key of the map, a part of the text", 1, |v, a| match (v, a.first()) {
        (Some(value), Some(holder)) => contains(value, holder, &mut Fuel::default()),
        _ => Ok(false),
    }),
    entry("startingwith", "a text that begins with the argument", 1, |v, a| texts(v, a, |x, y| x.starts_with(y))),
    entry("endingwith", "a text that ends with the argument", 1, |v, a| texts(v, a, |x, y| x.ends_with(y))),
    entry("containing", "a list, map or text that contains the argument", 1, |v, a| match (v, a.first()) {
        (Some(value), Some(part)) => contains(part, value, &mut Fuel::default()),
        _ => Ok(false),
    }),
    entry("subset_of", "a map whose every entry, or a list whose every element, is in the argument", 1, subset_of),
    entry("true", "is true", 0, |v, _| Ok(v == Some(&Value::Bool(true)))),
    entry("false", "is false", 0, |v, _| Ok(v == Some(&Value::Bool(false)))),
    entry("string", "is text", 0, |v, _| Ok(matches!(v, Some(Value::Str(_))))),
    entry("number", "is a number", 0, |v, _| Ok(matches!(v, Some(Value::Int(_) | Value::Float(_))))),
    entry("mapping", "is a map", 0, |v, _| Ok(matches!(v, Some(Value::Map(_))))),
    entry("sequence", "is a list", 0, |v, _| Ok(matches!(v, Some(Value::List(_))))),
    entry("odd", "is an odd number", 0, |v, _| Ok(v.and_then(Value::as_int).is_some_and(|n| n.rem_euclid(2) == 1))),
    entry("even", "is an even number", 0, |v, _| Ok(v.and_then(Value::as_int).is_some_and(|n| n.rem_euclid(2) == 0))),
];

fn ordered(op: Comparison, value: Option<&Value>, args: &[&Value]) -> Result<bool, String> {
    match (value, args.first()) {
        (Some(value), Some(other)) => compare(op, value, other, &mut Fuel::default()),
        _ => Ok(false),
    }
}

fn texts(value: Option<&Value>, args: &[&Value], holds: fn(&str, &str) -> bool) -> Result<bool, String> {
    match (value, args.first()) {
        (Some(Value::Str(text)), Some(Value::Str(part))) => Ok(holds(text, part)),
        _ => Ok(false),
    }
}

fn subset_of(value: Option<&Value>, args: &[&Value]) -> Result<bool, String> {
    match (value, args.first()) {
        (Some(Value::Map(small)), Some(Value::Map(large))) => {
            Ok(small.iter().all(|(key, value)| large.get(key) == Some(value)))
        }
        (Some(Value::List(small)), Some(Value::List(large))) => Ok(small.iter().all(|item| large.contains(item))),
        (Some(value), Some(other)) => {
            Err(format!("`subset_of` compares two maps or two lists, not {} and {}", value.kind(), other.kind()))
        }
        _ => Ok(false),
    }
}

/// Every function, in the order of the reference.
pub static FUNCTIONS: &[Function] = &[Function {
    name: "overlap",
    does: "whether two lists have an element in common; null and undefined count as the empty list",
    args: 2,
    run: |args| match args {
        [Value::Null, _] | [_, Value::Null] => Ok(Value::Bool(false)),
        [Value::List(a), Value::List(b)] => Ok(Value::Bool(a.iter().any(|item| b.contains(item)))),
        [a, b] => Err(format!("`overlap` takes two lists, not {} and {}", a.kind(), b.kind())),
        _ => Err("`overlap` takes two lists".to_owned()),
    },
}];
