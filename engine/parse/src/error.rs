//! What is wrong with a parser spec, and what is wrong with an input.

use std::fmt;

/// The longest part of an input line that an error shows.
const MAX_FOUND_CHARS: usize = 80;

/// An input that is not as the parser needs it: a negative answer in the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// 1-based line of the input as it was received; absent where the whole input is meant.
    pub line: Option<usize>,
    /// What was expected instead.
    pub expected: String,
    /// The offending line, at most 80 characters; empty for empty input.
    pub found: String,
}

impl ParseError {
    pub(crate) fn at(line: usize, expected: impl Into<String>, found: &str) -> Self {
        Self { line: Some(line), expected: expected.into(), found: shortened(found) }
    }

    /// As [`ParseError::at`], for lines that may be long: shows what stands around a 1-based column.
    pub(crate) fn around(line: usize, column: usize, expected: impl Into<String>, found: &str) -> Self {
        let chars_before = MAX_FOUND_CHARS / 2;
        let from = column.saturating_sub(chars_before);
        let part: String = if from < chars_before || found.chars().nth(MAX_FOUND_CHARS).is_none() {
            found.chars().take(2 * MAX_FOUND_CHARS).collect()
        } else {
            ['…'].into_iter().chain(found.chars().skip(from)).take(2 * MAX_FOUND_CHARS).collect()
        };
        Self::at(line, expected, &part)
    }

    pub(crate) fn of_text(expected: impl Into<String>, text: &str) -> Self {
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Self { line: None, expected: expected.into(), found: shortened(first) }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}: ")?;
        }
        write!(out, "expected {}, found ", self.expected)?;
        match (self.found.is_empty(), self.line) {
            (false, _) => write!(out, "`{}`", self.found),
            (true, Some(_)) => out.write_str("a blank line"),
            (true, None) => out.write_str("empty text"),
        }
    }
}

impl std::error::Error for ParseError {}

/// The line without blanks around it, control characters or more than 80 characters.
fn shortened(line: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let line = line.trim();
    if line.chars().nth(MAX_FOUND_CHARS).is_none() {
        return line.chars().map(printable).collect();
    }
    line.chars().take(MAX_FOUND_CHARS - 1).map(printable).chain(['…']).collect()
}

/// A fault of a parser spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseSpecError {
    /// The keys that lead to it, the parser's own first: `["blocks", "lists", "addr_info"]`.
    pub key_path: Vec<String>,
    pub kind: ParseSpecErrorKind,
    /// One sentence without full stop.
    pub message: String,
}

/// Faults of parser specs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseSpecErrorKind {
    /// A regular expression that does not compile or is too large.
    BadRegex,
    /// No named group where one is needed.
    NoNamedGroup,
    /// A group that is needed, or that `types` names, is not there.
    UnknownGroup,
    /// Keys that do not go together, or one that lacks its partner.
    BadKeys,
}
