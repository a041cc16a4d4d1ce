//! What each construct of derive rules, link types and clique types leads to, on small graphs.

mod support;

use std::sync::Arc;

use calipso_derive::{Changes, Dangling, End, Graph, Rules, RulesError};
use calipso_model::{Environment, LinkRef, LinkState, Map, Object, ObjectKey, Value};
use support::{Given, State, rules, specs};

/// An object from JSON text; `id` and the common name are filled in.
fn object(object_type: &str, id: &str, json: &str) -> Object {
    let mut doc: Map = serde_json::from_str(json).expect("a JSON map");
    doc.insert("id", id);
    doc.insert("name", id);
    doc.insert("object_name", id);
    Object { key: ObjectKey::new(object_type, id), doc }
}

fn graph(flags: &[&str], objects: Vec<Object>) -> Given {
    let mut graph = Given::new(rules(flags), 1);
    graph.apply(Changes { upsert: objects, remove: Vec::new() });
    graph
}

fn text(graph: &Given, object_type: &str, id: &str, attribute: &str) -> String {
    let object = graph.object(&ObjectKey::new(object_type, id)).expect("the object is there");
    object.doc.get(attribute).map_or("absent".into(), Value::to_json)
}

fn reference(link_type: &str, source: &str, target: &str) -> LinkRef {
    let (from, to) = link_type.split_once('-').expect("a link type is FROM-TO");
    LinkRef { link_type: link_type.into(), source: ObjectKey::new(from, source), target: ObjectKey::new(to, target) }
}

fn links(graph: &Graph) -> Vec<String> {
    let name = |link: calipso_model::Link| {
        format!("{} {} {} by {}", link.link_type, link.source.id, link.target.id, link.rule)
    };
    graph.links().map(name).collect()
}

fn clique(graph: &Graph, object_type: &str, id: &str) -> Vec<String> {
    let clique = graph.clique(&ObjectKey::new(object_type, id));
    let links = clique.into_iter().flat_map(|clique| clique.links);
    links.map(|link| format!("{} {} {}", link.link_type, link.source.id, link.target.id)).collect()
}

