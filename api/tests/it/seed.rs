//! A small cloud in the store of a server.

use std::time::Duration;

use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Value};
use calipso_store::{Commit, CommitInfo, Expect, Member, ScopeChanges, ScopeKey, ScopeRecord};

use crate::support::Server;

/// An object with a path.
pub fn object(object_type: &str, id: &str, parent: (&str, &str), path: &str, more: &[(&str, Value)]) -> Object {
    let mut doc: Map = [
        ("environment", "lab"),
        ("type", object_type),
        ("id", id),
        ("name", id),
        ("object_name", id),
        ("parent_type", parent.0),
        ("parent_id", parent.1),
        ("id_path", path),
        ("name_path", path),
    ]
    .into_iter()
    .collect();
    for (field, value) in more {
        doc.insert(*field, value.clone());
    }
    Object { key: ObjectKey::new(object_type, id), doc }
}

/// A link between two keys.
pub fn link(link_type: &str, source: (&str, &str), target: (&str, &str)) -> Link {
    Link {
        link_type: link_type.into(),
        source: ObjectKey::new(source.0, source.1),
        target: ObjectKey::new(target.0, target.1),
        name: format!("{}-{}", source.1, target.1).into(),
        state: LinkState::Up,
        host: Some("h1".into()),
        switch: None,
        attributes: [("network", Value::text("n1")), ("speed", Value::Int(10)), ("source_label", Value::text("left"))]
            .into_iter()
            .collect(),
        implicit: false,
        rule: "link_types/a-b.yaml:3:1".into(),
    }
}

fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

/// Everything of the small cloud.
pub fn cloud() -> Delta {
    let on = |host: &str| ("host", Value::text(host));
    let objects = vec![
        object("region", "r", ("environment", "lab"), "/lab/r", &[]),
        object("host", "h1", ("region", "r"), "/lab/r/h1", &[on("h1")]),
        object("host", "h2", ("region", "r"), "/lab/r/h2", &[on("h2")]),
        object(
            "instance",
            "vm1",
            ("host", "h1"),
            "/lab/r/h1/vm1",
            &[on("h1"), ("up", Value::Bool(true)), ("cpus", Value::Int(2))],
        ),
        object("instance", "vm2", ("host", "h1"), "/lab/r/h1/vm2", &[on("h1"), ("cpus", Value::text("2"))]),
        object("vnic", "vm1", ("instance", "vm1"), "/lab/r/h1/vm1/vm1", &[on("h1")]),
        object(
            "vnic",
            "card",
            ("instance", "vm1"),
            "/lab/r/h1/vm1/card",
            &[on("h1"), ("mac_address", Value::text("aa"))],
        ),
    ];
    let links = vec![
        link("instance-vnic", ("instance", "vm1"), ("vnic", "card")),
        Link {
            state: LinkState::Down,
            host: None,
            implicit: true,
            ..link("vnic-network", ("vnic", "card"), ("network", "n1"))
        },
    ];
    let cliques = vec![Clique {
        focal_point: ObjectKey::new("instance", "vm1"),
        clique_type: "instance".into(),
        constraints: [("network", Value::Null)].into_iter().collect(),
        nodes: vec![ObjectKey::new("instance", "vm1"), ObjectKey::new("network", "n1"), ObjectKey::new("vnic", "card")],
        links: links.iter().map(reference).collect(),
    }];
    Delta { objects, links, cliques, ..Delta::default() }
}

/// Makes an environment.
pub async fn environment(server: &Server, name: &str) {
    let environment = Environment {
        name: name.into(),
        version: "2".into(),
        settings: [("timezone", Value::text("UTC"))].into_iter().collect(),
        ..Environment::default()
    };
    server.service.backend.put_environment(&environment, Expect::Anything).await.unwrap();
}

/// Commits on top of what is current.
pub async fn commit(server: &Server, environment: &str, delta: &Delta, scopes: &ScopeChanges) -> u64 {
    let backend = &server.service.backend;
    let base = backend.current(environment).await.unwrap();
    let lease = backend.acquire(environment, "test", 0, Duration::from_secs(60)).await.unwrap();
    let info = CommitInfo { at: "2026-01-02T03:04:05Z".into(), note: "a test".into() };
    let revision = backend.commit(&Commit { scopes, ..Commit::new(base, &lease, delta, &info) }).await.unwrap();
    backend.release(&lease).await.unwrap();
    revision
}

/// A scope that asserts some objects.
pub fn scope(fetcher: &str, scanned_at: &str, keys: &[(&str, &str)]) -> ScopeRecord {
    ScopeRecord {
        key: ScopeKey {
            fetcher: fetcher.into(),
            object_type: keys[0].0.into(),
            parent: ObjectKey::new("region", "r"),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: scanned_at.into(),
        tried_at: scanned_at.into(),
        stale_since: None,
        problem: None,
        members: keys
            .iter()
            .map(|(object_type, id)| Member {
                key: ObjectKey::new(*object_type, *id),
                contribution: Map::new(),
                asserts: true,
                order: 0,
                at: "fetchers/x.yaml:5:3".into(),
            })
            .collect(),
    }
}

/// A server with the small cloud in the environment `lab`.
pub async fn lab() -> Server {
    let server = crate::support::open();
    environment(&server, "lab").await;
    let scopes = ScopeChanges {
        put: vec![
            scope("list_hosts", "2026-01-02T00:00:00Z", &[("host", "h1"), ("host", "h2")]),
            scope("list_instances", "2026-01-03T00:00:00Z", &[("instance", "vm1")]),
        ],
        ..ScopeChanges::default()
    };
    commit(&server, "lab", &cloud(), &scopes).await;
    server
}
