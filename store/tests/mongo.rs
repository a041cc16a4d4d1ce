//! The store in a MongoDB: the common suite, a model beside it, kills, stalled writers, and what is its own.
#![cfg(feature = "mongo")]

#[path = "both/model.rs"]
mod both;
#[path = "mongo/kill.rs"]
mod kill;
#[path = "both/kill.rs"]
mod killed;
#[path = "mongo/model.rs"]
mod model;
#[path = "mongo/numbers.rs"]
mod numbers;
#[path = "mongo/plans.rs"]
mod plans;
#[path = "mongo/rounds.rs"]
mod rounds;
#[path = "mongo/trouble.rs"]
mod trouble;
#[path = "mongo/writers.rs"]
mod writers;

use std::sync::Arc;

use calipso_model::Secret;
use calipso_store::{Backend, Mongo, MongoOptions};
use calipso_testbed::mongod;
use mongodb::{Client, bson::doc};

/// The options for a database of the server that all tests share.
fn options(database: &str) -> MongoOptions {
    MongoOptions::new(Secret::new(mongod().uri()), database)
}

/// Empties a database but for its counters: quicker than to make its collections and indexes anew.
async fn empty(client: &Client, database: &str) {
    let database = client.database(database);
    for collection in database.list_collection_names().await.expect("the server works") {
        if collection != "counters" && collection != "system.profile" {
            database
                .collection::<mongodb::bson::Document>(&collection)
                .delete_many(doc! {})
                .await
                .expect("the server works");
        }
    }
}

async fn conformance(change: fn(&mut MongoOptions)) {
    let database = mongod().database();
    let mut options = options(&database);
    change(&mut options);
    let store: Arc<dyn Backend> = Arc::new(Mongo::connect(options).await.expect("the server works"));
    let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
    calipso_store::conformance::run(&|| {
        let (store, client, database) = (Arc::clone(&store), client.clone(), database.clone());
        Box::pin(async move {
            empty(&client, &database).await;
            store
        })
    })
    .await;
}

/// Every implementation behaves alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance_with_one_transaction_for_small_commits() {
    conformance(|_| {}).await;
}

/// Also when every commit goes through gates, in batches of two documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conformance_with_batches() {
    conformance(|options| (options.at_once, options.batch) = (0, 2)).await;
}
