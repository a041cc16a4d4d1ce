//! Operators over values: truth, elements, slices, arithmetic, comparison, joining text.

use std::{
    borrow::Cow,
    cmp::Ordering::{Equal, Greater, Less},
    fmt::Write as _,
};

use calipso_model::{Str, Value};

use crate::{error::OpError, failed, fuel::Fuel};

/// An operator between two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Math {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

/// An operator that compares two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// Whether a value counts as true: everything but null, false, 0, empty text, list or map.
#[must_use]
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Str(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
    }
}

fn position(index: i64, len: usize) -> Option<usize> {
    if index < 0 { len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?) } else { usize::try_from(index).ok() }
}

/// An element: of a map by key, of a list or text by place, counted from the end when negative.
pub(crate) fn item<'v>(holder: &'v Value, index: &Value) -> Option<Cow<'v, Value>> {
    match (holder, index) {
        (Value::Map(map), Value::Str(name)) => map.get(name).map(Cow::Borrowed),
        (Value::Map(map), Value::Int(number)) => map.get(&number.to_string()).map(Cow::Borrowed),
        (Value::List(items), Value::Int(number)) => items.get(position(*number, items.len())?).map(Cow::Borrowed),
        (Value::Str(text), Value::Int(number)) => {
            let found = if *number < 0 {
                text.chars().rev().nth(usize::try_from(number.unsigned_abs()).ok()?.checked_sub(1)?)
            } else {
                text.chars().nth(usize::try_from(*number).ok()?)
            };
            found.map(|character| Cow::Owned(Value::text(character.encode_utf8(&mut [0; 4]))))
        }
        _ => None,
    }
}

/// Whether an element is not there only because something is not known.
pub(crate) fn hides(holder: &Value, index: &Value) -> bool {
    match (holder, index) {
        (Value::Map(map), Value::Str(name)) => !map.contains_key(name) && failed::hides(map, name),
        (Value::Map(map), Value::Int(number)) => {
            let name = number.to_string();
            !map.contains_key(&name) && failed::hides(map, &name)
        }
        _ => false,
    }
}

/// First place and the place behind the last of a slice.
fn range(start: Option<i64>, stop: Option<i64>, len: usize) -> (usize, usize) {
    let clamp = |bound: i64| {
        if bound < 0 { position(bound, len).unwrap_or(0) } else { position(bound, len).unwrap_or(len).min(len) }
    };
    let start = start.map_or(0, clamp);
    (start, stop.map_or(len, clamp).max(start))
}

/// A slice of a text that is ASCII.
pub(crate) fn part_of_text(text: &str, start: Option<i64>, stop: Option<i64>) -> &str {
    let (start, stop) = range(start, stop, text.len());
    text.get(start..stop).unwrap_or_default()
}

pub(crate) fn slice(holder: &Value, bounds: [Option<i64>; 3], fuel: &mut Fuel) -> Result<Value, OpError> {
    let [start, stop, step] = bounds;
    let step = match step {
        None => 1,
        Some(step) => usize::try_from(step)
            .ok()
            .filter(|step| *step > 0)
            .ok_or_else(|| OpError::new("the step of a slice is a positive number"))?,
    };
    let range = |len: usize| range(start, stop, len);
    match holder {
        Value::Str(text) if step == 1 && text.is_ascii() => {
            let (start, stop) = range(text.len());
            fuel.text(stop - start)?;
            Ok(Value::text(text.get(start..stop).unwrap_or_default()))
        }
        Value::Str(text) => {
            fuel.text(text.len())?;
            let (start, stop) = range(text.chars().count());
            Ok(Value::from(text.chars().skip(start).take(stop - start).step_by(step).collect::<String>()))
        }
        Value::List(items) => {
            let (start, stop) = range(items.len());
            fuel.list((stop - start) / step)?;
            Ok(Value::list(items.iter().skip(start).take(stop - start).step_by(step).cloned().collect()))
        }
        Value::Null => Ok(Value::Null),
        other => Err(OpError::new(format!("{} cannot be sliced", other.kind()))),
    }
}

