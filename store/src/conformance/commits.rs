//! Commits as a whole: rows, updates of scopes, and that all of a commit is written or nothing.

use std::time::Duration;

use calipso_model::{Delta, Map, ObjectKey, Value};

use super::{
    Case, HOME, Make, info, key, object, objects,
    scopes::{member, scope},
};
use crate::{
    commit::{Commit, RowWrite},
    error::StoreError,
    records::{Collection, Record},
    scope::{Member, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate},
    store::Expect,
};

const MESSAGES: Collection = Collection::Messages;

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    rows_as_expected(make).await;
    rows_without_a_revision(make).await;
    all_or_nothing(make).await;
    refused_whole(make).await;
    racing_rows(make).await;
    updates(make).await;
    many_updates(make).await;
    refused_updates(make).await;
}

fn doc(n: i64) -> Map {
    [("level", Value::text("info")), ("n", Value::Int(n))].into_iter().collect()
}

fn put(id: &str, expect: Expect, n: i64) -> RowWrite {
    RowWrite::put(MESSAGES, id, expect, doc(n))
}

fn remove(id: &str, expect: Expect) -> RowWrite {
    RowWrite::remove(MESSAGES, id, expect)
}

impl Case {
    /// Commits something on top of what is current.
    async fn try_all(&self, delta: &Delta, scopes: &ScopeChanges, rows: &[RowWrite]) -> Result<u64, StoreError> {
        let base = self.store.current(HOME).await.expect("the current revision is known");
        let info = info(base + 1);
        self.store.commit(&Commit { scopes, rows, ..Commit::new(base, &self.lease, delta, &info) }).await
    }

    async fn rows(&self, rows: &[RowWrite]) -> Result<u64, StoreError> {
        self.try_all(&Delta::default(), &ScopeChanges::default(), rows).await
    }

    async fn update(&self, update: &[ScopeUpdate]) -> Result<u64, StoreError> {
        let scopes = ScopeChanges { update: update.to_vec(), ..ScopeChanges::default() };
        self.try_all(&Delta::default(), &scopes, &[]).await
    }

    async fn put_scopes(&self, put: &[ScopeRecord]) {
        let scopes = ScopeChanges { put: put.to_vec(), ..ScopeChanges::default() };
        self.try_all(&Delta::default(), &scopes, &[]).await.expect("scopes are saved");
    }

    async fn row(&self, id: &str) -> Option<Record> {
        self.store.record(MESSAGES, id).await.expect("reading works")
    }

    /// The text of a document, if it is there.
    async fn said(&self, id: &str) -> Option<i64> {
        self.row(id).await.and_then(|row| row.doc.get("n").and_then(Value::as_int))
    }

    async fn version(&self, id: &str) -> Expect {
        Expect::Version(self.row(id).await.expect("it is there").version)
    }
}

async fn rows_as_expected(make: Make<'_>) {
    let case = Case::new(make).await;
    let delta = objects(&[object("a/1", &[])]);
    let scopes = ScopeChanges { put: vec![scope("list", "host/h1", vec![])], ..ScopeChanges::default() };
    let rows = [
        put("new", Expect::Nothing, 1),
        put("any", Expect::Anything, 2),
        remove("never", Expect::Anything),
        remove("none", Expect::Nothing),
        RowWrite::put(Collection::Settings, "new", Expect::Nothing, doc(3)),
    ];
    assert_eq!(case.try_all(&delta, &scopes, &rows).await.expect("what is as expected is written"), 1);
    assert_eq!((case.said("new").await, case.said("any").await), (Some(1), Some(2)));
    let other = case.store.record(Collection::Settings, "new").await.expect("reading works");
    assert_eq!(other.map(|row| row.doc), Some(doc(3)), "in its own collection");

    let (new, any) = (case.row("new").await.expect("it is there"), case.row("any").await.expect("it is there"));
    let rows = [put("new", Expect::Version(new.version), 4), put("any", Expect::Anything, 5)];
    case.rows(&rows).await.expect("what is as expected is written");
    assert_eq!((case.said("new").await, case.said("any").await), (Some(4), Some(5)), "whole");
    for before in [&new, &any] {
        let after = case.row(&before.id).await.expect("it is there").version;
        assert!(after > before.version, "versions grow");
        let stale = case.store.replace(MESSAGES, &before.id, before.version, &doc(9)).await;
        assert!(matches!(stale, Err(StoreError::Changed { .. })), "of what was written before: {stale:?}");
    }
    // Found as every other document is.
    let query = crate::records::RecordQuery::all().equals("level", "info");
    assert_eq!(case.store.count(MESSAGES, &query).await.expect("counting works"), 2);

    let rows = [remove("new", case.version("new").await), remove("any", Expect::Anything)];
    case.rows(&rows).await.expect("what is as expected is removed");
    assert_eq!((case.row("new").await, case.row("any").await), (None, None));
    let again = case.rows(&[put("new", Expect::Nothing, 6)]).await;
    again.expect("what was removed is not there");
    let version = case.row("new").await.expect("it is there").version;
    assert!(version > new.version, "versions never come back");
}

