//! Evaluation: our tree over our values, with fuel, and with undefined as a fault unless the text says otherwise.

use std::borrow::Cow;

use calipso_model::{Map, Str, Value};

use crate::{
    error::EvalError,
    failed,
    layout::Frame,
    syntax::{Comparison, Kind, Math, Node},
    table,
};

/// Longest list that an evaluation may make.
pub const MAX_LIST: usize = 1_000_000;

/// How much work an evaluation may do: one unit per node, one per element of a list that is made or read.
#[derive(Clone, Debug)]
pub struct Fuel {
    left: u64,
}

impl Fuel {
    /// So many units.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Self { left: units }
    }

    /// Units that are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    #[inline]
    pub(crate) fn burn(&mut self, units: u64) -> Result<(), String> {
        if self.left < units {
            self.left = 0;
            return Err("the evaluation takes too long: out of fuel".to_owned());
        }
        self.left -= units;
        Ok(())
    }
}

impl Default for Fuel {
    fn default() -> Self {
        Self::new(10_000_000)
    }
}

/// What a node yields: a value, or the news that a path broke off.
pub(crate) enum Out<'a> {
    Is(Cow<'a, Value>),
    Missing(String),
}

impl<'a> Out<'a> {
    fn owned(value: impl Into<Value>) -> Self {
        Out::Is(Cow::Owned(value.into()))
    }
}

fn fault(node: &Node, message: impl Into<String>) -> EvalError {
    EvalError { message: message.into(), start: node.start as usize, end: node.end as usize, failed: false }
}

fn checked<'a>(node: &Node, value: Cow<'a, Value>) -> Result<Out<'a>, EvalError> {
    if let Value::Str(text) = value.as_ref()
        && failed::is_text(text)
    {
        return Err(EvalError { failed: true, ..fault(node, "this depends on a step that failed") });
    }
    Ok(Out::Is(value))
}

/// Evaluates a node; what is undefined is a fault.
pub(crate) fn value<'a>(node: &'a Node, frame: &'a Frame, fuel: &mut Fuel) -> Result<Cow<'a, Value>, EvalError> {
    match open(node, frame, fuel)? {
        Out::Is(value) => Ok(value),
        Out::Missing(what) => Err(fault(node, what)),
    }
}