/// Appends the text form of a scalar: text as it is, numbers and bools as in JSON.
pub(crate) fn join_text(text: &mut String, value: &Value, fuel: &mut Fuel) -> Result<(), OpError> {
    match value {
        Value::Str(part) => {
            fuel.text(part.len())?;
            text.push_str(part);
        }
        Value::Int(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Float(number) => {
            let _ = write!(text, "{number:?}");
        }
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Null => {
            return Err(OpError::new("null cannot be joined into text; use `| default('')`, or ask `is none`"));
        }
        other => return Err(OpError::new(format!("{} cannot be joined into text", other.kind()))),
    }
    Ok(())
}

/// The text form of a scalar; nothing for null, lists and maps.
pub(crate) fn text_of(value: &Value) -> Option<Str> {
    if let Value::Str(text) = value {
        return Some(text.clone());
    }
    let mut text = String::new();
    join_text(&mut text, value, &mut Fuel::new(u64::MAX)).ok()?;
    Some(text.into())
}

pub(crate) fn math(op: Math, left: &Value, right: &Value, fuel: &mut Fuel) -> Result<Value, OpError> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            if *b == 0 && matches!(op, Math::Div | Math::FloorDiv | Math::Rem) {
                return Err(OpError::new("division by zero"));
            }
            let whole = match op {
                Math::Add => a.checked_add(*b),
                Math::Sub => a.checked_sub(*b),
                Math::Mul => a.checked_mul(*b),
                Math::Div => return Ok(Value::Float(*a as f64 / *b as f64)),
                Math::FloorDiv => floor_div(*a, *b).map(|(quotient, _)| quotient),
                Math::Rem => floor_div(*a, *b).map(|(_, rest)| rest),
                Math::Pow => u32::try_from(*b).ok().and_then(|power| a.checked_pow(power)),
            };
            whole.map(Value::Int).ok_or_else(|| OpError::new("the number is too large"))
        }
        (Value::List(a), Value::List(b)) if op == Math::Add => {
            fuel.list(a.len() + b.len())?;
            Ok(Value::list(a.iter().chain(b.iter()).cloned().collect()))
        }
        _ => {
            let (Some(a), Some(b)) = (real(left), real(right)) else {
                return Err(OpError::new(format!(
                    "arithmetic needs numbers, not {} and {}",
                    left.kind(),
                    right.kind()
                )));
            };
            let result = match op {
                Math::Add => a + b,
                Math::Sub => a - b,
                Math::Mul => a * b,
                Math::Div => a / b,
                Math::FloorDiv => (a / b).floor(),
                Math::Rem => a - b * (a / b).floor(),
                Math::Pow => a.powf(b),
            };
            if result.is_finite() {
                Ok(Value::Float(result))
            } else {
                Err(OpError::new("the result is no finite number"))
            }
        }
    }
}

/// Quotient rounded down, and the rest, which has the sign of the divisor.
fn floor_div(a: i64, b: i64) -> Option<(i64, i64)> {
    let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
    if rest != 0 && (rest < 0) != (b < 0) { Some((quotient - 1, rest + b)) } else { Some((quotient, rest)) }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

pub(crate) fn compare(op: Comparison, left: &Value, right: &Value, fuel: &mut Fuel) -> Result<bool, OpError> {
    let order = || match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Str(a), Value::Str(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => real(left)?.partial_cmp(&real(right)?),
        _ => None,
    };
    let part_of = |value: &Value| matches!(value, Value::List(_) | Value::Map(_)) && failed::holds_marker(value);
    if matches!(op, Comparison::Eq | Comparison::Ne) && (part_of(left) || part_of(right)) {
        return Err(OpError::Failed);
    }
    Ok(match op {
        Comparison::Eq => left == right,
        Comparison::Ne => left != right,
        Comparison::Lt => order() == Some(Less),
        Comparison::Le => matches!(order(), Some(Less | Equal)),
        Comparison::Gt => order() == Some(Greater),
        Comparison::Ge => matches!(order(), Some(Greater | Equal)),
        Comparison::In => contains(left, right, fuel)?,
        Comparison::NotIn => !contains(left, right, fuel)?,
    })
}

pub(crate) fn contains(needle: &Value, holder: &Value, fuel: &mut Fuel) -> Result<bool, OpError> {
    match holder {
        Value::List(items) => {
            fuel.burn(items.len() as u64)?;
            let mut unknown = false;
            for item in items.iter() {
                if failed::is_marker(item) {
                    unknown = true;
                } else if item == needle {
                    return Ok(true);
                }
            }
            if unknown { Err(OpError::Failed) } else { Ok(false) }
        }
        Value::Map(map) => match needle.as_str() {
            Some(key) if map.contains_key(key) => Ok(true),
            Some(key) if failed::hides(map, key) => Err(OpError::Failed),
            _ => Ok(false),
        },
        Value::Str(text) => match needle {
            Value::Str(part) => {
                fuel.text(text.len())?;
                Ok(text.contains(part.as_ref()))
            }
            other => Err(OpError::new(format!("`in` a text looks for text, not {}", other.kind()))),
        },
        Value::Null => {
            Err(OpError::new("`in` needs a list, map or text, not null; use `| default([])` or `| as_list`"))
        }
        other => Err(OpError::new(format!("`in` needs a list, map or text, not {}", other.kind()))),
    }
}

/// Follows a dotted path; nothing where it breaks off.
pub(crate) fn path<'v>(value: &'v Value, path: &str) -> Result<Option<&'v Value>, OpError> {
    let mut here = value;
    for part in path.split('.') {
        if failed::is_marker(here) {
            return Err(OpError::Failed);
        }
        let next = match here {
            Value::Map(map) if !map.contains_key(part) && failed::hides(map, part) => return Err(OpError::Failed),
            Value::Map(map) => map.get(part),
            Value::List(items) => part.parse::<usize>().ok().and_then(|number| items.get(number)),
            _ => None,
        };
        match next {
            Some(found) => here = found,
            None => return Ok(None),
        }
    }
    if failed::is_marker(here) { Err(OpError::Failed) } else { Ok(Some(here)) }
}
