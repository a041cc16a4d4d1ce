//! What of a difference made the rest of it, on two hosts.

use calipso_derive::{Causes, Difference, Happening, Sides, TypeFacts, causes};
use calipso_model::{Clique, Link, LinkRef, LinkState, Map, Object, ObjectKey};
use calipso_spec::{Layer, load};

/// What the specs must say for it: what is derived, whose name is its own, what is in the middle of cliques.
fn known() -> TypeFacts {
    let object_type = |name: &str, attributes: &str, rest: &str| {
        let text = format!(
            "schema: object_type/v1\nname: {name}\ndescription: d\nsource: s\nattributes:\n{attributes}forms:\n  - {{form: any, id: \"{{{{ self.id }}}}\", name: \"{{{{ self.id }}}}\", parent: {{type: environment}}}}\n{rest}"
        );
        (format!("object_types/{name}.yaml").as_str().into(), text.as_str().into())
    };
    let clique_type = |name: &str| {
        let text =
            format!("schema: clique_type/v1\nname: {name}\ndescription: d\nsource: s\nfocal_point: {name}\npath: []\n");
        (format!("clique_types/{name}.yaml").as_str().into(), text.as_str().into())
    };
    let named = "  name: {type: text}\n";
    let derived = "derive:\n  - {attribute: net_name, value: \"{{ self.id }}\"}\n  - {attribute: hosts, value: \"{{ self.id }}\"}\n";
    let layer = Layer {
        name: "test".into(),
        files: [
            object_type("box", named, ""),
            object_type(
                "net",
                &format!("{named}  version: {{type: integer}}\n"),
                &format!("newest_by: self.version | default\n{derived}"),
            ),
            object_type("card", "  mac: {type: text}\n", derived),
            object_type("port", "  mac: {type: text}\n", ""),
            object_type("switch", "  ports: {type: list}\n", ""),
            clique_type("box"),
            clique_type("net"),
        ]
        .into_iter()
        .collect(),
    };
    TypeFacts::of(&load(&[layer]).specs)
}

fn object(text: &str, parent: &str, json: &str) -> Object {
    let (object_type, id) = text.split_once('/').expect("TYPE/ID");
    let mut doc: Map = serde_json::from_str(json).expect("a JSON map");
    doc.insert("id", id);
    if !doc.contains_key("name") {
        doc.insert("name", id);
    }
    if let Some((parent_type, parent_id)) = parent.split_once('/') {
        doc.insert("parent_type", parent_type);
        doc.insert("parent_id", parent_id);
    }
    Object { key: ObjectKey::new(object_type, id), doc }
}

fn link(source: &str, target: &str, name: &str) -> Link {
    let key = |text: &str| {
        let (object_type, id) = text.split_once('/').expect("TYPE/ID");
        ObjectKey::new(object_type, id)
    };
    Link {
        link_type: "a-b".into(),
        source: key(source),
        target: key(target),
        name: name.into(),
        state: LinkState::Up,
        host: None,
        switch: None,
        attributes: Map::new(),
        implicit: false,
        rule: "r".into(),
    }
}

#[derive(Default)]
struct Both {
    objects: [Vec<Object>; 2],
    links: [Vec<Link>; 2],
    cliques: [Vec<Clique>; 2],
}

/// Pairs what has one key, in the order of the keys; what is equal at both sides is left out.
fn pair<'d, T: PartialEq, K: Ord>(sides: &'d [Vec<T>; 2], key: impl Fn(&T) -> K) -> Vec<Sides<'d, T>> {
    let mut all: std::collections::BTreeMap<K, Sides<'d, T>> = std::collections::BTreeMap::new();
    for thing in &sides[0] {
        all.insert(key(thing), Sides { before: Some(thing), after: None });
    }
    for thing in &sides[1] {
        all.entry(key(thing)).or_insert(Sides { before: None, after: None }).after = Some(thing);
    }
    all.into_values().filter(|sides| sides.before != sides.after).collect()
}

