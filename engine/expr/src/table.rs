//! The closed tables of filters, tests and functions; the reference page is made from them.

mod filters;
mod network;
mod tests;

use calipso_model::{Str, Value};

use crate::{eval::Fuel, failed};

pub use filters::FILTERS;
pub use tests::{FUNCTIONS, TESTS};

/// A filter: `value | name(arguments)`.
#[derive(Debug)]
pub struct Filter {
    /// Name.
    pub name: &'static str,
    /// How it is written, for the reference.
    pub usage: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What it yields: `text`, `integer`, `number`, `bool`, `list`, `map`, `same` (as its input), `any`.
    pub yields: &'static str,
    /// Fewest and most positional arguments.
    pub args: (usize, usize),
    /// Named arguments.
    pub named: &'static [&'static str],
    /// Whether the first argument is the name of a filter.
    pub takes_filter: bool,
    /// Which argument is the name of a test.
    pub test_at: Option<usize>,
    /// Whether the first argument may be undefined (it counts as null).
    pub open_args: bool,
    pub(crate) run: fn(&Value, &Given<'_>, &mut Fuel) -> Result<Value, Trouble>,
}

/// A test: `value is name`.
#[derive(Debug)]
pub struct Test {
    /// Name.
    pub name: &'static str,
    /// What it asks.
    pub does: &'static str,
    /// Number of arguments.
    pub args: usize,
    /// Whether the value may be undefined.
    pub open: bool,
    pub(crate) run: fn(Option<&Value>, &[&Value]) -> Result<bool, String>,
}

/// A function: `name(arguments)`.
#[derive(Debug)]
pub struct Function {
    /// Name.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// Number of arguments.
    pub args: usize,
    pub(crate) run: fn(&[&Value]) -> Result<Value, String>,
}

/// Arguments of a filter.
pub(crate) struct Given<'a> {
    pub positional: &'a [Value],
    pub named: &'a [(Str, Value)],
}

impl Given<'_> {
    pub fn named(&self, name: &str) -> Option<&Value> {
        self.named.iter().find(|(known, _)| known.as_ref() == name).map(|(_, value)| value)
    }

    pub fn at(&self, place: usize) -> Option<&Value> {
        self.positional.get(place)
    }

    pub fn text(&self, place: usize, what: &str) -> Result<&str, Trouble> {
        match self.at(place) {
            Some(Value::Str(text)) => Ok(text),
            Some(other) => Err(Trouble::says(format!("{what} is text, not {}", other.kind()))),
            None => Err(Trouble::says(format!("{what} is missing"))),
        }
    }
}

/// Why a filter has no result.
pub(crate) enum Trouble {
    Failed,
    Says(String),
}

impl Trouble {
    pub fn says(message: impl Into<String>) -> Self {
        Self::Says(message.into())
    }
}

impl From<String> for Trouble {
    fn from(message: String) -> Self {
        Self::Says(message)
    }
}

/// An element that is about to be looked at.
pub(crate) fn look(value: &Value) -> Result<&Value, Trouble> {
    if failed::is_marker(value) { Err(Trouble::Failed) } else { Ok(value) }
}

/// The filter of that name.
#[must_use]
pub fn filter(name: &str) -> Option<&'static Filter> {
    let name = if name == "d" { "default" } else { name };
    FILTERS.iter().find(|entry| entry.name == name)
}

/// The test of that name.
#[must_use]
pub fn test(name: &str) -> Option<&'static Test> {
    let name = match name {
        "equalto" | "==" => "eq",
        "!=" => "ne",
        "lessthan" | "<" => "lt",
        "greaterthan" | ">" => "gt",
        "<=" => "le",
        ">=" => "ge",
        other => other,
    };
    TESTS.iter().find(|entry| entry.name == name)
}

/// The function of that name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|entry| entry.name == name)
}
