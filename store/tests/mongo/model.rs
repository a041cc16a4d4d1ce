//! Random changes, beside a model that keeps every revision whole in memory; what is left on the server after them.

use calipso_store::Mongo;
use calipso_testbed::mongod;
use mongodb::{Client, bson::doc};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

use crate::both::{self, steps};

/// So many sequences of steps.
const CASES: usize = 24;

/// At every revision, and between any two, the store says what the model says; every second time in small batches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_equals_model() {
    let database = mongod().database();
    let whole = Mongo::connect(crate::options(&database)).await.expect("the server works");
    let mut options = crate::options(&database);
    (options.at_once, options.batch, options.lanes) = (0, 3, 3);
    let batches = Mongo::connect(options).await.expect("the server works");
    let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
    let mut runner = TestRunner::deterministic();
    for case in 0..CASES {
        let steps = steps().new_tree(&mut runner).expect("the server works").current();
        println!("case {case}: {steps:?}");
        let store = if case % 2 == 0 { &whole } else { &batches };
        let (_, state, beside) = both::check(store, &format!("e{case}"), steps).await;
        // Pruned to the current revision, the server holds that and nothing else.
        let members = beside.scopes.values().map(|scope| scope.members.len()).sum();
        for (collection, expected) in [
            ("inventory", state.objects.len()),
            ("links", state.links.len()),
            ("cliques", state.cliques.len()),
            ("scopes", beside.scopes.len()),
            ("scope_members", members),
        ] {
            let mine = doc! { "environment": format!("e{case}") };
            let found = client.database(&database).collection::<mongodb::bson::Document>(collection);
            assert_eq!(found.count_documents(mine).await.expect("the server works"), expected as u64, "{collection}");
        }
    }
}
