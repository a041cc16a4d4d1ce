//! What a parser can yield, for static checks.

use std::collections::BTreeMap;

use calipso_model::Str;

/// The shape of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum ParsedShape {
    Any,
    Text,
    /// A whole number.
    Int,
    Number,
    /// True or false.
    Bool,
    List(Box<ParsedShape>),
    /// One of these.
    OneOf(Vec<ParsedShape>),
    Map {
        /// Keys known before any input is read.
        known: BTreeMap<Str, ParsedField>,
        /// What other keys hold; absent: there are no others.
        others: Option<Box<ParsedShape>>,
    },
}

/// A known key of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedField {
    /// What it holds.
    pub shape: ParsedShape,
    /// Whether it can be absent.
    pub optional: bool,
}
