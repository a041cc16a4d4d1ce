//! The door to the live world.

use async_trait::async_trait;

use crate::{
    door::{Call, Door, Reply},
    error::{ErrorKind, FetchError},
    stats::{Counters, SourceStats},
};

/// Asks real servers.
#[derive(Default)]
pub struct Live {
    counters: Counters,
}

impl Live {
    /// A door without any open connection; connections are made when they are needed.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes every connection.
    pub async fn close(&self) {}
}

#[async_trait]
impl Door for Live {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        Err(FetchError::new(ErrorKind::Setup, call.place(), "not there yet"))
    }

    fn stats(&self) -> Vec<SourceStats> {
        self.counters.list()
    }
}
