//! What is asked, without how it is sent: by these keys requests are recorded and found again.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use crate::{digest::Sha256, door::Call};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestKey {
    /// An HTTP request.
    Http(HttpKey),
    /// A query of a database.
    Sql(SqlKey),
    /// A command on a host.
    Exec(ExecKey),
}

/// An HTTP request without its server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpKey {
    /// What the step chose among the targets of the connection.
    pub target: BTreeMap<Str, Str>,
    /// `GET`, `POST`, …
    pub method: Str,
    /// Path below the connection's base; the whole path, with its query, of an absolute URL that a page named.
    pub path: String,
    /// Names and values of the query string, in the order in which they are sent.
    pub query: Vec<(String, String)>,
    /// What is sent, before secrets are filled in or with them: they are scrubbed before a key is kept.
    pub body: Option<Value>,
}

/// What a query of a database is known by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlKey {
    /// One statement, with `?` for each parameter.
    pub text: String,
    /// Values of its parameters, in their order; no lists or maps.
    pub params: Vec<Value>,
}

/// What a command on a host is known by.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecKey {
    /// Name of the host.
    pub host: Str,
    /// The words as the fetcher has them, before rewriting and wrapping.
    pub words: Vec<String>,
}

impl RequestKey {
    /// The key as one line of text, for comparing and sorting. It may hold secrets of a login body.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Http(key) => {
                let (path, query) = key.path_and_query();
                let query: Vec<Value> = query
                    .into_iter()
                    .map(|(name, value)| Value::list(vec![Value::from(name), Value::from(value)]))
                    .collect();
                let target = key.target.iter().map(|(name, value)| (name.clone(), Value::Str(value.clone())));
                let target = Value::Map(target.collect());
                let body = key.body.clone().unwrap_or_default();
                format!("http {} {path} {} {target} {body}", key.method, Value::list(query))
            }
            Self::Sql(key) => format!("sql {} {}", key.normal_text(), Value::list(key.params.clone())),
            Self::Exec(key) => {
                let words = key.words.iter().map(|word| Value::text(word)).collect();
                format!("exec {} {}", Value::text(&key.host), Value::list(words))
            }
        }
    }

    /// Equal for equal keys: feeds every part with its length.
    fn feed(&self, digest: &mut Sha256) {
        match self {
            Self::Http(key) => {
                let (path, query) = key.path_and_query();
                digest.part(b"http").part(key.method.as_bytes()).part(path.as_bytes()).count(query.len());
                for (name, value) in &query {
                    digest.part(name.as_bytes()).part(value.as_bytes());
                }
                digest.count(key.target.len());
                for (name, value) in &key.target {
                    digest.part(name.as_bytes()).part(value.as_bytes());
                }
                if let Some(body) = &key.body {
                    digest.part(body.to_json().as_bytes());
                }
            }
            Self::Sql(key) => {
                digest.part(b"sql").part(key.normal_text().as_bytes());
                for param in &key.params {
                    digest.part(param.to_json().as_bytes());
                }
            }
            Self::Exec(key) => {
                digest.part(b"exec").part(key.host.as_bytes());
                for word in &key.words {
                    digest.part(word.as_bytes());
                }
            }
        }
    }
}

/// What makes two calls one: role, stage, attempt and key, as a digest. It is short and holds no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId([u8; 32]);

impl CallId {
    /// The identity of a call.
    pub(crate) fn of(call: &Call) -> Self {
        let mut digest = Sha256::default();
        digest.part(call.role.as_bytes()).part(call.stage.as_str().as_bytes()).part(&call.attempt.to_le_bytes());
        call.key.feed(&mut digest);
        Self(digest.finish())
    }
}

impl HttpKey {
    /// The path without its query, and all query parameters, sorted.
    #[must_use]
    pub fn path_and_query(&self) -> (String, Vec<(String, String)>) {
        let (path, inline) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mut query: Vec<(String, String)> =
            url::form_urlencoded::parse(inline.as_bytes()).into_owned().chain(self.query.iter().cloned()).collect();
        query.sort();
        (path.to_owned(), query)
    }
}

impl SqlKey {
    /// The statement as it is compared: every run of white space as one blank, without back-quotes.
    #[must_use]
    pub fn normal_text(&self) -> String {
        normal_sql(&self.text)
    }
}

/// A statement as it is compared.
pub(crate) fn normal_sql(text: &str) -> String {
    text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}