#[test]
fn takes() {
    let graph = graph(
        &[],
        vec![
            object("card", "c1", r#"{"mac": "m", "host": "h", "label": "a"}"#),
            object("port", "p3", r#"{"mac": "m", "host": "h", "net": "n", "weight": 3}"#),
            object("port", "p1", r#"{"mac": "m", "host": "h", "net": "n", "weight": 5}"#),
            object("port", "p2", r#"{"mac": "m", "host": "other", "net": "n", "weight": 5}"#),
        ],
    );
    // `first` by id, `all` in id order with repetition, `one` where all agree.
    assert_eq!(text(&graph, "card", "c1", "port"), r#""p1""#);
    assert_eq!(text(&graph, "card", "c1", "all_weights"), "[5,5,3]");
    assert_eq!(text(&graph, "card", "c1", "only"), r#""n""#);
    assert_eq!(graph.faults(), []);
}

#[test]
fn a_later_rule_is_asked_when_the_earlier_ones_find_nothing() {
    let ports = |host: &str| {
        vec![
            object("port", "p1", &format!(r#"{{"mac": "m", "host": "{host}", "net": "n1", "weight": 9}}"#)),
            object("port", "p2", r#"{"mac": "m", "net": "n2", "weight": 9}"#),
            object("card", "c1", r#"{"mac": "m", "host": "h", "label": "a"}"#),
        ]
    };
    assert_eq!(text(&graph(&[], ports("h")), "card", "c1", "port"), r#""p1""#);
    // The second rule takes the last one.
    let graph = graph(&[], ports("elsewhere"));
    assert_eq!(text(&graph, "card", "c1", "port"), r#""p2""#);
    // Derived from what is derived.
    assert_eq!(text(&graph, "card", "c1", "net"), r#""n2""#);
}

#[test]
fn several_values_where_one_is_expected_are_a_fault() {
    let mut graph = graph(
        &[],
        vec![
            object("card", "c1", r#"{"mac": "m"}"#),
            object("port", "p1", r#"{"mac": "m", "net": "n1"}"#),
            object("port", "p2", r#"{"mac": "m", "net": "n2"}"#),
        ],
    );
    assert_eq!(text(&graph, "card", "c1", "only"), "absent");
    let faults = graph.faults();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].message, r#"2 values where one is expected: "n1", "n2""#);
    assert_eq!(&*faults[0].rule, "card.only");
    assert!(faults[0].at.file.ends_with("object_types/card.yaml"), "{}", faults[0].at);
    graph.apply(Changes { upsert: vec![], remove: vec![ObjectKey::new("port", "p2")] });
    assert_eq!(graph.faults(), []);
    assert_eq!(text(&graph, "card", "c1", "only"), r#""n1""#);
}

#[test]
fn empty_null_and_missing_keys_join_nothing() {
    for value in [r#""""#, "null"] {
        let graph = graph(
            &[],
            vec![
                object("card", "c1", &format!(r#"{{"mac": {value}, "host": "h", "label": "a"}}"#)),
                object("card", "c2", r#"{"host": "h"}"#),
                object("port", "p1", &format!(r#"{{"mac": {value}, "host": "h", "net": "n"}}"#)),
                object("bridge", "r1", &format!(r#"{{"macs": [{value}], "host": "h"}}"#)),
            ],
        );
        assert_eq!(text(&graph, "card", "c1", "port"), "absent");
        assert_eq!(links(&graph), [] as [&str; 0]);
    }
}

#[test]
fn fetched_values_of_derived_attributes_are_ignored() {
    let graph = graph(&[], vec![object("net", "n1", r#"{"net": "something else", "hosts": ["h9"]}"#)]);
    assert_eq!(text(&graph, "net", "n1", "net"), r#""n1""#);
    assert_eq!(text(&graph, "net", "n1", "hosts"), "[]");
}

#[test]
fn one_link_per_pair_by_the_first_rule() {
    let objects = vec![
        object("card", "c1", r#"{"mac": "m", "host": "h", "label": "a"}"#),
        object("bridge", "r1", r#"{"host": "h", "labels": ["a"], "macs": ["m"]}"#),
        object("bridge", "r2", r#"{"host": "h", "macs": ["m"]}"#),
    ];
    let graph = graph(&[], objects);
    assert_eq!(links(&graph), ["card-bridge c1 r1 by by label", "card-bridge c1 r2 by by mac"]);
    let link = graph.link(&reference("card-bridge", "c1", "r1")).expect("the link is there");
    assert_eq!((&*link.name, link.state, link.host.as_deref()), ("a of h", LinkState::Up, Some("h")));
    assert_eq!(Value::Map(link.attributes).to_json(), r#"{"label":"a"}"#);
    // Both rules make the first one; `explain` says so, with the keys.
    let why = graph.explain_link(&reference("card-bridge", "c1", "r1")).expect("the link is there");
    let uses: Vec<String> = why.rules.iter().map(|used| format!("{} {:?}", used.rule, used.keys.len())).collect();
    assert_eq!(uses, ["by label 1", "by mac 1"]);
    assert_eq!(why.rules[0].keys[0], [Value::text("h"), Value::text("a")]);
    assert!(why.rules[0].at.file.ends_with("link_types/card-bridge.yaml"));
    // `cardinality: {from: one}` is broken, and both candidates are named.
    let broken = graph.cardinality();
    assert_eq!(broken.len(), 1);
    assert_eq!((&*broken[0].link_type, broken[0].end, broken[0].candidates.len()), ("card-bridge", End::Near, 2));
}

#[test]
fn link_defaults() {
    let graph = graph(
        &["by_host"],
        vec![
            object("box", "b1", r#"{"host": "h1"}"#),
            object("box", "b2", r#"{"host": "h2"}"#),
            object("card", "c1", r#"{"box": "b1", "host": "h2"}"#),
        ],
    );
    let link = |source: &str| graph.link(&reference("box-card", source, "c1")).expect("the link is there");
    assert_eq!((&*link("b1").name, link("b1").host.as_deref()), ("b1-c1", Some("h1")));
    // A rule for environments with the flag only; its name and state are its own.
    assert_eq!((&*link("b2").name, link("b2").state, &*link("b2").rule), ("host h2", LinkState::Down, "by host"));
}

#[test]
fn first_rule_that_finds_anything_counts_per_source() {
    let objects = |uplink: &str| {
        vec![
            object("bridge", "r1", r#"{"host": "h", "labels": ["a"]}"#),
            object("net", "n1", &format!(r#"{{"uplink": "{uplink}"}}"#)),
            object("net", "n2", "{}"),
            object("port", "p1", r#"{"net": "n2", "host": "h"}"#),
        ]
    };
    let mut graph = graph(&[], objects("a"));
    assert_eq!(links(&graph), ["bridge-net r1 n1 by by uplink"]);
    // The first rule finds nothing any more: the next one counts.
    graph.apply(Changes { upsert: objects("z"), remove: Vec::new() });
    assert_eq!(links(&graph), ["bridge-net r1 n2 by by host"]);
    graph.apply(Changes { upsert: objects("a"), remove: Vec::new() });
    assert_eq!(links(&graph), ["bridge-net r1 n1 by by uplink"]);
}

#[test]
fn dangling_ends_are_listed() {
    let graph = graph(
        &[],
        vec![
            object("card", "c1", r#"{"mac": "m", "host": "h", "label": "a"}"#),
            object("bridge", "r1", r#"{"host": "h", "labels": ["a", "b"]}"#),
        ],
    );
    let asked = Dangling { link_type: Some("card-bridge".into()), ..Dangling::default() };
    let found: Vec<String> = graph
        .dangling(&asked)
        .iter()
        .map(|end| {
            format!(
                "{} {} {} {:?} {}",
                end.object,
                end.rule,
                Value::list(end.key.clone()),
                end.end,
                end.linked_otherwise
            )
        })
        .collect();
    assert_eq!(found, [r#"bridge/r1 by label ["h","b"] Far true"#, r#"card/c1 by mac ["m"] Near true"#]);
    let asked = Dangling { object: Some(ObjectKey::new("card", "c1")), limit: Some(1), ..Dangling::default() };
    assert_eq!(graph.dangling(&asked).len(), 1);
}

/// Two boxes with a card each in two nets, on one bridge.
fn two_nets() -> Vec<Object> {
    vec![
        object("box", "b1", "{}"),
        object("box", "b2", "{}"),
        object("card", "c1", r#"{"box": "b1", "mac": "m1", "host": "h", "label": "a"}"#),
        object("card", "c2", r#"{"box": "b2", "mac": "m2", "host": "h", "label": "b"}"#),
        object("port", "p1", r#"{"mac": "m1", "host": "h", "net": "n1"}"#),
        object("port", "p2", r#"{"mac": "m2", "host": "h", "net": "n2"}"#),
        object("bridge", "r1", r#"{"host": "h", "labels": ["a", "b"], "peer": "r2"}"#),
        object("bridge", "r2", r#"{"host": "g"}"#),
        object("net", "n1", r#"{"uplink": "a"}"#),
        object("net", "n2", r#"{"uplink": "b"}"#),
    ]
}

#[test]
fn cliques_hold_nothing_of_another_net() {
    let graph = graph(&[], two_nets());
    // A step that finds nothing does not end the walk: r2 has no net, r1 has.
    assert_eq!(
        clique(&graph, "net", "n1"),
        ["bridge-net r1 n1", "bridge-bridge r1 r2", "card-bridge c1 r1", "box-card b1 c1"]
    );
    assert_eq!(
        clique(&graph, "net", "n2"),
        ["bridge-net r1 n2", "bridge-bridge r1 r2", "card-bridge c2 r1", "box-card b2 c2"]
    );
    let why = graph.explain_clique(&ObjectKey::new("net", "n1")).expect("nets are focal points");
    assert_eq!(why.constraints, [("net".into(), Value::text("n1"))]);
    let steps: Vec<(&str, usize, usize)> =
        why.steps.iter().map(|step| (&*step.step, step.taken, step.refused)).collect();
    assert_eq!(steps, [("net-bridge", 1, 0), ("bridge-bridge", 1, 0), ("bridge-card", 1, 1), ("card-box", 1, 0)]);
}

#[test]
fn a_null_constraint_refuses_links_that_carry_the_attribute() {
    // `net` of a box is null: links that carry one are refused, so that nothing is left.
    let graph = graph(&[], two_nets());
    assert_eq!(clique(&graph, "box", "b1"), [] as [&str; 0]);
    assert_eq!(graph.clique(&ObjectKey::new("box", "b1")), None);
}

#[test]
fn links_between_one_type_are_walked_back_when_forward_finds_nothing() {
    let graph = graph(
        &[],
        vec![
            object("bridge", "r1", r#"{"peer": "r2"}"#),
            object("bridge", "r2", "{}"),
            object("bridge", "r3", r#"{"peer": "r1"}"#),
        ],
    );
    // From r2 there is no way forward: back to r1, and then from both: r3.
    assert_eq!(clique(&graph, "bridge", "r2"), ["bridge-bridge r1 r2", "bridge-bridge r3 r1"]);
    assert_eq!(clique(&graph, "bridge", "r3"), ["bridge-bridge r3 r1", "bridge-bridge r1 r2"]);
}

#[test]
fn implicit_links_only_where_a_clique_type_asks_for_them() {
    assert!(graph(&[], two_nets()).links().all(|link| !link.implicit));
    let graph = graph(&["chains"], two_nets());
    let implicit: Vec<String> = graph
        .links()
        .filter(|link| link.implicit)
        .map(|link| format!("{} {} {} {}", link.link_type, link.source.id, link.target.id, Value::Map(link.attributes)))
        .collect();
    assert!(implicit.contains(&r#"box-net b1 n1 {"net":"n1"}"#.to_string()), "{implicit:#?}");
    // The nets of one chain agree.
    assert!(!implicit.iter().any(|link| link.starts_with("box-net b1 n2")), "{implicit:#?}");
    // What is explicit is not implicit, too.
    assert!(!implicit.iter().any(|link| link.starts_with("card-bridge c1 r1")), "{implicit:#?}");
    let why = graph.explain_link(&reference("box-net", "b1", "n1")).expect("the chain is there");
    let chain: Vec<&str> = why.chain.iter().map(|link| &*link.link_type).collect();
    assert_eq!(chain, ["box-card", "card-bridge", "bridge-net"]);
}

#[test]
fn chains_in_a_circle_end() {
    let bridges = vec![
        object("bridge", "r1", r#"{"peer": "r2"}"#),
        object("bridge", "r2", r#"{"peer": "r3"}"#),
        object("bridge", "r3", r#"{"peer": "r1"}"#),
        object("card", "c1", r#"{"mac": "m"}"#),
        object("bridge", "r4", r#"{"peer": "r1", "macs": ["m"]}"#),
    ];
    let graph = graph(&["chains"], bridges);
    let implicit =
        graph.links().filter(|link| link.implicit).map(|link| format!("{} {}", link.link_type, link.target.id));
    // Over links of another type than the chain itself only.
    assert_eq!(implicit.collect::<Vec<_>>(), ["card-bridge r1", "card-bridge r2", "card-bridge r3"]);
}

#[test]
fn the_most_specific_clique_type_is_chosen() {
    let plain = rules(&[]);
    let flagged = rules(&["chains"]);
    let chosen = |rules: &Rules| {
        let found = rules.clique_types().find(|(focal, _)| &***focal == "net").map(|(_, name)| name.to_string());
        found.expect("nets have a clique type")
    };
    assert_eq!(chosen(&plain), "net");
    assert_eq!(chosen(&flagged), "net_flagged");
    let candidates: Vec<String> =
        flagged.candidates("net").iter().map(|one| format!("{} {} {}", one.name, one.chosen, one.because)).collect();
    assert_eq!(
        candidates,
        [
            "net_flagged true it is the most specific one that fits the environment",
            "net false it fits, but `net_flagged` is more specific"
        ]
    );
    assert!(plain.candidates("net")[1].because.starts_with("it does not fit: "), "{:?}", plain.candidates("net"));
}

#[test]
fn derived_attributes_come_in_the_order_in_which_they_are_read() {
    let derived = rules(&[]).derived();
    let place = |name: &str| derived.iter().position(|known| known == name).expect("it is derived");
    assert!(place("card.port") < place("card.net"));
    assert!(place("card.net") < place("bridge.nets"));
    assert!(place("bridge.nets") < place("bridge.many"));
}

#[test]
fn an_unknown_distribution_is_named() {
    let environment = Environment { distribution: "Nowhere".into(), ..Environment::default() };
    let error = Rules::new(&specs(), &environment).expect_err("there is no such distribution");
    assert!(matches!(error, RulesError::UnknownDistribution(_)));
    assert_eq!(error.to_string(), "no distribution spec is named `Nowhere`");
}

/// Enough objects for several threads.
fn many(size: usize) -> Vec<Object> {
    let mut objects = Vec::new();
    for n in 0..size {
        let (host, net) = (n % 50, n % 17);
        objects.push(object("box", &format!("b{n}"), "{}"));
        objects.push(object(
            "port",
            &format!("p{n}"),
            &format!(r#"{{"mac": "m{n}", "host": "h{host}", "net": "n{net}"}}"#),
        ));
        objects.push(object(
            "card",
            &format!("c{n}"),
            &format!(r#"{{"box": "b{n}", "mac": "m{n}", "host": "h{host}", "label": "l{n}"}}"#),
        ));
        objects.push(object(
            "bridge",
            &format!("r{n}"),
            &format!(r#"{{"host": "h{host}", "labels": ["l{n}"], "peer": "r{}"}}"#, n / 2),
        ));
    }
    objects.extend((0..17).map(|net| object("net", &format!("n{net}"), "{}")));
    objects
}

#[test]
fn threads_and_order_of_arrival_do_not_show() {
    let objects = many(3_000);
    let rules: Arc<Rules> = rules(&[]);
    let delta = |threads: usize, objects: Vec<Object>| {
        let mut graph = Given::new(rules.clone(), threads);
        let delta = graph.apply(Changes { upsert: objects, remove: Vec::new() }).delta;
        format!("{delta:?}")
    };
    let one = delta(1, objects.clone());
    assert!(one.len() > 1_000_000);
    assert_eq!(one, delta(2, objects.clone()));
    assert_eq!(one, delta(3, objects.iter().rev().cloned().collect()));
    // In pieces, the second half first.
    let mut graph = Given::new(rules.clone(), 2);
    let mut state = State::default();
    for piece in objects.rchunks(5_000) {
        state.add(&graph.apply(Changes { upsert: piece.to_vec(), remove: Vec::new() }).delta);
    }
    let mut whole = State::default();
    let mut fresh = Given::new(rules.clone(), 1);
    whole.add(&fresh.apply(Changes { upsert: objects, remove: Vec::new() }).delta);
    assert!(state == whole, "pieces and whole differ");
    assert!(State::of(&graph) == whole, "what is read and what was said differ");
}

#[test]
fn one_change_among_many_costs_little() {
    let mut graph = graph(&[], many(3_000));
    let mut card = graph.object(&ObjectKey::new("card", "c77")).expect("the card is there");
    card.doc.insert("label", "l78");
    let outcome = graph.apply(Changes { upsert: vec![card], remove: Vec::new() });
    assert!(!outcome.delta.is_empty());
    let work = outcome.work;
    assert!(work.keys < 20 && work.attributes < 20 && work.links < 20 && work.cliques < 100, "{work:?}");
    let mut card = graph.object(&ObjectKey::new("card", "c77")).expect("the card is there");
    card.doc.insert("unread", "by any rule");
    let outcome = graph.apply(Changes { upsert: vec![card], remove: Vec::new() });
    assert_eq!((outcome.delta.objects.len(), outcome.work.links, outcome.work.cliques), (1, 0, 0));
}

#[test]
fn usual_ends_are_told_from_the_others() {
    let card = |id: &str, host: &str, label: &str| {
        object("card", id, &format!(r#"{{"mac": "{id}", "host": "{host}", "label": "{label}"}}"#))
    };
    let bridge = |id: &str, host: &str, labels: &str| {
        object("bridge", id, &format!(r#"{{"host": "{host}", "labels": {labels}, "macs": []}}"#))
    };
    // `eth0` needs no bridge anywhere; `eth1` has one on two hosts, and on the third it lacks it.
    let mut objects = Vec::new();
    for host in ["h1", "h2", "h3"] {
        objects.push(card(&format!("{host}-a"), host, "eth0"));
        objects.push(card(&format!("{host}-b"), host, "eth1"));
        let labels = if host == "h3" { r#"["other"]"# } else { r#"["eth1"]"# };
        objects.push(bridge(&format!("{host}-r"), host, labels));
    }
    let graph = graph(&[], objects);
    let asked = Dangling { link_type: Some("card-bridge".into()), ..Dangling::default() };
    let ends = graph.dangling(&asked);
    let unexpected: Vec<String> = ends
        .iter()
        .zip(graph.usual(&ends))
        .filter(|(end, usual)| usual.is_none() && &*end.rule == "by label")
        .map(|(end, _)| end.object.to_string())
        .collect();
    assert_eq!(unexpected, ["card/h3-b"], "{ends:#?}");
}

#[test]
fn a_path_that_ends_says_why() {
    let mut objects = two_nets();
    // A box whose card is on no bridge: its label is known to none.
    objects.push(object("box", "b3", r#"{"host": "h"}"#));
    objects.push(object("card", "c3", r#"{"box": "b3", "host": "h", "label": "zz"}"#));
    let graph = graph(&[], objects);
    let told: Vec<String> = graph
        .dead_ends(&ObjectKey::new("box", "b3"))
        .iter()
        .map(|stop| format!("{} {} {:?}", stop.object, stop.step, stop.reasons))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("card/c3 card-bridge"), "{told:?}");
    assert!(
        told[0].contains("Unmet") && told[0].contains("\"zz\"") && told[0].contains("lacks: [\"mac\"]"),
        "{told:?}"
    );
    let why = graph.explain_clique(&ObjectKey::new("box", "b3")).expect("boxes are focal points");
    let step = why.steps.iter().find(|step| &*step.step == "card-bridge").expect("a step of the path");
    assert!(step.taken == 0 && step.stops.len() == 1 && !step.stops[0].reasons.is_empty(), "{step:?}");
    let refused = graph.explain_clique(&ObjectKey::new("box", "b1")).expect("boxes are focal points");
    assert!(format!("{:?}", refused.steps).contains("Refused"), "{refused:?}");
}