async fn rows_without_a_revision(make: Make<'_>) {
    let case = Case::new(make).await;
    assert_eq!(case.rows(&[put("a", Expect::Nothing, 1)]).await.expect("rows alone are written"), 0, "no revision");
    assert_eq!(case.said("a").await, Some(1));
    let known = objects(&[object("a/1", &[])]);
    case.commit(&known).await;
    let scopes = ScopeChanges { put: vec![scope("list", "host/h1", vec![member("a/1", 0, 2)])], ..Default::default() };
    let rows = [put("b", Expect::Nothing, 2), remove("a", case.version("a").await)];
    let revision = case.try_all(&known, &scopes, &rows).await.expect("scopes and rows are written");
    assert_eq!(revision, 1, "nothing new is no revision");
    assert_eq!((case.said("a").await, case.said("b").await), (None, Some(2)));
    assert_eq!(case.store.scopes(HOME).await.expect("reading works"), scopes.put);
    assert_eq!(case.store.revisions(HOME).await.expect("listing works").len(), 1);
}

/// Every expectation that fails keeps all of its commit from being written, and says which row it was.
async fn all_or_nothing(make: Make<'_>) {
    let case = Case::new(make).await;
    let first = scope("list", "host/h1", vec![member("vm/1", 0, 2)]);
    case.put_scopes(std::slice::from_ref(&first)).await;
    case.rows(&[put("a", Expect::Nothing, 1), put("b", Expect::Nothing, 1)]).await.expect("rows alone are written");
    let stale = case.version("a").await;
    case.rows(&[put("a", stale, 2)]).await.expect("what is as expected is written");

    let many: Vec<_> = (0..8).map(|n| object(&format!("a/{n}"), &[])).collect();
    let delta = objects(&many);
    let second = scope("list", "host/h2", vec![]);
    let mut changed = first.clone();
    changed.tried_at = "2026-01-02T00:00:00Z".into();
    let scopes = ScopeChanges {
        put: vec![second],
        update: vec![ScopeUpdate { record: changed, remove: vec![] }],
        remove: vec![],
    };
    let good =
        || [put("new", Expect::Nothing, 1), put("b", Expect::Anything, 9), remove("c", Expect::Anything)].into_iter();
    for (wrong, taken) in [
        (put("a", Expect::Nothing, 3), true),
        (put("a", stale, 3), false),
        (put("never", Expect::Version(1), 3), false),
        (remove("a", stale), false),
        (remove("never", Expect::Version(1)), false),
        (remove("a", Expect::Nothing), true),
    ] {
        for rows in [
            good().chain([wrong.clone()]).collect::<Vec<_>>(),
            [wrong.clone()].into_iter().chain(good()).collect(),
            vec![wrong.clone()],
        ] {
            for (delta, scopes) in [(&delta, &scopes), (&Delta::default(), &ScopeChanges::default())] {
                let refused = case.try_all(delta, scopes, &rows).await;
                match &refused {
                    Err(StoreError::Exists { what: "messages", name }) if taken => assert_eq!(*name, wrong.id),
                    Err(StoreError::Changed { what: "messages", name }) if !taken => assert_eq!(*name, wrong.id),
                    other => panic!("{wrong:?} was answered {other:?}"),
                }
                assert_eq!(case.store.current(HOME).await.expect("reading works"), 0, "no revision");
                assert_eq!(case.store.scopes(HOME).await.expect("reading works"), std::slice::from_ref(&first));
                let said = (case.said("a").await, case.said("b").await, case.said("new").await);
                assert_eq!(said, (Some(2), Some(1), None), "no row");
            }
        }
    }
    // A refused commit blocks no later one.
    let rows: Vec<_> = good().collect();
    assert_eq!(case.try_all(&delta, &scopes, &rows).await.expect("the same without what was wrong"), 1);
    assert_eq!((case.said("b").await, case.said("new").await), (Some(9), Some(1)));
    assert_eq!(case.store.scopes(HOME).await.expect("reading works").len(), 2);
    let twice = [put("x", Expect::Anything, 1), remove("x", Expect::Anything)];
    let refused = case.rows(&twice).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "one row, named twice: {refused:?}");
}

