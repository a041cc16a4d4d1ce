//! What every request passes before its handler.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request, request::Parts},
};
use calipso_api::{Access, Authenticate, Caller, Environments, Limits, Problem, Service};
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{Server, open};

/// Never knows who asks.
struct Undecided;

#[async_trait::async_trait]
impl Authenticate for Undecided {
    async fn caller(&self, _: &Parts, _: jiff::Timestamp) -> Result<Option<Caller>, Problem> {
        std::future::pending().await
    }
}

/// The service with this access, and little time for each answer.
fn hurried(server: &Server, access: Access) -> axum::Router {
    let time = Duration::from_millis(400);
    calipso_api::router(Arc::new(Service {
        backend: Arc::clone(&server.service.backend),
        layers: Vec::new(),
        loaded: Arc::clone(&server.service.loaded),
        access,
        environments: Environments::default(),
        limits: Limits { time, ..Limits::default() },
        version: "0.0.0",
        clock: jiff::Timestamp::now,
    }))
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let server = open();
    let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/api/v1/specs/check").header("content-type", "application/json").body(body).unwrap();
    let answer = hurried(&server, Access::Open).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 408);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    // Nor is an answer.
    let request = Request::get("/api/v1/environment_configs").body(Body::empty()).unwrap();
    let answer = hurried(&server, Access::Checked(Arc::new(Undecided))).oneshot(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
}

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
