//! What a parser can yield, for static checks.

use std::collections::BTreeMap;

use calipso_model::Str;

/// The shape of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Anything.
    Any,
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// True or false.
    Bool,
    /// A list.
    List(Box<Shape>),
    /// One of these.
    OneOf(Vec<Shape>),
    /// A map.
    Map {
        /// Keys known before any input is read.
        known: BTreeMap<Str, Field>,
        /// What other keys hold; absent: there are no others.
        others: Option<Box<Shape>>,
    },
}

/// A known key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What it holds.
    pub shape: Shape,
    /// Whether it can be absent.
    pub optional: bool,
}
