//! A server with users, keys and an environment that can be posted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Method, Request, request::Parts},
};
use calipso_api::{
    Access, Authenticate, Caller, Environments, Grant, Problem,
    environments::{Grants, References},
};
use calipso_model::Str;
use calipso_vault::Keys;
use serde_json::{Value, json};

use crate::support::{Answer, Server, made};

/// A secret that must never be seen again.
pub const PLANTED: &str = "pl4nted-s3cret";

/// Users and their rights, named by the header `x-user`; `root` administers.
#[derive(Default)]
pub struct Users(Mutex<BTreeMap<Str, BTreeMap<Str, Grant>>>);

impl Users {
    pub fn new(users: &[(&str, &[(&str, Grant)])]) -> Arc<Self> {
        let users = users.iter().map(|(user, grants)| {
            ((*user).into(), grants.iter().map(|(name, grant)| ((*name).into(), *grant)).collect())
        });
        Arc::new(Self(Mutex::new(users.collect())))
    }

    pub fn grants(&self, user: &str) -> BTreeMap<Str, Grant> {
        self.0.lock().unwrap().get(user).cloned().unwrap_or_default()
    }
}

#[async_trait]
impl Authenticate for Users {
    async fn caller(&self, request: &Parts, _now: jiff::Timestamp) -> Result<Option<Caller>, Problem> {
        let Some(user) = request.headers.get("x-user").and_then(|user| user.to_str().ok()) else { return Ok(None) };
        Ok(Some(Caller {
            user: user.into(),
            administrator: user == "root",
            grants: self.grants(user),
            ..Caller::default()
        }))
    }
}

#[async_trait]
impl Grants for Users {
    async fn of(&self, environment: &str) -> Result<BTreeMap<Str, Grant>, Problem> {
        let users = self.0.lock().unwrap();
        Ok(users.iter().filter_map(|(user, grants)| Some((user.clone(), *grants.get(environment)?))).collect())
    }

    async fn unknown(&self, users: &[Str]) -> Result<Vec<Str>, Problem> {
        let known = self.0.lock().unwrap();
        Ok(users.iter().filter(|user| !known.contains_key(user.to_lowercase().as_str())).cloned().collect())
    }

    async fn set(&self, user: &str, environment: &str, grant: Option<Grant>) -> Result<(), Problem> {
        let mut users = self.0.lock().unwrap();
        if let Some(grants) = users.get_mut(user) {
            match grant {
                Some(grant) => grants.insert(environment.into(), grant),
                None => grants.remove(environment),
            };
        }
        Ok(())
    }
}

/// A server with these users, a key, and references to `CALIPSO_SECRET_…` and files below `/run/secrets`.
pub fn server(users: &Arc<Users>) -> Server {
    let keys = Keys::from_text(&Keys::generate().unwrap()).unwrap();
    made(
        Access::Checked(Arc::clone(users) as Arc<dyn Authenticate>),
        Environments {
            keys: Some(Arc::new(keys)),
            references: References { folder: Some("/run/secrets".into()), ..References::default() },
            grants: Arc::clone(users) as Arc<dyn Grants>,
            ..Environments::default()
        },
    )
}

/// A server with the users `root`, `editor` (of everything), `viewer` of `cloud` and `nobody`.
pub fn usual() -> (Server, Arc<Users>) {
    let users = Users::new(&[
        ("root", &[]),
        ("editor", &[("*", Grant::Edit)]),
        ("viewer", &[("cloud", Grant::View)]),
        ("nobody", &[]),
    ]);
    (server(&users), users)
}

/// A configuration without mistake.
pub fn configuration() -> Value {
    json!({
        "name": "cloud",
        "distribution": "Debian",
        "distribution_version": "zed",
        "mechanism_drivers": ["OVS"],
        "type_drivers": ["vxlan"],
        "description": "A cloud.",
        "connections": {
            "openstack": {"auth_url": "http://10.20.0.11:5000/v3", "password": format!("{PLANTED}-1")},
            "database": {"spec": "mysql", "host": "10.20.0.11", "user": "reader", "password": format!("{PLANTED}-2")},
            "hosts": {
                "user": "lab",
                "private_key": format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{PLANTED}-3\n-----END OPENSSH PRIVATE KEY-----\n"),
                "hosts": {"node-1": {"address": "10.20.0.21", "password": format!("{PLANTED}-4")}},
            },
        },
    })
}

impl Server {
    /// A request of a user.
    pub async fn ask(&self, user: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.ask_if(user, method, path, body, None).await
    }

    /// A request of a user that names a version.
    pub async fn ask_if(
        &self,
        user: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
        version: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}")).header("x-user", user);
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
        };
        let answer = self.send(request.body(body).unwrap()).await;
        let seen = format!("{:?} {}", answer.headers, answer.body);
        assert!(!seen.contains(PLANTED) && !seen.contains("sealed:"), "a secret is shown: {seen}");
        answer
    }

    pub async fn see(&self, user: &str, path: &str) -> Answer {
        self.ask(user, Method::GET, path, None).await
    }

    pub async fn post(&self, user: &str, path: &str, body: &Value) -> Answer {
        self.ask(user, Method::POST, path, Some(body)).await
    }

    /// The usual environment, made by `editor`.
    pub async fn with_cloud(self) -> Self {
        let answer = self.post("editor", "/environment_configs", &configuration()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        self
    }
}

/// Paths and messages of what is wrong with a request.
pub fn errors(answer: &Answer) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| (text(&error["path"]), text(&error["message"]))).collect()
}
