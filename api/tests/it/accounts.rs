//! Users: made, changed, removed; what that does to those who are logged in.

use calipso_api::{AccountSettings, Grant};
use serde_json::{Value, json};

use crate::{
    logins::{PASSWORD, TOKENS, add, basic, me, token},
    support::{Answer, Server, clock, guarded, open},
};

/// An administrator's requests.
struct Root {
    server: Server,
    token: String,
}

impl Root {
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.server.call(method, &format!("/api/v1/users{path}"), &[("x-auth-token", &self.token)], body).await
    }

    async fn status(&self, method: &str, path: &str, body: &Value) -> u16 {
        self.call(method, path, Some(body)).await.status.as_u16()
    }
}

async fn root() -> Root {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "root", |user| user.administrator = true).await;
    let token = token(&server, "root").await;
    Root { server, token }
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_once() {
    let (server, accounts) = guarded(AccountSettings::default());
    let (name, password) = accounts.first_administrator(clock()).await.unwrap().unwrap();
    assert_eq!((name.as_ref(), password.reveal().len()), ("admin", 24));
    assert!(accounts.first_administrator(clock()).await.unwrap().is_none());
    let (status, body) = me(&server, ("authorization", &basic("admin", password.reveal()))).await;
    assert_eq!((status, &body["administrator"]), (200, &json!(true)));
    let record = server.service.backend.record(calipso_store::Collection::Users, "admin").await.unwrap().unwrap();
    assert!(!format!("{record:?}").contains(password.reveal()));
    assert!(accounts.first_administrator(clock()).await.unwrap().is_none(), "users exist");
}

#[tokio::test]
async fn users_are_made_changed_and_removed() {
    let root = root().await;
    let anna = json!({"name": "Anna", "password": PASSWORD, "grants": {"a": "view"}});
    let made = root.call("POST", "", Some(&anna)).await;
    assert_eq!((made.status.as_u16(), &made.body["name"]), (201, &json!("anna")));
    assert!(made.headers["etag"].to_str().unwrap().starts_with('"'), "{:?}", made.headers);
    assert!(!made.body.to_string().contains("argon2") && !made.body.to_string().contains(PASSWORD));
    assert_eq!(root.status("POST", "", &anna).await, 409);
    for (body, wanted) in [
        (json!({"name": "b"}), 422),
        (json!({"name": "b", "password": "short"}), 422),
        (json!({"name": "bbbbbbbbbbbb", "password": "BBBBBBBBBBBB"}), 422),
        (json!({"name": "b", "password": PASSWORD, "source": "directory"}), 422),
        (json!({"name": "b d", "password": PASSWORD}), 422),
        (json!({"name": "../b", "password": PASSWORD}), 422),
        (json!({"name": "b", "password": PASSWORD, "grants": {"a": "own"}}), 422),
        (json!({"name": "b", "password": PASSWORD, "password_hash": "x"}), 422),
        (json!({"name": "b", "source": "directory"}), 201),
        (json!([]), 422),
    ] {
        assert_eq!(root.status("POST", "", &body).await, wanted, "{body}");
    }
    let put = root.call("PUT", "/anna", Some(&json!({"grants": {"b": "edit"}}))).await;
    assert_eq!((put.status.as_u16(), &put.body["grants"]), (200, &json!({"b": "edit"})));
    let patch = root.call("PATCH", "/anna", Some(&json!({"administrator": true}))).await;
    assert_eq!((&patch.body["grants"], &patch.body["administrator"]), (&json!({"b": "edit"}), &json!(true)));
    let granted = root.call("PUT", "/anna/grants/*", Some(&json!({"grant": "view"}))).await;
    assert_eq!(granted.body["grants"], json!({"*": "view", "b": "edit"}));
    let withdrawn = root.call("DELETE", "/anna/grants/b", None).await;
    assert_eq!(withdrawn.body["grants"], json!({"*": "view"}));
    let list = root.call("GET", "", None).await.body;
    let names: Vec<&str> =
        list["users"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["anna", "b", "root"]);
    assert_eq!(root.call("DELETE", "/anna", None).await.status, 204);
    assert_eq!(root.call("GET", "/anna", None).await.status, 404);
    assert_eq!(root.call("DELETE", "/anna", None).await.status, 404);
}

