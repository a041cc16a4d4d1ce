//! HTTP requests of steps: URL, headers and body made, the reply judged.

use std::sync::Arc;

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, Secret, Str, Value};
use calipso_transport::{Call, HttpKey, Reply, Request, Stage, Tls};
use std::path::PathBuf;
use url::Url;

use crate::{
    answer::{AnswerView, Asked, FailureKind, Outcome, Why, judge_status},
    connection::{Access, Sessions, basic, login::Session, max_memory, too_many_values},
    world::HttpAsk,
};

/// How a request goes out: over which connection, with which names, what for.
pub(super) struct Way<'a> {
    pub(super) access: &'a Access,
    pub(super) frame: &'a Frame,
    pub(super) stage: Stage,
    /// Whether the headers that the connection sends with each request go along.
    pub(super) sends: bool,
}

/// An outcome with the URL that was asked.
pub(super) struct Exchanged {
    pub(super) asked: Asked,
    pub(super) base: Option<Url>,
    pub(super) url: Option<Url>,
}

impl Exchanged {
    fn nothing(why: Why) -> Self {
        Self { asked: Asked::nothing(why), base: None, url: None }
    }
}

impl Sessions {
    pub(super) async fn ask_http(&self, ask: HttpAsk<'_>) -> Asked {
        let access = match self.access(&ask.step.via) {
            Ok(access) => access,
            Err(why) => return Asked::nothing(why),
        };
        let target = match self.target(access, &ask.target) {
            Ok(target) => Value::Map(target),
            Err(why) => return Asked::nothing(why),
        };
        let mut session = match self.session(access, &target).await {
            Ok(session) => session,
            Err(why) => return Asked::nothing(why),
        };
        self.pages(access, &target, &mut session, &ask).await
    }

    /// The names of the connection for one request.
    pub(super) fn request_frame(&self, access: &Access, session: &Session, target: &Value) -> Frame {
        let mut frame = session.frame.clone();
        frame.bind(&access.spec.layout, "target", target.clone());
        frame
    }

    /// Sends one request; when the other side wants a new login, logs in and sends it once more.
    pub(super) async fn exchange_in_session(
        &self,
        access: &Access,
        target: &Value,
        session: &mut Arc<Session>,
        ask: &HttpAsk<'_>,
        query: Map,
        next: Option<Url>,
    ) -> Exchanged {
        let mut frame = self.request_frame(access, session, target);
        let way = Way { access, frame: &frame, stage: self.stage, sends: true };
        let first = self.exchange(&way, ask, query.clone(), next.clone()).await;
        let (Some(again), Some(slot)) = (&access.spec.login_again_if, access.spec.layout.find("answer")) else {
            return first;
        };
        if first.asked.answer.status.is_none() {
            return first;
        }
        frame.set(slot, first.asked.answer.value(!matches!(first.asked.outcome, Outcome::Answer(_)), None));
        match again.holds(&frame, &mut Fuel::default()) {
            Ok(true) => {}
            Ok(false) => return first,
            Err(error) => {
                let sentence = format!("login_again_if of {} has no value: {error}", access.spec.head.at);
                return Exchanged::nothing(Why::new(FailureKind::Expression, sentence));
            }
        }
        *session = match self.renewed(access, target, Some(session.number)).await {
            Ok(session) => session,
            Err(why) => return Exchanged::nothing(why),
        };
        let frame = self.request_frame(access, session, target);
        let way = Way { access, frame: &frame, stage: self.stage, sends: true };
        let ask = HttpAsk {
            target: ask.target.clone(),
            path: ask.path.clone(),
            query: ask.query.clone(),
            headers: ask.headers.clone(),
            body: ask.body.clone(),
            base: ask.base.clone(),
            attempt: ask.attempt + 1,
            ..*ask
        };
        self.exchange(&way, &ask, query, next).await
    }

    /// Sends one request.
    pub(super) async fn exchange(&self, way: &Way<'_>, ask: &HttpAsk<'_>, query: Map, next: Option<Url>) -> Exchanged {
        match self.exchanged(way, ask, query, next).await {
            Ok(exchanged) => exchanged,
            Err(why) => Exchanged::nothing(why),
        }
    }

