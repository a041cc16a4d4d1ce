//! Random changes, beside a model that keeps every revision whole in memory.

use std::{collections::BTreeMap, time::Duration};

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Object, ObjectKey, Value};
use calipso_store::{CliqueQuery, CommitInfo, Expect, Keep, LinkQuery, Page, Query, ScopeChanges, Store, StoreError};
use proptest::prelude::*;

/// Everything at one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub objects: BTreeMap<ObjectKey, Object>,
    pub links: BTreeMap<(ObjectKey, String, ObjectKey), Link>,
    pub cliques: BTreeMap<ObjectKey, Clique>,
}

/// What one step does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sets (some value) or removes (nothing) things by number.
    Commit { objects: Vec<(u8, Option<u8>)>, links: Vec<(u8, u8, Option<u8>)>, cliques: Vec<(u8, Option<u8>)> },
    /// Keeps the newest revisions.
    Prune(u64),
    /// Removes everything.
    Clear,
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || proptest::option::weighted(0.7, 0..3_u8);
    let commit = (
        proptest::collection::btree_map(0..8_u8, value(), 0..6),
        proptest::collection::btree_map((0..8_u8, 0..8_u8), value(), 0..6),
        proptest::collection::btree_map(0..8_u8, value(), 0..3),
    )
        .prop_map(|(objects, links, cliques)| Step::Commit {
            objects: objects.into_iter().collect(),
            links: links.into_iter().map(|((a, b), value)| (a, b, value)).collect(),
            cliques: cliques.into_iter().collect(),
        });
    let step = prop_oneof![8 => commit, 1 => (0..4_u64).prop_map(Step::Prune), 1 => Just(Step::Clear)];
    proptest::collection::vec(step, 1..10)
}

fn key(n: u8) -> ObjectKey {
    ObjectKey::new(if n.is_multiple_of(2) { "even" } else { "odd" }, format!("o{n}"))
}

fn object(n: u8, value: u8) -> Object {
    let (key, parent) = (key(n), key(value));
    let doc = [
        ("name", Value::text(&format!("Name {n}-{value}"))),
        ("parent_type", Value::Str(parent.object_type)),
        ("parent_id", Value::Str(parent.id)),
        ("host", Value::text(&format!("h{value}"))),
    ];
    Object { key, doc: doc.into_iter().collect() }
}

fn link(source: u8, target: u8, value: u8) -> Link {
    Link {
        link_type: if target > 3 { "far" } else { "near" }.into(),
        source: key(source),
        target: key(target),
        name: format!("{source}-{target}").into(),
        state: if value == 0 { LinkState::Down } else { LinkState::Up },
        host: (value == 1).then(|| "h1".into()),
        switch: None,
        attributes: [("value", Value::Int(value.into()))].into_iter().collect(),
        implicit: false,
        rule: "rule".into(),
    }
}

fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

fn place(link: &Link) -> (ObjectKey, String, ObjectKey) {
    (link.source.clone(), link.link_type.to_string(), link.target.clone())
}

fn clique(n: u8, value: u8) -> Clique {
    let mut nodes = vec![key(n), key(n.wrapping_add(value))];
    nodes.sort();
    nodes.dedup();
    Clique {
        focal_point: key(n),
        clique_type: format!("type{value}").into(),
        constraints: [("value", Value::Int(value.into()))].into_iter().collect(),
        nodes,
        links: (0..value).map(|target| reference(&link(n, target, 0))).collect(),
    }
}