/// Evaluates a node; what is undefined is `Missing`.
pub(crate) fn open<'a>(node: &'a Node, frame: &'a Frame, fuel: &mut Fuel) -> Result<Out<'a>, EvalError> {
    fuel.burn(1).map_err(|message| fault(node, message))?;
    Ok(match &node.kind {
        Kind::Const(value) => Out::Is(Cow::Borrowed(value)),
        Kind::Slot(slot, name) => match frame.get(*slot) {
            Some(value) => checked(node, Cow::Borrowed(value))?,
            None => Out::Missing(format!("`{name}` is undefined")),
        },
        Kind::Attr(inner, name) => match open(inner, frame, fuel)? {
            Out::Missing(what) => Out::Missing(what),
            Out::Is(Cow::Borrowed(Value::Map(map))) => match map.get(name) {
                Some(value) => checked(node, Cow::Borrowed(value))?,
                None => Out::Missing(format!("`{name}` is undefined")),
            },
            Out::Is(holder) => match holder.as_ref() {
                Value::Map(map) => match map.get(name) {
                    Some(value) => checked(node, Cow::Owned(value.clone()))?,
                    None => Out::Missing(format!("`{name}` is undefined")),
                },
                Value::Null => Out::Missing(format!("`{name}` is undefined: what should hold it is null")),
                other => Out::Missing(format!("`{name}` is undefined: {} has no attributes", other.kind())),
            },
        },
        Kind::Item(inner, index) => {
            let Out::Is(index) = open(index, frame, fuel)? else {
                return Ok(Out::Missing("the index is undefined".to_owned()));
            };
            match open(inner, frame, fuel)? {
                Out::Missing(what) => Out::Missing(what),
                Out::Is(holder) => match item(&holder, &index) {
                    Some(value) => checked(node, Cow::Owned(value))?,
                    None => Out::Missing(format!("element {} is undefined", index.to_json())),
                },
            }
        }
        Kind::Slice(inner, parts) => match open(inner, frame, fuel)? {
            Out::Missing(what) => Out::Missing(what),
            Out::Is(holder) => {
                let mut numbers = [None; 3];
                for (number, part) in numbers.iter_mut().zip(parts) {
                    if let Some(part) = part {
                        let bound = value(part, frame, fuel)?;
                        *number = match bound.as_ref() {
                            Value::Null => None,
                            Value::Int(bound) => Some(*bound),
                            other => {
                                return Err(fault(part, format!("a slice wants whole numbers, not {}", other.kind())));
                            }
                        };
                    }
                }
                Out::Is(Cow::Owned(slice(&holder, numbers).map_err(|message| fault(node, message))?))
            }
        },
        Kind::Not(inner) => Out::owned(!truth(&*value(inner, frame, fuel)?)),
        Kind::Neg(inner) => match value(inner, frame, fuel)?.as_ref() {
            Value::Int(number) => Out::owned(number.checked_neg().ok_or_else(|| fault(node, "number too large"))?),
            Value::Float(number) => Out::owned(-number),
            other => return Err(fault(node, format!("{} cannot be negated", other.kind()))),
        },
        Kind::And(left, right) => {
            let left = value(left, frame, fuel)?;
            if truth(&left) { Out::Is(value(right, frame, fuel)?) } else { Out::Is(left) }
        }
        Kind::Or(left, right) => {
            let left = value(left, frame, fuel)?;
            if truth(&left) { Out::Is(left) } else { Out::Is(value(right, frame, fuel)?) }
        }
        Kind::Math(op, left, right) => {
            let (left, right) = (value(left, frame, fuel)?, value(right, frame, fuel)?);
            Out::owned(math(*op, &left, &right, fuel).map_err(|message| fault(node, message))?)
        }
        Kind::Concat(left, right) => {
            let mut text = String::new();
            for part in [left, right] {
                let value = value(part, frame, fuel)?;
                join_text(&mut text, &value).map_err(|message| fault(part, message))?;
            }
            fuel.burn(text.len() as u64 / 64).map_err(|message| fault(node, message))?;
            Out::owned(text)
        }
        Kind::Compare(first, ops) => {
            let mut left = value(first, frame, fuel)?;
            for (op, right) in ops {
                let right = value(right, frame, fuel)?;
                if !compare(*op, &left, &right, fuel).map_err(|message| fault(node, message))? {
                    return Ok(Out::owned(false));
                }
                left = right;
            }
            Out::owned(true)
        }
        Kind::If(test, then, other) => {
            if truth(&*value(test, frame, fuel)?) {
                open(then, frame, fuel)?
            } else {
                match other {
                    Some(other) => open(other, frame, fuel)?,
                    None => Out::owned(Value::Null),
                }
            }
        }
        Kind::Filter(entry, inner, args) => {
            let input = open(inner, frame, fuel)?;
            if entry.name == "default" {
                return match input {
                    Out::Is(value) => Ok(Out::Is(value)),
                    Out::Missing(_) => match args.positional.first() {
                        Some(other) => Ok(Out::Is(value(other, frame, fuel)?)),
                        None => Ok(Out::owned(Value::Null)),
                    },
                };
            }
            let input = match input {
                Out::Is(value) => value,
                Out::Missing(what) => return Err(fault(inner, what)),
            };
            let mut positional = Vec::with_capacity(args.positional.len());
            for (number, arg) in args.positional.iter().enumerate() {
                // The host to put into a URL may be undefined; every other argument must be there.
                let given = match open(arg, frame, fuel)? {
                    Out::Is(value) => value.into_owned(),
                    Out::Missing(_) if entry.open_args && number == 0 => Value::Null,
                    Out::Missing(what) => return Err(fault(arg, what)),
                };
                positional.push(given);
            }
            let mut named = Vec::with_capacity(args.named.len());
            for (name, arg) in &args.named {
                named.push((name.clone(), value(arg, frame, fuel)?.into_owned()));
            }
            let result = (entry.run)(&input, &table::Given { positional: &positional, named: &named }, fuel);
            match result {
                Ok(value) => checked(node, Cow::Owned(value))?,
                Err(table::Trouble::Failed) => {
                    return Err(EvalError { failed: true, ..fault(node, "this depends on a step that failed") });
                }
                Err(table::Trouble::Says(message)) => return Err(fault(node, format!("`{}`: {message}", entry.name))),
            }
        }
        Kind::Test(entry, inner, args) => {
            let input = match open(inner, frame, fuel)? {
                Out::Is(value) => Some(value),
                Out::Missing(_) if entry.open => None,
                Out::Missing(what) => return Err(fault(inner, what)),
            };
            let mut given = Vec::with_capacity(args.len());
            for arg in args {
                given.push(value(arg, frame, fuel)?);
            }
            let given: Vec<&Value> = given.iter().map(AsRef::as_ref).collect();
            Out::owned((entry.run)(input.as_deref(), &given).map_err(|message| fault(node, message))?)
        }
        Kind::Function(entry, args) => {
            let mut given = Vec::with_capacity(args.len());
            for arg in args {
                given.push(match open(arg, frame, fuel)? {
                    Out::Is(value) => value,
                    Out::Missing(_) => Cow::Owned(Value::Null),
                });
            }
            let given: Vec<&Value> = given.iter().map(AsRef::as_ref).collect();
            Out::owned((entry.run)(&given).map_err(|message| fault(node, message))?)
        }
        Kind::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(value(item, frame, fuel)?.into_owned());
            }
            Out::owned(list)
        }
        Kind::Map(entries) => {
            let mut pairs = Vec::with_capacity(entries.len());
            for (key, item) in entries {
                let name = match value(key, frame, fuel)?.as_ref() {
                    Value::Str(text) => text.clone(),
                    other => return Err(fault(key, format!("the key of a map is text, not {}", other.kind()))),
                };
                pairs.push((name, value(item, frame, fuel)?.into_owned()));
            }
            Out::owned(Map::from_pairs(pairs))
        }
    })
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