    async fn exchanged(
        &self,
        way: &Way<'_>,
        ask: &HttpAsk<'_>,
        query: Map,
        next: Option<Url>,
    ) -> Result<Exchanged, Why> {
        let Way { access, frame, .. } = *way;
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
        if way.sends {
            if let Some(login) = &access.spec.send_basic {
                let value = super::basic_login(login, frame).map_err(|error| {
                    Why::new(FailureKind::Setup, format!("the Basic login of {} has no value: {error}", access.role))
                })?;
                push_header(&mut headers, &"Authorization".into(), &value)?;
            }
            for (name, tree) in &access.spec.send_headers {
                let value = tree.eval(frame, &mut Fuel::default()).map_err(|error| {
                    Why::new(FailureKind::Setup, format!("the header {name} of {} has no value: {error}", access.role))
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
        let target = way.access.spec.layout.find("target").and_then(|slot| frame.get(slot));
        let target = target.and_then(Value::as_map).cloned().unwrap_or_default();
        let key = HttpKey {
            target: target.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
            method: ask.step.method.clone(),
            path,
            query,
            body: ask.body.clone(),
        };
        let request = Request::Http {
            key,
            url: Secret::new(url.as_str()),
            headers,
            body,
            tls: basic::tls(access, frame)?,
            socket,
        };
        let call = Call {
            role: access.role.clone(),
            connection: access.spec.head.name.clone(),
            stage: way.stage,
            attempt: ask.attempt,
            request,
            timeout: access.timeout(ask.timeout),
            max_bytes: access.spec.limits.max_bytes,
            budget: Arc::clone(&access.budget),
        };
        let asked = self.judge_http(call, ask).await;
        Ok(Exchanged { asked, base: Some(base), url: Some(url) })
    }

    /// Makes a call, and says what its reply comes to.
    pub(super) async fn judge_http(&self, call: Call, ask: &HttpAsk<'_>) -> Asked {
        let (place, max_bytes) = (call.place(), call.max_bytes);
        let reply = match self.door.ask(call).await {
            Ok(reply) => reply,
            Err(error) => return Asked::nothing(error.into()),
        };
        let Reply::Http { status, headers, body } = reply else {
            let sentence = format!("{place} gave something other than an HTTP reply");
            return Asked::nothing(Why::new(FailureKind::Protocol, sentence).of_host(&place));
        };
        let headers = joined(headers);
        let mut answer = AnswerView {
            status: Some(i64::from(status)),
            headers,
            received_at: Some(self.now().to_string().into()),
            ..AnswerView::default()
        };
        let text = std::str::from_utf8(&body);
        answer.memory = match (text, &ask.step.parse) {
            (Ok(text), Some(parser)) => parser.memory(text),
            (Ok(text), None) => calipso_parse::memory::of_json(text),
            (Err(_), _) => 0,
        };
        let is_too_large = answer.memory > max_memory(max_bytes);
        if let Some(outcome) = judge_status(status, &ask.step.accept_status, &place) {
            answer.body =
                text.ok().filter(|_| !is_too_large).and_then(|text| Value::from_json(text).ok()).unwrap_or_default();
            return Asked { outcome, answer };
        }
        if is_too_large {
            return Asked::nothing(too_many_values(&place, max_memory(max_bytes), max_bytes));
        }
        let wrong = |what: String| {
            let sentence = format!("{place} answered {} {}: {what}", ask.step.method, ask.path);
            Outcome::Negative(Why::new(FailureKind::Parse, sentence).of_host(&place))
        };
        let parsed = match (text, &ask.step.parse) {
            (Err(_), _) => Err(wrong("the body is not UTF-8 text".to_owned())),
            (Ok(text), Some(parser)) => parser.parse(text).map_err(|error| wrong(error.to_string())),
            (Ok(""), None) => Err(wrong("the body is empty, JSON was expected".to_owned())),
            (Ok(text), None) => Value::from_json(text).map_err(|error| wrong(format!("the body is not JSON: {error}"))),
        };
        match parsed {
            Ok(body) => {
                answer.body = body.clone();
                Asked { outcome: Outcome::Answer(body), answer }
            }
            Err(outcome) => Asked { outcome, answer },
        }
    }

    /// A request without any connection: no login, no pages.
    pub(super) async fn open_http(&self, ask: HttpAsk<'_>) -> Asked {
        let query = match query_pairs(&ask.query) {
            Ok(query) => query,
            Err(why) => return Asked::nothing(why),
        };
        let request = Request::Http {
            key: HttpKey {
                target: ask.target.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
                method: ask.step.method.clone(),
                path: ask.path.clone(),
                query,
                body: ask.body.clone(),
            },
            url: Secret::new(format!("http://open.invalid{}", ask.path)),
            headers: Vec::new(),
            body: None,
            tls: Tls::default(),
            socket: None,
        };
        let asked = self.judge_http(self.open_call(&ask.step.via, request, ask.attempt), &ask).await;
        let Asked { outcome: Outcome::Answer(body), answer } = asked else { return asked };
        match super::pages::items_of(&body, ask.step.items.as_deref()) {
            Ok(items) => Asked { outcome: Outcome::Answer(items), answer },
            Err(sentence) => Asked { outcome: Outcome::Negative(Why::new(FailureKind::Parse, sentence)), answer },
        }
    }

    /// The step's choice with the defaults of the connection.
    fn target(&self, access: &Access, chosen: &Map) -> Result<Map, Why> {
        let wrong = |sentence: String| Why::new(FailureKind::Setup, sentence);
        let frame = access.frame(&self.values, Value::Map(chosen.clone()))?;
        let mut target = chosen.clone();
        for (name, field) in &access.spec.target {
            if !target.contains_key(name)
                && let Some(default) = &field.default
            {
                let value = default.eval(&frame, &mut Fuel::default()).map_err(|error| {
                    wrong(format!("the target {name} of {} has no default here: {error}", access.role))
                })?;
                target.insert(name.clone(), value);
            }
            if let Some(value) = target.get(name)
                && !field.one_of.is_empty()
                && !field.one_of.contains(value)
            {
                return Err(wrong(format!("{} has no target {name} of the value {value}", access.role)));
            }
        }
        Ok(target)
    }
}

/// What paths are appended to, and the socket file of a server on this machine.
fn base(access: &Access, frame: &Frame, own: Option<&Value>) -> Result<(Url, Option<PathBuf>), Why> {
    let value = match (own, &access.spec.base) {
        (Some(value), _) => Ok(value.clone()),
        (None, Some(base)) => base.eval(frame, &mut Fuel::default()).map_err(|error| error.to_string()),
        (None, None) => Err("its spec names no base".to_owned()),
    };
    let target = access.spec.layout.find("target").and_then(|slot| frame.get(slot)).cloned().unwrap_or_default();
    let none = |why: String| {
        let sentence = format!("{} has no endpoint for {target}: {why}", access.role);
        Why::new(FailureKind::Setup, sentence).of_host(&access.role)
    };
    match value {
        Ok(Value::Str(text)) => match text.strip_prefix("unix:") {
            Some(rest) => on_socket(rest).map_err(none),
            None => Url::parse(&text).map(|url| (url, None)).map_err(|error| none(error.to_string())),
        },
        Ok(other) => Err(none(format!("found {} instead of a URL", other.kind()))),
        Err(why) => Err(none(why)),
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

/// Header fields by name; what comes in several lines is one list (RFC 9110, 5.3).
fn joined(headers: Vec<(String, String)>) -> Map {
    let mut found: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (name, value) in headers {
        found
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(&value);
            })
            .or_insert(value);
    }
    found.into_iter().map(|(name, value)| (Str::from(name), Value::from(value))).collect()
}

fn push_header(headers: &mut Vec<(String, Secret)>, name: &Str, value: &Value) -> Result<(), Why> {
    let text = match value {
        Value::Null => return Ok(()),
        other => plain(other),
    };
    if text.chars().any(|c| c == '\n' || c == '\r' || c == '\0') {
        return Err(Why::new(FailureKind::Setup, format!("the value of the header {name} has a line break")));
    }
    if let Some(why) = basic::unencoded(name, &text) {
        return Err(why);
    }
    headers.push((name.to_string(), Secret::new(&*text)));
    Ok(())
}

/// A scalar as text.
pub(super) fn plain(value: &Value) -> Str {
    match value {
        Value::Str(text) => text.clone(),
        other => other.to_json().into(),
    }
}

/// Query parameters; a list stands for one parameter per element.
pub(super) fn query_pairs(query: &Map) -> Result<Vec<(String, String)>, Why> {
    let mut pairs = Vec::with_capacity(query.len());
    for (name, value) in query {
        match value {
            Value::Null => {}
            Value::List(items) => pairs.extend(items.iter().map(|item| (name.to_string(), plain(item).to_string()))),
            Value::Map(_) => {
                let sentence = format!("the query parameter {name} would be a map");
                return Err(Why::new(FailureKind::Expression, sentence));
            }
            scalar => pairs.push((name.to_string(), plain(scalar).to_string())),
        }
    }
    Ok(pairs)
}