#[tokio::test]
async fn who_reads_too_early_is_told_to_read_again() {
    let root = root().await;
    root.call("POST", "", Some(&json!({"name": "anna", "password": PASSWORD}))).await;
    let tag = root.call("GET", "/anna", None).await.headers["etag"].to_str().unwrap().to_owned();
    let change = async |tag: &str, method: &str, body: Option<&Value>| {
        let headers = [("x-auth-token", root.token.as_str()), ("if-match", tag)];
        root.server.call(method, "/api/v1/users/anna", &headers, body).await
    };
    let body = json!({"disabled": true});
    assert_eq!(change(&tag, "PATCH", Some(&body)).await.status, 200);
    let late = change(&tag, "PATCH", Some(&body)).await;
    assert_eq!((late.status.as_u16(), &late.body["type"]), (412, &json!("/problems/changed-meanwhile")));
    assert_eq!(change(&tag, "PUT", Some(&json!({}))).await.status, 412);
    assert_eq!(change(&tag, "DELETE", None).await.status, 412);
    assert_eq!(change("nonsense", "DELETE", None).await.status, 400);
    let newest = root.call("GET", "/anna", None).await.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(change(&format!("W/{newest}"), "PATCH", Some(&body)).await.status, 412, "weak tags never fit");
    assert_eq!(change(&format!("\"v9\", {newest}"), "PATCH", Some(&body)).await.status, 200);
    assert_eq!(change("*", "DELETE", None).await.status, 204);
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let root = root().await;
    for (method, path, body) in [
        ("DELETE", "/root", json!({})),
        ("PATCH", "/root", json!({"disabled": true})),
        ("PATCH", "/root", json!({"administrator": false})),
        ("PUT", "/root", json!({"grants": {"*": "edit"}})),
    ] {
        let answer = root.call(method, path, Some(&body)).await;
        assert_eq!(answer.status, 409, "{method} {body}: {}", answer.body);
    }
    // Neither a disabled one nor one who needs the directory is enough.
    root.call("POST", "", Some(&json!({"name": "b", "source": "directory", "administrator": true}))).await;
    root.call("POST", "", Some(&json!({"name": "c", "password": PASSWORD, "administrator": true, "disabled": true})))
        .await;
    assert_eq!(root.status("DELETE", "/root", &json!({})).await, 409);
    assert_eq!(root.status("PATCH", "/c", &json!({"disabled": false})).await, 200);
    // Of many who try to remove both at once, one is left.
    let (one, other) = (json!({"administrator": false}), json!({"administrator": false}));
    let done = futures::future::join(root.status("PATCH", "/root", &one), root.status("PATCH", "/c", &other)).await;
    assert!(matches!(done, (200, 409 | 403 | 401) | (409 | 403, 200)), "{done:?}");
}

#[tokio::test]
async fn a_change_counts_at_once_for_those_who_are_logged_in() {
    let (server, accounts) = guarded(AccountSettings::default());
    add(&accounts, "root", |user| user.administrator = true).await;
    add(&accounts, "anna", |user| {
        user.grants.insert("a".into(), Grant::View);
    })
    .await;
    let root = Root { token: token(&server, "root").await, server };
    let login = async || token(&root.server, "anna").await;
    let token = login().await;
    let header = basic("anna", PASSWORD);
    let all = async |token: &str| {
        (me(&root.server, ("x-auth-token", token)).await.0, me(&root.server, ("authorization", &header)).await.0)
    };
    assert_eq!(all(&token).await, (200, 200));
    root.call("PUT", "/anna/grants/b", Some(&json!({"grant": "edit"}))).await;
    assert_eq!(me(&root.server, ("x-auth-token", &token)).await.1["grants"], json!({"a": "view", "b": "edit"}));
    root.call("PATCH", "/anna", Some(&json!({"disabled": true}))).await;
    assert_eq!(all(&token).await, (401, 401));
    root.call("PATCH", "/anna", Some(&json!({"disabled": false}))).await;
    assert_eq!(all(&token).await, (401, 200), "tokens of a disabled user have ended");
    root.call("DELETE", "/anna", None).await;
    assert_eq!(all(&token).await, (401, 401));
    root.call("POST", "", Some(&json!({"name": "anna", "password": PASSWORD}))).await;
    assert_eq!(all(&token).await, (401, 200), "a later user of that name is somebody else");
}

