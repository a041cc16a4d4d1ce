//! What is known of a value before anything is evaluated.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Str, Value};

mod infer;
mod proof;

pub use infer::{infer, infer_each, infer_knowing, infer_parts, infer_tree};
pub use proof::{DefinedPath, proven};

/// The known facts about a value's type and content.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Nothing is known.
    Any,
    /// Only ever null.
    Null,
    /// true or false.
    Bool,
    /// A whole number.
    Int,
    /// A whole or floating-point number.
    Num,
    /// Text of any content.
    Text,
    /// One of these texts.
    Words(Arc<[Str]>),
    /// What is only known later than it is read here.
    Late,
    /// A list of these.
    List(Box<Shape>),
    /// A map with known keys; whether each is optional; whether there may be others.
    Map {
        /// Key to shape, and whether the key is optional.
        known: BTreeMap<Str, (Shape, bool)>,
        /// Whether there may be others.
        open: bool,
    },
    /// A map with any keys and values of one shape.
    Dict(Box<Shape>),
}

impl Shape {
    /// A list of elements of one shape.
    #[must_use]
    pub fn list(of: Shape) -> Self {
        Self::List(Box::new(of))
    }

    /// A closed map without optional keys.
    pub fn closed<K: Into<Str>>(known: impl IntoIterator<Item = (K, Shape)>) -> Self {
        Self::Map { known: known.into_iter().map(|(key, shape)| (key.into(), (shape, false))).collect(), open: false }
    }

    /// The same shape without knowledge about single values.
    #[must_use]
    pub fn plain(self) -> Self {
        match self {
            Self::Words(_) => Self::Text,
            Self::Late => Self::Any,
            other => other,
        }
    }

    /// In the words of messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Any | Self::Late => "a value",
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int | Self::Num => "a number",
            Self::Text | Self::Words(_) => "text",
            Self::List(_) => "a list",
            Self::Map { .. } | Self::Dict(_) => "a map",
        }
    }

    /// The same, with what a list holds.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::List(of) if !matches!(**of, Self::Any | Self::Late) => format!("a list of {}", of.plural()),
            other => other.kind().to_owned(),
        }
    }

    fn plural(&self) -> &'static str {
        match self {
            Self::Any | Self::Late => "values",
            Self::Null => "nulls",
            Self::Bool => "bools",
            Self::Int | Self::Num => "numbers",
            Self::Text | Self::Words(_) => "texts",
            Self::List(_) => "lists",
            Self::Map { .. } | Self::Dict(_) => "maps",
        }
    }

    /// The shape of both.
    #[must_use]
    pub fn or(self, other: Shape) -> Shape {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Text | Self::Words(_), Self::Text | Self::Words(_)) => Self::Text,
            (Self::Int | Self::Num, Self::Int | Self::Num) => Self::Num,
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            (Self::Map { known: mut a, open: x }, Self::Map { known: b, open: y }) => {
                for (_, optional) in a.iter_mut().filter(|(key, _)| !b.contains_key(*key)).map(|(_, entry)| entry) {
                    *optional = true;
                }
                for (key, (shape, optional)) in b {
                    match a.remove(&key) {
                        Some((mine, also)) => a.insert(key, (mine.or(shape), also || optional)),
                        None => a.insert(key, (shape, true)),
                    };
                }
                Self::Map { known: a, open: x || y }
            }
            _ => Self::Any,
        }
    }

    /// Whether a value of this shape can ever equal one of the other.
    #[must_use]
    pub fn may_equal(&self, other: &Shape) -> bool {
        use Shape::{Any, Bool, Dict, Int, Late, List, Map, Null, Num, Text, Words};
        match (self, other) {
            (Any | Late, _) | (_, Any | Late) => true,
            (Text | Words(_), Text | Words(_)) => true,
            (Int | Num, Int | Num) | (Bool, Bool) | (Null, Null) => true,
            (List(a), List(b)) => a.may_equal(b),
            (Map { .. } | Dict(_), Map { .. } | Dict(_)) => true,
            _ => false,
        }
    }
}

/// Something that is known to be wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeIssue {
    /// First byte in the text.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// The sort of issue.
    pub kind: ShapeIssueKind,
    /// In words: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeIssueKind {
    /// A key that the map cannot have.
    UnknownAttribute,
    /// An operation on a value of the wrong type.
    WrongType,
    /// An optional key read without `default`.
    MaybeUndefined,
    /// A key that is only there later.
    ReadsLate,
    /// A key that nothing is known to put there, while one with nearly the same name is known.
    Misspelt,
    /// A comparison with a value that cannot be there.
    NeverEqual,
    /// A generator over something that it cannot run over, or with one name over a map, or two over a list.
    BadGenerator,
}

/// The shape of a value that is there.
#[must_use]
pub fn of(value: &Value) -> Shape {
    match value {
        Value::Null => Shape::Null,
        Value::Bool(_) => Shape::Bool,
        Value::Int(_) => Shape::Int,
        Value::Float(_) => Shape::Num,
        Value::Str(_) => Shape::Text,
        Value::List(items) => Shape::list(items.iter().map(of).reduce(Shape::or).unwrap_or(Shape::Any)),
        Value::Map(map) => Shape::Map {
            known: map.iter().map(|(key, value)| (key.clone(), (of(value), false))).collect(),
            open: false,
        },
    }
}
