//! HTTP requests over a connection: URL, headers and body made, and sent.

use std::{collections::BTreeMap, path::PathBuf};

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, Secret, Str, Value};
use calipso_transport::{Call, HttpKey, HttpRoute, RequestKey, Route, Stage};
use url::Url;

use crate::{
    answer::{Asked, FailureKind, StepError},
    connection::{Access, RunContext, basic},
    world::HttpAsk,
};

/// Under which conditions a request goes out: over which connection, with which names, what for.
pub(super) struct Conditions<'a> {
    pub(super) access: &'a Access,
    pub(super) frame: &'a Frame,
    pub(super) stage: Stage,
    /// Whether the headers that the connection sends with each request go along.
    pub(super) sends_headers: bool,
}

/// An outcome with the URL that was asked.
pub(super) struct Exchanged {
    pub(super) asked: Asked,
    /// Memory that the values of the answer may take, in bytes.
    pub(super) memory: u64,
    pub(super) base: Option<Url>,
    pub(super) url: Option<Url>,
}

impl Exchanged {
    pub(super) fn nothing(error: StepError) -> Self {
        Self { asked: Asked::nothing(error), memory: 0, base: None, url: None }
    }
}

impl RunContext {
    /// Sends one request. `next` is the URL of a page that an earlier answer named.
    pub(super) async fn exchange(
        &self,
        conditions: &Conditions<'_>,
        ask: &HttpAsk<'_>,
        query: Map,
        next: Option<Url>,
    ) -> Exchanged {
        self.exchanged(conditions, ask, query, next).await.unwrap_or_else(Exchanged::nothing)
    }

    async fn exchanged(
        &self,
        conditions: &Conditions<'_>,
        ask: &HttpAsk<'_>,
        query: Map,
        next: Option<Url>,
    ) -> Result<Exchanged, StepError> {
        let Conditions { access, frame, .. } = *conditions;
        let (base, socket) = base(access, frame, ask.base.as_ref())?;
        let query = query_pairs(&query)?;
        let (url, path, query) = match next {
            Some(url) => {
                let path = url.path().strip_prefix(base.path().trim_end_matches('/')).unwrap_or(url.path()).to_owned();
                let query = url.query_pairs().into_owned().collect();
                (url, path, query)
            }
            None => {
                let mut url = base.clone();
                url.set_path(&format!("{}{}", base.path().trim_end_matches('/'), ask.path));
                if !query.is_empty() {
                    url.query_pairs_mut().extend_pairs(&query);
                }
                (url, ask.path.clone(), query)
            }
        };
        let mut headers = Vec::new();
        if conditions.sends_headers {
            if let Some(login) = &access.spec.send_basic {
                let value = super::basic_login(login, frame).map_err(|error| {
                    StepError::setup(format!("the Basic login of {} has no value: {error}", access.role))
                })?;
                push_header(&mut headers, &"Authorization".into(), &value)?;
            }
            for (name, tree) in &access.spec.send_headers {
                let value = tree.eval(frame, &mut Fuel::default()).map_err(|error| {
                    StepError::setup(format!("the header {name} of {} has no value: {error}", access.role))
                })?;
                push_header(&mut headers, name, &value)?;
            }
        }
        for (name, value) in &ask.headers {
            push_header(&mut headers, name, value)?;
        }
        for (name, value) in &headers {
            // The password is in it, encoded together with the name: no echo of it may be kept either.
            if let Some((_, token)) = value.reveal().split_once(' ')
                && name.eq_ignore_ascii_case("authorization")
            {
                self.scrubber.register(token.trim());
            }
        }
        let is_form = !ask.step.form.is_empty();
        let body = match &ask.body {
            Some(body) if is_form => Some(Secret::new(basic::form(body)?)),
            body => body.as_ref().map(|body| Secret::new(body.to_json())),
        };
        if is_form {
            headers.push(("Content-Type".to_owned(), Secret::new("application/x-www-form-urlencoded")));
        } else if ask.body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("Content-Type".to_owned(), Secret::new("application/json")));
        }
        let target = access.spec.layout.find("target").and_then(|slot| frame.get(slot));
        let target = target.and_then(Value::as_map).cloned().unwrap_or_default();
        let key =
            HttpKey { target: texts(&target), method: ask.step.method.clone(), path, query, body: ask.body.clone() };
        let tls = basic::tls(access, frame)?;
        let route = HttpRoute { url: Secret::new(url.as_str()), headers, body, tls, socket };
        let call = Call {
            role: access.role.clone(),
            stage: conditions.stage,
            attempt: ask.attempt,
            key: RequestKey::Http(key),
            means: Some(access.means(Route::Http(route), ask.timeout)),
        };
        let (asked, memory) = self.receive(call, ask, access.spec.limits.max_bytes).await;
        Ok(Exchanged { asked, memory, base: Some(base), url: Some(url) })
    }
}

