//! Links, cliques, search, numbers, revisions, differences, graphs.

use axum::{body::Body, http::Request};
use calipso_model::{Delta, LinkState, ObjectKey, Value};
use serde_json::json;

use crate::{
    seed::{cloud, commit, lab, link, object},
    support::Server,
};

async fn names(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/v1/links?env_name=lab{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.body["links"].as_array().unwrap().iter().map(|link| link["link_name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn links_are_found_and_shown() {
    let server = lab().await;
    let (first, second) = ("vm1-card", "card-n1");
    for (query, found) in [
        ("", vec![first, second]),
        ("&link_type=instance-vnic", vec![first]),
        ("&link_type=vnic-network&link_type=instance-vnic", vec![first, second]),
        ("&host=h1", vec![first]),
        ("&link_name=card-n1", vec![second]),
        ("&state=down", vec![second]),
        ("&state=up", vec![first]),
        ("&implicit=true", vec![second]),
        ("&source_id=card", vec![second]),
        ("&source_id=vm1&source_type=instance", vec![first]),
        ("&target_id=card", vec![first]),
        ("&target_id=nobody", vec![]),
        ("&attributes[network]=n1&state=up", vec![first]),
        ("&attributes:speed=10", vec![first, second]),
        ("&attributes:speed=11", vec![]),
        ("&at=0", vec![]),
        ("&page_size=1&page=1", vec![second]),
    ] {
        assert_eq!(names(&server, query).await, found, "{query}");
    }
    for (query, status) in [
        ("&link_type=nothing-else", 400),
        ("&state=wrong", 400),
        ("&source_type=host", 400),
        ("&source_id=vm1", 409),
        ("&id=wrong", 400),
        ("&id=WyJhIl0", 400),
        ("&id=", 400),
    ] {
        let answer = server.get(&format!("/api/v1/links?env_name=lab{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
    assert_eq!(server.get("/api/v1/links").await.status, 400);
    assert_eq!(server.get("/api/v1/links?env_name=elsewhere").await.status, 404);

    let list = server.get("/api/v1/links?env_name=lab&page_size=1").await;
    let item = &list.body["links"][0];
    assert_eq!(
        (&item["link_type"], &item["environment"], &item["host"]),
        (&json!("instance-vnic"), &json!("lab"), &json!("h1"))
    );
    let id = item["id"].as_str().unwrap();
    let one = server.get(&format!("/api/v1/links?env_name=lab&id={id}")).await;
    assert_eq!(one.status, 200, "{}", one.body);
    assert_eq!((&one.body["id"], &one.body["source_id"]), (&json!(id), &json!("vm1")));
    assert_eq!((&one.body["target_type"], &one.body["source_label"]), (&json!("vnic"), &json!("left")));
    assert_eq!(one.body["attributes"]["speed"], 10);
    assert_eq!(server.get(&format!("/api/v1/links?env_name=lab&id={id}&at=0")).await.status, 404);
}

#[tokio::test]
async fn cliques_are_found_and_shown() {
    let server = lab().await;
    let links = server.get("/api/v1/links?env_name=lab").await;
    let link_id = links.body["links"][1]["id"].as_str().unwrap().to_owned();
    let other = crate::seed::link("x-y", ("x", "1"), ("y", "2"));
    commit(&server, "lab", &Delta { links: vec![other], ..Delta::default() }, &Default::default()).await;
    let links = server.get("/api/v1/links?env_name=lab&link_type=x-y").await;
    let unused = links.body["links"][0]["id"].as_str().unwrap().to_owned();
    for (query, n) in [
        (String::new(), 1),
        ("&focal_point=vm1&focal_point_type=instance".to_owned(), 1),
        ("&focal_point_object_id=vm1&focal_point_type=instance&clique_type=other".to_owned(), 0),
        ("&focal_point=vm2".to_owned(), 0),
        ("&focal_point_type=instance".to_owned(), 1),
        ("&focal_point_type=host".to_owned(), 0),
        ("&link_type=vnic-network".to_owned(), 1),
        ("&link_type=x-y".to_owned(), 0),
        (format!("&link_id={link_id}"), 1),
        (format!("&link_id={unused}"), 0),
        ("&clique_type=instance".to_owned(), 1),
        ("&clique_type=other".to_owned(), 0),
        ("&at=0".to_owned(), 0),
    ] {
        let answer = server.get(&format!("/api/v1/cliques?env_name=lab{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.body["cliques"].as_array().unwrap().len(), n, "{query}: {}", answer.body);
    }
    for (query, status) in [
        ("&focal_point=vm1", 409),
        ("&focal_point_type=wrong", 400),
        ("&link_type=wrong", 400),
        ("&link_id=wrong", 400),
        ("&id=wrong", 400),
        ("&focal_point=a&focal_point_object_id=b", 400),
        ("&page=1&link_type=x-y", 400),
    ] {
        let answer = server.get(&format!("/api/v1/cliques?env_name=lab{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
    let list = server.get("/api/v1/cliques?env_name=lab").await;
    let item = &list.body["cliques"][0];
    assert_eq!((&item["focal_point_type"], &item["focal_point_object_id"]), (&json!("instance"), &json!("vm1")));
    let one = server.get(&format!("/api/v1/cliques?env_name=lab&id={}", item["id"].as_str().unwrap())).await;
    assert_eq!(one.status, 200, "{}", one.body);
    assert_eq!(one.body["links"][1], link_id.as_str());
    assert_eq!(one.body["links_detailed"][1]["state"], "down");
    assert_eq!(one.body["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(one.body["nodes_detailed"].as_array().unwrap().len(), 2, "one node is not there any more");
    assert_eq!(one.body["constraints"], json!({"network": null}));
}

#[tokio::test]
async fn search_finds_and_numbers_add_up() {
    let server = lab().await;
    let answer = server.get("/api/v1/search?env_name=lab&query=VM&limit=2").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["objects"].as_array().unwrap().len(), 2);
    assert_eq!(answer.body["objects"][0]["last_scanned"], "2026-01-03T00:00:00Z");
    let answer = server.get("/api/v1/search?env_name=lab&query=vm1&type=vnic").await;
    assert_eq!(answer.body["objects"].as_array().unwrap().len(), 1, "{}", answer.body);
    for query in
        ["env_name=lab", "env_name=lab&query=", "env_name=lab&query=x&limit=0", "env_name=lab&query=x&type=wrong"]
    {
        assert_eq!(server.get(&format!("/api/v1/search?{query}")).await.status, 400, "{query}");
    }

    let answer = server.get("/api/v1/aggregates?type=environment&env_name=lab").await;
    assert_eq!(answer.body["aggregates"]["object_types"], json!({"host": 2, "instance": 2, "region": 1, "vnic": 2}));
    assert_eq!((&answer.body["type"], &answer.body["env_name"]), (&json!("environment"), &json!("lab")));
    for (query, status) in
        [("", 400), ("?type=environment", 400), ("?type=wrong", 400), ("?type=environment&env_name=elsewhere", 404)]
    {
        assert_eq!(server.get(&format!("/api/v1/aggregates{query}")).await.status, status, "{query}");
    }
    let answer = server.get("/api/v1/aggregates?type=constant").await;
    assert_eq!(answer.body["aggregates"]["names"]["link_states"], 2);
    assert!(answer.body["aggregates"]["names"]["object_types"].as_u64().unwrap() > 5);
    let answer = server.get("/api/v1/aggregates?type=message").await;
    assert_eq!(answer.body["aggregates"], json!({"levels": {}, "environments": {}}));
}

#[tokio::test]
async fn revisions_and_what_differs_between_them() {
    let server = lab().await;
    let mut next = cloud();
    next.objects.truncate(4);
    next.objects[3].doc.insert("cpus", Value::Int(4));
    next.links = vec![calipso_model::Link {
        state: LinkState::Down,
        ..link("instance-vnic", ("instance", "vm1"), ("vnic", "card"))
    }];
    next.cliques.clear();
    next.removed_cliques = vec![ObjectKey::new("instance", "vm1")];
    next.removed_objects = vec![ObjectKey::new("vnic", "vm1")];
    next.objects.push(object("host", "h3", ("region", "r"), "/lab/r/h3", &[]));
    commit(&server, "lab", &next, &Default::default()).await;

    let answer = server.get("/api/v1/revisions?env_name=lab&page_size=1").await;
    assert_eq!((&answer.body["current"], &answer.body["revisions"][0]["revision"]), (&json!(2), &json!(1)));
    let cursor = answer.body["next"].as_str().unwrap();
    let answer = server.get(&format!("/api/v1/revisions?env_name=lab&cursor={cursor}")).await;
    assert_eq!(answer.body["revisions"][0]["revision"], 2, "{}", answer.body);
    assert_eq!(answer.body["revisions"][0]["removed"]["objects"], 1);
    assert_eq!(answer.body["next"], json!(null));

    let answer = server.get("/api/v1/diff?env_name=lab").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((&answer.body["from"], &answer.body["to"]), (&json!(1), &json!(2)));
    assert_eq!(answer.body["counts"]["objects"], json!({"added": 1, "removed": 1, "changed": 1}));
    let changes: Vec<_> = answer.body["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["change"].as_str().unwrap(), change["id"].as_str().unwrap(), change["fields"].clone()))
        .collect();
    assert_eq!(
        changes,
        [
            ("added", "h3", json!([])),
            ("changed", "vm1", json!([{"field": "/cpus", "before": 2, "after": 4}])),
            ("removed", "vm1", json!([])),
        ]
    );
    assert_eq!(answer.body["links"][0]["fields"], json!([{"field": "/state", "before": "up", "after": "down"}]));
    assert_eq!(answer.body["cliques"][0]["change"], "removed");
    // In pages, the other way round too.
    let mut path = "/api/v1/diff?env_name=lab&from=2&to=1&page_size=2".to_owned();
    let mut n = 0;
    loop {
        let page = server.get(&path).await;
        assert_eq!(page.body["counts"]["cliques"]["added"], 1, "{}", page.body);
        n +=
            ["objects", "links", "cliques"].iter().map(|kind| page.body[kind].as_array().unwrap().len()).sum::<usize>();
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/api/v1/diff?env_name=lab&from=2&page_size=2&cursor={next}");
    }
    assert_eq!(n, 5);
    assert_eq!(server.get("/api/v1/diff?env_name=lab&from=7").await.status, 404);
    let same = server.get("/api/v1/diff?env_name=lab&from=2&to=2").await;
    assert_eq!(same.body["objects"], json!([]), "{}", same.body);
    let many = (0..60_000).map(|n| object("host", &format!("{n}"), ("region", "r"), "/lab/r/x", &[])).collect();
    commit(&server, "lab", &Delta { objects: many, ..Delta::default() }, &Default::default()).await;
    let answer = server.get("/api/v1/diff?env_name=lab").await;
    assert_eq!((answer.status.as_u16(), &answer.body["errors"][0]["path"]), (400, &json!("from")), "{}", answer.body);
}

#[tokio::test]
async fn graphs_are_drawn() {
    let server = lab().await;
    let base = "/api/v1/graph?env_name=lab";
    let answer = server.get(&format!("{base}&type=clique&focal_point_id=vm1&focal_point_type=instance")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["graph"]["nodes"][0]["id"], "vm1");
    assert_eq!(answer.body["graph"]["nodes"][2]["distance"], 2);
    assert_eq!((&answer.body["graph"]["links"][1]["source"], &answer.body["truncated"]), (&json!(1), &json!(false)));
    let answer = server.get(&format!("{base}&type=neighbourhood&depth=1&focal_point_id=card")).await;
    assert_eq!(answer.body["graph"]["links"].as_array().unwrap().len(), 2, "{}", answer.body);
    for (format, kind, begin) in [
        ("dot", "text/vnd.graphviz", "graph"),
        ("mermaid", "text/vnd.mermaid", "graph LR"),
        ("text", "text/plain; charset=utf-8", "╔"),
    ] {
        let answer = server.get(&format!("{base}&type=neighbourhood&focal_point_id=card&format={format}")).await;
        assert_eq!(answer.headers["content-type"], kind);
        assert!(answer.body.as_str().unwrap().trim_start().starts_with(begin), "{}", answer.body);
    }
    let answer = server.get(&format!("{base}&type=children_tree&depth=2")).await;
    let top = &answer.body["graph"];
    assert_eq!((&top["type"], &top["children"][0]["children"][0]["id"]), (&json!("environment"), &json!("h1")));
    assert_eq!(top["children"][0]["children"][0]["children"], json!(null), "no deeper");
    for (query, status) in [
        ("&type=clique", 400),
        ("&type=clique&focal_point_id=h1", 404),
        ("&type=clique&focal_point_id=vm1", 409),
        ("&type=neighbourhood&focal_point_id=nobody", 404),
        ("&type=children_tree&format=dot", 400),
        ("&type=wrong", 400),
        ("", 400),
    ] {
        assert_eq!(server.get(&format!("{base}{query}")).await.status, status, "{query}");
    }
    let tag = server.get(&format!("{base}&type=children_tree")).await.headers["etag"].clone();
    let tagged = Request::get(format!("{base}&type=children_tree")).header("if-none-match", tag);
    assert_eq!(server.send(tagged.body(Body::empty()).unwrap()).await.status, 304);
}

#[tokio::test]
async fn health_and_time_zones() {
    let server = lab().await;
    let answer = server.get("/api/v1/health").await;
    assert_eq!((answer.status.as_u16(), &answer.body["store"]), (200, &json!("ok")));
    assert_eq!(answer.body["environments"]["lab"]["scanned"], false);
    let answer = server.get("/api/v1/health?env_name=lab").await;
    assert_eq!((&answer.body["version"], &answer.body["revision"]), (&json!("2"), &json!(1)));
    assert_eq!(answer.body.get("last_scan_status"), None);
    assert_eq!(server.get("/api/v1/health?env_name=elsewhere").await.status, 404);
    let utc = json!({"tz_name": "UTC", "utc_offset": {"hours": 0, "minutes": 0}});
    assert_eq!(server.get("/api/v1/timezone").await.body, utc);
    assert_eq!(server.get("/api/v1/timezone?env_name=lab").await.body, utc);
    assert_eq!(server.get("/api/v1/timezone?env_name=elsewhere").await.status, 404);
}
