//! A writer is killed again and again, at whatever it is doing; each time exactly one whole revision is there.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    pin::Pin,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Revision, Value};
use calipso_store::{
    Backend, Collection, Commit, CommitInfo, Expect, Keep, Member, Page, Record, RecordQuery, RevisionInfo, RowWrite,
    ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate, Store,
};

/// Tells the test binary that it is the writer, and of which store.
pub const WRITER: &str = "STORE_TEST_WRITER";

/// Objects per revision.
pub const N: u64 = 60;

/// What revision `revision` holds, whole. Two thirds of it differ from the revision before.
pub fn content(revision: Revision) -> Delta {
    let key = |n: u64| ObjectKey::new("thing", format!("t{n:03}"));
    let mut delta = Delta::default();
    for n in 0..N {
        let turn = (revision + n) / 3;
        let doc = [("name", Value::text(&format!("thing {n} turn {turn}"))), ("turn", Value::Int(turn as i64))];
        delta.objects.push(Object { key: key(n), doc: doc.into_iter().collect() });
        let link = Link {
            link_type: "next".into(),
            source: key(n),
            target: key((n + revision) % N),
            name: format!("at {revision}").into(),
            state: LinkState::Up,
            host: None,
            switch: None,
            attributes: [("turn", Value::Int(turn as i64))].into_iter().collect(),
            implicit: false,
            rule: "rule".into(),
        };
        let reference =
            LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() };
        if n % 4 == 0 {
            delta.cliques.push(Clique {
                focal_point: key(n),
                clique_type: "round".into(),
                constraints: [("revision", Value::Int(revision as i64))].into_iter().collect(),
                nodes: vec![key(n)],
                links: vec![reference],
            });
        }
        delta.links.push(link);
    }
    // One object and one link come and go with every revision.
    delta.objects.push(Object { key: ObjectKey::new("guest", revision.to_string()), doc: Default::default() });
    delta
}

/// What leads from a revision to the next.
pub fn delta(revision: Revision) -> Delta {
    let mut delta = content(revision);
    if revision > 1 {
        let before = content(revision - 1);
        delta.removed_objects = vec![ObjectKey::new("guest", (revision - 1).to_string())];
        delta.removed_links = before
            .links
            .iter()
            .filter(|old| !delta.links.iter().any(|new| new.source == old.source && new.target == old.target))
            .map(|old| LinkRef {
                link_type: old.link_type.clone(),
                source: old.source.clone(),
                target: old.target.clone(),
            })
            .collect();
    }
    delta
}

/// The rows that are written with a revision: a key of its own, one that each revision writes over the one before, and one
/// that goes.
pub fn rows(revision: Revision, known: Option<&Record>) -> Vec<RowWrite> {
    let doc = || -> Map { [("n", Value::Int(revision as i64))].into_iter().collect() };
    let expect = known.map_or(Expect::Nothing, |row| Expect::Version(row.version));
    let mut rows = vec![
        RowWrite::put(ROWS, format!("done {revision}"), Expect::Nothing, doc()),
        RowWrite::put(ROWS, "last", expect, doc()),
    ];
    if revision > KEPT {
        rows.push(RowWrite::remove(ROWS, format!("done {}", revision - KEPT), Expect::Anything));
    }
    rows
}

/// So many keys are kept.
const KEPT: u64 = 5;

/// Where the rows lie.
const ROWS: Collection = Collection::Messages;

/// The ids of the rows, and what they say, when a revision is current.
fn rows_at(current: Revision) -> BTreeMap<String, i64> {
    let keys = (current.saturating_sub(KEPT) + 1..=current).map(|n| (format!("done {n}"), n as i64));
    keys.chain((current > 0).then(|| ("last".to_owned(), current as i64))).collect()
}

