//! Look-ups that many make at the same time are asked together, and yet each is as if it had been made alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use calipso_model::{
    Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Revision, Secret, Value,
};
use calipso_store::{
    Commit, CommitInfo, Expect, Keep, Lease, LinkQuery, Member, Mongo, MongoOptions, Page, Query, ScopeChanges,
    ScopeKey, ScopeRecord, Store, StoreError,
};
use calipso_testbed::{Mongod, mongod};

/// So many things there are.
const THINGS: usize = 12;

/// So many read at the same time.
const READERS: usize = 24;

fn key(n: usize) -> ObjectKey {
    ObjectKey::new(["disk", "guest", "port"][n % 3], format!("id-{:02}", n % THINGS))
}

fn reference(n: usize) -> LinkRef {
    LinkRef { link_type: "next".into(), source: key(n), target: key(n + 1) }
}

/// Everything there is of the turn that makes a revision.
fn turn(turn: Revision) -> (Delta, ScopeChanges) {
    let of_turn = || -> Map { [("turn", Value::Int(turn as i64))].into_iter().collect() };
    let link = |n: usize| Link {
        link_type: "next".into(),
        source: key(n),
        target: key(n + 1),
        name: "".into(),
        state: LinkState::Up,
        host: None,
        switch: None,
        attributes: of_turn(),
        implicit: false,
        rule: "rule".into(),
    };
    let clique = |n: usize| Clique {
        focal_point: key(n),
        clique_type: "round".into(),
        constraints: of_turn(),
        nodes: vec![key(n)],
        links: vec![reference(n)],
    };
    let member =
        |n: usize| Member { key: key(n), contribution: of_turn(), asserts: true, order: 0, at: "a.yaml:1:1".into() };
    let scope = ScopeRecord {
        key: ScopeKey { fetcher: "f".into(), object_type: "disk".into(), parent: key(0), narrowing: Value::Null },
        complete: true,
        scanned_at: turn.to_string().into(),
        tried_at: "".into(),
        stale_since: None,
        problem: None,
        members: (0..THINGS).map(member).collect(),
    };
    let delta = Delta {
        objects: (0..THINGS).map(|n| Object { key: key(n), doc: of_turn() }).collect(),
        links: (0..THINGS).map(link).collect(),
        cliques: (0..THINGS).map(clique).collect(),
        ..Delta::default()
    };
    (delta, ScopeChanges { put: vec![scope], ..ScopeChanges::default() })
}

async fn store() -> Mongo {
    let store = Mongo::connect(crate::options(&mongod().database())).await.expect("the server works");
    put(&store).await;
    store
}

async fn put(store: &Mongo) {
    let environment = Environment { name: "e".into(), ..Environment::default() };
    store.put_environment(&environment, Expect::Nothing).await.expect("the server works");
}

async fn lease(store: &Mongo) -> Lease {
    store.acquire("e", "test", 0, Duration::from_secs(600)).await.expect("the server works")
}

async fn commit(store: &Mongo, lease: &Lease, base: Revision) -> Revision {
    let (delta, scopes) = turn(base + 1);
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    store
        .commit(&Commit { scopes: &scopes, ..Commit::new(base, lease, &delta, &info) })
        .await
        .expect("the server works")
}

fn turn_of(map: &Map) -> Revision {
    map.get("turn").and_then(Value::as_int).expect("everything has a turn") as Revision
}

/// Reads in one of all ways, and returns the revision that what was found is of.
async fn read(store: &Mongo, at: Option<Revision>, n: usize) -> Result<Revision, StoreError> {
    let (key, there) = (key(n), "everything is there at every revision");
    Ok(match n % 8 {
        0 => match at {
            Some(at) => turn_of(&store.object("e", Some(at), &key).await?.expect(there).doc),
            None => store.current("e").await?,
        },
        1..=3 => {
            let object_type = (n % 8 < 3).then_some(&*key.object_type);
            let (revision, found) = store.whole_objects("e", at, &key.id, object_type).await?;
            let [found] = found.as_slice() else { panic!("{there}: {found:?}") };
            assert_eq!((&found.key, found.json.clone()), (&key, format!("{{\"turn\":{revision}}}")));
            let [scope] = found.scopes.as_slice() else { panic!("{there}: {found:?}") };
            let [member] = scope.members.as_slice() else { panic!("only its own members: {found:?}") };
            assert_eq!((&member.key, turn_of(&member.contribution).to_string()), (&key, scope.scanned_at.to_string()));
            if at.is_none() {
                assert_eq!(turn_of(&member.contribution), revision, "object and scopes are of one moment");
            }
            revision
        }
        4 => {
            let found = store.links_by_key("e", at, &[reference(n), reference(n + 5)]).await?;
            assert_eq!(found.len(), 2, "{there}");
            let turns: Vec<_> = found.iter().map(|link| turn_of(&link.attributes)).collect();
            assert_eq!(turns[0], turns[1], "one revision is seen");
            turns[0]
        }
        5 => turn_of(&store.clique("e", at, &key).await?.expect(there).constraints),
        6 => {
            let found = store.links("e", at, &LinkQuery::touching(key), &Page::first(10)).await?;
            assert_eq!(found.items.len(), 2, "{there}");
            found.revision
        }
        _ => {
            let found = store.objects("e", at, &Query::default(), &Page::first(100)).await?;
            assert_eq!(found.items.len(), THINGS, "{there}");
            assert!(found.items.iter().all(|object| turn_of(&object.doc) == found.revision), "one revision is seen");
            found.revision
        }
    })
}

