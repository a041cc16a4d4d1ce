//! Why a command ends without success: a sentence, and the exit code that scripts can use.

use std::fmt;

/// The exit codes; `calipso --help` says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, with findings.
    Findings = 1,
    /// Wrong use: unknown option, environment, object, revision.
    Usage = 2,
    /// A login was refused.
    Denied = 3,
    /// Something could not be reached.
    Unreachable = 4,
    /// The store is busy, broken or not ours.
    Store = 5,
    /// A bug of ours.
    Bug = 70,
}

/// A failure that a user can do something about.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Whether the store has no environment of the name that was given.
    pub is_unknown_environment: bool,
}

impl Failure {
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failure of any kind.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None, is_unknown_environment: false }
    }

    /// An end whose exit code says everything.
    #[must_use]
    pub fn quiet(exit: Exit) -> Self {
        Self::new(exit, String::new())
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
