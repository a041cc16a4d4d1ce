//! Scopes: saved with a commit, not versioned.

use calipso_model::{Delta, Value};

use super::{Case, HOME, Make, info, key, object, objects};
use crate::{
    commit::Commit,
    error::StoreError,
    scope::{Member, ScopeChanges, ScopeKey, ScopeRecord},
};

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    saved(make).await;
    whole(make).await;
    not_saved(make).await;
    out_of_date(make).await;
}

/// A member that says `n`; one with an even number asserts.
pub(super) fn member(text: &str, order: u32, n: i64) -> Member {
    Member {
        key: key(text),
        contribution: [("n", Value::Int(n))].into_iter().collect(),
        asserts: n % 2 == 0,
        order,
        at: format!("fetchers/a.yaml:{n}:1").into(),
    }
}

/// A complete scope.
pub(super) fn scope(fetcher: &str, parent: &str, members: Vec<Member>) -> ScopeRecord {
    ScopeRecord {
        key: ScopeKey {
            fetcher: fetcher.into(),
            object_type: "vm".into(),
            parent: key(parent),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: "2026-01-01T00:00:00Z".into(),
        tried_at: "2026-01-01T00:00:00Z".into(),
        stale_since: None,
        problem: None,
        members,
    }
}

async fn saved(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let save = async |base, put: &[ScopeRecord], remove: &[ScopeKey]| {
        let changes = ScopeChanges { put: put.to_vec(), update: Vec::new(), remove: remove.to_vec() };
        store
            .commit(&Commit { scopes: &changes, ..Commit::new(base, &case.lease, &Delta::default(), &info(1)) })
            .await
            .expect("saving works")
    };
    assert!(store.scopes(HOME).await.expect("reading works").is_empty());
    let mut first = scope("list", "host/h1", vec![member("vm/2", 0, 4), member("vm/1", 1, 1), member("vm/1", 0, 2)]);
    let mut narrow = first.clone();
    narrow.key.narrowing = Value::Map([("id", Value::text("vm/1"))].into_iter().collect());
    narrow.members = vec![member("vm/1", 0, 7), member("vm/1", 0, 8)];
    let other = scope("add", "host/h2", vec![]);
    assert_eq!(save(0, &[narrow.clone(), first.clone(), other.clone()], &[]).await, 0, "scopes make no revision");
    first.members.sort_by(|a, b| (&a.key, a.order).cmp(&(&b.key, b.order)));
    assert_eq!(
        store.scopes(HOME).await.expect("reading works"),
        [other.clone(), first.clone(), narrow.clone()],
        "scopes come by key, their members by key and order"
    );
    assert_eq!(store.scope(HOME, &narrow.key).await.expect("reading works"), Some(narrow.clone()));
    let mut of = narrow.clone();
    let of_first = ScopeRecord {
        members: first.members.iter().filter(|member| member.key == key("vm/1")).cloned().collect(),
        ..first.clone()
    };
    assert_eq!(
        store.scopes_of(HOME, &key("vm/1")).await.expect("reading works"),
        [of_first, narrow.clone()],
        "where an object comes from"
    );
    let asked = ["vm/1", "vm/9"].map(key);
    let times = store.last_scanned(HOME, &asked).await.expect("reading works");
    let expected = crate::store::newest_scan(&store.scopes_of(HOME, &key("vm/1")).await.expect("reading works"));
    assert_eq!(times, [expected, None], "the newest complete answer that asserts it");
    // The times change without the members; the members change one by one.
    first.complete = false;
    first.tried_at = "2026-01-02T00:00:00Z".into();
    first.stale_since = Some("2026-01-02T00:00:00Z".into());
    first.problem = Some("nobody answered".into());
    of.members = vec![member("vm/0", 0, 1), member("vm/1", 0, 8), member("vm/3", 0, 2)];
    save(0, &[of.clone(), first.clone()], &[other.key.clone(), scope("never", "x/y", vec![]).key]).await;
    assert_eq!(store.scopes(HOME).await.expect("reading works"), [first.clone(), of.clone()]);
    let revision = store.clear(HOME, 0, &case.lease, &info(1)).await.expect("clearing works");
    assert_eq!(revision, 0);
    assert!(store.scopes(HOME).await.expect("reading works").is_empty(), "clearing forgets the scopes");
}

async fn whole(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let members = vec![member("vm/1", 0, 2), member("vm/2", 0, 4), member("disk/1", 0, 6)];
    let changes = ScopeChanges { put: vec![scope("list", "host/h1", members)], ..ScopeChanges::default() };
    let delta = objects(&[object("vm/1", &[("b", Value::Int(1)), ("a", Value::Null)]), object("vm/2", &[])]);
    store
        .commit(&Commit { scopes: &changes, ..Commit::new(0, &case.lease, &delta, &info(1)) })
        .await
        .expect("saving works");
    case.commit(&objects(&[object("disk/1", &[]), object("vm/2", &[("new", Value::Bool(true))])])).await;

    let of = async |at, id, object_type| {
        let (revision, found) = store.whole_objects(HOME, at, id, object_type).await.expect("reading works");
        for object in &found {
            let read = store.object(HOME, Some(revision), &object.key).await.expect("reading works");
            let json = read.map(|object| Value::Map(object.doc).to_json());
            assert_eq!(json.as_deref(), Some(&*object.json), "the same document");
            let scopes = store.scopes_of(HOME, &object.key).await.expect("reading works");
            assert_eq!(scopes, object.scopes, "the scopes that are known now");
            assert_eq!(scopes.len(), 1);
        }
        (revision, found.iter().map(|object| object.key.to_string()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(of(None, "1", Some("vm")).await, (2, "vm/1".to_owned()));
    assert_eq!(of(None, "1", None).await, (2, "disk/1 vm/1".to_owned()), "every type, in order");
    assert_eq!(of(Some(1), "1", None).await, (1, "vm/1".to_owned()), "at that revision");
    assert_eq!(of(Some(1), "2", Some("vm")).await, (1, "vm/2".to_owned()));
    assert_eq!(of(None, "3", None).await, (2, String::new()));
    assert_eq!(of(None, "2", Some("disk")).await, (2, String::new()));
    let gone = store.whole_objects("nowhere", None, "1", None).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    let gone = store.whole_objects(HOME, Some(3), "1", Some("vm")).await;
    assert!(matches!(gone, Err(StoreError::NoRevision { .. })), "{gone:?}");
}

async fn out_of_date(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let stale = |mut scope: ScopeRecord, since: &str| {
        scope.complete = false;
        scope.stale_since = Some(since.into());
        scope
    };
    // Even numbers assert, odd ones only add.
    let lost =
        stale(scope("list", "host/h1", vec![member("vm/1", 0, 2), member("vm/2", 0, 2)]), "2026-01-03T00:00:00Z");
    let later = stale(scope("list", "host/h2", vec![member("vm/1", 0, 4)]), "2026-01-04T00:00:00Z");
    let added = stale(scope("add", "host/h1", vec![member("vm/3", 0, 1)]), "2026-01-05T00:00:00Z");
    let good = scope("list", "host/h3", vec![member("vm/2", 0, 2), member("vm/3", 0, 2)]);
    let changes = ScopeChanges { put: vec![lost.clone(), later, added, good.clone()], ..ScopeChanges::default() };
    store
        .commit(&Commit { scopes: &changes, ..Commit::new(0, &case.lease, &Delta::default(), &info(1)) })
        .await
        .expect("saving works");
    let found = store.stale(HOME).await.expect("reading works");
    let only = [(key("vm/1"), "2026-01-04T00:00:00Z".into())];
    assert_eq!(
        found,
        only.into_iter().collect(),
        "what a complete scope asserts, or none asserts at all, is not stale"
    );
    let changes = ScopeChanges {
        put: vec![ScopeRecord { complete: true, stale_since: None, ..lost }],
        ..ScopeChanges::default()
    };
    store
        .commit(&Commit { scopes: &changes, ..Commit::new(0, &case.lease, &Delta::default(), &info(2)) })
        .await
        .expect("saving works");
    assert!(store.stale(HOME).await.expect("reading works").is_empty(), "an answer makes it current");
    assert!(matches!(store.stale("nowhere").await, Err(StoreError::NotFound { .. })));
}

async fn not_saved(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let changes =
        ScopeChanges { put: vec![scope("list", "host/h1", vec![member("vm/1", 0, 1)])], ..ScopeChanges::default() };
    let delta = objects(&[object("vm/1", &[])]);
    let stale = store.commit(&Commit { scopes: &changes, ..Commit::new(7, &case.lease, &delta, &info(1)) }).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })));
    let twice = objects(&[object("vm/1", &[]), object("vm/1", &[])]);
    let refused = store.commit(&Commit { scopes: &changes, ..Commit::new(0, &case.lease, &twice, &info(1)) }).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    assert!(store.scopes(HOME).await.expect("reading works").is_empty(), "a refused commit saves no scope");
}
