//! What belongs to the file itself: rights, formats, several processes.

use std::{path::Path, time::Duration};

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Object, ObjectKey};
use calipso_store::{
    Collection, Commit, CommitInfo, Embedded, Expect, LinkQuery, Member, Options, Page, Records, ScopeChanges,
    ScopeKey, ScopeRecord, ScopeUpdate, Store, StoreError, embedded::Unusable,
};

fn open(path: &Path) -> Result<Embedded, StoreError> {
    Embedded::open(path, Options { busy_timeout: Duration::from_millis(50), ..Options::default() })
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.store");
    let store = open(&path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(store.put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything))
        .unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
    }
}

#[test]
fn foreign_newer_and_damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);

    std::fs::write(at("text"), "not a database, but long enough to look at. ".repeat(100)).unwrap();
    let text = open(&at("text")).unwrap_err();
    assert!(matches!(text, StoreError::Corrupt { .. }), "{text:?}");
    assert_eq!(Unusable::of(&text), Some(Unusable::NotAStore));

    rusqlite::Connection::open(at("other")).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let foreign = open(&at("other")).unwrap_err();
    assert!(foreign.to_string().contains("another program"), "{foreign}");

    drop(open(&at("newer")).unwrap());
    rusqlite::Connection::open(at("newer")).unwrap().pragma_update(None, "user_version", 7).unwrap();
    assert!(matches!(open(&at("newer")), Err(StoreError::VersionTooNew { found: 7, known: 5 })));

    let nowhere = open(&at("no/such/folder")).unwrap_err();
    assert!(matches!(nowhere, StoreError::Unavailable { .. }), "{nowhere:?}");
    assert!(nowhere.to_string().contains("no/such/folder"), "{nowhere}");
    assert_eq!(Unusable::of(&nowhere), None);
    for (code, found) in
        [(rusqlite::ffi::SQLITE_READONLY, Some(Unusable::NotWritable)), (rusqlite::ffi::SQLITE_FULL, None)]
    {
        let source = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let error = StoreError::Io { action: "write", source: source.into() };
        assert_eq!(Unusable::of(&error), found);
    }
}

#[tokio::test]
async fn an_older_file_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.store");
    let store = open(&path).unwrap();
    store.put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything).await.unwrap();
    let lease = store.acquire("e", "x", 0, Duration::from_secs(1)).await.unwrap();
    let clique = |id: &str| Clique {
        focal_point: ObjectKey::new("a", id),
        clique_type: "round".into(),
        constraints: Default::default(),
        nodes: vec![ObjectKey::new("a", id)],
        links: Vec::new(),
    };
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    let link = |source: &str| Link {
        link_type: "a-a".into(),
        source: ObjectKey::new("a", source),
        target: ObjectKey::new("a", "9"),
        name: source.into(),
        state: LinkState::Up,
        host: Some("h".into()),
        switch: None,
        attributes: Default::default(),
        implicit: false,
        rule: "".into(),
    };
    let links = vec![link("1"), link("2")];
    let card = Object {
        key: ObjectKey::new("card", "c"),
        doc: [("mac", calipso_model::Value::text("fa:16:3e:01"))].into_iter().collect(),
    };
    let first = Delta { objects: vec![card], cliques: vec![clique("1"), clique("2")], links, ..Delta::default() };
    store.commit(&Commit::new(0, &lease, &first, &info)).await.unwrap();
    let removed =
        LinkRef { link_type: "a-a".into(), source: ObjectKey::new("a", "1"), target: ObjectKey::new("a", "9") };
    let gone =
        Delta { removed_cliques: vec![ObjectKey::new("a", "1")], removed_links: vec![removed], ..Delta::default() };
    store.commit(&Commit::new(1, &lease, &gone, &info)).await.unwrap();
    drop(store);
    let file = rusqlite::Connection::open(&path).unwrap();
    file.execute_batch(
        "DROP TABLE focal; DROP TABLE leads; DROP INDEX link_host; DROP INDEX link_past_host; PRAGMA user_version = 2;
         ALTER TABLE environment DROP COLUMN searched;
         ALTER TABLE counter DROP COLUMN version; ALTER TABLE environment DROP COLUMN made;
         INSERT INTO record VALUES('users', 'anna', 41, '{}')",
    )
    .unwrap();
    drop(file);
    let store = open(&path).unwrap();
    let anna = store.record(Collection::Users, "anna").await.unwrap().unwrap();
    assert_eq!(anna.version, 41, "what is there keeps its version");
    let next = store.replace(Collection::Users, "anna", 41, &anna.doc).await.unwrap();
    assert!(next.version > 41 && store.insert(Collection::Users, "berta", &anna.doc).await.unwrap().version > 41);
    let found = async |at| {
        let cliques = store.cliques("e", at, &Default::default(), &Page::first(9)).await.unwrap();
        let links = store.links("e", at, &Default::default(), &Page::first(9)).await.unwrap();
        let host = LinkQuery { host: Some("h".into()), ..LinkQuery::default() };
        let of_host = store.links("e", at, &host, &Page::first(9)).await.unwrap();
        (cliques.items.len(), links.items.len(), of_host.items.len())
    };
    assert_eq!((found(Some(1)).await, found(None).await), ((2, 2, 2), (1, 1, 1)));
    // What lay in it is found by the values that the next scan names, though it did not change.
    let by_mac = [("card".into(), vec!["mac".into()])].into_iter().collect();
    store.search_by(&lease, &by_mac).await.unwrap();
    assert_eq!(store.search("e", None, "16:3e", 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_openers_see_each_other_and_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.store");
    let (first, second) = (open(&path).unwrap(), open(&path).unwrap());
    first.put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything).await.unwrap();
    let lease = first.acquire("e", "first", 0, Duration::from_secs(1)).await.unwrap();
    assert!(matches!(
        second.acquire("e", "second", 0, Duration::from_secs(1)).await,
        Err(StoreError::LeaseHeld { ref holder, .. }) if &**holder == "first"
    ));
    let delta =
        Delta { objects: vec![Object { key: ObjectKey::new("a", "1"), doc: Default::default() }], ..Delta::default() };
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    first.commit(&Commit::new(0, &lease, &delta, &info)).await.unwrap();
    assert_eq!(second.current("e").await.unwrap(), 1);
    assert!(second.object("e", None, &ObjectKey::new("a", "1")).await.unwrap().is_some());

    // While somebody writes, reading goes on and writing is refused after the wait.
    let writer = rusqlite::Connection::open(&path).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE environment SET current = 99").unwrap();
    assert_eq!(second.current("e").await.unwrap(), 1, "nothing half done is seen");
    let waited = second.renew(&lease, 0, Duration::from_secs(1)).await;
    assert!(matches!(waited, Err(StoreError::Busy)), "{waited:?}");
    writer.execute_batch("ROLLBACK").unwrap();
    second.renew(&lease, 0, Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.store");
    let store = open(&path).unwrap();
    store.put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything).await.unwrap();
    let lease = store.acquire("e", "x", 0, Duration::from_secs(1)).await.unwrap();
    drop(store);
    // A limit on pages stands for a limit of the disk; it belongs to the connection, so one is made here.
    let store = Embedded::open(&path, Options { most_bytes: Some(800 << 10), ..Options::default() }).unwrap();
    let object = |n: u32| Object {
        key: ObjectKey::new("a", n.to_string()),
        doc: [("text", calipso_model::Value::text(&"x".repeat(1_000)))].into_iter().collect(),
    };
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    let small = Delta { objects: (0..10).map(object).collect(), ..Delta::default() };
    let large = Delta { objects: (0..2_500).map(object).collect(), ..Delta::default() };
    assert_eq!(store.commit(&Commit::new(0, &lease, &small, &info)).await.unwrap(), 1);
    let full = store.commit(&Commit::new(1, &lease, &large, &info)).await.unwrap_err();
    assert!(matches!(full, StoreError::FullDisk { .. }), "{full:?}");
    assert_eq!(store.current("e").await.unwrap(), 1);
    assert!(store.object("e", None, &ObjectKey::new("a", "11")).await.unwrap().is_none());
    let one = Delta { removed_objects: vec![ObjectKey::new("a", "1")], ..Delta::default() };
    assert_eq!(store.commit(&Commit::new(1, &lease, &one, &info)).await.unwrap(), 2, "there was room for this");
    store.verify().await.unwrap();
}