pub(crate) fn item(holder: &Value, index: &Value) -> Option<Value> {
    match (holder, index) {
        (Value::Map(map), Value::Str(name)) => map.get(name).cloned(),
        (Value::Map(map), Value::Int(number)) => map.get(&number.to_string()).cloned(),
        (Value::List(items), Value::Int(number)) => {
            let place =
                if *number < 0 { items.len().checked_sub(number.unsigned_abs() as usize)? } else { *number as usize };
            items.get(place).cloned()
        }
        (Value::Str(text), Value::Int(number)) => {
            let characters: Vec<char> = text.chars().collect();
            let place = if *number < 0 {
                characters.len().checked_sub(number.unsigned_abs() as usize)?
            } else {
                *number as usize
            };
            characters.get(place).map(|character| Value::from(character.to_string()))
        }
        _ => None,
    }
}

fn slice(holder: &Value, [start, stop, step]: [Option<i64>; 3]) -> Result<Value, String> {
    if step.is_some_and(|step| step <= 0) {
        return Err("the step of a slice is positive".to_owned());
    }
    let step = step.unwrap_or(1) as usize;
    let bounds = |len: usize| {
        let place = |bound: i64| {
            if bound < 0 { len.saturating_sub(bound.unsigned_abs() as usize) } else { (bound as usize).min(len) }
        };
        let start = start.map_or(0, place);
        (start, stop.map_or(len, place).max(start))
    };
    match holder {
        Value::Str(text) if text.is_ascii() && step == 1 => {
            let (start, stop) = bounds(text.len());
            Ok(Value::text(text.get(start..stop).unwrap_or_default()))
        }
        Value::Str(text) => {
            let (start, stop) = bounds(text.chars().count());
            Ok(Value::from(text.chars().skip(start).take(stop - start).step_by(step).collect::<String>()))
        }
        Value::List(items) => {
            let (start, stop) = bounds(items.len());
            Ok(Value::list(items.iter().skip(start).take(stop - start).step_by(step).cloned().collect()))
        }
        Value::Null => Ok(Value::list(Vec::new())),
        other => Err(format!("{} cannot be sliced", other.kind())),
    }
}