/// Turns a step into a delta, and does it to the model.
fn apply(
    state: &mut State,
    objects: &[(u8, Option<u8>)],
    links: &[(u8, u8, Option<u8>)],
    cliques: &[(u8, Option<u8>)],
) -> Delta {
    let mut delta = Delta::default();
    for (n, value) in objects {
        match value {
            Some(value) => {
                delta.objects.push(object(*n, *value));
                state.objects.insert(key(*n), object(*n, *value));
            }
            None => {
                delta.removed_objects.push(key(*n));
                state.objects.remove(&key(*n));
            }
        }
    }
    for (source, target, value) in links {
        let link = link(*source, *target, value.unwrap_or(0));
        if value.is_some() {
            state.links.insert(place(&link), link.clone());
            delta.links.push(link);
        } else {
            state.links.remove(&place(&link));
            delta.removed_links.push(reference(&link));
        }
    }
    for (n, value) in cliques {
        match value {
            Some(value) => {
                delta.cliques.push(clique(*n, *value));
                state.cliques.insert(key(*n), clique(*n, *value));
            }
            None => {
                delta.removed_cliques.push(key(*n));
                state.cliques.remove(&key(*n));
            }
        }
    }
    delta
}

/// Everything that the store shows at a revision.
async fn read(store: &dyn Store, env: &str, at: u64) -> State {
    let mut state = State::default();
    let all = store
        .objects(env, Some(at), &Query::default(), &Page::first(1000))
        .await
        .expect("the model is whole and the store works");
    state.objects = all.items.into_iter().map(|object| (object.key.clone(), object)).collect();
    let all = store
        .links(env, Some(at), &LinkQuery::default(), &Page::first(1000))
        .await
        .expect("the model is whole and the store works");
    state.links = all.items.into_iter().map(|link| (place(&link), link)).collect();
    let all = store
        .cliques(env, Some(at), &CliqueQuery::default(), &Page::first(1000))
        .await
        .expect("the model is whole and the store works");
    state.cliques = all.items.into_iter().map(|clique| (clique.focal_point.clone(), clique)).collect();
    state
}

/// Compares every way of asking at a revision with the model.
pub async fn compare(store: &dyn Store, env: &str, at: u64, state: &State) {
    assert_eq!(&read(store, env, at).await, state, "revision {at}");
    for n in 0..8 {
        let key = key(n);
        assert_eq!(
            store.object(env, Some(at), &key).await.expect("the model is whole and the store works").as_ref(),
            state.objects.get(&key)
        );
        assert_eq!(
            store.clique(env, Some(at), &key).await.expect("the model is whole and the store works").as_ref(),
            state.cliques.get(&key)
        );
        let expected: Vec<_> = state.objects.values().filter(|o| o.text("parent_id") == Some(&key.id)).collect();
        let children = store.children(env, Some(at), &key).await.expect("the model is whole and the store works");
        assert_eq!(children.iter().collect::<Vec<_>>(), expected, "children of {key} at {at}");
        let expected: Vec<_> = state.links.values().filter(|l| l.source == key || l.target == key).collect();
        let links = store
            .links(env, Some(at), &LinkQuery::touching(key.clone()), &Page::first(99))
            .await
            .expect("the model is whole and the store works");
        assert_eq!(links.items.iter().collect::<Vec<_>>(), expected, "links of {key} at {at}");
        let text = format!("nAME {n}");
        let expected: Vec<_> = state.objects.get(&key).into_iter().collect();
        let query = Query { text: Some(text.as_str().into()), ..Query::default() };
        let found = store
            .objects(env, Some(at), &query, &Page::first(99))
            .await
            .expect("the model is whole and the store works");
        assert_eq!(found.items.iter().collect::<Vec<_>>(), expected, "`{text}` at {at}");
        let found = store.search(env, Some(at), &text, 99).await.expect("the model is whole and the store works");
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "search for `{text}` at {at}");
    }
    for host in ["h0", "h1", "h2"] {
        let expected: Vec<_> = state.objects.values().filter(|o| o.text("host") == Some(host)).collect();
        let query = Query { host: Some(host.into()), ..Query::default() };
        let found = store
            .objects(env, Some(at), &query, &Page::first(99))
            .await
            .expect("the model is whole and the store works");
        assert_eq!(found.items.iter().collect::<Vec<_>>(), expected, "objects of {host} at {at}");
    }
}

