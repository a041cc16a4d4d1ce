//! Commits, revisions, differences and retention.

use calipso_model::{Delta, Value};

use super::{Case, HOME, Make, clique, info, key, link, object, objects, reference};
use crate::{
    commit::{Commit, CommitInfo},
    error::StoreError,
    query::{LinkQuery, Page, Query},
    store::Keep,
};

/// All cases of this file.
pub(super) async fn run(make: Make<'_>) {
    conflicts(make).await;
    nothing_new(make).await;
    odd_names(make).await;
    time_travel(make).await;
    refused_deltas(make).await;
    clearing(make).await;
    retention(make).await;
}

async fn conflicts(make: Make<'_>) {
    let case = Case::new(make).await;
    case.commit(&objects(&[object("a/1", &[])])).await;
    let stale = case.try_commit(0, &objects(&[object("a/2", &[])])).await;
    assert!(matches!(stale, Err(StoreError::Conflict { base: 0, current: 1, .. })), "a stale commit: {stale:?}");
    assert_eq!(
        case.store.object(HOME, None, &key("a/2")).await.expect("reading works"),
        None,
        "nothing of it is there"
    );
    let ahead = case.try_commit(9, &Delta::default()).await;
    assert!(matches!(ahead, Err(StoreError::Conflict { base: 9, current: 1, .. })), "an impossible base: {ahead:?}");
    let missing = case.store.object(HOME, Some(2), &key("a/1")).await;
    assert!(
        matches!(missing, Err(StoreError::NoRevision { revision: 2, oldest: 0, current: 1, .. })),
        "a revision to come cannot be read: {missing:?}"
    );
    let time = CommitInfo { at: "yesterday".into(), note: "".into() };
    let odd = case.store.commit(&Commit::new(1, &case.lease, &objects(&[object("a/3", &[])]), &time)).await;
    assert!(matches!(odd, Err(StoreError::Invalid { .. })), "a time must be one");
    // Of concurrent writers exactly one wins.
    let many: Vec<_> = (0..4)
        .map(|n| {
            let (store, lease) = (case.store.clone(), case.lease.clone());
            tokio::spawn(async move {
                let delta = objects(&[object("race/winner", &[("n", Value::Int(n))])]);
                store.commit(&Commit::new(1, &lease, &delta, &info(2))).await
            })
        })
        .collect();
    let mut won = 0;
    for writer in many {
        match writer.await.expect("a writer does not panic") {
            Ok(2) => won += 1,
            Err(StoreError::Conflict { base: 1, current: 2, .. }) => {}
            other => panic!("a racing writer got {other:?}"),
        }
    }
    assert_eq!(won, 1, "one of the racing writers wins");
}

async fn nothing_new(make: Make<'_>) {
    let case = Case::new(make).await;
    let cable = link("a-b", "a/1", "b/1", 10);
    let full = Delta {
        objects: vec![object("a/1", &[("name", Value::text("one"))]), object("b/1", &[("f", Value::Float(0.5))])],
        links: vec![cable.clone()],
        cliques: vec![clique("a/1", &["b/1"], &[&cable])],
        removed_objects: vec![key("c/never")],
        removed_links: vec![reference(&link("x-y", "x/1", "y/1", 1))],
        removed_cliques: vec![key("b/1")],
    };
    assert_eq!(case.commit(&Delta::default()).await, 0, "nothing is no revision");
    assert_eq!(case.commit(&full).await, 1, "something is one");
    assert_eq!(case.commit(&full).await, 1, "the same once more is none");
    let mut more = full.clone();
    more.objects.push(object("d/1", &[]));
    assert_eq!(case.commit(&more).await, 2, "one thing more is one");
    let listed = case.store.revisions(HOME).await.expect("listing works");
    assert_eq!(listed.iter().map(|revision| revision.revision).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed[1].written.objects, 1, "only what differs was written: {listed:?}");
    assert_eq!((listed[1].written.links, listed[1].written.cliques), (0, 0), "only what differs was written");
    assert_eq!((&*listed[0].at, &*listed[0].note), ("2026-01-02T00:01:00Z", "commit 1"), "what was said of it");
    let gone = Delta { removed_objects: vec![key("d/1")], removed_cliques: vec![key("a/1")], ..Delta::default() };
    assert_eq!(case.commit(&gone).await, 3);
    let after = async |after, limit| {
        let found = case.store.revisions_after(HOME, after, limit).await.expect("listing works");
        found.iter().map(|revision| revision.revision).collect::<Vec<_>>()
    };
    assert_eq!((after(0, 2).await, after(1, 9).await, after(3, 9).await), (vec![1, 2], vec![2, 3], vec![]));
    let removed = case.store.revisions(HOME).await.expect("listing works")[2].removed;
    assert_eq!((removed.objects, removed.links, removed.cliques), (1, 0, 1), "what went is counted");
}

