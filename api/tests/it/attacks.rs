//! What an editor, a stranger or a late caller may try; each a kind of fault that was found once.

use axum::{
    body::Body,
    http::{Method, Request},
};
use calipso_api::{AccountSettings, Grant, Source, User};
use calipso_model::{Delta, Str};
use serde_json::{Value, json};

use crate::{
    cloud::{configuration, errors, server, usual},
    logins::basic,
    seed::{commit, object},
    support::guarded,
};

const CLOUD: &str = "/environment_configs/cloud";

const LINK: &str = "schema: link_type/v1
name: vnic-host
description: DESCRIPTION
source: a test
from: vnic
to: host
rules:
  - {name: by host, from: {key: '[from.host]'}, to: {key: '[to.id]'}}
";

fn link(description: &str) -> Value {
    json!({"env_name": "cloud", "kind": "link_type", "text": LINK.replace("DESCRIPTION", description)})
}

async fn etag(server: &crate::support::Server, path: &str) -> String {
    server.see("editor", path).await.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_is_made_again_is_not_what_was_removed() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let spec = "/specs/link_type/vnic-host?env_name=cloud";
    let shown = async || {
        let answer = server.see("editor", "/link_types?env_name=cloud&name=vnic-host").await;
        answer.body["link_types"][0]["description"].clone()
    };
    let mut tags: Vec<String> = Vec::new();
    for description in ["The first.", "The second.", "The third."] {
        assert_eq!(server.post("editor", "/specs", &link(description)).await.status, 201);
        assert_eq!(shown().await, description, "the catalogue is that of now");
        let tag = etag(&server, spec).await;
        for stale in &tags {
            let body = json!({"text": LINK});
            let answer = server.ask_if("editor", Method::PUT, spec, Some(&body), Some(stale)).await;
            assert_eq!(answer.status, 412, "{stale} fits {tag}");
            assert_eq!(server.ask_if("editor", Method::DELETE, spec, None, Some(stale)).await.status, 412);
        }
        assert!(!tags.contains(&tag), "{tag} again");
        assert_eq!(server.ask_if("editor", Method::DELETE, spec, None, Some(&tag)).await.status, 204);
        tags.push(tag);
    }
    // The same for the environment with all that is in it.
    assert_eq!(server.post("editor", "/specs", &link("Of the former.")).await.status, 201);
    assert_eq!(shown().await, "Of the former.");
    let tag = etag(&server, CLOUD).await;
    let removal = format!("{CLOUD}?inventory=delete");
    assert_eq!(server.ask("editor", Method::DELETE, &removal, None).await.status, 204);
    assert_eq!(server.post("editor", "/environment_configs", &configuration()).await.status, 201);
    assert_eq!(shown().await, Value::Null, "nothing of the former one is left");
    assert_eq!(server.post("editor", "/specs", &link("Of the successor.")).await.status, 201);
    assert_eq!(shown().await, "Of the successor.");
    let patch = json!({"description": "late"});
    assert_eq!(server.ask_if("editor", Method::PATCH, CLOUD, Some(&patch), Some(&tag)).await.status, 412);
    assert_eq!(server.ask_if("editor", Method::DELETE, &removal, None, Some(&tag)).await.status, 412);
}