/// Appends the text form of a scalar.
pub(crate) fn join_text(text: &mut String, value: &Value) -> Result<(), String> {
    use std::fmt::Write as _;
    match value {
        Value::Str(part) => text.push_str(part),
        Value::Int(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Float(number) => {
            let _ = write!(text, "{number}");
        }
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Null => return Err("null cannot be joined into text; use `| default('')`".to_owned()),
        other => return Err(format!("{} cannot be joined into text", other.kind())),
    }
    Ok(())
}

fn math(op: Math, left: &Value, right: &Value, fuel: &mut Fuel) -> Result<Value, String> {
    if let (Math::Add, Value::List(a), Value::List(b)) = (op, left, right) {
        fuel.burn((a.len() + b.len()) as u64)?;
        if a.len() + b.len() > MAX_LIST {
            return Err("the list would be too long".to_owned());
        }
        return Ok(Value::list(a.iter().chain(b.iter()).cloned().collect()));
    }
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => {
            let whole = match op {
                Math::Add => a.checked_add(*b),
                Math::Sub => a.checked_sub(*b),
                Math::Mul => a.checked_mul(*b),
                Math::Div => {
                    if *b == 0 {
                        return Err("division by zero".to_owned());
                    }
                    return Ok(Value::Float(*a as f64 / *b as f64));
                }
                Math::FloorDiv | Math::Rem if *b == 0 => return Err("division by zero".to_owned()),
                Math::FloorDiv => a.checked_div_euclid(*b),
                Math::Rem => a.checked_rem_euclid(*b),
                Math::Pow => u32::try_from(*b).ok().and_then(|power| a.checked_pow(power)),
            };
            whole.map(Value::Int).ok_or_else(|| "the number is too large".to_owned())
        }
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            let number = |value: &Value| match value {
                Value::Int(number) => *number as f64,
                Value::Float(number) => *number,
                _ => f64::NAN,
            };
            let (a, b) = (number(left), number(right));
            let result = match op {
                Math::Add => a + b,
                Math::Sub => a - b,
                Math::Mul => a * b,
                Math::Div => a / b,
                Math::FloorDiv => (a / b).floor(),
                Math::Rem => a.rem_euclid(b),
                Math::Pow => a.powf(b),
            };
            if result.is_finite() { Ok(Value::Float(result)) } else { Err("the result is no number".to_owned()) }
        }
        _ => Err(format!("arithmetic needs numbers, not {} and {}", left.kind(), right.kind())),
    }
}

pub(crate) fn compare(op: Comparison, left: &Value, right: &Value, fuel: &mut Fuel) -> Result<bool, String> {
    let ordered = |wanted: &[std::cmp::Ordering]| match (left, right) {
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_))
        | (Value::Str(_), Value::Str(_))
        | (Value::Bool(_), Value::Bool(_)) => wanted.contains(&left.total_cmp(right)),
        _ => false,
    };
    use std::cmp::Ordering::{Equal, Greater, Less};
    Ok(match op {
        Comparison::Eq => left == right,
        Comparison::Ne => left != right,
        Comparison::Lt => ordered(&[Less]),
        Comparison::Le => ordered(&[Less, Equal]),
        Comparison::Gt => ordered(&[Greater]),
        Comparison::Ge => ordered(&[Greater, Equal]),
        Comparison::In => contains(left, right, fuel)?,
        Comparison::NotIn => !contains(left, right, fuel)?,
    })
}

pub(crate) fn contains(needle: &Value, holder: &Value, fuel: &mut Fuel) -> Result<bool, String> {
    match holder {
        Value::List(items) => {
            fuel.burn(items.len() as u64)?;
            Ok(items.iter().any(|item| item == needle))
        }
        Value::Map(map) => Ok(needle.as_str().is_some_and(|key| map.contains_key(key))),
        Value::Str(text) => match needle {
            Value::Str(part) => Ok(text.contains(part.as_ref())),
            other => Err(format!("`in` a text looks for text, not {}", other.kind())),
        },
        Value::Null => Err("`in` needs a list, map or text, not null; use `| default([])`".to_owned()),
        other => Err(format!("`in` needs a list, map or text, not {}", other.kind())),
    }
}

/// Follows a dotted path; nothing where it breaks off.
pub(crate) fn path(value: &Value, path: &str) -> Option<Value> {
    let mut here = Cow::Borrowed(value);
    for part in path.split('.') {
        let next = match here.as_ref() {
            Value::Map(map) => map.get(part).cloned(),
            Value::List(_) => part.parse::<i64>().ok().and_then(|number| item(&here, &Value::Int(number))),
            _ => None,
        };
        here = Cow::Owned(next?);
    }
    Some(here.into_owned())
}

/// Makes a text of parts.
pub(crate) fn text_of(value: &Value) -> Option<Str> {
    let mut text = String::new();
    join_text(&mut text, value).ok()?;
    Some(text.into())
}