/// Of a scope only what an update names is read and written: members beside it may even be unreadable.
#[tokio::test]
async fn an_update_of_a_scope_leaves_other_members_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.store");
    let store = open(&path).unwrap();
    store.put_environment(&Environment { name: "e".into(), ..Environment::default() }, Expect::Anything).await.unwrap();
    let lease = store.acquire("e", "x", 0, Duration::from_secs(1)).await.unwrap();
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    let member = |id: &str, at: &str| Member {
        key: ObjectKey::new("vm", id),
        contribution: [("name", calipso_model::Value::text(at))].into_iter().collect(),
        asserts: true,
        order: 0,
        at: at.into(),
    };
    let record = |members: Vec<Member>, at: &str| ScopeRecord {
        key: ScopeKey {
            fetcher: "f".into(),
            object_type: "vm".into(),
            parent: ObjectKey::new("host", "h"),
            narrowing: calipso_model::Value::Null,
        },
        complete: true,
        scanned_at: at.into(),
        tried_at: at.into(),
        stale_since: None,
        problem: None,
        members,
    };
    let save = async |scopes: ScopeChanges| {
        let nothing = Delta::default();
        store.commit(&Commit { scopes: &scopes, ..Commit::new(0, &lease, &nothing, &info) }).await.unwrap();
    };
    let first = record(vec![member("1", "a"), member("2", "a"), member("3", "a")], "first");
    save(ScopeChanges { put: vec![first], ..ScopeChanges::default() }).await;
    let file = rusqlite::Connection::open(&path).unwrap();
    let unreadable = "UPDATE member SET contribution = 'torn' WHERE object = (SELECT id FROM key WHERE oid = '2')";
    assert_eq!(file.execute(unreadable, []).unwrap(), 1);
    for (record, remove, expected) in [
        (record(vec![], "second"), vec![], "1a 2a 3a"),
        (record(vec![member("1", "b")], "third"), vec![ObjectKey::new("vm", "3")], "1b 2a"),
    ] {
        let time = record.scanned_at.clone();
        save(ScopeChanges { update: vec![ScopeUpdate { record, remove }], ..ScopeChanges::default() }).await;
        let rows: String = file
            .query_row(
                "SELECT group_concat(k.oid || w.text, ' ' ORDER BY k.oid) FROM member m JOIN key k ON k.id = m.object
                     JOIN word w ON w.id = m.at",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(rows, expected);
        let head: String = file.query_row("SELECT scanned_at FROM scope", [], |row| row.get(0)).unwrap();
        assert_eq!(head, *time);
    }
    assert!(matches!(store.scopes("e").await, Err(StoreError::Corrupt { .. })), "it is still unreadable");
}
