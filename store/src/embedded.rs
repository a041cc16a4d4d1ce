//! The store in one local file, which any number of processes may use at once.

use std::{path::Path, time::Duration};

use crate::error::StoreError;

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it would survive a power cut.
    #[default]
    Full,
    /// When it would survive the death of the process; a power cut may take the last commits, whole.
    Process,
}

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When a commit counts as done.
    pub durability: Durability,
    /// How long to wait for another process that writes.
    pub busy_timeout: Duration,
    /// At most so many readers at once.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Full, busy_timeout: Duration::from_secs(10), readers: 4 }
    }
}

/// The store in one local file.
#[derive(Clone, Debug)]
pub struct Embedded;

impl Embedded {
    /// Opens the file, making it (readable by its owner only) if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::VersionTooNew`], [`StoreError::Corrupt`].
    pub fn open(_path: &Path, _options: Options) -> Result<Self, StoreError> {
        Ok(Self)
    }
}
