//! Recorded requests and their answers, in memory.

mod inline;
mod line;
mod matching;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use calipso_model::{Map, Str, Value};

use crate::{
    door::{Call, Stage},
    error::ErrorKind,
    reply::Reply,
};

pub(crate) use line::{FORMAT, write_line};
pub(crate) use matching::{Found, STARS, describe};

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// A file cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file or folder.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// An entry is not of the form.
    #[error("{location}: {problem}")]
    RecordedEntry {
        /// File and line, or the path of keys within inline answers.
        location: String,
        /// What is wrong there.
        problem: String,
    },
}

/// One request and its answer. What is `None` in the key matches any request.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEntry {
    /// The role that asked.
    pub role: Option<Str>,
    /// What it was asked for.
    pub stage: Option<Stage>,
    /// Which repetition this is.
    pub attempt: u32,
    /// What was asked.
    pub key: EntryKey,
    /// The answer, or why there was none.
    pub outcome: Result<Reply, (ErrorKind, String)>,
    /// How long it took.
    pub millis: u64,
    /// The execution on its host that carried it among others; none: it was not noted, or it needed one of its own.
    pub execution: Option<u64>,
}

/// The recorded form of a logical key. `***` in any text of it matches any text.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryKey {
    /// An HTTP request.
    Http {
        /// Target chosen by the step.
        target: Option<BTreeMap<Str, Str>>,
        /// Method in capitals.
        method: Str,
        /// Path without query.
        path: String,
        /// All query parameters, sorted.
        query: Option<Vec<(String, String)>>,
        /// What was sent.
        body: Option<Value>,
    },
    /// A query of a database.
    Sql {
        /// The statement, white space normalised.
        text: String,
        /// The values of its parameters, where it has any.
        params: Option<Vec<Value>>,
    },
    /// A command on a host.
    Exec {
        /// The host that it ran on.
        host: Option<Str>,
        /// The words as the fetcher has them.
        words: Vec<String>,
    },
}

/// Recorded requests and their answers.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    entries: Vec<RecordedEntry>,
    /// Coarse key to entries; those with a wildcard in the coarse key are under the kind's name alone.
    index: BTreeMap<String, Vec<usize>>,
    /// The recording asked after this one.
    next: Option<Box<Recording>>,
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
    pub fn read(dir: &Path) -> Result<Self, RecordingError> {
        line::read_dir(dir)
    }

    /// Reads the `answers` of a spec test: a map with the lists `commands`, `http` and `sql`.
    ///
    /// # Errors
    /// An entry is not of the form; the location is the path of keys below `answers`.
    pub fn from_answers(answers: &Value) -> Result<Self, RecordingError> {
        inline::read(answers)
    }

    /// Adds one entry behind the others.
    pub fn push(&mut self, entry: RecordedEntry) {
        self.index.entry(entry.key.coarse()).or_default().push(self.entries.len());
        self.entries.push(entry);
    }

    /// Adds another one behind this: it is asked when nothing here matches.
    pub fn append(&mut self, other: Recording) {
        match &mut self.next {
            Some(next) => next.append(other),
            None => self.next = Some(Box::new(other)),
        }
    }

    /// What the recording tells about itself; empty for inline answers.
    #[must_use]
    pub fn meta(&self) -> &Map {
        &self.meta
    }

    /// The entries, in recorded order, those of appended recordings last.
    pub fn entries(&self) -> impl Iterator<Item = &RecordedEntry> {
        let mut at = Some(self);
        std::iter::from_fn(move || {
            let here = at?;
            at = here.next.as_deref();
            Some(&here.entries)
        })
        .flatten()
    }

    /// The number, among [`Recording::entries`], of the one that answers a call.
    pub(crate) fn position(&self, entry: &RecordedEntry) -> Option<usize> {
        self.entries().position(|known| std::ptr::eq(known, entry))
    }

    /// The answer to a call, if it was recorded.
    pub(crate) fn find(&self, call: &Call) -> Found<'_> {
        matching::find(self, call)
    }
}