/// Each cause with what follows from it, and what follows from none.
fn told(both: &Both) -> Vec<String> {
    let difference = Difference {
        objects: pair(&both.objects, |object| object.key.clone()),
        links: pair(&both.links, |link| (link.source.clone(), link.target.clone())),
        cliques: pair(&both.cliques, |clique| clique.focal_point.clone()),
    };
    let found: Causes = causes(&difference, &known());
    let object = |place: usize| difference.objects[place].last().expect("a side is there").key.to_string();
    let mut lines: Vec<String> = found
        .list
        .iter()
        .map(|cause| {
            let units: Vec<&str> = cause.units.iter().map(|unit| unit.path.as_str()).collect();
            let happening = match &cause.happening {
                Happening::Renamed(before, after) => format!("{before}→{after}"),
                other => format!("{other:?}"),
            };
            let objects: Vec<String> = cause.consequences.objects.iter().map(|place| object(*place)).collect();
            let (links, cliques) = (cause.consequences.links.len(), cause.consequences.cliques.len());
            format!(
                "{} {happening} [{}] <- {} +{links} +{cliques}",
                object(cause.object),
                units.join(" "),
                objects.join(" ")
            )
        })
        .collect();
    if !found.rest.is_empty() {
        let objects: Vec<String> = found.rest.objects.iter().map(|place| object(*place)).collect();
        lines.push(format!("rest {} +{}", objects.join(" "), found.rest.links.len()));
    }
    if !found.newer.is_empty() {
        lines.push(format!("newer {}", found.newer.iter().map(|place| object(*place)).collect::<Vec<_>>().join(" ")));
    }
    let counted: usize = found.list.iter().map(|cause| cause.consequences.links.len()).sum();
    assert_eq!(counted + found.rest.links.len(), difference.links.len(), "every link is somewhere, once");
    lines
}

