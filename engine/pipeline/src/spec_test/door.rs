//! The door of a spec test: answers from the case, and notes what was asked.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use calipso_model::{Map, Secret, Str, Value};
use calipso_transport::{
    Call, Door, Exchange, ExecKey, HttpRoute, KnownHosts, RecordedEntry, Recording, Replay, RequestKey, Route,
    SqlServer, SshServer,
};

/// A door that writes down what it was asked for. Secrets of a test stand in the test, so they are written down too.
pub(super) struct Noting {
    inner: Replay,
    commands: Mutex<Vec<Vec<String>>>,
    /// The words that really run, by host and words of the key, where no connection says them.
    rewritten: Mutex<BTreeMap<(Str, Vec<String>), Vec<String>>>,
    sent: Mutex<Vec<Value>>,
}

impl Noting {
    pub(super) fn new(recording: Recording) -> Self {
        Self {
            inner: Replay::new(recording).noting(),
            commands: Mutex::default(),
            rewritten: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// Notes what a command is rewritten to.
    pub(super) fn note_words(&self, key: &ExecKey, words: &[String]) {
        let mut rewritten = self.rewritten.lock().unwrap_or_else(PoisonError::into_inner);
        rewritten.insert((key.host.clone(), key.words.clone()), words.to_vec());
    }

    fn words(&self, key: &ExecKey) -> Vec<String> {
        let rewritten = self.rewritten.lock().unwrap_or_else(PoisonError::into_inner);
        rewritten.get(&(key.host.clone(), key.words.clone())).unwrap_or(&key.words).clone()
    }

    /// The commands as the spec says them.
    pub(super) fn commands(&self) -> Vec<Vec<String>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was sent, in the words of a test's `sent`.
    pub(super) fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answers that something asked for.
    pub(super) fn used(&self, unused: &[usize]) -> Vec<RecordedEntry> {
        let entries = self.inner.recording().entries().enumerate();
        entries.filter(|(number, _)| !unused.contains(number)).map(|(_, entry)| entry.clone()).collect()
    }

    /// Numbers of the answers that nothing asked for.
    pub(super) fn unused(&self) -> Vec<usize> {
        self.inner.unused()
    }
}

#[async_trait]
impl Door for Noting {
    async fn exchange(&self, call: Call) -> Exchange {
        let mut shown = shown(&call);
        if let RequestKey::Exec(key) = &call.key {
            self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(key.words.clone());
            if call.means.is_none() {
                shown.insert("words", list(&self.words(key)));
            }
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(Value::Map(shown));
        self.inner.exchange(call).await
    }
}

/// A call in the words of a test's `sent`: its key, and how it would be sent where a connection says that.
fn shown(call: &Call) -> Map {
    let mut map = Map::new();
    map.insert("via", call.role.clone());
    match &call.key {
        RequestKey::Http(key) => {
            map.insert(key.method.to_lowercase(), key.path.split('?').next().unwrap_or_default());
            map.insert("query", pairs(key.query.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
            map.insert("target", pairs(key.target.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))));
            map.insert("body", key.body.clone().unwrap_or_default());
        }
        RequestKey::Sql(key) => {
            map.insert("sql", key.normal_text());
            map.insert("params", Value::list(key.params.clone()));
        }
        RequestKey::Exec(key) => {
            map.insert("host", key.host.clone());
            map.insert("run", key.words.join(" "));
        }
    }
    match call.means.as_ref().map(|means| &means.route) {
        None => {}
        Some(Route::Http(route)) => http_route(&mut map, route),
        Some(Route::Sql(server)) => sql_server(&mut map, server),
        Some(Route::Ssh(route)) => {
            map.insert("words", list(&route.words));
            ssh_server(&mut map, &route.server);
        }
    }
    map
}

fn list(words: &[String]) -> Value {
    Value::list(words.iter().map(|word| Value::text(word)).collect())
}

fn http_route(map: &mut Map, route: &HttpRoute) {
    map.insert("url", route.url.reveal());
    let headers: Vec<(String, &str)> =
        route.headers.iter().map(|(name, value)| (name.to_lowercase(), value.reveal())).collect();
    map.insert("headers", pairs(headers.iter().map(|(name, value)| (name.as_str(), *value))));
    // What is really sent, secrets filled in.
    let body = route.body.as_ref().map(Secret::reveal);
    map.insert("body", body.map_or(Value::Null, |body| Value::from_json(body).unwrap_or(Value::text(body))));
}

/// A map of texts; what stands there several times is a list.
fn pairs<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Value {
    let mut map = Map::new();
    for (name, value) in pairs {
        let value = match map.get(name) {
            None => Value::text(value),
            Some(Value::List(known)) => Value::list(known.iter().cloned().chain([Value::text(value)]).collect()),
            Some(known) => Value::list(vec![known.clone(), Value::text(value)]),
        };
        map.insert(Str::from(name), value);
    }
    Value::Map(map)
}

fn sql_server(map: &mut Map, server: &SqlServer) {
    map.insert("address", server.address.clone());
    map.insert("port", i64::from(server.port));
    map.insert("user", server.user.clone());
    map.insert("password", server.password.reveal());
    map.insert("database", server.database.clone().map_or(Value::Null, Value::Str));
}

fn ssh_server(map: &mut Map, server: &SshServer) {
    let secret = |secret: &Option<Secret>| secret.as_ref().map_or(Value::Null, |secret| Value::text(secret.reveal()));
    map.insert("address", server.address.clone());
    map.insert("port", i64::from(server.port));
    map.insert("user", server.user.clone());
    map.insert("password", secret(&server.password));
    map.insert("private_key", secret(&server.private_key));
    map.insert("verify_host_key", server.known_hosts != KnownHosts::Insecure);
    let jump = server.jump.as_ref().map_or(Value::Null, |jump| {
        let mut inner = Map::new();
        ssh_server(&mut inner, jump);
        Value::Map(inner)
    });
    map.insert("jump", jump);
}
