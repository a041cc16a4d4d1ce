//! What a condition proves about paths: that they do not break off.

use calipso_model::{Str, Value};

use crate::{
    expr::Expr,
    fuel::Fuel,
    layout::Slot,
    ops::{compare, truth},
    syntax::{Kind, Node},
};

/// A path that is known to be defined: a root name and keys. Its beginnings are then defined, too.
pub type DefinedPath = (Slot, Vec<Str>);

/// The paths that are defined where this condition holds (`outcome` true) or does not hold.
#[must_use]
pub fn proven(condition: &Expr, outcome: bool) -> Vec<DefinedPath> {
    let mut known = Vec::new();
    prove(condition.root(), outcome, &mut known);
    known
}

/// The constant path that a node is.
pub(super) fn path_of(node: &Node) -> Option<DefinedPath> {
    match &node.kind {
        Kind::Slot(slot) => Some((*slot, Vec::new())),
        Kind::Field(slot, name, _) => Some((*slot, vec![name.clone()])),
        Kind::Attr(inner, name) => {
            let (slot, mut path) = path_of(inner)?;
            path.push(name.clone());
            Some((slot, path))
        }
        _ => None,
    }
}

pub(super) fn prove(node: &Node, outcome: bool, known: &mut Vec<DefinedPath>) {
    match &node.kind {
        Kind::Slot(_) | Kind::Attr(..) | Kind::Field(..) => known.extend(path_of(node)),
        Kind::Not(inner) => prove(inner, !outcome, known),
        Kind::And(left, right) if outcome => {
            prove(left, true, known);
            prove(right, true, known);
        }
        Kind::Or(left, right) if !outcome => {
            prove(left, false, known);
            prove(right, false, known);
        }
        Kind::Test(entry, inner, _) => {
            let there = match entry.name {
                "defined" => outcome,
                "undefined" | "none" => !outcome,
                _ => true,
            };
            if there {
                known.extend(path_of(inner));
            }
        }
        Kind::Default(inner, other) => {
            let otherwise = match other.as_deref().map(|node| &node.kind) {
                None => Some(false),
                Some(Kind::Const(value)) => Some(truth(value)),
                Some(_) => None,
            };
            if otherwise == Some(!outcome) {
                known.extend(path_of(inner));
            }
        }
        Kind::Compare(left, ops) => {
            let [(op, right)] = ops.as_slice() else { return };
            for side in [left.as_ref(), right] {
                known.extend(path_of(side));
            }
            // `p | default('') != ''`: with the constant in place of the path the outcome would be another.
            let (Some((left_path, a)), Some((right_path, b))) = (or_constant(left), or_constant(right)) else { return };
            if compare(*op, &a, &b, &mut Fuel::default()).is_ok_and(|holds| holds != outcome) {
                // Only one side may have been replaced, else it is not known which.
                match (left_path, right_path) {
                    (Some(path), None) | (None, Some(path)) => known.push(path),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// A constant, or the constant of `path | default(constant)` with its path.
fn or_constant(node: &Node) -> Option<(Option<DefinedPath>, Value)> {
    match &node.kind {
        Kind::Const(value) => Some((None, value.clone())),
        Kind::List(items) if items.is_empty() => Some((None, Value::list(Vec::new()))),
        Kind::Default(inner, other) => {
            let value = match other.as_deref() {
                None => Value::Null,
                Some(other) => match or_constant(other)? {
                    (None, value) => value,
                    _ => return None,
                },
            };
            Some((Some(path_of(inner)?), value))
        }
        _ => None,
    }
}
