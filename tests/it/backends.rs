//! The same scans into both backends of the store give the same objects, links, cliques, scopes and revisions.

use std::sync::Arc;

use calipso_model::Secret;
use calipso_store::{Mongo, MongoOptions};
use calipso_testbed::mongod;

use crate::cloud::{Cloud, recording, replay, specs};

/// Scans a recorded cloud twice, and says all that the store then holds.
async fn scanned(cloud: &Cloud, name: &str) -> (Vec<String>, Vec<String>) {
    let report = cloud.scan(replay(name), 0).await;
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    cloud.scan(replay(name).shuffled(7), 1).await;
    let environment = &cloud.environment.name;
    let scopes = cloud.store.scopes(environment).await.expect("scopes can be read");
    let revisions = cloud.store.revisions(environment).await.expect("revisions can be read");
    let beside = scopes.iter().map(|scope| format!("{scope:?}"));
    let beside = beside.chain(revisions.iter().map(|revision| format!("{revision:?}"))).collect();
    (cloud.digest().await, beside)
}

async fn same_in_both(name: &str) {
    let specs = specs();
    let found = recording(name);
    let embedded = Cloud::new(&specs, &found).await;
    let (digest, beside) = scanned(&embedded, name).await;
    assert!(digest.len() > 100, "only {} objects, links and cliques", digest.len());
    for at_once in [1_000_000, 10] {
        let mut options = MongoOptions::new(Secret::new(mongod().uri()), mongod().database());
        (options.at_once, options.batch) = (at_once, 100);
        let store = Mongo::connect(options).await.expect("the server can be used");
        let cloud = Cloud::within(&specs, &found, Arc::new(store)).await;
        let (same_digest, same_beside) = scanned(&cloud, name).await;
        assert!(same_digest == digest, "objects, links or cliques differ");
        assert!(same_beside == beside, "scopes or revisions differ");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_virtual_switch() {
    same_in_both("ovs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_linux_bridges() {
    same_in_both("lxb").await;
}
