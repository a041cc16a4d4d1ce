//! Random changes, beside a model that keeps every revision whole in memory.

use std::{collections::BTreeMap, time::Duration};

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Object, ObjectKey, Value};
use calipso_store::{
    Backend, CliqueQuery, Collection, Commit, CommitInfo, Expect, Keep, LinkQuery, Member, Page, Query, RowWrite,
    ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate, Store, StoreError,
};
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
    Commit {
        objects: Vec<(u8, Option<u8>)>,
        links: Vec<(u8, u8, Option<u8>)>,
        cliques: Vec<(u8, Option<u8>)>,
        scopes: Vec<(u8, ScopeStep)>,
        rows: Vec<(u8, RowStep)>,
    },
    /// Keeps the newest revisions.
    Prune(u64),
    /// Removes everything.
    Clear,
}

/// What happens to one scope.
#[derive(Clone, Debug)]
pub enum ScopeStep {
    /// Members by key and value.
    Put(Vec<(u8, u8)>),
    /// Members that replace those of their keys, and keys that go; of a scope that is not stored only where it is meant so.
    Update {
        members: Vec<(u8, u8)>,
        remove: Vec<u8>,
        unknown: bool,
    },
    Remove,
}

/// What happens to one row.
#[derive(Clone, Debug)]
pub struct RowStep {
    /// What it says then, unless it goes.
    value: Option<u8>,
    /// Whatever is there is expected.
    anything: bool,
    /// Something is expected that is not there.
    wrong: bool,
}

/// What is stored beside the revisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    pub scopes: BTreeMap<ScopeKey, ScopeRecord>,
    pub rows: BTreeMap<u8, u8>,
    /// Whether there ever was a scope.
    pub scoped: bool,
}

fn scope_step() -> impl Strategy<Value = ScopeStep> {
    let members = || proptest::collection::vec((0..6_u8, 0..3_u8), 0..6);
    prop_oneof![
        2 => members().prop_map(ScopeStep::Put),
        4 => (members(), proptest::collection::vec(0..8_u8, 0..3), proptest::bool::weighted(0.1))
            .prop_map(|(members, remove, unknown)| ScopeStep::Update { members, remove, unknown }),
        1 => Just(ScopeStep::Remove),
    ]
}

