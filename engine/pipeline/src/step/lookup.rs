//! `lookup`: known objects by the values of their attributes.

use std::sync::Arc;

use calipso_expr::{EvalError, Frame, Fuel, Tree, failed::holds_marker};
use calipso_model::{Str, Value};
use calipso_spec::checked::{Condition, LookupStep};

use crate::known::Known;
use crate::step::{fault, spoiled};

/// The documents that meet all conditions, in the order of their ids.
///
/// # Errors
/// A condition's value is not known or not evaluable.
pub(crate) fn lookup(step: &LookupStep, known: &Known, frame: &Frame) -> Result<Vec<Value>, EvalError> {
    let mut tests: Vec<(&Str, Test)> = Vec::with_capacity(step.filter.len());
    for (attribute, condition) in &step.filter {
        tests.push((attribute, Test::new(condition, frame)?));
    }
    let Some(table) = known.table(&step.object_type) else { return Ok(Vec::new()) };
    if tests.is_empty() {
        return Ok(table.documents().to_vec());
    }
    let by_index = tests.iter().find_map(|(attribute, test)| match test {
        Test::Is(value) => Some(table.with(attribute, value)),
        Test::Has(_) | Test::AnyOf(_) => None,
    });
    let found = by_index.map_or_else(|| table.numbers(), Arc::new);
    // What is compared is read alone: most objects are not wanted.
    let fits =
        |number: &&u32| tests.iter().all(|(attribute, test)| test.holds(table.field(**number, attribute).as_ref()));
    Ok(found.iter().filter(fits).filter_map(|number| table.document(*number)).collect())
}

enum Test {
    Is(Value),
    Has(Value),
    AnyOf(Vec<Value>),
}

impl Test {
    fn new(condition: &Condition, frame: &Frame) -> Result<Self, EvalError> {
        let value = |tree: &Tree| {
            let value = tree.eval(frame, &mut Fuel::default())?;
            if holds_marker(&value) { Err(spoiled()) } else { Ok(value) }
        };
        Ok(match condition {
            Condition::Is(tree) => Self::Is(value(tree)?),
            Condition::Has(tree) => Self::Has(value(tree)?),
            Condition::AnyOf(tree) => match value(tree)? {
                Value::List(items) => Self::AnyOf(items.to_vec()),
                other => return Err(fault(format!("any_of needs a list, found {}", other.kind()))),
            },
        })
    }

    fn holds(&self, found: Option<&Value>) -> bool {
        let found = found.unwrap_or(&Value::Null);
        match self {
            Self::Is(wanted) => found == wanted,
            Self::Has(wanted) => found.as_list().is_some_and(|items| items.contains(wanted)),
            Self::AnyOf(wanted) => wanted.contains(found),
        }
    }
}