/// A writer who has lost its lease, starts from a revision of before, or says something impossible writes no row either.
async fn refused_whole(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let (delta, nothing) = (objects(&[object("a/1", &[])]), Delta::default());
    let odd = objects(&[object("a/1", &[]), object("a/1", &[])]);
    let scopes = ScopeChanges { put: vec![scope("list", "host/h1", vec![])], ..ScopeChanges::default() };
    let rows = [put("a", Expect::Nothing, 1)];
    let said = info(1);
    let commit = |base, lease, delta| Commit { scopes: &scopes, rows: &rows, ..Commit::new(base, lease, delta, &said) };
    let ahead = store.commit(&commit(7, &case.lease, &delta)).await;
    assert!(matches!(ahead, Err(StoreError::Conflict { .. })), "{ahead:?}");
    let odd = store.commit(&commit(0, &case.lease, &odd)).await;
    assert!(matches!(odd, Err(StoreError::Invalid { .. })), "{odd:?}");
    let late = store.acquire(HOME, "other", 60_000, Duration::from_secs(60)).await.expect("the lease ran out");
    for delta in [&delta, &nothing] {
        let lost = store.commit(&commit(0, &case.lease, delta)).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost { .. })), "{lost:?}");
    }
    assert_eq!(case.row("a").await, None, "a refused commit writes no row");
    assert!(store.scopes(HOME).await.expect("reading works").is_empty(), "and no scope");
    assert_eq!(store.commit(&commit(0, &late, &delta)).await.expect("who has the lease writes"), 1);
    assert_eq!(case.said("a").await, Some(1));
}

/// Of writers of one row at the same time, in a commit or alone, exactly one writes each version.
async fn racing_rows(make: Make<'_>) {
    let case = Case::new(make).await;
    for round in 0..8_i64 {
        let expect = match case.row("race").await {
            Some(row) => Expect::Version(row.version),
            None => Expect::Nothing,
        };
        let alone = {
            let store = case.store.clone();
            tokio::spawn(async move {
                match expect {
                    Expect::Version(version) => store.replace(MESSAGES, "race", version, &doc(-1)).await,
                    _ => store.insert(MESSAGES, "race", &doc(-1)).await,
                }
                .is_ok()
            })
        };
        let delta = objects(&[object("a/race", &[("round", Value::Int(round))])]);
        let before = case.store.current(HOME).await.expect("reading works");
        let committed = case.try_all(&delta, &ScopeChanges::default(), &[put("race", expect, round)]).await;
        let alone = alone.await.expect("a writer does not panic");
        let revision = case.store.current(HOME).await.expect("reading works");
        match committed {
            Ok(made) => {
                assert!(!alone, "two wrote one version");
                assert_eq!((made, revision, case.said("race").await), (before + 1, made, Some(round)));
            }
            Err(StoreError::Exists { .. } | StoreError::Changed { .. }) => {
                assert!(alone, "nobody wrote it");
                assert_eq!((revision, case.said("race").await), (before, Some(-1)));
            }
            Err(other) => panic!("a racing commit got {other:?}"),
        }
    }
}

/// What a store gives back of a scope.
fn sorted(mut record: ScopeRecord) -> ScopeRecord {
    record.members.sort_by(|a, b| (&a.key, a.order, &a.at).cmp(&(&b.key, b.order, &b.at)));
    record
}

/// A scope after an update.
fn updated(before: &ScopeRecord, update: &ScopeUpdate) -> ScopeRecord {
    let named =
        |key: &ObjectKey| update.remove.contains(key) || update.record.members.iter().any(|member| member.key == *key);
    let stay = before.members.iter().filter(|member| !named(&member.key)).cloned();
    let members: Vec<Member> = stay.chain(update.record.members.iter().cloned()).collect();
    sorted(ScopeRecord { members, ..update.record.clone() })
}