/// Whoever asks after a commit has ended sees it, however many ask at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_never_older_than_the_question() {
    let store = store().await;
    let lease = lease(&store).await;
    let current = Arc::new(AtomicU64::new(commit(&store, &lease, 0).await));
    let over = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (store, current, over) = (store.clone(), Arc::clone(&current), Arc::clone(&over));
            tokio::spawn(async move {
                let mut n = reader;
                while !over.load(Ordering::SeqCst) {
                    let before = current.load(Ordering::SeqCst);
                    let seen = read(&store, None, n).await.expect("the server works");
                    assert!(seen >= before, "revision {before} was current before, and {seen} was seen ({})", n % 8);
                    n += 7;
                }
                n / 7
            })
        })
        .collect();
    for base in 1..80 {
        let revision = commit(&store, &lease, base).await;
        current.store(revision, Ordering::SeqCst);
    }
    over.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.expect("no reader saw what it must not") > 10, "everybody read something");
    }
}

/// A caller that gives up keeps nobody waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_up_keeps_nobody_waiting() {
    let store = store().await;
    let lease = lease(&store).await;
    commit(&store, &lease, 0).await;
    for round in 0..60_u64 {
        let readers: Vec<_> = (0..READERS)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { read(&store, None, n).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_micros(round * 50 % 1_500)).await;
        for (n, reader) in readers.into_iter().enumerate() {
            if n % 3 != 2 {
                reader.abort();
                continue;
            }
            let answer = tokio::time::timeout(Duration::from_secs(20), reader).await.expect("nobody waits for ever");
            assert_eq!(answer.expect("this one was not given up").expect("the server works"), 1);
        }
    }
}

/// An environment that is removed is gone for everybody who asks later, and one of the same name begins empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_is_removed_meanwhile() {
    let store = store().await;
    for _ in 0..6 {
        let lease = lease(&store).await;
        commit(&store, &lease, 0).await;
        store.release(&lease).await.expect("the server works");
        let readers: Vec<_> = (0..READERS)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    loop {
                        match read(&store, None, n).await {
                            Ok(revision) => assert_eq!(revision, 1),
                            Err(StoreError::NotFound { what: "environment", .. }) => return,
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(30)).await;
        store.remove_environment("e", 0).await.expect("the server works");
        let gone = store.whole_objects("e", None, "id-00", None).await;
        assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
        for reader in readers {
            reader.await.expect("nobody saw half an environment");
        }
        put(&store).await;
        assert_eq!(store.current("e").await.expect("the server works"), 0);
        assert_eq!(store.whole_objects("e", None, "id-00", None).await.expect("the server works"), (0, Vec::new()));
    }
}

/// Retention removes revisions while they are read: all of a revision is seen, or that it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_are_removed_while_they_are_read() {
    const REVISIONS: u64 = 40;
    let store = store().await;
    let lease = lease(&store).await;
    for base in 0..REVISIONS {
        commit(&store, &lease, base).await;
    }
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut n = reader;
                let (mut seen, mut gone) = (0, 0);
                for at in (1..=REVISIONS).flat_map(|at| [at; 4]) {
                    n += 7;
                    match read(&store, Some(at), n).await {
                        Ok(revision) => {
                            assert_eq!(revision, at);
                            seen += 1;
                        }
                        Err(StoreError::NoRevision { revision, .. }) => {
                            assert_eq!(revision, at);
                            gone += 1;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (seen, gone)
            })
        })
        .collect();
    for keep in (1..REVISIONS).rev() {
        store.prune("e", &Keep::Last(keep)).await.expect("the server works");
    }
    for reader in readers {
        let (seen, _) = reader.await.expect("no reader saw half a revision");
        assert!(seen > 0, "everybody saw something");
    }
}

/// What is remembered of the types of an environment is what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_a_new_type_is_found_by_its_id() {
    let store = store().await;
    let lease = lease(&store).await;
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    for n in 0..20_u64 {
        let missing = store.whole_objects("e", None, "same", None).await.expect("the server works");
        assert_eq!((missing.0, missing.1.len() as u64), (n, n));
        let object = Object { key: ObjectKey::new(format!("type-{n:02}"), "same"), doc: Map::new() };
        let delta = Delta { objects: vec![object], ..Delta::default() };
        store.commit(&Commit::new(n, &lease, &delta, &info)).await.expect("the server works");
    }
    let (revision, found) = store.whole_objects("e", Some(7), "same", None).await.expect("the server works");
    let types: Vec<&str> = found.iter().map(|object| &*object.key.object_type).collect();
    assert_eq!(revision, 7);
    assert_eq!(types, ["type-00", "type-01", "type-02", "type-03", "type-04", "type-05", "type-06"]);
}

/// When the server is gone, everybody who waits is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_reaches_everybody() {
    let server = Mongod::replica_set();
    let mut options = MongoOptions::new(Secret::new(server.uri()), "calipso");
    options.selection_timeout = Duration::from_secs(1);
    let store = Mongo::connect(options).await.expect("the server works");
    put(&store).await;
    drop(server);
    let readers: Vec<_> = (0..READERS)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { read(&store, None, n).await })
        })
        .collect();
    for reader in readers {
        let answer = tokio::time::timeout(Duration::from_secs(60), reader).await.expect("nobody waits for ever");
        let error = answer.expect("the reader ended").expect_err("there is no server");
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert!(std::error::Error::source(&error).is_some(), "{error:?}");
    }
}
