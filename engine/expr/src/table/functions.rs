//! The table of functions.

use std::collections::BTreeSet;

use calipso_model::Value;

use super::{Function, Yields};
use crate::{error::OpError, failed, fuel::Fuel, table::lists::Ordered};

/// Every function, in the order of the reference.
pub static ALL: &[Function] = &[Function {
    name: "overlap",
    usage: "overlap(a, b)",
    does: "whether two lists have an element in common; null and undefined count as the empty list",
    yields: Yields::Bool,
    args: 2,
    run: |args, fuel| match args {
        [Value::Null, Value::Null | Value::List(_)] | [Value::List(_), Value::Null] => Ok(Value::Bool(false)),
        [Value::List(a), Value::List(b)] => overlap(a, b, fuel).map(Value::Bool),
        [Value::List(_) | Value::Null, other] | [other, _] => {
            Err(OpError::new(format!("`overlap` takes two lists, not {}", other.kind())))
        }
        _ => Err(OpError::new("`overlap` takes two lists")),
    },
}];

fn overlap(a: &[Value], b: &[Value], fuel: &mut Fuel) -> Result<bool, OpError> {
    fuel.burn((a.len() + b.len()) as u64)?;
    let found = if a.len().min(b.len()) <= 8 {
        a.iter().any(|item| !failed::is_marker(item) && b.contains(item))
    } else {
        let known: BTreeSet<Ordered<'_>> = a.iter().filter(|item| !failed::is_marker(item)).map(Ordered).collect();
        b.iter().any(|item| known.contains(&Ordered(item)))
    };
    if !found && a.iter().chain(b).any(failed::is_marker) { Err(OpError::Failed) } else { Ok(found) }
}
