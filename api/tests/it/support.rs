//! A server in this process, on an embedded store of its own.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use calipso_api::{
    Access, AccountSettings, Accounts, Catalogues, Directory, Environments, Limits, Pace, PasswordCost, Service,
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

/// What a server is made of, besides its store and the catalogue.
pub struct Parts {
    pub access: Access,
    /// How logins are handled; passwords are hashed cheaply, whatever it says.
    pub settings: AccountSettings,
    pub directory: Option<Arc<dyn Directory>>,
    pub environments: Environments,
    pub limits: Limits,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            access: Access::Login,
            settings: AccountSettings::default(),
            directory: None,
            environments: Environments::default(),
            limits: Limits::default(),
        }
    }
}

/// A server that lets everybody in.
pub fn open() -> Server {
    made(Parts { access: Access::Open, ..Parts::default() })
}

/// The same, with this pace of streams.
pub fn open_paced(news: Pace) -> Server {
    made(Parts { access: Access::Open, limits: Limits { news, ..Limits::default() }, ..Parts::default() })
}

/// A server that asks for logins.
pub fn guarded(settings: AccountSettings) -> (Server, Arc<Accounts>) {
    guarded_with(settings, None)
}

/// The same, with a directory.
pub fn guarded_with(settings: AccountSettings, directory: Option<Arc<dyn Directory>>) -> (Server, Arc<Accounts>) {
    let server = made(Parts { settings, directory, ..Parts::default() });
    let accounts = Arc::clone(&server.service.accounts);
    (server, accounts)
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

/// A server of these parts.
pub fn made(parts: Parts) -> Server {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let backend: Arc<dyn Backend> =
        Arc::new(Embedded::open(&folder.path().join("store.db"), Options::default()).expect("a store"));
    let layers = vec![calipso_spec::read_layer(std::path::Path::new("../specs")).expect("the specs")];
    let loaded = Arc::new(calipso_spec::load(&layers));
    let password_cost = PasswordCost { memory_kib: 8, passes: 1, at_once: 2 };
    let mut accounts = Accounts::new(Arc::clone(&backend), AccountSettings { password_cost, ..parts.settings });
    if let Some(directory) = parts.directory {
        accounts = accounts.with_directory(directory);
    }
    let service = Arc::new(Service {
        backend,
        catalogues: Catalogues::new(layers, loaded),
        accounts: Arc::new(accounts),
        access: parts.access,
        environments: parts.environments,
        limits: parts.limits,
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