/// Compares the difference of two revisions with the model.
async fn compare_diff(store: &dyn Store, env: &str, (from, before): (u64, &State), (to, after): (u64, &State)) {
    fn expected<K: Ord + Clone, T: PartialEq + Clone>(
        before: &BTreeMap<K, T>,
        after: &BTreeMap<K, T>,
    ) -> Vec<(Option<T>, Option<T>)> {
        let mut keys: Vec<&K> = before.keys().chain(after.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .map(|key| (before.get(key).cloned(), after.get(key).cloned()))
            .filter(|(a, b)| a != b)
            .collect()
    }
    let diff = store.diff(env, from, to).await.expect("the model is whole and the store works");
    let objects: Vec<_> = diff.objects.into_iter().map(|change| (change.before, change.after)).collect();
    assert_eq!(objects, expected(&before.objects, &after.objects), "objects from {from} to {to}");
    let links: Vec<_> = diff.links.into_iter().map(|change| (change.before, change.after)).collect();
    assert_eq!(links, expected(&before.links, &after.links), "links from {from} to {to}");
    let cliques: Vec<_> = diff.cliques.into_iter().map(|change| (change.before, change.after)).collect();
    assert_eq!(cliques, expected(&before.cliques, &after.cliques), "cliques from {from} to {to}");
}

/// Does some steps to an environment of a store, and compares all that it shows then. Returns the newest revision.
pub async fn check(store: &dyn Store, env: &str, steps: Vec<Step>) -> (u64, State) {
    let environment = Environment { name: env.into(), ..Environment::default() };
    store.put_environment(&environment, Expect::Anything).await.expect("the model is whole and the store works");
    let lease =
        store.acquire(env, "model", 0, Duration::from_secs(1)).await.expect("the model is whole and the store works");
    let mut revisions = vec![State::default()];
    let mut oldest = 0;
    for step in steps {
        let current = revisions.len() as u64 - 1;
        let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
        let mut next = revisions.last().expect("the model is whole and the store works").clone();
        let revision = match step {
            Step::Prune(keep) => {
                let pruned = store.prune(env, &Keep::Last(keep)).await.expect("the model is whole and the store works");
                let expected = oldest.max((current + 1).saturating_sub(keep.max(1)));
                assert_eq!((pruned.oldest, pruned.revisions), (expected, expected - oldest));
                oldest = expected;
                continue;
            }
            Step::Clear => {
                next = State::default();
                store.clear(env, current, &lease, &info).await.expect("the model is whole and the store works")
            }
            Step::Commit { objects, links, cliques } => {
                let delta = apply(&mut next, &objects, &links, &cliques);
                store
                    .commit(env, current, &lease, &delta, &ScopeChanges::default(), &info)
                    .await
                    .expect("the model is whole and the store works")
            }
        };
        if next == revisions[current as usize] {
            assert_eq!(revision, current, "nothing new is no revision");
        } else {
            assert_eq!(revision, current + 1, "something new is one revision");
            revisions.push(next);
        }
    }
    let current = revisions.len() as u64 - 1;
    for at in 0..oldest {
        let gone = store.object(env, Some(at), &key(0)).await;
        assert!(matches!(gone, Err(StoreError::NoRevision { .. })), "revision {at} was pruned");
    }
    for at in oldest..=current {
        let state = &revisions[at as usize];
        compare(store, env, at, state).await;
        for other in [oldest, current, (at + 1).min(current)] {
            compare_diff(store, env, (at, state), (other, &revisions[other as usize])).await;
            compare_diff(store, env, (other, &revisions[other as usize]), (at, state)).await;
        }
    }
    // Pruned to the current revision, that one is whole.
    store.prune(env, &Keep::Last(1)).await.expect("the model is whole and the store works");
    let state = revisions.pop().expect("the model is whole and the store works");
    compare(store, env, current, &state).await;
    (current, state)
}