/// What paths are appended to, and the socket file of a server on this machine.
fn base(access: &Access, frame: &Frame, own: Option<&Value>) -> Result<(Url, Option<PathBuf>), StepError> {
    let value = match (own, &access.spec.base) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(base)) => base.eval(frame, &mut Fuel::default()).map_err(|error| error.to_string()),
        (None, None) => Err("its spec names no base".to_owned()),
    };
    let target = access.spec.layout.find("target").and_then(|slot| frame.get(slot)).cloned().unwrap_or_default();
    let none = |problem: String| {
        let sentence = format!("{} has no endpoint for {target}: {problem}", access.role);
        StepError::setup(sentence).at_host(&access.role)
    };
    match value {
        Ok(Value::Str(text)) => match text.strip_prefix("unix:") {
            Some(rest) => on_socket(rest).map_err(none),
            None => Url::parse(&text).map(|url| (url, None)).map_err(|error| none(error.to_string())),
        },
        Ok(other) => Err(none(format!("found {} instead of a URL", other.kind()))),
        Err(problem) => Err(none(problem)),
    }
}

/// `//PATH/OF/SOCKET` or `//PATH/OF/SOCKET:/PATH`.
fn on_socket(rest: &str) -> Result<(Url, Option<PathBuf>), String> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
    if !socket.starts_with('/') || !path.starts_with('/') {
        return Err("a socket file is written `unix:///PATH/OF/SOCKET` or `unix:///PATH/OF/SOCKET:/PATH`".to_owned());
    }
    let mut url = Url::parse("http://localhost/").map_err(|error| error.to_string())?;
    url.set_path(path);
    Ok((url, Some(PathBuf::from(socket))))
}

fn push_header(headers: &mut Vec<(String, Secret)>, name: &Str, value: &Value) -> Result<(), StepError> {
    let text = match value {
        Value::Null => return Ok(()),
        other => plain(other),
    };
    if text.chars().any(|c| c == '\n' || c == '\r' || c == '\0') {
        return Err(StepError::setup(format!("the value of the header {name} has a line break")));
    }
    if let Some(error) = basic::unencoded(name, &text) {
        return Err(error);
    }
    headers.push((name.to_string(), Secret::new(&*text)));
    Ok(())
}

/// Values as texts.
pub(crate) fn texts(values: &Map) -> BTreeMap<Str, Str> {
    values.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A scalar as text.
fn plain(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        other => other.to_json().into(),
    }
}

/// Query parameters; a list stands for one parameter per element.
pub(crate) fn query_pairs(query: &Map) -> Result<Vec<(String, String)>, StepError> {
    let mut pairs = Vec::with_capacity(query.len());
    for (name, value) in query {
        match value {
            Value::Null => {}
            Value::List(items) => pairs.extend(items.iter().map(|item| (name.to_string(), plain(item).to_string()))),
            Value::Map(_) => {
                let sentence = format!("the query parameter {name} would be a map");
                return Err(StepError::new(FailureKind::Expression, sentence));
            }
            scalar => pairs.push((name.to_string(), plain(scalar).to_string())),
        }
    }
    Ok(pairs)
}
