//! Objects: found by everything that can be asked, page by page, one by one.

use axum::http::Request;
use calipso_model::{Delta, ObjectKey, Value};
use calipso_store::ScopeChanges;
use serde_json::json;

use crate::{
    seed::{commit, lab, object, scope},
    support::Server,
};

async fn ids(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/v1/inventory?env_name=lab{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.body["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| format!("{}/{}", object["type"].as_str().unwrap(), object["id"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn every_part_of_a_question_holds() {
    let server = lab().await;
    for (query, found) in [
        ("&type=host", vec!["host/h1", "host/h2"]),
        ("&type=host&type=region", vec!["host/h1", "host/h2", "region/r"]),
        ("&type=host&host=h2", vec!["host/h2"]),
        ("&host=nowhere", vec![]),
        ("&id_path=/lab/r/h1/vm1", vec!["instance/vm1"]),
        ("&id_path=/lab/r/h1/vm1/vm1", vec!["vnic/vm1"]),
        ("&id_path=/lab/r/h1/vm1/vm1&type=instance", vec![]),
        ("&id_path=/lab", vec![]),
        ("&parent_id=h1", vec!["instance/vm1", "instance/vm2"]),
        ("&parent_id=vm1", vec!["vnic/card", "vnic/vm1"]),
        ("&parent_id=vm1&parent_type=instance", vec!["vnic/card", "vnic/vm1"]),
        ("&parent_id=vm1&parent_type=vnic", vec![]),
        ("&parent_path=/lab", vec!["region/r"]),
        ("&parent_path=/lab/", vec!["region/r"]),
        ("&parent_path=/lab/r", vec!["host/h1", "host/h2"]),
        ("&parent_path=/lab/r/h", vec![]),
        ("&parent_path=/lab/r/h1&sub_tree=true", vec!["instance/vm1", "instance/vm2", "vnic/card", "vnic/vm1"]),
        ("&parent_path=/lab/r/h1&sub_tree=true&type=vnic", vec!["vnic/card", "vnic/vm1"]),
        ("&parent_path=.*&sub_tree=true", vec![]),
        ("&text=VM&type=instance", vec!["instance/vm1", "instance/vm2"]),
        ("&attributes[mac_address]=aa", vec!["vnic/card"]),
        ("&attributes:cpus=2", vec!["instance/vm1", "instance/vm2"]),
        ("&attributes:cpus=2&attributes[up]=true", vec!["instance/vm1"]),
        ("&attributes[up]=null&type=instance", vec!["instance/vm2"]),
        ("&scanned_after=2026-01-02T12:00:00Z", vec!["instance/vm1"]),
        ("&scanned_before=2026-01-02T12:00:00Z", vec!["host/h1", "host/h2"]),
        ("&scanned_before=2026-01-02T01:00:00%2B02:00", vec![]),
        ("&at=0", vec![]),
        ("&page=1&page_size=3&type=host&type=instance", vec!["instance/vm2"]),
    ] {
        assert_eq!(ids(&server, query).await, found, "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let server = lab().await;
    for (query, status, path) in [
        ("env_name=lab&colour=red", 400, "colour"),
        ("env_name=lab&type=nothing", 400, "type"),
        ("env_name=lab&page_size=0", 400, "page_size"),
        ("env_name=lab&page_size=100000", 400, "page_size"),
        ("env_name=lab&page=-1", 400, "page"),
        ("env_name=lab&page=x", 400, "page"),
        ("env_name=lab&sub_tree=perhaps", 400, "sub_tree"),
        ("env_name=lab&sub_tree=true", 400, "sub_tree"),
        ("env_name=lab&parent_type=host", 400, "parent_type"),
        ("env_name=lab&projection=name,colour", 400, "projection"),
        ("env_name=lab&scanned_after=yesterday", 400, "scanned_after"),
        ("env_name=lab&cursor=%00", 400, "cursor"),
        ("env_name=lab&cursor=bm90aGluZw", 400, "cursor"),
        ("env_name=lab&at=1&cursor=WzIsIltdIl0", 400, "cursor"),
        ("type=host", 400, ""),
    ] {
        let answer = server.get(&format!("/api/v1/inventory?{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert_eq!(answer.body["errors"][0]["path"], path, "{query}: {}", answer.body);
    }
    for query in ["env_name=elsewhere", "env_name=lab&at=99", "env_name=lab&id=nobody", "env_name=elsewhere&id=h1"] {
        let answer = server.get(&format!("/api/v1/inventory?{query}")).await;
        assert_eq!(answer.status, 404, "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn fields_are_chosen() {
    let server = lab().await;
    let answer = server.get("/api/v1/inventory?env_name=lab&type=host&page_size=1").await;
    assert_eq!(
        answer.body["objects"],
        json!([{"environment": "lab", "id": "h1", "name": "h1", "name_path": "/lab/r/h1", "type": "host"}])
    );
    assert_eq!(answer.body["revision"], 1);
    let answer = server.get("/api/v1/inventory?env_name=lab&type=host&projection=host,last_scanned").await;
    assert_eq!(
        answer.body["objects"][1],
        json!({"host": "h2", "id": "h2", "last_scanned": "2026-01-02T00:00:00Z", "type": "host"})
    );
}

#[tokio::test]
async fn one_object_is_whole() {
    let server = lab().await;
    let answer = server.get("/api/v1/inventory?env_name=lab&id=h1").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["id_path"], "/lab/r/h1");
    assert_eq!(answer.body["last_scanned"], "2026-01-02T00:00:00Z");
    assert_eq!(answer.body["revision"], 1);
    assert_eq!(answer.body["provenance"][0]["fetcher"], "list_hosts");
    assert_eq!(answer.body["provenance"][0]["at"], json!(["fetchers/x.yaml:5:3"]));
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let again = Request::get("/api/v1/inventory/lab/host/h1").header("if-none-match", &tag);
    let again = server.send(again.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.headers["etag"].to_str().unwrap()), (304, tag.as_str()));

    let answer = server.get("/api/v1/inventory?env_name=lab&id=vm1").await;
    assert_eq!(answer.status, 409, "{}", answer.body);
    let candidates: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["message"].as_str().unwrap()).collect();
    assert_eq!(candidates, ["could be `instance`", "could be `vnic`"]);
    let answer = server.get("/api/v1/inventory?env_name=lab&id=vm1&type=vnic").await;
    assert_eq!((answer.status.as_u16(), &answer.body["type"]), (200, &json!("vnic")));
    let answer = server.get("/api/v1/inventory/lab/vnic/nobody").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_list_that_tells_of_scans_changes_with_them_although_no_revision_does() {
    let server = lab().await;
    for of_scans in ["&projection=host,last_scanned", "&scanned_after=2026-01-01T00:00:00Z"] {
        let ask = async |tag: &str| {
            let request = Request::get(format!("/api/v1/inventory?env_name=lab&type=host{of_scans}"));
            server.send(request.header("if-none-match", tag).body(axum::body::Body::empty()).unwrap()).await
        };
        let first = ask("W/\"none\"").await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(ask(&tag).await.status, 304, "{of_scans}");
        let day = if of_scans.contains("last") { "2026-01-05T00:00:00Z" } else { "2025-12-31T00:00:00Z" };
        let again = ScopeChanges {
            put: vec![scope("list_hosts", day, &[("host", "h1"), ("host", "h2")])],
            ..ScopeChanges::default()
        };
        assert_eq!(commit(&server, "lab", &Delta::default(), &again).await, 1, "no revision is made");
        let changed = ask(&tag).await;
        assert_eq!(changed.status, 200, "{of_scans}");
        assert_ne!(changed.body["objects"], first.body["objects"], "{of_scans}");
    }
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let server = lab().await;
    let ask = async |tag: &str| {
        let request = Request::get("/api/v1/inventory?env_name=lab").header("if-none-match", tag);
        server.send(request.body(axum::body::Body::empty()).unwrap()).await
    };
    let first = server.get("/api/v1/inventory?env_name=lab").await;
    let tag = first.headers["etag"].to_str().unwrap();
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    assert_eq!(ask(tag).await.status, 304);
    let more = Delta { objects: vec![object("host", "h3", ("region", "r"), "/lab/r/h3", &[])], ..Delta::default() };
    commit(&server, "lab", &more, &Default::default()).await;
    assert_eq!(ask(tag).await.status, 200);
}

#[tokio::test]
async fn pages_fit_together_while_commits_happen() {
    let server = lab().await;
    let many = |turn: i64| Delta {
        objects: (0..50)
            .map(|n| {
                object(
                    "host",
                    &format!("m{:03}", (n * 7 + turn) % 997),
                    ("region", "r"),
                    "/lab/r/m",
                    &[("turn", Value::Int(turn))],
                )
            })
            .collect(),
        ..Delta::default()
    };
    commit(&server, "lab", &many(0), &Default::default()).await;
    let expected = ids(&server, "&type=host&page_size=1000").await;
    let mut path = "/api/v1/inventory?env_name=lab&type=host&page_size=7".to_owned();
    let mut found = Vec::new();
    for turn in 1.. {
        let answer = server.get(&path).await;
        assert_eq!((answer.status.as_u16(), &answer.body["revision"]), (200, &json!(2)), "{}", answer.body);
        found.extend(
            answer.body["objects"]
                .as_array()
                .unwrap()
                .iter()
                .map(|object| format!("host/{}", object["id"].as_str().unwrap())),
        );
        // Objects come and go between two pages.
        commit(&server, "lab", &many(turn), &Default::default()).await;
        let gone =
            Delta { removed_objects: vec![ObjectKey::new("host", format!("m{:03}", turn * 7))], ..Delta::default() };
        commit(&server, "lab", &gone, &Default::default()).await;
        match answer.body["next"].as_str() {
            None => {
                assert!(!answer.headers.contains_key("link"));
                break;
            }
            Some(_) => {
                let link = answer.headers["link"].to_str().unwrap();
                let query = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
                path = format!("/api/v1/inventory{query}");
            }
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn hostile_values_are_only_values() {
    let server = lab().await;
    let long = "x".repeat(4_000);
    for value in [
        "'",
        "\"",
        "%27%20OR%201--",
        "%00",
        "..%2F..",
        "%F0%9F%98%80",
        "{\"$ne\":1}",
        "$where",
        ".*",
        "\u{202e}",
        &long,
    ] {
        let value: String = url_safe(value);
        for query in [
            format!("&host={value}"),
            format!("&text={value}"),
            format!("&parent_id={value}"),
            format!("&parent_path={value}&sub_tree=true"),
            format!("&id_path={value}"),
            format!("&attributes[name]={value}"),
            format!("&attributes[{value}]=x"),
        ] {
            let answer = server.get(&format!("/api/v1/inventory?env_name=lab{query}")).await;
            let status = answer.status.as_u16();
            assert!(status == 200 || status == 400, "{query}: {status} {}", answer.body);
            assert!(status == 400 || answer.body["objects"] == json!([]), "{query}: {}", answer.body);
        }
        let answer = server.get(&format!("/api/v1/inventory?env_name=lab&id={value}")).await;
        assert!([404, 400].contains(&answer.status.as_u16()), "{value}: {}", answer.body);
        let answer = server.get(&format!("/api/v1/inventory?env_name={value}")).await;
        assert!([404, 400].contains(&answer.status.as_u16()), "{value}: {}", answer.body);
        let answer = server.get(&format!("/api/v1/search?env_name=lab&query={value}")).await;
        assert!([200, 400].contains(&answer.status.as_u16()), "{value}: {}", answer.body);
    }
}

/// Keeps what is encoded already, and encodes what no address may hold.
fn url_safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '{' | '}' | '\'' => format!("%{:02X}", c as u32),
            c if c.is_ascii() => c.to_string(),
            c => c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect(),
        })
        .collect()
}
