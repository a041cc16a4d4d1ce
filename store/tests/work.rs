//! Requests, schedules, connection tests and messages, on the embedded store.
#![cfg(feature = "embedded")]

#[path = "work/bench.rs"]
mod bench;
#[path = "work/conntest.rs"]
mod conntest;
#[path = "work/message.rs"]
mod message;
#[path = "work/plan.rs"]
mod plan;
#[path = "work/scan.rs"]
mod scan;
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
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(&folder.path().join("a.store"), Options::default()).unwrap();
        Self { store: with_environments(store, environments).await, folder }
    }

    /// The same store, opened once more, as another process would.
    pub async fn again(&self) -> Arc<dyn Backend> {
        Arc::new(Embedded::open(&self.folder.path().join("a.store"), Options::default()).unwrap())
    }
}
