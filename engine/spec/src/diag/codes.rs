//! Every code: stable, with a title, an explanation, and an example of the mistake and of its mending.

mod environments;
mod expressions;
mod fetching;
mod files;
mod joins;
mod steps;

use std::sync::LazyLock;

use super::Severity;

/// What a code means.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// The stable name, `area/what-is-wrong`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// One line for lists.
    pub title: &'static str,
    /// What it means, and what to do.
    pub explanation: &'static str,
    /// An example of the mistake.
    pub bad: &'static str,
    /// The same without it.
    pub good: &'static str,
}

impl Code {
    const fn error(
        code: &'static str,
        title: &'static str,
        explanation: &'static str,
        bad: &'static str,
        good: &'static str,
    ) -> Self {
        Self { code, severity: Severity::Error, title, explanation, bad, good }
    }

    const fn warning(
        code: &'static str,
        title: &'static str,
        explanation: &'static str,
        bad: &'static str,
        good: &'static str,
    ) -> Self {
        Self { code, severity: Severity::Warning, title, explanation, bad, good }
    }

    /// The page of the reference: Markdown.
    #[must_use]
    pub fn page(&self) -> String {
        format!(
            "{} ({}): {}\n\n{}\n\nWrong:\n\n```yaml\n{}\n```\n\nRight:\n\n```yaml\n{}\n```\n",
            self.code,
            self.severity.as_str(),
            self.title,
            self.explanation,
            self.bad,
            self.good
        )
    }
}

/// The code of that name.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == code)
}

/// The explanation of a code, for `explain`.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    find(code).map(Code::page)
}

/// Every code, in the order of the reference.
pub static CODES: LazyLock<Vec<Code>> = LazyLock::new(|| {
    [files::CODES, expressions::CODES, steps::CODES, fetching::CODES, joins::CODES, environments::CODES].concat()
});
