//! Requests, schedules, connection tests and messages, on a MongoDB: they behave as on every other store.
#![cfg(feature = "mongo")]

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
#[path = "work/scan.rs"]
mod scan;
#[cfg(test)]
#[path = "work/schedule.rs"]
mod schedule;

use std::sync::Arc;

use bench::with_environments;
pub use bench::{NOW, TTL, full};
use calipso_model::Secret;
use calipso_store::{Backend, Mongo, MongoOptions};
use calipso_testbed::mongod;

/// A database of the server that all tests share.
pub struct Bench {
    /// The store.
    pub store: Arc<dyn Backend>,
    database: String,
}

impl Bench {
    /// With environments of these names.
    pub async fn new(environments: &[&str]) -> Self {
        let database = mongod().database();
        Self { store: with_environments(open(&database).await, environments).await, database }
    }

    /// The same store, opened once more, as another process would.
    pub async fn again(&self) -> Arc<dyn Backend> {
        Arc::new(open(&self.database).await)
    }
}

async fn open(database: &str) -> Mongo {
    Mongo::connect(MongoOptions::new(Secret::new(mongod().uri()), database)).await.expect("the store answers")
}
