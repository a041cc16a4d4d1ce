//! The embedded store: the common suite, a model beside it, kills, and what is its own.
#![cfg(feature = "embedded")]

#[path = "both/model.rs"]
mod both;
#[path = "embedded/damage.rs"]
mod damage;
#[path = "embedded/file.rs"]
mod file;
#[path = "embedded/kill.rs"]
mod kill;
#[path = "both/kill.rs"]
mod killed;
#[path = "embedded/model.rs"]
mod model;

use std::sync::Arc;

use calipso_store::{Backend, Embedded, Options};

/// Every implementation behaves alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    calipso_store::conformance::run(&|| {
        let n = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{n}.store"));
        Box::pin(async move { Arc::new(Embedded::open(&path, Options::default()).unwrap()) as Arc<dyn Backend> })
    })
    .await;
}