/// The scope that is saved with a revision.
pub fn scope(revision: Revision) -> ScopeRecord {
    let member = |n: u64| Member {
        key: ObjectKey::new("thing", format!("t{n:03}")),
        contribution: [("revision", Value::Int(revision as i64))].into_iter().collect(),
        asserts: true,
        order: 0,
        at: "f.yaml:1:1".into(),
    };
    ScopeRecord {
        key: ScopeKey {
            fetcher: "f".into(),
            object_type: "thing".into(),
            parent: ObjectKey::new("top", "1"),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: revision.to_string().into(),
        tried_at: revision.to_string().into(),
        stale_since: None,
        problem: None,
        members: (0..N).map(member).collect(),
    }
}

pub fn now_millis() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_millis() as i64
}

/// The process that is killed: commits one revision after the other until then.
pub async fn write_for_ever(store: &dyn Backend) {
    // The writer before this one was killed, and its lease may run for another moment.
    let give_up = now_millis() + 60_000;
    let lease = loop {
        match store.acquire("e", "writer", now_millis(), Duration::from_millis(1)).await {
            Ok(lease) => break lease,
            Err(error) => assert!(error.is_transient() && now_millis() < give_up, "{error}"),
        }
    };
    println!("\nwriting");
    loop {
        let base = store.current("e").await.expect("the store works");
        let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: format!("{}", base + 1).into() };
        let known = store.record(ROWS, "last").await.expect("the store works");
        let (delta, rows) = (delta(base + 1), rows(base + 1, known.as_ref()));
        // Whole, or as an update of the one before.
        let record = scope(base + 1);
        let stored = store.scope("e", &record.key).await.expect("the store works").is_some();
        let scopes = if stored && base.is_multiple_of(3) {
            ScopeChanges { update: vec![ScopeUpdate { record, remove: Vec::new() }], ..ScopeChanges::default() }
        } else {
            ScopeChanges { put: vec![record], ..ScopeChanges::default() }
        };
        let commit = Commit { scopes: &scopes, rows: &rows, ..Commit::new(base, &lease, &delta, &info) };
        let made = store.commit(&commit).await.expect("the store works");
        assert_eq!(made, base + 1);
        println!("made {made}");
        if made % 16 == 0 {
            store.prune("e", &Keep::Last(8)).await.expect("the store works");
        }
    }
}

/// The revision that a line of the writer tells.
fn number(line: &str) -> Option<Revision> {
    line.strip_prefix("made ").and_then(|number| number.parse().ok())
}

/// Everything that can be read at a revision is what its writer meant, and nothing else.
pub async fn check(store: &dyn Store, at: Revision) {
    let mut expected = content(at);
    if at == 0 {
        expected = Delta::default();
    }
    expected.objects.sort_by(|a, b| a.key.cmp(&b.key));
    let (mut objects, mut links, mut cliques) = (Vec::new(), Vec::new(), Vec::new());
    fn take<T>(all: &mut Vec<T>, piece: Vec<T>) -> Result<(), calipso_store::StoreError> {
        all.extend(piece);
        Ok(())
    }
    store.stream_objects("e", Some(at), &mut |piece| take(&mut objects, piece)).await.expect("the store works");
    store.stream_links("e", Some(at), &mut |piece| take(&mut links, piece)).await.expect("the store works");
    store.stream_cliques("e", Some(at), &mut |piece| take(&mut cliques, piece)).await.expect("the store works");
    assert_eq!(objects, expected.objects, "objects at {at}");
    assert_eq!(links, expected.links, "links at {at}");
    assert_eq!(cliques, expected.cliques, "cliques at {at}");
}

/// What is current, which revisions are listed, whether the next one is refused, the scopes and the rows: read while nothing
/// moved.
///
/// A server may still finish the last transaction of a client that is dead, between any two questions. What was read is
/// taken only when the current revision is the same before and after, so that it belongs together.
async fn standing(store: &dyn Backend) -> (Revision, Vec<RevisionInfo>, bool, Vec<ScopeRecord>, Vec<Record>) {
    for _ in 0..100 {
        let current = store.current("e").await.expect("the store works");
        let revisions = store.revisions("e").await.expect("the store works");
        let beyond = store.object("e", Some(current + 1), &ObjectKey::new("thing", "t000")).await.is_err();
        let saved = store.scopes("e").await.expect("the store works");
        let rows = store.records(ROWS, &RecordQuery::all(), &Page::first(100)).await.expect("the store works").items;
        if store.current("e").await.expect("the store works") == current {
            return (current, revisions, beyond, saved, rows);
        }
    }
    panic!("the current revision goes on moving although the writer is dead");
}

