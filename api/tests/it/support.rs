//! A server in this process, on an embedded store of its own.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use calipso_api::{Access, Limits, Service};
use calipso_store::{Embedded, Options};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// A server and its store.
pub struct Server {
    /// The whole interface.
    pub router: Router,
    /// What its handlers share.
    pub service: Arc<Service>,
    _folder: TempDir,
}

/// A server that lets everybody in.
pub fn open() -> Server {
    with(Access::Open)
}

/// A server with this access.
pub fn with(access: Access) -> Server {
    paced(access, calipso_api::Pace::default())
}

/// A server with this access, whose streams of events have this pace.
pub fn paced(access: Access, events: calipso_api::Pace) -> Server {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let backend = Arc::new(Embedded::open(&folder.path().join("store.db"), Options::default()).expect("a store"));
    let layers = vec![calipso_spec::read_layer(std::path::Path::new("../specs")).expect("the specs")];
    let loaded = Arc::new(calipso_spec::load(&layers));
    let service = Arc::new(Service {
        backend,
        layers,
        loaded,
        access,
        limits: Limits { events, ..Limits::default() },
        version: "0.0.0",
        clock: jiff::Timestamp::now,
    });
    Server { router: calipso_api::router(Arc::clone(&service)), service, _folder: folder }
}

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Value,
}

impl Server {
    /// Sends a request.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.expect("an answer can be read");
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    /// Any method with a JSON body.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}
