//! A server in this process, on an embedded store of its own.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use calipso_api::{
    Access, Accounts, Environments, Limits, Pace, Service,
    account::{Directory, Settings, settings::PasswordCost},
    environments::Grants,
};
use calipso_store::{Backend, Embedded, Options};
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
    made(access, Environments::default())
}

/// A server with this access and these rules about environments.
pub fn made(access: Access, environments: Environments) -> Server {
    built(|_| (access, environments), Pace::default())
}

/// A server with this access, whose streams of events have this pace.
pub fn paced(access: Access, events: Pace) -> Server {
    built(|_| (access, Environments::default()), events)
}

/// A server that asks for logins. Passwords are hashed cheaply.
pub fn guarded(settings: Settings) -> (Server, Arc<Accounts>) {
    guarded_with(settings, None)
}

/// The same, with a directory.
pub fn guarded_with(settings: Settings, directory: Option<Arc<dyn Directory>>) -> (Server, Arc<Accounts>) {
    let mut accounts = None;
    let server = built(
        |backend| {
            let cost = PasswordCost { memory_kib: 8, passes: 1, at_once: 2 };
            let mut made = Accounts::new(backend, Settings { password_cost: cost, ..settings });
            if let Some(directory) = directory {
                made = made.with_directory(directory);
            }
            let made = Arc::new(made);
            accounts = Some(Arc::clone(&made));
            let environments = Environments { grants: Arc::clone(&made) as Arc<dyn Grants>, ..Environments::default() };
            (Access::Checked(made), environments)
        },
        Pace::default(),
    );
    (server, accounts.unwrap())
}

thread_local! {
    /// How far the clock of this thread's servers is ahead.
    static AHEAD: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Puts the clock of this test's server forward.
pub fn wait_secs(seconds: i64) {
    AHEAD.with(|ahead| ahead.set(ahead.get() + seconds));
}

/// The time that this test's server sees.
pub fn clock() -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_secs(AHEAD.with(std::cell::Cell::get))
}

fn built(access: impl FnOnce(Arc<dyn Backend>) -> (Access, Environments), events: Pace) -> Server {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let backend: Arc<dyn Backend> =
        Arc::new(Embedded::open(&folder.path().join("store.db"), Options::default()).expect("a store"));
    let layers = vec![calipso_spec::read_layer(std::path::Path::new("../specs")).expect("the specs")];
    let loaded = Arc::new(calipso_spec::load(&layers));
    let (access, environments) = access(Arc::clone(&backend));
    let service = Arc::new(Service {
        backend,
        layers,
        loaded,
        access,
        environments,
        limits: Limits { events, ..Limits::default() },
        version: "0.0.0",
        clock,
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
    /// Where the store's files are.
    pub fn folder(&self) -> &std::path::Path {
        self._folder.path()
    }

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

    /// Any method with some headers and a JSON body.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Any method with a JSON body.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).expect("a request")).await
    }
}
