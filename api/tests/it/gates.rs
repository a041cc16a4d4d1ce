//! What every request passes before its handler.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Method, Request},
};
use calipso_api::{Access, Directory, DirectoryAnswer, DirectoryError, Limits};
use calipso_model::Secret;
use serde_json::json;

use crate::{
    logins::basic,
    support::{Parts, Server, made, open},
};

/// A directory that never answers.
struct Undecided;

#[async_trait::async_trait]
impl Directory for Undecided {
    async fn check(&self, _: &str, _: &Secret) -> Result<DirectoryAnswer, DirectoryError> {
        std::future::pending().await
    }
}

/// A server with this access, little time for each answer, and a directory that never answers.
fn hurried(access: Access) -> Server {
    let limits = Limits { time: Duration::from_millis(400), ..Limits::default() };
    made(Parts { access, limits, directory: Some(Arc::new(Undecided)), ..Parts::default() })
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/api/v1/specs/check").header("content-type", "application/json").body(body).unwrap();
    let answer = hurried(Access::Open).send(request).await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    // Nor is an answer.
    let login = basic("anna", "any password");
    let request = Request::get("/api/v1/environment_configs").header("authorization", login).body(Body::empty());
    let answer = hurried(Access::Login).send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
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

#[tokio::test]
async fn the_document_is_sent_once() {
    let server = open();
    let path = "/api/v1/openapi.json";
    let first = server.get(path).await;
    assert_eq!((first.status.as_u16(), &first.body), (200, &calipso_api::document()));
    assert_eq!(first.headers["content-type"], "application/json");
    let tag = first.headers["etag"].to_str().unwrap();
    let again = server.call("GET", path, &[("if-none-match", tag)], None).await;
    assert_eq!((again.status.as_u16(), &again.headers["etag"]), (304, &first.headers["etag"]));
    let other = server.call("GET", path, &[("if-none-match", "\"x\"")], None).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_once() {
    let server = open();
    let path = "/api/v1/inventory?env_name=&page_size=0&colour=red&at=x&env_name=lab";
    let answer = server.get(path).await;
    let mut told: Vec<(&str, &str)> = answer.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["path"].as_str().unwrap(), error["message"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(answer.status, 400);
    let paths: Vec<&str> = told.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, ["at", "colour", "env_name", "env_name", "page_size"], "{told:?}");
}