#[tokio::test]
async fn passwords_are_changed_by_their_owners_and_by_administrators() {
    let root = root().await;
    root.call("POST", "", Some(&json!({"name": "anna", "password": PASSWORD}))).await;
    root.call("POST", "", Some(&json!({"name": "b", "source": "directory"}))).await;
    let anna = token(&root.server, "anna").await;
    let own = async |token: &str, name: &str, body: Value| {
        let path = format!("/api/v1/users/{name}/password");
        root.server.call("POST", &path, &[("x-auth-token", token)], Some(&body)).await.status.as_u16()
    };
    let new = "another password";
    assert_eq!(own(&anna, "anna", json!({"new": new})).await, 422);
    assert_eq!(own(&anna, "anna", json!({"old": "wrong", "new": new})).await, 403);
    assert_eq!(own(&anna, "anna", json!({"old": PASSWORD, "new": "short"})).await, 422);
    assert_eq!(own(&anna, "root", json!({"old": PASSWORD, "new": new})).await, 403);
    assert_eq!(own(&anna, "nobody", json!({"new": new})).await, 403);
    assert_eq!(own(&anna, "Anna", json!({"old": PASSWORD, "new": new})).await, 204);
    assert_eq!(me(&root.server, ("x-auth-token", &anna)).await.0, 401, "every login with the old one has ended");
    assert_eq!(me(&root.server, ("authorization", &basic("anna", PASSWORD))).await.0, 401);
    assert_eq!(me(&root.server, ("authorization", &basic("anna", new))).await.0, 200);
    assert_eq!(own(&root.token, "anna", json!({"new": PASSWORD})).await, 204);
    assert_eq!(me(&root.server, ("authorization", &basic("anna", new))).await.0, 401);
    assert_eq!(own(&root.token, "b", json!({"new": new})).await, 409);
    assert_eq!(own(&root.token, "nobody", json!({"new": new})).await, 404);
    assert_eq!(own(&root.token, "root", json!({"new": new})).await, 422, "one's own needs the old one");
}

#[tokio::test]
async fn without_logins_users_can_be_prepared() {
    let server = open();
    let made = server.call("POST", "/api/v1/users", &[], Some(&json!({"name": "anna", "password": PASSWORD}))).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let login = server.call("POST", TOKENS, &[], Some(&json!({"username": "anna", "password": PASSWORD}))).await;
    assert_eq!(login.status, 201);
    assert_eq!(server.get("/api/v1/auth/me").await.body["user"], "anybody");
}

#[tokio::test]
async fn every_operation_that_is_bound_to_a_version_says_so() {
    let document = calipso_api::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let takes = parameters.iter().any(|parameter| parameter["name"] == "If-Match");
            assert_eq!(takes, operation["responses"].get("412").is_some(), "{method} {path}");
            let is_kept = operation["responses"].get("304").is_some();
            assert_eq!(operation.pointer("/responses/200/headers/ETag").is_some(), is_kept, "{method} {path}");
        }
    }
    // Who changes what somebody else may change, too, can name a version.
    for (method, path) in [
        ("put", "/users/{name}"),
        ("patch", "/users/{name}"),
        ("delete", "/users/{name}"),
        ("put", "/users/{name}/grants/{environment}"),
        ("put", "/environment_configs/{env_name}"),
        ("patch", "/environment_configs/{env_name}"),
        ("delete", "/environment_configs/{env_name}"),
        ("put", "/specs/{kind}/{name}"),
        ("delete", "/specs/{kind}/{name}"),
        ("delete", "/clique_types/{name}"),
        ("put", "/scheduled_scans/{id}"),
        ("delete", "/scheduled_scans/{id}"),
        ("post", "/scans/{id}/cancel"),
    ] {
        let operation = &document["paths"][format!("/api/v1{path}")][method];
        assert!(operation["responses"].get("412").is_some(), "{method} {path}");
    }
}