/// What a document holds comes back exactly, whatever its fields are called.
async fn odd_names(make: Make<'_>) {
    let case = Case::new(make).await;
    let odd: calipso_model::Map = [
        ("provider:id", Value::Int(1)),
        ("a.b", Value::Float(1.0)),
        ("$set", Value::text("$name")),
        ("_id", Value::Int(i64::MAX)),
        ("rev_to", Value::Bool(true)),
        ("", Value::Null),
        ("nul\0", Value::text("x\0y")),
    ]
    .into_iter()
    .collect();
    let text = Value::Map(odd.clone()).to_json();
    let fields = [("doc", Value::Map(odd.clone())), ("list", Value::list(vec![Value::Map(odd.clone()), Value::Null]))];
    let mut thing = object("odd/$1.2", &fields);
    for (field, value) in &odd {
        thing.doc.insert(field.clone(), value.clone());
    }
    let mut cable = link("a-b", "odd/$1.2", "odd/$1.2", 1);
    cable.attributes = odd.clone();
    let mut around = clique("odd/$1.2", &[], &[&cable]);
    around.constraints = odd.clone();
    case.commit(&Delta {
        objects: vec![thing.clone()],
        links: vec![cable.clone()],
        cliques: vec![around.clone()],
        ..Delta::default()
    })
    .await;
    let read = case.store.object(HOME, None, &thing.key).await.expect("reading works").expect("it is there");
    assert_eq!(Value::Map(read.doc).to_json(), Value::Map(thing.doc.clone()).to_json(), "to the last digit");
    let read = case.store.link(HOME, None, &reference(&cable)).await.expect("reading works").expect("it is there");
    assert_eq!(Value::Map(read.attributes).to_json(), text);
    let read = case.store.clique(HOME, None, &thing.key).await.expect("reading works").expect("it is there");
    assert_eq!(Value::Map(read.constraints).to_json(), text);
    for (field, value) in &odd {
        let query = Query { equals: vec![(field.clone(), value.clone())], ..Query::default() };
        let found = case.store.objects(HOME, None, &query, &Page::first(9)).await.expect("reading works");
        assert_eq!(found.items.len(), 1, "found by `{field}`");
        let query = Query { equals: vec![(field.clone(), Value::text("other"))], ..Query::default() };
        let found = case.store.objects(HOME, None, &query, &Page::first(9)).await.expect("reading works");
        assert_eq!(found.items.len(), 0, "not found by `{field}`");
    }
    assert_eq!(case.commit(&objects(&[thing])).await, 1, "and the same again is none");
}

