//! Environments as data: read, checked, shown again; and what a scan of one needs.
//!
//! Everything here is pure and collects: one call tells every mistake, each with the place where it stands in what was
//! given. No sentence repeats a secret.

pub mod form;
pub mod read;
pub mod section;
pub mod show;
pub mod support;

pub use form::{SecretText, Secrets, fill, form, is_hidden, is_reference, is_sealed, may_refer, walk};
pub use read::{Written, choose_specs, from_value, unhidden};
pub use show::{HIDDEN, to_value};
pub use support::{Need, covering, needs, roles_of, unsupported};

/// What is wrong with one part of an environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// JSON pointer to it; empty for the whole.
    pub path: String,
    /// What is wrong, lower case, no full stop, without secrets.
    pub sentence: String,
    /// What to do.
    pub help: Option<String>,
}

impl Mistake {
    /// Makes a mistake from a pointer and a sentence.
    #[must_use]
    pub fn new(path: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { path: path.into(), sentence: sentence.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds `did you mean …?` where a known word is near, and otherwise what is known.
    #[must_use]
    pub fn among<'k>(self, given: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match calipso_expr::nearest(given, known.iter().copied()) {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => self,
            None => self.help(format!("there are {}", known.join(", "))),
        }
    }
}

/// A JSON pointer with one more part.
#[must_use]
pub fn below(pointer: &str, part: &str) -> String {
    format!("{pointer}/{}", part.replace('~', "~0").replace('/', "~1"))
}

/// The parts of a JSON pointer.
#[must_use]
pub fn parts(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}
