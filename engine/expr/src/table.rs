//! The closed tables of filters, tests and functions. Each thing is one entry: how it is written, what it takes and
//! yields, what it does, and the code; checks, shapes and the reference page are made from the same entries.

mod encodings;
pub mod filters;
pub mod functions;
mod lists;
mod network;
pub mod tests;
mod texts;
mod time;
mod values;

use calipso_model::{Str, Value};
use regex::Regex;

use crate::{error::OpError, failed, fuel::Fuel};

/// A filter: `value | name(arguments)`.
#[derive(Debug)]
pub struct Filter {
    /// How it is called in expressions.
    pub name: &'static str,
    /// How it is written, for the reference.
    pub usage: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What stands on its left.
    pub takes: Takes,
    /// What it yields.
    pub yields: Yields,
    /// Fewest and most positional arguments.
    pub args: (usize, usize),
    /// Names of arguments that are given as `name=value`.
    pub named: &'static [&'static str],
    /// Whether the first argument is the name of a filter.
    pub takes_filter: bool,
    /// Which argument is the name of a test.
    pub test_at: Option<usize>,
    /// Whether the first argument may be undefined (it counts as null).
    pub open_arg: bool,
    pub(crate) run: fn(&Value, &Given<'_>, &mut Fuel) -> Result<Value, OpError>,
}

/// What stands on the left of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A value of any kind.
    Any,
    /// Text only; null is a fault.
    Text,
    /// Text; null stays null.
    TextOrNull,
    /// A list; of a map its keys, of a text its characters.
    List,
    /// A list of maps.
    Maps,
    /// A map only; null is a fault.
    Map,
    /// A whole or floating-point number.
    Number,
    /// Text, a number or a bool; null stays null.
    Scalar,
    /// An address with a prefix length as text, or a map with `local` and `prefixlen`.
    Address,
    /// A prefix length, or an address as above.
    Prefix,
    /// A point in time: text, or seconds since 1970.
    Time,
}

impl Takes {
    /// In the words of messages and of the reference.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Text => "text",
            Self::TextOrNull => "text or null",
            Self::List => "a list",
            Self::Maps => "a list of maps",
            Self::Map => "a map",
            Self::Number => "a number",
            Self::Scalar => "text, a number, a bool or null",
            Self::Address => "an address with prefix length, as text or map",
            Self::Prefix => "a prefix length or a network",
            Self::Time => "a time, as text or seconds",
        }
    }
}

/// What a filter yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Yields {
    /// A value of any kind.
    Any,
    /// Text, never null.
    Text,
    /// A whole number.
    Int,
    /// A whole or floating-point number.
    Number,
    /// True or false.
    Bool,
    /// A list of any elements.
    List,
    /// A list of text.
    Texts,
    /// A map of any values.
    Map,
    /// The type that it takes.
    Same,
    /// An element of the list, or null.
    Element,
    /// A list of the same elements.
    Elements,
    /// The list itself, or a list of the one value.
    AsList,
    /// The elements of the list's elements.
    Flattened,
    /// What the attribute or the filter yields, per element.
    Mapped,
    /// The value, or the first argument.
    Default,
}

impl Yields {
    /// In the words of the reference.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Text => "text",
            Self::Int => "a whole number",
            Self::Number => "a number",
            Self::Bool => "a bool",
            Self::List | Self::Mapped | Self::AsList => "a list",
            Self::Texts => "a list of text",
            Self::Map => "a map",
            Self::Same => "what it takes",
            Self::Element => "an element or null",
            Self::Elements => "a list of its elements",
            Self::Flattened => "a list of the inner elements",
            Self::Default => "the value or the argument",
        }
    }
}

/// The code of a test: its value, where it is there, and its argument.
pub(crate) type Asks = fn(Option<&Value>, Option<&Value>, &mut Fuel) -> Result<bool, OpError>;

/// A test: `value is name`, `value is name(argument)`.
#[derive(Debug)]
pub struct Test {
    /// How it is called in expressions.
    pub name: &'static str,
    /// Other names of it.
    pub aliases: &'static [&'static str],
    /// What it asks.
    pub does: &'static str,
    /// Number of arguments.
    pub args: usize,
    /// Whether the value may be undefined.
    pub open: bool,
    pub(crate) run: Asks,
}

/// A function: `name(arguments)`. Its arguments may be undefined; they count as null.
#[derive(Debug)]
pub struct Function {
    /// How it is called in expressions.
    pub name: &'static str,
    /// How it is written, for the reference.
    pub usage: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What it yields.
    pub yields: Yields,
    /// Number of arguments.
    pub args: usize,
    pub(crate) run: fn(&[&Value], &mut Fuel) -> Result<Value, OpError>,
}

/// Arguments of a filter.
pub(crate) struct Given<'a> {
    pub positional: &'a [Value],
    pub named: &'a [(Str, Value)],
    pub pattern: Option<&'a Regex>,
}

impl Given<'_> {
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(known, _)| known.as_ref() == name).map(|(_, value)| value)
    }

    /// A named argument that is text.
    pub fn named_text(&self, name: &str) -> Result<Option<&str>, OpError> {
        match self.named(name) {
            None => Ok(None),
            Some(Value::Str(text)) => Ok(Some(text)),
            Some(other) => Err(OpError::new(format!("`{name}` must be text, not {}", other.kind()))),
        }
    }

    /// A named argument that is true or false.
    pub fn flag(&self, name: &str, otherwise: bool) -> Result<bool, OpError> {
        match self.named(name) {
            None => Ok(otherwise),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(OpError::new(format!("`{name}` must be true or false, not {}", other.kind()))),
        }
    }

    pub fn at(&self, index: usize) -> Option<&Value> {
        self.positional.get(index)
    }

    pub fn text(&self, index: usize, what: &str) -> Result<&str, OpError> {
        match self.at(index) {
            Some(Value::Str(text)) => Ok(text),
            Some(other) => Err(OpError::new(format!("{what} must be text, not {}", other.kind()))),
            None => Err(OpError::new(format!("{what} is missing"))),
        }
    }
}

/// An element that is about to be looked at.
pub(crate) fn look(value: &Value) -> Result<&Value, OpError> {
    if failed::is_marker(value) { Err(OpError::Failed) } else { Ok(value) }
}

/// The filter of that name.
#[must_use]
pub fn filter(name: &str) -> Option<&'static Filter> {
    let name = if name == "d" { "default" } else { name };
    filters::ALL.iter().find(|entry| entry.name == name)
}

/// The test of that name.
#[must_use]
pub fn test(name: &str) -> Option<&'static Test> {
    tests::ALL.iter().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// The function of that name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    functions::ALL.iter().find(|entry| entry.name == name)
}
