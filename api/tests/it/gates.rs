//! What every request passes before its handler.

use axum::http::Method;
use serde_json::json;

use crate::support::open;

#[tokio::test]
async fn what_the_document_does_not_know_is_refused() {
    let server = open();
    let answer = server.get("/api/v1/version").await;
    assert_eq!((answer.status.as_u16(), &answer.body["api"]), (200, &json!("v1")));
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(server.service.version, "0.0.0");

    let answer = server.get("/api/v1/version?colour=red").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["type"], "/problems/bad-request");
    assert_eq!(answer.body["errors"][0]["path"], "colour");
    assert!(answer.body["instance"].as_str().unwrap().starts_with("/requests/"), "{}", answer.body);

    let answer = server.get("/api/v1/nothing").await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (404, &json!(404)));
    let answer = server.json(Method::PUT, "/api/v1/version", &json!({})).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"GET,HEAD".parse().unwrap()));
    let answer = server.get("/problems/not-found").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn every_operation_says_whom_it_is_for() {
    let document = calipso_api::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let right = operation["x-right"].as_str().unwrap_or_default();
            let known = ["public", "login", "view", "edit", "administer"];
            assert!(known.contains(&right), "{method} {path} says `{right}`");
        }
    }
    assert_eq!(document["openapi"], "3.1.0");
}