async fn updates(make: Make<'_>) {
    let case = Case::new(make).await;
    let first = scope(
        "list",
        "host/h1",
        vec![member("vm/1", 0, 1), member("vm/1", 1, 2), member("vm/2", 0, 4), member("disk/1", 0, 6)],
    );
    let mut narrow = scope("list", "host/h1", vec![member("vm/1", 0, 8)]);
    narrow.key.narrowing = Value::Map([("id", Value::text("1"))].into_iter().collect());
    let other = scope("add", "host/h1", vec![member("vm/1", 0, 3)]);
    case.put_scopes(&[first.clone(), narrow.clone(), other.clone()]).await;
    let mut known = sorted(first);
    let mut head = known.clone();
    head.complete = false;
    head.tried_at = "2026-01-02T00:00:00Z".into();
    head.stale_since = Some("2026-01-02T00:00:00Z".into());
    head.problem = Some("nobody answered".into());
    let with = |members: Vec<Member>, remove: &[&str]| ScopeUpdate {
        record: ScopeRecord { members, ..head.clone() },
        remove: remove.iter().copied().map(key).collect(),
    };
    for (what, update) in [
        ("the head alone", with(vec![], &[])),
        ("again", with(vec![], &[])),
        ("a new member", with(vec![member("vm/3", 0, 2)], &[])),
        ("other members of a key", with(vec![member("vm/1", 4, 10), member("vm/1", 0, 1), member("vm/1", 2, 2)], &[])),
        ("fewer members of a key", with(vec![member("vm/1", 0, 1)], &[])),
        ("the same members", with(vec![member("vm/1", 0, 1), member("vm/2", 0, 4)], &[])),
        ("two equal members", with(vec![member("vm/2", 0, 4), member("vm/2", 0, 4)], &[])),
        ("a member that goes", with(vec![], &["vm/2"])),
        ("one that was never there", with(vec![], &["vm/9", "nothing/1"])),
        ("some of both", with(vec![member("disk/1", 0, 7), member("vm/2", 0, 2)], &["vm/1", "vm/3"])),
    ] {
        case.update(std::slice::from_ref(&update)).await.expect(what);
        known = updated(&known, &update);
        let found = case.store.scope(HOME, &known.key).await.expect("reading works");
        assert_eq!(found.as_ref(), Some(&known), "{what}");
        let all = case.store.scopes(HOME).await.expect("reading works");
        assert_eq!(all, [other.clone(), known.clone(), narrow.clone()], "{what}: others stay as they are");
        let of = case.store.scopes_of(HOME, &key("vm/1")).await.expect("reading works");
        assert!(of.iter().any(|scope| scope.key == other.key && scope.members == other.members), "{what}");
    }
    // Whole again, after members changed one by one: with what it was before, and with what it is now.
    for members in [known.members.clone(), vec![member("vm/1", 0, 1)], vec![]] {
        let whole = sorted(ScopeRecord { members, ..head.clone() });
        case.put_scopes(std::slice::from_ref(&whole)).await;
        assert_eq!(case.store.scope(HOME, &whole.key).await.expect("reading works"), Some(whole));
    }
    // A new one, one that changes, and one that goes, with a revision.
    let new = scope("new", "host/h3", vec![member("vm/5", 0, 2)]);
    let mut of = other.clone();
    of.scanned_at = "2026-02-01T00:00:00Z".into();
    of.members = vec![member("vm/6", 0, 2)];
    let update = ScopeUpdate { record: of, remove: vec![] };
    let scopes =
        ScopeChanges { put: vec![new.clone()], update: vec![update.clone()], remove: vec![narrow.key.clone()] };
    let made = case.try_all(&objects(&[object("vm/5", &[])]), &scopes, &[]).await.expect("all at once");
    assert_eq!(made, 1);
    let all = case.store.scopes(HOME).await.expect("reading works");
    assert_eq!(all, [updated(&other, &update), ScopeRecord { members: vec![], ..head.clone() }, new], "all at once");
    let times = case.store.last_scanned(HOME, &[key("vm/6")]).await.expect("reading works");
    assert_eq!(times, [Some("2026-02-01T00:00:00Z".into())]);
    // Cleared and put again they are others, and can be updated.
    case.store.clear(HOME, 1, &case.lease, &info(2)).await.expect("clearing works");
    let refused = case.update(std::slice::from_ref(&update)).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "clearing forgets the scopes: {refused:?}");
    case.put_scopes(std::slice::from_ref(&other)).await;
    case.update(std::slice::from_ref(&update)).await.expect("it is stored");
    assert_eq!(case.store.scopes(HOME).await.expect("reading works"), [updated(&other, &update)]);
}

