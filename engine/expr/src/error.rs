//! What can be wrong with an expression, before and while it is evaluated.

use calipso_model::Str;

/// A mistake in the text of an expression or template.
#[derive(Clone, Debug, PartialEq)]
pub struct ExprError {
    /// The sort of mistake, for the code of a diagnostic.
    pub kind: ExprErrorKind,
    /// First byte in the text.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The name that is not known, where that is the mistake.
    pub unknown_name: Option<Str>,
}

/// The sorts of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExprErrorKind {
    /// Does not parse.
    Syntax,
    /// A name that is not visible here.
    UnknownName,
    /// A filter, test or function outside the closed set.
    UnknownFilter,
    /// Wrong number or kind of arguments.
    WrongArguments,
    /// `{{` in a bare expression.
    TemplateInExpression,
    /// Part of the grammar that the language does not have.
    NotAllowed,
    /// A shell operator in a command.
    ShellOperator,
    /// Unbalanced quotes in a command.
    NotWords,
    /// Something else than one SELECT.
    NotASelect,
    /// `schema.X` outside identifiers.
    UnknownIdentifier,
    /// A path that is no path.
    BadPath,
    /// Not `NAME in …`.
    BadGenerator,
    /// A name bound twice.
    ShadowedName,
}

impl ExprError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: ExprErrorKind, start: usize, end: usize, message: impl Into<String>) -> Self {
        Self { kind, start, end, message: message.into(), help: None, unknown_name: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error in a text in which this one's text begins at `offset`.
    #[must_use]
    pub fn shifted(mut self, offset: usize) -> Self {
        self.start += offset;
        self.end += offset;
        self
    }
}

/// A failed evaluation: something undefined, a wrong type, too much work.
///
/// # Shape
/// The range is one of bytes in the text of the expression, which is `source`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What is wrong.
    pub message: String,
    /// First byte in the text of the expression.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// The text of the expression; nothing where no single expression is at fault.
    pub source_text: Option<Str>,
    /// What sort of fault it is.
    pub kind: EvalErrorKind,
}

/// The sorts of faults, by who has to act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// The spec: something is of the wrong type.
    #[default]
    Definite,
    /// The spec: what stands in the range is undefined.
    Undefined,
    /// The evaluation asks for too much work or too long a list.
    Limit,
    /// Nobody here: the evaluation touched the result of a step that failed before.
    Failed,
}

impl EvalError {
    /// A fault that is not tied to a place in an expression.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), start: 0, end: 0, source_text: None, kind: EvalErrorKind::Definite }
    }

    /// The fault of touching the result of a step that failed.
    #[must_use]
    pub fn failed() -> Self {
        Self { kind: EvalErrorKind::Failed, ..Self::new("this depends on a step that failed") }
    }

    /// Whether the evaluation touched the result of a step that failed.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.kind == EvalErrorKind::Failed
    }

    /// Whether the whole expression is undefined: then the message has named it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let source = self.source_text.as_deref().unwrap_or_default();
        self.kind == EvalErrorKind::Undefined && source.get(self.start..self.end) == Some(source.trim())
    }

    /// Whether the evaluation ran into a limit of work or size.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.kind == EvalErrorKind::Limit
    }
}

/// Why an operator or a filter has no result. It does not know where it stands in the expression; [`EvalError`] does.
#[derive(Debug)]
pub(crate) enum OpError {
    /// It depends on a step that failed.
    Failed,
    /// Too much work, or too long a list.
    Limit(&'static str),
    /// Undefined, or of the wrong type.
    Message(String),
}

impl OpError {
    #[cold]
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }
}

/// The known word of which another is probably a misspelling: one letter or, in long words, two are wrong, missing, too
/// many or swapped. Words that differ only in an ending `s`, or in digits, are different words.
#[must_use]
pub fn misspelt<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |word: &str| word.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let singular = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    let most = match word.len() {
        0..3 => return None,
        3..8 => 1,
        _ => 2,
    };
    known
        .into_iter()
        .filter(|candidate| candidate.len() >= 4 && candidate.len().abs_diff(word.len()) <= most)
        .filter(|candidate| singular(candidate) != singular(word) && letters(candidate) != letters(word))
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(far, _)| (1..=most).contains(far))
        .min()
        .map(|(_, candidate)| candidate)
}

/// The known word nearest to a misspelt one, if one is near: a third of its letters may be wrong, missing, too many or
/// swapped with their neighbour.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = |candidate: &str| (candidate.len().max(word.len()) / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= 4 * most(candidate))
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(far, candidate)| *far <= most(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}
