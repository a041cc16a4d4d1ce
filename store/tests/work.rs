//! Requests, schedules, connection tests and messages, on the embedded store.
#![cfg(feature = "embedded")]

#[cfg(test)]
#[path = "work/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "work/conntest.rs"]
mod conntest;
#[cfg(test)]
#[path = "work/message.rs"]
mod message;
#[cfg(test)]
#[path = "work/plan.rs"]
mod plan;
#[cfg(test)]
#[path = "work/scan.rs"]
mod scan;
#[cfg(test)]
#[path = "work/schedule.rs"]
mod schedule;

use std::sync::Arc;

use bench::with_environments;
pub use bench::{NOW, TTL, full};
use calipso_store::{Backend, Embedded, Options};

/// A store in a temporary folder.
pub struct Bench {
    /// The store.
    pub store: Arc<dyn Backend>,
    folder: tempfile::TempDir,
}

impl Bench {
    /// With environments of these names.
    pub async fn new(environments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Embedded::open(&folder.path().join("a.store"), Options::default()).expect("the store opens");
        Self { store: with_environments(store, environments).await, folder }
    }

    /// The same store, opened once more, as another process would.
    pub async fn again(&self) -> Arc<dyn Backend> {
        Arc::new(Embedded::open(&self.folder.path().join("a.store"), Options::default()).expect("the store opens"))
    }
}
