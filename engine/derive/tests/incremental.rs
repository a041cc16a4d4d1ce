//! Whatever the changes, and in whatever order: the graph is the one that the objects lead to.

mod support;

use std::sync::{Arc, LazyLock};

use calipso_derive::{Changes, Dangling, Rules};
use calipso_model::{Map, Object, ObjectKey, Value};
use proptest::{collection::vec, prelude::*, sample::select};
use support::{Given, State, rules};

const HOSTS: [&str; 3] = ["h1", "h2", ""];
const LABELS: [&str; 3] = ["a", "b", "c"];
const MACS: [&str; 4] = ["m1", "m2", "m3", ""];
const NETS: [&str; 3] = ["n1", "n2", "n3"];

/// One in five is absent, some are null.
fn maybe(values: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::Null)),
        6 => select(values).prop_map(|text| Some(Value::text(text))),
    ]
}

fn some(values: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Value::text("no list"))),
        8 => vec(select(values), 0..4).prop_map(|items| Some(Value::list(items.into_iter().map(Value::text).collect()))),
    ]
}

fn number() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![Just(None), (0..4_i64).prop_map(|number| Some(Value::Int(number))), Just(Some(Value::Float(2.0)))]
}

fn of(
    object_type: &'static str,
    ids: &'static [&'static str],
    fields: BoxedStrategy<Vec<(&'static str, Option<Value>)>>,
) -> BoxedStrategy<Object> {
    (select(ids), fields)
        .prop_map(move |(id, fields)| {
            let mut doc = Map::new();
            for (name, value) in fields {
                if let Some(value) = value {
                    doc.insert(name, value);
                }
            }
            doc.insert("id", id);
            doc.insert("object_name", format!("{object_type} {id}"));
            Object { key: ObjectKey::new(object_type, id), doc }
        })
        .boxed()
}

fn any_object() -> BoxedStrategy<Object> {
    let boxes =
        (maybe(&HOSTS), 0..2_i64).prop_map(|(host, rest)| vec![("host", host), ("rest", Some(Value::Int(rest)))]);
    let cards = (maybe(&HOSTS), maybe(&["b1", "b2", "b3"]), maybe(&LABELS), maybe(&MACS))
        .prop_map(|(host, owner, label, mac)| vec![("host", host), ("box", owner), ("label", label), ("mac", mac)]);
    let ports = (maybe(&HOSTS), maybe(&MACS), maybe(&NETS), number())
        .prop_map(|(host, mac, net, weight)| vec![("host", host), ("mac", mac), ("net", net), ("weight", weight)]);
    let bridges = (maybe(&HOSTS), some(&LABELS), some(&MACS), maybe(&["r1", "r2", "r3", "r4"])).prop_map(
        |(host, labels, macs, peer)| vec![("host", host), ("labels", labels), ("macs", macs), ("peer", peer)],
    );
    let nets =
        maybe(&LABELS).prop_map(|uplink| vec![("uplink", uplink), ("net", Some(Value::text("not what is derived")))]);
    prop_oneof![
        2 => of("box", &["b1", "b2", "b3"], boxes.boxed()),
        4 => of("card", &["c1", "c2", "c3", "c4", "c5"], cards.boxed()),
        4 => of("port", &["p1", "p2", "p3", "p4"], ports.boxed()),
        3 => of("bridge", &["r1", "r2", "r3", "r4"], bridges.boxed()),
        2 => of("net", &NETS, nets.boxed()),
        1 => of("other", &["o1", "o2"], Just(Vec::new()).boxed()),
    ]
    .boxed()
}

fn any_changes() -> impl Strategy<Value = Vec<(Vec<Object>, Vec<ObjectKey>)>> {
    let removals = vec(any_object().prop_map(|object| object.key), 0..3);
    vec((vec(any_object(), 0..5), removals), 1..10)
}

/// Everything that a graph was given, again.
fn all(graph: &Given) -> Changes {
    let upsert = graph.documents.iter().map(|(key, doc)| Object { key: key.clone(), doc: doc.clone() });
    Changes { upsert: upsert.collect(), remove: Vec::new() }
}

fn check(rules: &Arc<Rules>, changes: Vec<(Vec<Object>, Vec<ObjectKey>)>) {
    let mut graph = Given::new(rules.clone(), 2);
    let mut state = State::default();
    for (upsert, remove) in changes {
        state.add(&graph.apply(Changes { upsert, remove }).delta);
        let (mut fresh, mut expected) = (Given::new(rules.clone(), 1), State::default());
        expected.add(&fresh.apply(all(&graph)).delta);
        assert_eq!(state, expected);
        assert_eq!(State::of(&graph), expected);
        assert_eq!(format!("{state:?}"), format!("{expected:?}"));
        assert_eq!(graph.sizes(), fresh.sizes());
        assert_eq!(graph.faults(), fresh.faults());
        assert_eq!(graph.cardinality(), fresh.cardinality());
        let every = Dangling { derived: true, ..Dangling::default() };
        assert_eq!(graph.dangling(&every), fresh.dangling(&every));
        // The same again is no change.
        let unchanged = graph.apply(all(&graph));
        assert!(unchanged.delta.is_empty());
        assert_eq!(unchanged.work.keys + unchanged.work.attributes + unchanged.work.cliques, 0);
    }
}

static PLAIN: LazyLock<Arc<Rules>> = LazyLock::new(|| rules(&[]));
static MORE: LazyLock<Arc<Rules>> = LazyLock::new(|| rules(&["by_host"]));
static CHAINS: LazyLock<Arc<Rules>> = LazyLock::new(|| rules(&["chains", "by_host"]));

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_changes_are_one(changes in any_changes()) {
        check(&PLAIN, changes);
    }

    #[test]
    fn many_changes_are_one_with_more_rules(changes in any_changes()) {
        check(&MORE, changes);
    }

    #[test]
    fn many_changes_are_one_with_implicit_links(changes in any_changes()) {
        check(&CHAINS, changes);
    }
}
