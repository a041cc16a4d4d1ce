//! A writer is stopped in the middle of a commit and wakes up after somebody else took over: it changes nothing.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    time::Duration,
};

use calipso_model::{Delta, Environment, Object, ObjectKey, Secret};
use calipso_store::{Collection, Commit, CommitInfo, Expect, Mongo, MongoOptions, Page, Query, Records, Store};
use calipso_testbed::mongod;

use crate::killed::{WRITER, check, now_millis, write_for_ever};

/// How often a writer is stopped.
const STOPS: u64 = 24;

/// Whoever takes over finds whole revisions, and what it commits is not changed by the one that wakes up.
#[test]
fn a_stalled_writer_changes_nothing() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the server works");
    if let Ok(place) = std::env::var(WRITER) {
        let (uri, database) = place.split_once(' ').expect("the server works");
        let mut options = MongoOptions::new(Secret::new(uri), database);
        (options.at_once, options.batch) = (0, 8);
        return runtime
            .block_on(async { write_for_ever(&Mongo::connect(options).await.expect("the server works")).await });
    }
    let database = mongod().database();
    let store = runtime.block_on(Mongo::connect(crate::options(&database))).expect("the server works");
    let environment = Environment { name: "e".into(), ..Environment::default() };
    runtime.block_on(store.put_environment(&environment, Expect::Anything)).expect("the server works");
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "taken over".into() };
    let mut unfinished = 0;
    for stop in 0..STOPS {
        let mut writer = Command::new(std::env::current_exe().expect("the server works"))
            .args(["--exact", "writers::a_stalled_writer_changes_nothing", "--nocapture"])
            .env(WRITER, format!("{} {database}", mongod().uri()))
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server works");
        let mut lines = BufReader::new(writer.stdout.take().expect("the server works"))
            .lines()
            .map(|line| line.expect("the writer speaks UTF-8"));
        assert!(lines.any(|line| line.starts_with("made")), "the writer did not come up");
        std::thread::sleep(Duration::from_millis(stop * 7 % 60));
        signal("STOP", writer.id());
        runtime.block_on(async {
            let lease = store
                .acquire("e", "other", now_millis() + 60_000, Duration::from_secs(60))
                .await
                .expect("the server works");
            let base = store.current("e").await.expect("the server works");
            check(&store, base).await;
            // Another number of things, so that whatever the writer adds or ends is seen.
            let guest = Object { key: ObjectKey::new("taken", "over"), doc: Default::default() };
            let delta = Delta { objects: vec![guest.clone()], ..Delta::default() };
            let gone = store.clear("e", base, &lease, &info).await.expect("the server works");
            let taken = store.commit(&Commit::new(gone, &lease, &delta, &info)).await.expect("the server works");

            let row = async || store.record(Collection::Messages, "last").await.expect("the server works");
            let last = row().await;
            signal("CONT", writer.id());
            let mut said = String::new();
            writer.stderr.take().expect("the server works").read_to_string(&mut said).expect("the server works");
            assert!(!writer.wait().expect("the server works").success());
            // One that slept long finds its connections cut, and may hear that first.
            let refused = said.contains("LeaseLost") || said.contains("the connection was lost");
            assert!(refused, "the writer ended otherwise: {said}");
            unfinished += 1;

            assert_eq!(store.current("e").await.expect("the server works"), taken);
            check(&store, base).await;
            let all = async |at| {
                store
                    .objects("e", Some(at), &Query::default(), &Page::first(999))
                    .await
                    .expect("the server works")
                    .items
            };
            assert_eq!(all(gone).await, [], "nothing is added to revision {gone}");
            assert_eq!(all(taken).await, [guest], "nothing is added to revision {taken}");
            assert!(store.scopes("e").await.expect("the server works").is_empty(), "no scope comes back");
            assert_eq!(row().await, last, "no row is written");
            store.clear("e", taken, &lease, &info).await.expect("the server works");
            store.release(&lease).await.expect("the server works");
        });
    }
    assert_eq!(unfinished, STOPS);
}

fn signal(name: &str, process: u32) {
    let done =
        Command::new("/bin/sh").args(["-c", &format!("kill -{name} {process}")]).status().expect("the server works");
    assert!(done.success());
}