#[tokio::test]
async fn an_inventory_that_is_made_again_is_sent_again() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let delta = |id: &str| {
        let path = format!("/cloud/{id}");
        Delta { objects: vec![object("region", id, ("environment", "cloud"), &path, &[])], ..Delta::default() }
    };
    let removal = format!("{CLOUD}?inventory=delete");
    let paths = ["/inventory?env_name=cloud", "/graph?env_name=cloud&type=children_tree", "/revisions?env_name=cloud"];
    commit(&server, "cloud", &delta("former"), &Default::default()).await;
    let mut tags = Vec::new();
    for path in paths {
        tags.push((path, etag(&server, path).await));
    }
    assert_eq!(server.ask("editor", Method::DELETE, &removal, None).await.status, 204);
    assert_eq!(server.post("editor", "/environment_configs", &configuration()).await.status, 201);
    commit(&server, "cloud", &delta("successor"), &Default::default()).await;
    for (path, tag) in tags {
        let request = Request::get(format!("/api/v1{path}"))
            .header("authorization", basic("editor", "any password"))
            .header("if-none-match", &tag);
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path} is taken for revision 1 of the former one");
        assert!(!answer.body.to_string().contains("former"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn who_made_an_environment_is_told_by_the_login() {
    let server = usual().await;
    let mut body = configuration();
    body["user"] = json!("root");
    assert_eq!(server.post("editor", "/environment_configs", &body).await.status, 201);
    assert_eq!(server.see("editor", CLOUD).await.body["user"], "editor");
    for (method, body) in [
        (Method::PATCH, json!({"user": "root"})),
        (Method::PATCH, json!({"user": null, "operational": "running", "scanned": true, "archived": true})),
        (Method::PUT, body),
    ] {
        let answer = server.ask("root", method, CLOUD, Some(&body)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["user"]), (200, &json!("editor")), "{}", answer.body);
        let shown = server.see("editor", CLOUD).await.body;
        let kept = [&shown["user"], &shown["operational"], &shown["scanned"], &shown["archived"]];
        assert_eq!(kept, [&json!("editor"), &json!("stopped"), &json!(false), &json!(false)]);
    }
    for made_up in ["settings", "version_number", "made", "env", "rights"] {
        let answer = server.ask("root", Method::PATCH, CLOUD, Some(&json!({ made_up: 1 }))).await;
        assert_eq!(answer.status, 422, "{made_up}");
    }
}

#[tokio::test]
async fn environments_have_no_twins() {
    let server = usual().await;
    let post = async |name: &str| {
        let mut body = configuration();
        body["name"] = json!(name);
        let answer = server.post("editor", "/environment_configs", &body).await;
        (answer.status.as_u16(), answer.body["detail"].to_string())
    };
    for name in ["my-cloud", "München", "Ωmega 7"] {
        assert_eq!(post(name).await.0, 201, "{name}");
    }
    for name in ["My-Cloud", "MY-CLOUD", "MÜNCHEN", "\u{3c9}mega 7", "m\u{443}-cloud"] {
        let (status, told) = post(name).await;
        assert!(status == 409 && told.contains("could be taken for"), "{name}: {status} {told}");
    }
    for name in ["...", "-rf", "my\u{200b}-cloud", "\u{202e}duolc", "Mu\u{308}nchen", "a\u{7f}", " a", "", "\u{3164}"] {
        assert_eq!(post(name).await.0, 422, "{name:?}");
    }
    // Two twins at once: one is left at most, and never both.
    let (one, other) = futures::future::join(post("race"), post("Race")).await;
    assert!([(201, 409), (409, 201), (409, 409)].contains(&(one.0, other.0)), "{one:?} {other:?}");
    // Punctuation does not share variables.
    assert_eq!(post("my_cloud").await.0, 201);
    let take = async |env_name: &str, variable: &str| {
        let body = json!({"connections": {"database": {"password": format!("env:{variable}")}}});
        server
            .ask("editor", Method::PATCH, &format!("/environment_configs/{env_name}"), Some(&body))
            .await
            .status
            .as_u16()
    };
    assert_eq!(take("my-cloud", "CALIPSO_SECRET_MY_CLOUD__DB").await, 200);
    assert_eq!(take("my_cloud", "CALIPSO_SECRET_MY_CLOUD__DB").await, 422, "those of my-cloud");
    assert_eq!(take("my_cloud", "CALIPSO_SECRET_MYx5fCLOUD__DB").await, 200);
}

#[tokio::test]
async fn lists_of_mistakes_have_an_end() {
    let server = usual().await;
    let server = server.with_cloud().await;
    let many: serde_json::Map<String, Value> = (0..60_000).map(|n| (format!("k{n}"), json!(n))).collect();
    let long: serde_json::Map<String, Value> = (0..3).map(|n| ("x".repeat(200_000 + n), json!(n))).collect();
    for (body, left_out) in [(Value::Object(many), 59_900), (Value::Object(long), 0)] {
        for (method, path) in [(Method::PATCH, CLOUD), (Method::PUT, CLOUD), (Method::POST, "/environment_configs")] {
            let answer = server.ask("editor", method.clone(), path, Some(&body)).await;
            assert_eq!(answer.status, 422, "{method}");
            let length = answer.body.to_string().len();
            assert!(length < 300_000, "{method} {path}: {length} bytes");
            let told = answer.body["errors_left_out"].as_u64().unwrap_or(0);
            assert!((left_out..left_out + 20).contains(&told), "{told} are left out");
            assert!(errors(&answer).len() <= 100);
        }
    }
    let targets: Vec<String> = (0..50_000).map(|n| format!("t{n}")).collect();
    let body = json!({"env_name": "cloud", "test_targets": targets});
    let answer = server.post("editor", "/connection_tests", &body).await;
    assert!(answer.status == 422 && answer.body.to_string().len() < 300_000, "{}", answer.status);
}

#[tokio::test]
async fn rights_for_many_names_are_settled_at_once() {
    let (_server, accounts) = guarded(AccountSettings::default());
    for n in 0..600 {
        let user = User::new(&format!("user{n}"), Source::Directory, jiff::Timestamp::now());
        accounts.add_user(user, None).await.unwrap();
    }
    let asked: Vec<Str> = (300..50_000).map(|n| format!("User{n}").into()).collect();
    // The store is asked for each page of users, not for each name.
    let unknown = accounts.unknown_users(&asked).await.unwrap();
    assert_eq!(unknown.len(), 50_000 - 600);
    let few: Vec<Str> = ["user1", "USER1", "ghost"].iter().map(|name| Str::from(*name)).collect();
    assert_eq!(accounts.unknown_users(&few).await.unwrap(), [Str::from("ghost")]);
}

#[tokio::test]
async fn too_many_names_are_refused_before_any_is_looked_up() {
    let cloud = usual().await;
    let cloud = cloud.with_cloud().await;
    let names: Vec<String> = (0..50_000).map(|n| format!("user{n}")).collect();
    let body = json!({"auth": {"edit-env": names}});
    let answer = cloud.ask("editor", Method::PATCH, CLOUD, Some(&body)).await;
    let told = errors(&answer);
    assert_eq!((answer.status.as_u16(), told.len()), (422, 1), "{told:?}");
    assert!(told[0].0 == "/auth/edit-env" && told[0].1.contains("at most 1000"), "{told:?}");
}

#[tokio::test]
async fn a_browser_is_told_where_it_is() {
    let server = server(&[("viewer", &[("cloud", Grant::View)])]).await;
    let ask =
        async |accept: &str| server.send(Request::get("/").header("accept", accept).body(Body::empty()).unwrap()).await;
    let page = ask("text/html,application/xhtml+xml,*/*;q=0.8").await;
    assert_eq!(
        (page.status.as_u16(), &page.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    let text = page.body.as_str().unwrap();
    assert!(text.contains("<h1>Calipso</h1>"), "{text}");
    // Every link leads somewhere, without a login.
    let links: Vec<&str> = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.contains(&"/api/v1/openapi.json"), "{links:?}");
    for link in links {
        assert_eq!(server.get(link).await.status, 200, "{link}");
    }
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    for accept in ["*/*", "application/json"] {
        let answer = ask(accept).await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (404, &json!(404)), "{accept}");
    }
}