/// Heads of more scopes than are looked up in one go, several below each parent.
async fn many_updates(make: Make<'_>) {
    let case = Case::new(make).await;
    let records: Vec<ScopeRecord> = [("add", 520), ("list", 520), ("more", 20)]
        .into_iter()
        .flat_map(|(fetcher, parents)| {
            (0..parents).map(move |n| scope(fetcher, &format!("host/h{n:04}"), vec![member("vm/1", n, i64::from(n))]))
        })
        .collect();
    case.put_scopes(&records).await;
    let at = "2026-03-01T00:00:00Z";
    let update = |record: &ScopeRecord| ScopeUpdate {
        record: ScopeRecord { scanned_at: at.into(), members: vec![], ..record.clone() },
        remove: vec![],
    };
    let updates: Vec<_> = records.iter().filter(|record| &*record.key.fetcher != "more").map(update).collect();
    case.update(&updates).await.expect("heads are saved");
    let expected = records.iter().map(|record| match &*record.key.fetcher {
        "more" => record.clone(),
        _ => ScopeRecord { scanned_at: at.into(), ..record.clone() },
    });
    let all = case.store.scopes(HOME).await.expect("reading works");
    assert!(all.into_iter().eq(expected), "each head is new, each member as before");
}

async fn refused_updates(make: Make<'_>) {
    let case = Case::new(make).await;
    let stored = scope("list", "host/h1", vec![member("vm/1", 0, 2)]);
    let narrow = |mut record: ScopeRecord| {
        record.key.narrowing = Value::text("x");
        record
    };
    case.put_scopes(std::slice::from_ref(&stored)).await;
    let update = |record: ScopeRecord, remove: &[&str]| ScopeUpdate {
        record: ScopeRecord { tried_at: "2026-02-01T00:00:00Z".into(), ..record },
        remove: remove.iter().copied().map(key).collect(),
    };
    let head = || ScopeRecord { members: vec![], ..stored.clone() };
    let all =
        |update: Vec<ScopeUpdate>, put: Vec<ScopeRecord>, remove: Vec<ScopeKey>| ScopeChanges { put, update, remove };
    let mut other_type = head();
    other_type.key.object_type = "disk".into();
    for (what, scopes) in [
        (
            "another fetcher",
            all(vec![update(head(), &[]), update(scope("add", "host/h1", vec![]), &[])], vec![], vec![]),
        ),
        (
            "another parent",
            all(vec![update(head(), &[]), update(scope("list", "host/h9", vec![]), &[])], vec![], vec![]),
        ),
        ("another narrowing", all(vec![update(head(), &[]), update(narrow(head()), &[])], vec![], vec![])),
        ("another type", all(vec![update(other_type, &[]), update(head(), &[])], vec![], vec![])),
        ("one that is put beside it", all(vec![update(head(), &[])], vec![stored.clone()], vec![])),
        ("one that goes", all(vec![update(head(), &[])], vec![], vec![stored.key.clone()])),
        ("one named twice", all(vec![update(head(), &[]), update(head(), &["vm/1"])], vec![], vec![])),
        ("one put twice", all(vec![], vec![stored.clone(), stored.clone()], vec![])),
        ("a member that changes and goes", all(vec![update(stored.clone(), &["vm/1"])], vec![], vec![])),
    ] {
        let rows = [put("row", Expect::Anything, 1)];
        let refused = case.try_all(&objects(&[object("a/1", &[])]), &scopes, &rows).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{what}: {refused:?}");
        assert_eq!(case.store.current(HOME).await.expect("reading works"), 0, "{what}: no revision");
        assert_eq!(case.store.scopes(HOME).await.expect("reading works"), std::slice::from_ref(&stored), "{what}");
        assert_eq!(case.row("row").await, None, "{what}: no row");
    }
    // A store without any key at all.
    let empty = Case::new(make).await;
    let refused = empty.update(&[update(head(), &[])]).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{refused:?}");
    assert!(refused.is_err_and(|error| error.to_string().contains("`list` of vm below host/h1")), "it says which");
}
