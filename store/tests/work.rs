//! Requests, schedules, connection tests and messages, on the embedded store.
#![cfg(feature = "embedded")]

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

use std::time::Duration;

use calipso_model::Environment;
use calipso_store::{Embedded, Expect, Options, Store, work::ScanTask};

/// A moment.
pub const NOW: i64 = 1_800_000_000_000;
/// How long leases last here.
pub const TTL: Duration = Duration::from_secs(30);

/// A store in a temporary folder, with environments.
pub struct Bench {
    pub store: Embedded,
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new(environments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Embedded::open(&folder.path().join("a.store"), Options::default()).unwrap();
        for name in environments {
            let environment = Environment { name: (*name).into(), ..Environment::default() };
            store.put_environment(&environment, Expect::Nothing).await.unwrap();
        }
        Self { store, folder }
    }

    /// The same file, opened once more, as another process would.
    pub fn again(&self) -> Embedded {
        Embedded::open(&self.folder.path().join("a.store"), Options::default()).unwrap()
    }
}

/// A request for a scan of everything.
pub fn full(environment: &str) -> ScanTask {
    ScanTask { environment: environment.into(), ..ScanTask::default() }
}
