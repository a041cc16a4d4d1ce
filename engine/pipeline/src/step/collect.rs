//! Puts the values of many elements together: a list, or a map by key.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::{
    EvalError, Expr, Frame, Fuel,
    failed::{self, Ends, holds_marker},
};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{Step, Take};

use crate::step::{fault, spoiled};
use crate::{
    answer::{FailureKind, StepError},
    step::Run,
};

/// Values gathered so far.
pub(crate) struct Items<'a> {
    key: Option<&'a Expr>,
    list: Vec<Value>,
    map: BTreeMap<Str, Vec<Value>>,
    /// What is known of the keys of values that would have come, too.
    unknown: BTreeSet<Ends>,
}

impl<'a> Items<'a> {
    pub(crate) fn new(step: &'a Step) -> Self {
        Self { key: step.key.as_ref(), list: Vec::new(), map: BTreeMap::new(), unknown: BTreeSet::new() }
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
                self.unknown.insert(key.known_ends(frame, &mut Fuel::default()));
            }
        }
    }

    /// The result. What could not be known is marked where it is missed, and costs no other key anything.
    ///
    /// # Errors
    /// It cannot be known, and why.
    pub(crate) fn finish(self, take: Take, run: &mut Run, step: &Step) -> Result<Value, StepError> {
        if self.key.is_none() {
            return taken(self.list, take, false);
        }
        let mut pairs = Vec::with_capacity(self.map.len());
        for (key, mut values) in self.map {
            // A list by key may lack something; of a single value what was answered counts.
            let may_lack = self.unknown.iter().any(|ends| ends.fit(&key));
            if may_lack && matches!(take, Take::All | Take::Distinct) {
                values.push(failed::marker());
            }
            let value = taken(values, take, true).unwrap_or_else(|why| {
                run.fail(step, StepError { sentence: format!("of {key:?} {}", why.sentence), ..why });
                failed::marker()
            });
            pairs.push((key, value));
        }
        let mut map = Map::from_pairs(pairs);
        failed::open(&mut map, self.unknown);
        Ok(Value::Map(map))
    }
}

/// What `take` makes of several values.
///
/// # Errors
/// `one` met none or several.
pub(crate) fn taken(mut values: Vec<Value>, take: Take, sorted: bool) -> Result<Value, StepError> {
    Ok(match take {
        Take::All => Value::list(values),
        Take::First => values.into_iter().next().unwrap_or_default(),
        Take::Last => values.pop().unwrap_or_default(),
        Take::One => match <[Value; 1]>::try_from(values) {
            Ok([value]) => value,
            Err(values) => {
                let sentence = format!("exactly one was needed, found {}", values.len());
                return Err(StepError::new(FailureKind::Take, sentence));
            }
        },
        Take::Distinct => {
            // Nobody knows whether what is not known repeats another.
            let (unknown, mut known): (Vec<Value>, Vec<Value>) = values.into_iter().partition(holds_marker);
            if sorted {
                known.sort_by(Value::total_cmp);
            }
            let mut seen = BTreeSet::new();
            known.retain(|value| seen.insert(value.to_json()));
            known.extend(unknown);
            Value::list(known)
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
