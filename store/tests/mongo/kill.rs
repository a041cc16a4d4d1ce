//! A writer is killed again and again, at whatever it is doing with the server; what is on the server then.

use std::sync::Arc;

use calipso_model::Secret;
use calipso_store::{Backend, Mongo, MongoOptions};
use calipso_testbed::mongod;
use mongodb::{
    Client,
    bson::{Document, doc},
};

use crate::killed::{N, WRITER, kill_again_and_again, now_millis, write_for_ever};

/// How often the writer is killed.
const KILLS: u32 = 100;

/// After every one of many kills each revision is whole, whether commits are one transaction or many batches.
#[test]
fn one_whole_revision_after_every_kill() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the server works");
    if let Ok(place) = std::env::var(WRITER) {
        let mut parts = place.split(' ');
        let mut options = MongoOptions::new(
            Secret::new(parts.next().expect("the server works")),
            parts.next().expect("the server works"),
        );
        if parts.next() == Some("batches") {
            (options.at_once, options.batch) = (0, 16);
        }
        return runtime
            .block_on(async { write_for_ever(&Mongo::connect(options).await.expect("the server works")).await });
    }
    let database = mongod().database();
    let store = runtime.block_on(Mongo::connect(crate::options(&database))).expect("the server works");
    let shared: Arc<dyn Backend> = Arc::new(store.clone());
    kill_again_and_again(
        KILLS,
        "kill::one_whole_revision_after_every_kill",
        // Three of four commit in batches: there is more to go wrong.
        &|kill| format!("{} {database} {}", mongod().uri(), if kill % 4 == 0 { "whole" } else { "batches" }),
        &|| {
            let shared = Arc::clone(&shared);
            Box::pin(async move { shared })
        },
    );
    // No garbage: when the leftovers of the last writer are swept, the server holds what is current and nothing else.
    runtime.block_on(async {
        store.sweep(now_millis() + 1_000_000).await.expect("the server works");
        assert_eq!(
            store.sweep(now_millis() + 10_000_000).await.expect("the server works"),
            0,
            "nothing is left to sweep"
        );
        let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
        for (collection, expected) in [
            ("inventory", N + 1),
            ("links", N),
            ("cliques", N / 4),
            ("scopes", 1),
            ("scope_members", N),
            ("revisions", 1),
        ] {
            let found = client.database(&database).collection::<Document>(collection);
            assert_eq!(found.count_documents(doc! {}).await.expect("the server works"), expected, "{collection}");
        }
    });
}