#[test]
fn a_rename_is_one_cause() {
    let net = |name: &str, version: i64| {
        object(
            "net/n1",
            "",
            &format!(
                r#"{{"name": "{name}", "version": {version}, "updated_at": "2026-01-0{version}T00:00:00Z", "name_path": "/e/{name}"}}"#
            ),
        )
    };
    let card = |id: &str, host: &str, name: &str| {
        object(&format!("card/{id}"), "", &format!(r#"{{"host": "{host}", "net_name": "{name}"}}"#))
    };
    let port = |name: &str| object("port/p1", "ports_folder/f", &format!(r#"{{"name_path": "/e/{name}/Ports/p1"}}"#));
    let folder = |name: &str| object("ports_folder/f", "net/n1", &format!(r#"{{"name_path": "/e/{name}/Ports"}}"#));
    let both = Both {
        objects: ["blue", "green"].map(|name| {
            let version = if name == "blue" { 1 } else { 2 };
            vec![net(name, version), card("c1", "h1", name), card("c2", "h2", name), port(name), folder(name)]
        }),
        links: ["blue", "green"].map(|name| vec![link("box/b1", "card/c1", name), link("box/b2", "card/c2", name)]),
        ..Both::default()
    };
    assert_eq!(told(&both), ["net/n1 blue→green [] <- card/c1 card/c2 port/p1 ports_folder/f +2 +0"]);
}

/// A box with a card on a host, its port in a net that was there, and what a switch there lists.
fn boxes(host: &str, number: usize) -> (Vec<Object>, Vec<Link>, String) {
    let (id, device) = (format!("box-{number}"), format!("dev0{number}ab-cd"));
    let objects = vec![
        object(
            &format!("box/{id}"),
            "host/x",
            &format!(r#"{{"host": "{host}", "state": "ACTIVE", "id_path": "/e/{host}/{id}"}}"#),
        ),
        object(&format!("cards_folder/{id}-cards"), &format!("box/{id}"), "{}"),
        object(
            &format!("card/{host}-{number}"),
            &format!("cards_folder/{id}-cards"),
            &format!(r#"{{"host": "{host}", "device": "{device}"}}"#),
        ),
        object(&format!("port/port-{number}"), "net/n1", &format!(r#"{{"owner": "{id}", "state": "ACTIVE"}}"#)),
        object(&format!("bridge/br-{number}"), "", &format!(r#"{{"host": "{host}", "has": ["{device}"]}}"#)),
    ];
    let links = vec![
        link(&format!("box/{id}"), &format!("card/{host}-{number}"), "x"),
        link(&format!("card/{host}-{number}"), &format!("bridge/br-{number}"), "x"),
    ];
    (objects, links, device)
}

fn switch(host: &str, devices: &[&str]) -> Object {
    let ports: Vec<String> = devices.iter().map(|device| format!(r#"{{"name": "{device}"}}"#)).collect();
    object(&format!("switch/s-{host}"), "", &format!(r#"{{"host": "{host}", "ports": [{}]}}"#, ports.join(",")))
}

#[test]
fn what_comes_and_goes_together_is_one_cause_on_each_host() {
    let (gone, gone_links, gone_device) = boxes("h1", 1);
    let (came, came_links, came_device) = boxes("h2", 2);
    let net = |hosts: &str| object("net/n1", "", &format!(r#"{{"hosts": {hosts}}}"#));
    let [mut before, mut after] = [gone, came];
    before.extend([switch("h1", &["eth1", &gone_device]), switch("h2", &["eth1"]), net(r#"["h1"]"#)]);
    after.extend([switch("h1", &["eth1"]), switch("h2", &["eth1", &came_device]), net(r#"["h2"]"#)]);
    let clique = |focal: &str, links: &[Link]| Clique {
        focal_point: ObjectKey::new("box", focal),
        clique_type: "box".into(),
        constraints: Map::new(),
        nodes: vec![ObjectKey::new("box", focal)],
        links: links
            .iter()
            .map(|link| LinkRef {
                link_type: link.link_type.clone(),
                source: link.source.clone(),
                target: link.target.clone(),
            })
            .collect(),
    };
    let cliques = [vec![clique("box-1", &gone_links)], vec![clique("box-2", &came_links)]];
    let both = Both { objects: [before, after], links: [gone_links, came_links], cliques };
    assert_eq!(
        told(&both),
        [
            "box/box-1 Went [] <- bridge/br-1 card/h1-1 cards_folder/box-1-cards port/port-1 switch/s-h1 +2 +1",
            "box/box-2 Came [] <- bridge/br-2 card/h2-2 cards_folder/box-2-cards port/port-2 switch/s-h2 +2 +1",
            // It may be for the one as well as for the other.
            "rest net/n1 +0",
        ]
    );
}

#[test]
fn what_happened_by_itself_is_never_hidden() {
    let (came, links, device) = boxes("h2", 2);
    let other = |state: &str| object("box/old", "", &format!(r#"{{"host": "h1", "state": "{state}"}}"#));
    let [before, mut after] = [vec![other("BUILD"), switch("h1", &["eth1", "eth2"]), switch("h2", &["eth3"])], came];
    // The new box is active too; a card of a switch went and another came on the host of the new box.
    after.extend([other("ACTIVE"), switch("h1", &["eth1"]), switch("h2", &["eth4", &device])]);
    let both = Both { objects: [before, after], links: [vec![], links], ..Both::default() };
    let told = told(&both);
    assert!(told.contains(&"box/old Changed [state] <-  +0 +0".to_owned()), "{told:#?}");
    assert!(told.contains(&"switch/s-h1 Changed [ports] <-  +0 +0".to_owned()), "{told:#?}");
    assert!(told.contains(&"switch/s-h2 Changed [ports ports] <-  +0 +0".to_owned()), "{told:#?}");
}

#[test]
fn a_device_and_its_bridge_that_are_lost_are_one_cause() {
    let card = |device: &str| object("card/c1", "", &format!(r#"{{"host": "h1"{device}}}"#));
    let bridge = |host: &str| {
        object(&format!("bridge/{host}-b"), "", &format!(r#"{{"host": "{host}", "has": ["tap12345-9"]}}"#))
    };
    let before = vec![card(r#", "device": "tap12345-9""#), bridge("h1"), bridge("h2")];
    let both = Both { objects: [before, vec![card("")]], ..Both::default() };
    assert_eq!(
        told(&both),
        // On another host the same name is another device.
        ["bridge/h1-b Went [] <- card/c1 +0 +0", "bridge/h2-b Went [] <-  +0 +0"]
    );
}

#[test]
fn versions_and_orders_are_no_causes() {
    let net = |version: i64, tags: &str| {
        object(
            "net/n1",
            "",
            &format!(r#"{{"version": {version}, "updated_at": "2026-01-0{version} 00:00:00", "tags": {tags}}}"#),
        )
    };
    let both = Both { objects: [vec![net(1, r#"["a","b"]"#)], vec![net(2, r#"["b","a"]"#)]], ..Both::default() };
    assert_eq!(told(&both), ["newer net/n1"]);
    // Derived from what is not there: it follows from nothing that is told.
    let card = |name: &str| object("card/c1", "", &format!(r#"{{"net_name": "{name}"}}"#));
    let both = Both { objects: [vec![card("blue")], vec![card("green")]], ..Both::default() };
    assert_eq!(told(&both), ["rest card/c1 +0"]);
}
