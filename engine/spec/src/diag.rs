//! Diagnostics: what spec authors see.

mod bound;
pub mod codes;
mod lines;
mod lookalike;
mod render;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

pub(crate) use bound::{MOST_OF_A_FILE, bound, more};
pub use codes::{CODES, Code, explain};
pub use lines::Lines;
pub(crate) use lookalike::name_lookalikes;
pub use render::{github, json, sarif, text};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The catalogue cannot be used.
    Error,
    /// It can, but its author should look.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A range in a file, with a sentence about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Path of the file, as it was given.
    pub file: Arc<str>,
    /// Range of bytes in the file's text.
    pub range: Range<usize>,
    /// Why here; may be empty.
    pub text: String,
}

/// One mistake, with all that its author needs to mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Stable code, `area/what-is-wrong`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The smallest range that is wrong.
    pub primary: Label,
    /// The other side of a conflict.
    pub others: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Makes one; the severity is that of the code.
    #[must_use]
    pub fn new(code: &'static str, primary: Label, message: impl Into<String>) -> Self {
        let severity = codes::find(code).map_or(Severity::Error, |known| known.severity);
        Self { code, severity, message: message.into(), primary, others: Vec::new(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn other(mut self, label: Label) -> Self {
        self.others.push(label);
        self
    }
}

/// The texts of all files, by path.
pub type Files = BTreeMap<Arc<str>, Arc<str>>;

/// 1-based line and column (in characters) of a byte offset.
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The range, widened to whole characters of the text and cut to its length.
#[must_use]
pub fn whole_characters(text: &str, range: Range<usize>) -> Range<usize> {
    let back =
        |offset: usize| (0..=offset.min(text.len())).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0);
    let on = |offset: usize| (offset.min(text.len())..=text.len()).find(|offset| text.is_char_boundary(*offset));
    let start = back(range.start);
    start..on(range.end.max(start)).unwrap_or(text.len())
}

/// By file and place; warnings among the errors; equal ones once.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (&a.primary.file, a.primary.range.start, a.code, &a.message).cmp(&(
            &b.primary.file,
            b.primary.range.start,
            b.code,
            &b.message,
        ))
    });
    diagnostics.dedup();
}