fn row_step() -> impl Strategy<Value = RowStep> {
    (proptest::option::weighted(0.7, 0..3_u8), proptest::bool::weighted(0.3), proptest::bool::weighted(0.1))
        .prop_map(|(value, anything, wrong)| RowStep { value, anything, wrong })
}

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || proptest::option::weighted(0.7, 0..3_u8);
    let commit = (
        proptest::collection::btree_map(0..8_u8, value(), 0..6),
        proptest::collection::btree_map((0..8_u8, 0..8_u8), value(), 0..6),
        proptest::collection::btree_map(0..8_u8, value(), 0..3),
        proptest::collection::btree_map(0..4_u8, scope_step(), 0..3),
        proptest::collection::btree_map(0..4_u8, row_step(), 0..3),
    )
        .prop_map(|(objects, links, cliques, scopes, rows)| Step::Commit {
            objects: objects.into_iter().collect(),
            links: links.into_iter().map(|((a, b), value)| (a, b, value)).collect(),
            cliques: cliques.into_iter().collect(),
            scopes: scopes.into_iter().collect(),
            rows: rows.into_iter().collect(),
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

fn record(n: u8, members: &[(u8, u8)], turn: usize) -> ScopeRecord {
    let member = |(order, (n, value)): (usize, &(u8, u8))| Member {
        key: key(*n),
        contribution: [("value", Value::Int((*value).into()))].into_iter().collect(),
        asserts: *value > 0,
        order: order as u32,
        at: "f.yaml:1:1".into(),
    };
    let at = format!("2026-01-01T00:00:{turn:02}Z");
    let mut members: Vec<Member> = members.iter().enumerate().map(member).collect();
    members.sort_by(|a, b| (&a.key, a.order).cmp(&(&b.key, b.order)));
    ScopeRecord {
        key: ScopeKey {
            fetcher: if n.is_multiple_of(2) { "f" } else { "g" }.into(),
            object_type: "even".into(),
            parent: key(n / 2),
            narrowing: if n == 3 { Value::Int(3) } else { Value::Null },
        },
        complete: turn.is_multiple_of(2),
        scanned_at: at.as_str().into(),
        tried_at: at.as_str().into(),
        stale_since: None,
        problem: turn.is_multiple_of(3).then(|| "odd".into()),
        members,
    }
}

/// Turns steps into changes of scopes, and does them to the model; nothing where the store must refuse them.
fn apply_scopes(beside: &mut Beside, steps: &[(u8, ScopeStep)], turn: usize) -> (ScopeChanges, bool) {
    let mut changes = ScopeChanges::default();
    let mut fine = true;
    for (n, step) in steps {
        let of = |members: &[(u8, u8)]| record(*n, members, turn);
        let key = of(&[]).key;
        match step {
            ScopeStep::Remove => {
                beside.scopes.remove(&key);
                changes.remove.push(key);
            }
            ScopeStep::Update { members, remove, unknown } if *unknown || beside.scopes.contains_key(&key) => {
                let update = of(members);
                let named = |key: &ObjectKey| update.members.iter().any(|member| member.key == *key);
                let remove: Vec<ObjectKey> = remove.iter().map(|n| self::key(*n)).filter(|key| !named(key)).collect();
                match beside.scopes.get_mut(&key) {
                    Some(scope) => {
                        let stays = |member: &&Member| !named(&member.key) && !remove.contains(&member.key);
                        let mut members: Vec<Member> = scope.members.iter().filter(stays).cloned().collect();
                        members.extend(update.members.iter().cloned());
                        members.sort_by(|a, b| (&a.key, a.order).cmp(&(&b.key, b.order)));
                        *scope = ScopeRecord { members, ..update.clone() };
                    }
                    None => fine = false,
                }
                changes.update.push(ScopeUpdate { record: update, remove });
            }
            ScopeStep::Put(members) | ScopeStep::Update { members, .. } => {
                beside.scoped = true;
                beside.scopes.insert(key, of(members));
                changes.put.push(of(members));
            }
        }
    }
    (changes, fine)
}

/// Where rows lie.
const ROWS: Collection = Collection::Messages;

fn row_id(env: &str, n: u8) -> String {
    format!("{env} {n}")
}

/// Turns steps into rows, and does them to the model; tells whether the store must take them.
async fn apply_rows(
    store: &dyn Backend,
    env: &str,
    beside: &mut Beside,
    steps: &[(u8, RowStep)],
) -> (Vec<RowWrite>, bool) {
    let mut rows = Vec::new();
    let mut fine = true;
    for (n, step) in steps {
        let id = row_id(env, *n);
        let there = store.record(ROWS, &id).await.expect("the model is whole and the store works");
        let expect = match &there {
            _ if step.anything => Expect::Anything,
            Some(_) if step.wrong => Expect::Nothing,
            None if step.wrong => Expect::Version(1),
            Some(row) => Expect::Version(row.version),
            None => Expect::Nothing,
        };
        fine &= step.anything || !step.wrong;
        rows.push(match step.value {
            Some(value) => {
                beside.rows.insert(*n, value);
                let doc = [("value", Value::Int(value.into()))].into_iter().collect();
                RowWrite::put(ROWS, id, expect, doc)
            }
            None => {
                beside.rows.remove(n);
                RowWrite::remove(ROWS, id, expect)
            }
        });
    }
    (rows, fine)
}

/// Compares scopes and rows with the model.
async fn compare_beside(store: &dyn Backend, env: &str, beside: &Beside) {
    let scopes = store.scopes(env).await.expect("the model is whole and the store works");
    assert!(scopes.iter().eq(beside.scopes.values()), "scopes: {scopes:#?}, but {:#?}", beside.scopes);
    for n in 0..4 {
        let row = store.record(ROWS, &row_id(env, n)).await.expect("the model is whole and the store works");
        let value = row.as_ref().and_then(|row| row.doc.get("value")).and_then(Value::as_int);
        assert_eq!(value, beside.rows.get(&n).map(|value| i64::from(*value)), "row {n}");
    }
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

/// Does some steps to an environment of a store, and compares all that it shows then. Returns the newest revision, and what is
/// beside it.
pub async fn check(store: &dyn Backend, env: &str, steps: Vec<Step>) -> (u64, State, Beside) {
    let environment = Environment { name: env.into(), ..Environment::default() };
    store.put_environment(&environment, Expect::Anything).await.expect("the model is whole and the store works");
    let lease =
        store.acquire(env, "model", 0, Duration::from_secs(1)).await.expect("the model is whole and the store works");
    let mut revisions = vec![State::default()];
    let mut oldest = 0;
    let mut beside = Beside::default();
    for (turn, step) in steps.into_iter().enumerate() {
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
                beside.scopes.clear();
                store.clear(env, current, &lease, &info).await.expect("the model is whole and the store works")
            }
            Step::Commit { objects, links, cliques, scopes, rows } => {
                let delta = apply(&mut next, &objects, &links, &cliques);
                let mut changed = beside.clone();
                let (scopes, known) = apply_scopes(&mut changed, &scopes, turn);
                let (rows, expected) = apply_rows(store, env, &mut changed, &rows).await;
                let commit = Commit { scopes: &scopes, rows: &rows, ..Commit::new(current, &lease, &delta, &info) };
                match store.commit(&commit).await {
                    Ok(revision) => {
                        assert!(known && expected, "this must be refused: {commit:?}");
                        beside = changed;
                        revision
                    }
                    Err(StoreError::Invalid { .. }) if !known => {
                        next = revisions[current as usize].clone();
                        current
                    }
                    Err(StoreError::Exists { .. } | StoreError::Changed { .. }) if !expected => {
                        next = revisions[current as usize].clone();
                        current
                    }
                    Err(error) => panic!("{error} of {commit:?}"),
                }
            }
        };
        if next == revisions[current as usize] {
            assert_eq!(revision, current, "nothing new is no revision");
        } else {
            assert_eq!(revision, current + 1, "something new is one revision");
            revisions.push(next);
        }
        compare_beside(store, env, &beside).await;
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
    compare_beside(store, env, &beside).await;
    (current, state, beside)
}