/// Opens the store that the writer writes.
pub type Open<'o> = &'o dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Backend>>>>;

/// After every one of many kills each revision that the store has is whole. `test` names the test that this process runs
/// again as the writer, `place` what it is told, and `open` opens the store and looks whether it is sound. Returns the
/// revision that is current in the end.
pub fn kill_again_and_again(kills: u32, test: &str, place: &dyn Fn(u32) -> String, open: Open<'_>) -> Revision {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("the store works");
    runtime.block_on(async {
        let environment = Environment { name: "e".into(), ..Environment::default() };
        open().await.put_environment(&environment, Expect::Anything).await.expect("the store works");
    });
    let mut seed = u64::from(std::process::id()) | 1;
    let mut reached = 0;
    let (mut grew, mut unheard) = (0, 0);
    let mut commit_micros = 20_000;
    for kill in 0..kills {
        let mut writer = Command::new(std::env::current_exe().expect("the store works"))
            .args(["--exact", test, "--nocapture"])
            .env(WRITER, place(kill))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the store works");
        // Killed some way into a commit, after none to three whole ones; every fifth while it still opens the file.
        let mut lines = BufReader::new(writer.stdout.take().expect("the store works"))
            .lines()
            .map(|line| line.expect("the writer speaks UTF-8"));
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below.max(1)
        };
        let mut made = 0;
        if kill % 5 != 0 {
            assert!(lines.any(|line| line == "writing"), "the writer did not come up");
            for _ in 0..random(4) {
                let start = Instant::now();
                made = lines.find_map(|line| number(&line)).expect("the writer goes on until it is killed");
                commit_micros = start.elapsed().as_micros() as u64;
            }
        }
        let wait = Duration::from_micros(random(commit_micros * 5 / 4));
        let start = Instant::now();
        while start.elapsed() < wait {
            std::hint::spin_loop();
        }
        assert_eq!(writer.try_wait().expect("the store works"), None, "the writer ended by itself");
        writer.kill().expect("the store works");
        writer.wait().expect("the store works");
        // What it said until the end.
        made = lines.filter_map(|line| number(&line)).last().unwrap_or(made);

        runtime.block_on(async {
            let store = open().await;
            let (current, revisions, beyond, saved, rows) = standing(&*store).await;
            assert!(current >= reached, "a revision was lost: {reached}, then {current}");
            assert!(current >= made, "revision {made} was acknowledged, but {current} is current");
            grew += u32::from(current > reached);
            unheard += u32::from(current > made.max(reached));
            reached = current;
            assert_eq!(revisions.last().map_or(0, |last| last.revision), current, "no revision beyond the current");
            assert!(beyond, "a revision beyond the current can be read");
            for info in revisions.iter().rev().take(3) {
                check(&*store, info.revision).await;
                assert_eq!(*info.note, info.revision.to_string());
            }
            assert_eq!(saved, if current == 0 { Vec::new() } else { vec![scope(current)] }, "scopes at {current}");
            let n = |row: &Record| row.doc.get("n").and_then(Value::as_int).unwrap_or_default();
            let rows: BTreeMap<String, i64> = rows.iter().map(|row| (row.id.to_string(), n(row))).collect();
            assert_eq!(rows, rows_at(current), "rows at {current}");
        });
    }
    assert!(grew > kills / 3, "the writer was killed before it wrote, mostly: {grew} of {kills}");
    println!("{kills} kills, {grew} after new revisions, {unheard} between a commit and its answer");
    runtime.block_on(async {
        let store = open().await;
        store.prune("e", &Keep::Last(1)).await.expect("the store works");
        check(&*store, reached).await;
    });
    reached
}
