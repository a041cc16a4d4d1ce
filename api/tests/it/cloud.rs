//! A server with users, keys and an environment that can be posted.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use axum::{
    body::Body,
    http::{Method, Request},
};
use calipso_api::{
    Directory, DirectoryAnswer, DirectoryError, DirectoryRights, Environments, Grant, References, Source, User,
};
use calipso_model::{Secret, Str};
use calipso_vault::Keys;
use serde_json::{Value, json};

use crate::{
    logins::basic,
    support::{Answer, Parts, Server, clock, made},
};

/// A secret that must never be seen again.
pub const PLANTED: &str = "pl4nted-s3cret";

/// A directory that takes every password.
struct Trusting;

#[async_trait]
impl Directory for Trusting {
    async fn check(&self, _: &str, _: &Secret) -> Result<DirectoryAnswer, DirectoryError> {
        Ok(DirectoryAnswer::Known(DirectoryRights::default()))
    }
}

/// A server with these users (`root` administers), a key, and references to `CALIPSO_SECRET_…` and files below `/run/secrets`.
pub async fn server(users: &[(&str, &[(&str, Grant)])]) -> Server {
    let keys = Keys::from_text(&Keys::generate().unwrap()).unwrap();
    let references = References { folder: Some("/run/secrets".into()), ..References::default() };
    let environments = Environments { keys: Some(Arc::new(keys)), references };
    let server = made(Parts { directory: Some(Arc::new(Trusting)), environments, ..Parts::default() });
    for (name, grants) in users {
        let mut user = User::new(name, Source::Directory, clock());
        user.administrator = *name == "root";
        user.grants = grants.iter().map(|(name, grant)| ((*name).into(), *grant)).collect();
        server.service.accounts.add_user(user, None).await.unwrap();
    }
    server
}

/// A server with the users `root`, `editor` (of everything), `viewer` of `cloud` and `nobody`.
pub async fn usual() -> Server {
    server(&[("root", &[]), ("editor", &[("*", Grant::Edit)]), ("viewer", &[("cloud", Grant::View)]), ("nobody", &[])])
        .await
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
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", basic(user, "any password"));
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

    /// What a user was granted.
    pub async fn grants(&self, user: &str) -> BTreeMap<Str, Grant> {
        self.service.accounts.read_user(user).await.unwrap().user.grants
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
