//! Versions across processes and across formats: they grow, and none comes back.

use calipso_model::{Environment, Map};
use calipso_store::{Collection, Expect, Mongo, Records, Store};
use calipso_testbed::mongod;
use mongodb::{
    Client,
    bson::{Document, doc},
};

/// Two that have taken numbers beforehand, one after the other, on one document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_two_processes_grow() {
    let database = mongod().database();
    let one = Mongo::connect(crate::options(&database)).await.expect("the server works");
    let other = Mongo::connect(crate::options(&database)).await.expect("the server works");
    let (mut last, mut record) = (0, one.insert(Collection::Users, "a", &Map::new()).await.expect("the server works"));
    for turn in 0..300 {
        assert!(record.version > last, "{} after {last}", record.version);
        last = record.version;
        let store = if turn % 2 == 0 { &other } else { &one };
        if turn % 5 == 4 {
            assert!(store.remove(Collection::Users, "a", Some(last)).await.expect("the server works"));
            let again = store.insert(Collection::Users, "a", &Map::new()).await.expect("the server works");
            assert_ne!(again.version, last);
            // What is made anew may begin anywhere but where something was.
            (last, record) = (0, again);
        } else {
            record = store.replace(Collection::Users, "a", last, &Map::new()).await.expect("the server works");
        }
    }
}

/// A database of the format before there was a counter of versions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_of_an_older_database_do_not_come_back() {
    let database = mongod().database();
    let store = Mongo::connect(crate::options(&database)).await.expect("the server works");
    let environment = Environment { name: "e".into(), ..Environment::default() };
    store.put_environment(&environment, Expect::Nothing).await.expect("the server works");
    store.insert(Collection::Users, "a", &Map::new()).await.expect("the server works");
    drop(store);
    let client = Client::with_uri_str(mongod().uri()).await.expect("the server works");
    let at = |collection: &str| client.database(&database).collection::<Document>(collection);
    let set = |field: &str, value: i64| doc! { "$set": { field: value } };
    at("users").update_one(doc! {}, set("version", 7_000)).await.expect("the server works");
    at("environments_config").update_one(doc! {}, set("version", 9_000)).await.expect("the server works");
    at("counters").delete_one(doc! { "_id": "version" }).await.expect("the server works");
    at("counters").update_one(doc! { "_id": "format" }, set("value", 1)).await.expect("the server works");
    let store = Mongo::connect(crate::options(&database)).await.expect("the server works");
    assert_eq!(store.versioned_environment("e").await.expect("the server works").1, 9_000, "it stays what it was");
    assert!(store.insert(Collection::Users, "b", &Map::new()).await.expect("the server works").version > 9_000);
    let format = at("counters").find_one(doc! { "_id": "format" }).await.expect("the server works");
    assert_eq!(format.and_then(|format| format.get_i64("value").ok()), Some(2));
}
