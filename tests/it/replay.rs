//! Recordings of both profiles replay to the same bytes, whatever the schedule.

use crate::cloud::{Cloud, recording, replay, specs};

async fn same_over_shuffled_schedules(name: &str) {
    let specs = specs();
    let found = recording(name);
    let first = Cloud::new(&specs, &found).await;
    let report = first.scan(replay(name), 0).await;
    assert!(report.failures.is_empty(), "{:#?}", report.failures);
    let wanted = first.digest().await;
    assert!(wanted.len() > 100, "only {} objects, links and cliques", wanted.len());
    for seed in 1..=20 {
        let cloud = Cloud::new(&specs, &found).await;
        cloud.scan(replay(name).shuffled(seed), 0).await;
        assert!(cloud.digest().await == wanted, "seed {seed} gives something else");
    }
    // The same scan again commits nothing.
    let again = first.scan(replay(name).shuffled(99), 1).await;
    assert_eq!(again.revision_after, report.revision_after);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_virtual_switch() {
    same_over_shuffled_schedules("ovs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_linux_bridges() {
    same_over_shuffled_schedules("lxb").await;
}
