//! Puts the values of many elements together: a list, or a map by key.

use std::collections::BTreeMap;

use calipso_expr::{EvalError, Expr, Frame, Fuel, failed};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{Step, Take};

use crate::step::{fault, spoiled};
use crate::{
    answer::{FailureKind, Why},
    step::Run,
};

/// Values gathered so far.
pub(crate) struct Items<'a> {
    key: Option<&'a Expr>,
    list: Vec<Value>,
    map: BTreeMap<Str, Vec<Value>>,
    /// A value whose key is not known: any key may be concerned.
    keyless: bool,
}

impl<'a> Items<'a> {
    pub(crate) fn new(step: &'a Step) -> Self {
        Self { key: step.key.as_ref(), list: Vec::new(), map: BTreeMap::new(), keyless: false }
    }

    /// Adds the value of one element; a value that is not known is kept as such.
    pub(crate) fn add(&mut self, frame: &Frame, item: Result<Value, EvalError>, run: &mut Run, step: &Step) {
        let value = match item {
            Ok(value) => value,
            Err(error) => {
                run.fault(step, &error);
                failed::marker()
            }
        };
        let Some(key) = self.key else {
            self.list.push(value);
            return;
        };
        match text_key(key, frame) {
            Ok(Some(_)) if value.is_null() => {}
            Ok(Some(key)) => self.map.entry(key).or_default().push(value),
            Ok(None) => {}
            Err(error) => {
                run.fault(step, &error);
                self.keyless = true;
            }
        }
    }

    /// The result.
    ///
    /// # Errors
    /// It cannot be known; with a reason where none was reported yet.
    pub(crate) fn finish(self, take: Take) -> Result<Value, Option<Why>> {
        if self.keyless {
            return Err(None);
        }
        if self.key.is_none() {
            return taken(self.list, take, false).map_err(Some);
        }
        let mut pairs = Vec::with_capacity(self.map.len());
        for (key, values) in self.map {
            pairs.push((key, taken(values, take, true).map_err(Some)?));
        }
        Ok(Value::Map(Map::from_pairs(pairs)))
    }
}

/// What `take` makes of several values.
///
/// # Errors
/// `one` met none or several.
pub(crate) fn taken(mut values: Vec<Value>, take: Take, sorted: bool) -> Result<Value, Why> {
    Ok(match take {
        Take::All => Value::list(values),
        Take::First => values.into_iter().next().unwrap_or_default(),
        Take::Last => values.pop().unwrap_or_default(),
        Take::One => match <[Value; 1]>::try_from(values) {
            Ok([value]) => value,
            Err(values) => {
                let sentence = format!("exactly one was needed, found {}", values.len());
                return Err(Why::new(FailureKind::Take, sentence));
            }
        },
        Take::Distinct => {
            let mut kept: Vec<Value> = Vec::with_capacity(values.len());
            if sorted {
                values.sort_by(Value::total_cmp);
                values.dedup();
                kept = values;
            } else {
                let mut seen = std::collections::BTreeSet::new();
                for value in values {
                    if seen.insert(value.to_json()) {
                        kept.push(value);
                    }
                }
            }
            Value::list(kept)
        }
    })
}

/// A key of a map: text, or a number or truth value in its text form; nothing when it is null, absent or empty.
pub(crate) fn text_key(key: &Expr, frame: &Frame) -> Result<Option<Str>, EvalError> {
    let value = key.eval_opt(frame, &mut Fuel::default())?;
    match value {
        Some(ref marked) if failed::is_marker(marked) => Err(spoiled()),
        None | Some(Value::Null) => Ok(None),
        Some(Value::Str(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(number @ (Value::Int(_) | Value::Float(_) | Value::Bool(_))) => Ok(Some(number.to_json().into())),
        Some(other) => Err(fault(format!("a key needs text, found {}", other.kind()))),
    }
}
