//! Recorded requests and their answers, in memory.

use std::path::{Path, PathBuf};

use calipso_model::{Map, Value};

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", .file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// An entry is not of the form.
    #[error("{place}: {why}")]
    Entry {
        /// File and line, or the path of keys within inline answers.
        place: String,
        /// What is wrong.
        why: String,
    },
}

/// One request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {}

/// Recorded requests and their answers.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    entries: Vec<Entry>,
    meta: Map,
}

impl Recording {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a recording directory.
    ///
    /// # Errors
    /// A file cannot be read or a line is not of the form.
    pub fn read(_dir: &Path) -> Result<Self, RecordingError> {
        Ok(Self::default())
    }

    /// Reads the `answers` of a spec test: a map with the lists `commands`, `http` and `sql`.
    ///
    /// # Errors
    /// An entry is not of the form; the place is the path of keys below `answers`.
    pub fn from_answers(_answers: &Value) -> Result<Self, RecordingError> {
        Ok(Self::default())
    }

    /// Adds the entries of another one behind these: they are asked when none of these matches.
    pub fn append(&mut self, other: Recording) {
        self.entries.extend(other.entries);
    }

    /// What the recording says of itself; empty for inline answers.
    #[must_use]
    pub fn meta(&self) -> &Map {
        &self.meta
    }
}