async fn time_travel(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    let one = |name: &str| object("a/1", &[("name", Value::text(name)), ("host", Value::text("h1"))]);
    let cable = link("a-b", "a/1", "b/1", 10);
    let slow = link("a-b", "a/1", "b/1", 0);
    let around = clique("a/1", &["b/1"], &[&cable]);
    case.commit(&Delta {
        objects: vec![one("first"), object("b/1", &[])],
        links: vec![cable.clone()],
        cliques: vec![around.clone()],
        ..Delta::default()
    })
    .await;
    case.commit(&Delta { objects: vec![one("second")], links: vec![slow.clone()], ..Delta::default() }).await;
    case.commit(&Delta {
        objects: vec![one("first")],
        removed_objects: vec![key("b/1")],
        removed_links: vec![reference(&slow)],
        removed_cliques: vec![key("a/1")],
        ..Delta::default()
    })
    .await;
    for (at, name, links, cliques) in [
        (Some(1), "first", vec![cable.clone()], Some(&around)),
        (Some(2), "second", vec![slow.clone()], Some(&around)),
        (Some(3), "first", vec![], None),
        (None, "first", vec![], None),
    ] {
        let read = store.object(HOME, at, &key("a/1")).await.expect("reading works");
        assert_eq!(read, Some(one(name)), "the object at {at:?}");
        let query = LinkQuery::touching(key("b/1"));
        let read = store.links(HOME, at, &query, &Page::first(9)).await.expect("reading works");
        assert_eq!(read.items, links, "the links at {at:?}");
        let read = store.link(HOME, at, &reference(&cable)).await.expect("reading works");
        assert_eq!(read, links.first().cloned(), "the link at {at:?}");
        let read = store.clique(HOME, at, &key("a/1")).await.expect("reading works");
        assert_eq!(read.as_ref(), cliques, "the clique at {at:?}");
        let query = Query { text: Some("SECO".into()), ..Query::default() };
        let read = store.objects(HOME, at, &query, &Page::first(9)).await.expect("reading works");
        assert_eq!(read.items.len(), usize::from(name == "second"), "text at {at:?}");
        assert_eq!(
            store.search(HOME, at, "first", 9).await.expect("searching works").len(),
            usize::from(name == "first")
        );
    }
    assert_eq!(store.object(HOME, Some(0), &key("a/1")).await.expect("reading works"), None, "revision 0 is empty");
    let counts = store.counts(HOME, Some(2)).await.expect("counting works");
    assert_eq!(counts.objects, [("a".into(), 1), ("b".into(), 1)]);
    assert_eq!(counts.links, [("a-b".into(), 1)]);
    assert_eq!(counts.cliques, [("round".into(), 1)]);
    assert_eq!(store.counts(HOME, None).await.expect("counting works").objects, [("a".into(), 1)]);

    let diff = store.diff(HOME, 1, 3).await.expect("comparing works");
    assert_eq!(diff.objects.len(), 1, "there and back again is no difference: {diff:?}");
    assert_eq!((&diff.objects[0].before, &diff.objects[0].after), (&Some(object("b/1", &[])), &None));
    assert_eq!((&diff.links[0].before, &diff.links[0].after), (&Some(cable.clone()), &None));
    assert_eq!((&diff.cliques[0].before, &diff.cliques[0].after), (&Some(around), &None));
    let back = store.diff(HOME, 2, 1).await.expect("comparing works");
    assert_eq!((&back.objects[0].before, &back.objects[0].after), (&Some(one("second")), &Some(one("first"))));
    assert_eq!((&back.links[0].before, &back.links[0].after), (&Some(slow), &Some(cable)));
    assert!(back.cliques.is_empty());
    assert!(store.diff(HOME, 2, 2).await.expect("comparing works").is_empty(), "nothing differs from itself");
    assert!(matches!(store.diff(HOME, 0, 4).await, Err(StoreError::NoRevision { revision: 4, .. })));
}

async fn refused_deltas(make: Make<'_>) {
    let case = Case::new(make).await;
    let twice = object("a/1", &[]);
    let cable = link("a-b", "a/1", "b/1", 10);
    let round = clique("a/1", &[], &[]);
    for (what, delta) in [
        ("an object twice", objects(&[twice.clone(), object("b/1", &[]), twice.clone()])),
        (
            "an object that comes and goes",
            Delta { objects: vec![twice.clone()], removed_objects: vec![twice.key.clone()], ..Delta::default() },
        ),
        ("a link twice", Delta { links: vec![cable.clone(), cable.clone()], ..Delta::default() }),
        (
            "a link that comes and goes",
            Delta { links: vec![cable.clone()], removed_links: vec![reference(&cable)], ..Delta::default() },
        ),
        ("a clique twice", Delta { cliques: vec![round.clone(), round.clone()], ..Delta::default() }),
        (
            "a clique that comes and goes",
            Delta { cliques: vec![round.clone()], removed_cliques: vec![key("a/1")], ..Delta::default() },
        ),
    ] {
        let answer = case.try_commit(0, &delta).await;
        assert!(matches!(answer, Err(StoreError::Invalid { .. })), "{what}: {answer:?}");
    }
    assert_eq!(case.store.current(HOME).await.expect("reading works"), 0, "nothing was committed");
    let page = case.store.objects(HOME, None, &Query::default(), &Page::first(9)).await.expect("reading works");
    assert!(page.items.is_empty(), "nothing of a refused delta is seen");
}

