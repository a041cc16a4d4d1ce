//! Every code: stable, with a title and an explanation.

use super::Severity;

/// What a code means.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// `area/what-is-wrong`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// One line.
    pub title: &'static str,
    /// What it means, and what to do.
    pub explanation: &'static str,
}

/// The code of that name.
#[must_use]
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|known| known.code == code)
}

/// The explanation of a code, for `explain`.
#[must_use]
pub fn explain(code: &str) -> Option<String> {
    find(code).map(|known| {
        format!("{} ({}): {}\n\n{}\n", known.code, known.severity.as_str(), known.title, known.explanation)
    })
}

/// Every code, in the order of the reference.
pub const CODES: &[Code] = &[];
