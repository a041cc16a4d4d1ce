//! Random changes, beside a model that keeps every revision whole in memory; what is left in the file after them.

use calipso_model::ObjectKey;
use calipso_store::{Embedded, Options};
use proptest::prelude::*;

use crate::both::{self, Step, steps};

async fn check(steps: Vec<Step>) {
    let folder = tempfile::tempdir().expect("the model is whole and the store works");
    let options = Options { durability: calipso_store::Durability::Process, ..Options::default() };
    let store =
        Embedded::open(&folder.path().join("model.store"), options).expect("the model is whole and the store works");
    let (_, state, beside) = both::check(&store, "e", steps).await;
    store.verify().await.expect("the model is whole and the store works");
    // What nothing uses any more is not kept: pruned to the current revision, the file knows no other key.
    drop(store);
    let file =
        rusqlite::Connection::open(folder.path().join("model.store")).expect("the model is whole and the store works");
    let count = |statement: &str| -> i64 {
        file.query_row(statement, [], |row| row.get(0)).expect("the model is whole and the store works")
    };
    for table in ["object_past", "link_past", "clique_past"] {
        assert_eq!(count(&format!("SELECT count(*) FROM {table}")), 0, "{table} is empty after pruning");
    }
    let mut used: Vec<ObjectKey> = Vec::new();
    for object in state.objects.values() {
        used.push(object.key.clone());
        used.push(ObjectKey::new(
            object.text("parent_type").expect("the model is whole and the store works"),
            object.text("parent_id").expect("the model is whole and the store works"),
        ));
    }
    used.extend(state.links.values().flat_map(|link| [link.source.clone(), link.target.clone()]));
    for clique in state.cliques.values() {
        used.extend(clique.nodes.iter().cloned());
        used.extend(clique.links.iter().flat_map(|link| [link.source.clone(), link.target.clone()]));
    }
    used.sort();
    used.dedup();
    // Keys that only scopes used stay until a revision that has them goes.
    if !beside.scoped {
        assert_eq!(count("SELECT count(*) FROM key"), used.len() as i64, "every key that is kept is used");
    }
    let named = state.objects.len() as i64;
    assert_eq!(count("SELECT count(*) FROM text WHERE text MATCH '\"nam\"'"), named, "the index holds what is current");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// At every revision, and between any two, the store says what the model says.
    #[test]
    fn store_equals_model(steps in steps()) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(check(steps));
    }
}