async fn clearing(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    assert_eq!(store.clear(HOME, 0, &case.lease, &info(1)).await.expect("clearing works"), 0, "nothing to clear");
    let cable = link("a-b", "a/1", "b/1", 10);
    case.commit(&Delta {
        objects: vec![object("a/1", &[("name", Value::text("somebody"))])],
        links: vec![cable.clone()],
        cliques: vec![clique("a/1", &[], &[&cable])],
        ..Delta::default()
    })
    .await;
    assert_eq!(store.clear(HOME, 1, &case.lease, &info(2)).await.expect("clearing works"), 2);
    assert!(store.clear(HOME, 1, &case.lease, &info(2)).await.is_err(), "a stale clear is refused");
    let counts = store.counts(HOME, None).await.expect("counting works");
    assert!(counts.objects.is_empty() && counts.links.is_empty() && counts.cliques.is_empty(), "{counts:?}");
    assert!(store.search(HOME, None, "somebody", 9).await.expect("searching works").is_empty());
    assert_eq!(store.search(HOME, Some(1), "somebody", 9).await.expect("searching works").len(), 1);
    assert_eq!(store.link(HOME, Some(1), &reference(&cable)).await.expect("reading works"), Some(cable));
    case.commit(&objects(&[object("a/1", &[("name", Value::text("somebody"))])])).await;
    assert_eq!(store.search(HOME, None, "somebody", 9).await.expect("searching works").len(), 1, "it can come back");
}

async fn retention(make: Make<'_>) {
    let case = Case::new(make).await;
    let store = &case.store;
    for n in 0..5 {
        let mut delta = objects(&[object("a/1", &[("n", Value::Int(n))]), object(&format!("b/{n}"), &[])]);
        if n > 0 {
            delta.removed_objects.push(key(&format!("b/{}", n - 1)));
        }
        case.commit(&delta).await;
    }
    let pruned = store.prune(HOME, &Keep::Last(9)).await.expect("pruning works");
    assert_eq!((pruned.oldest, pruned.revisions), (0, 0), "there are fewer than are to be kept");
    let pruned = store.prune(HOME, &Keep::Last(4)).await.expect("pruning works");
    assert_eq!((pruned.oldest, pruned.revisions), (2, 2));
    let read = store.object(HOME, Some(1), &key("a/1")).await;
    assert!(matches!(read, Err(StoreError::NoRevision { revision: 1, oldest: 2, current: 5, .. })), "{read:?}");
    assert!(store.diff(HOME, 1, 5).await.is_err(), "what is gone cannot be compared");
    let read = store.object(HOME, Some(2), &key("b/1")).await.expect("the oldest is whole");
    assert_eq!(read, Some(object("b/1", &[])));
    assert_eq!(store.revisions(HOME).await.expect("listing works").len(), 4);
    // Revision n was committed n minutes past midnight.
    let since = Keep::Since("2026-01-02T01:03:30+01:00".into());
    assert!(matches!(store.prune(HOME, &Keep::Since("soon".into())).await, Err(StoreError::Invalid { .. })));
    let pruned = store.prune(HOME, &since).await.expect("pruning works");
    assert_eq!((pruned.oldest, pruned.revisions), (3, 1), "what was current then stays");
    let pruned = store.prune(HOME, &Keep::Last(0)).await.expect("pruning works");
    assert_eq!((pruned.oldest, pruned.revisions), (5, 2), "the current one stays");
    let read = store.object(HOME, None, &key("a/1")).await.expect("reading works");
    assert_eq!(read, Some(object("a/1", &[("n", Value::Int(4))])));
    case.commit(&objects(&[object("b/0", &[])])).await;
    let all = store.objects(HOME, None, &Query::default(), &Page::first(9)).await.expect("reading works");
    assert_eq!(super::keys(&all.items), ["a/1", "b/0", "b/4"], "what was forgotten can come back");
}
