//! The gates before every handler: contract, login, right; and the outermost layer that gives every request an id.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    http::{HeaderValue, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use serde_json::{Map, Value};

use crate::{
    access::{Caller, EVERY, Grant, Right},
    account::address,
    audit::{Notes, RequestId, Trail},
    contract::{BodyFault, Contract, Operation},
    extract::CheckedRequest,
    problem::{FieldError, Problem},
    service::Service,
};

/// What the gates need.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) service: Arc<Service>,
    /// What each operation takes.
    pub(crate) contract: Arc<Contract>,
}

/// Lets a request through to its handler if it is sound, known and allowed. Whatever may change something is written down, and
/// ends even when its client has gone away.
pub(crate) async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return gates(&gate, request, next).await.into_response();
    }
    let (mut parts, body) = request.into_parts();
    let address = address(&parts, &gate.service.accounts.settings);
    let trail = Trail::begin(&mut parts, address);
    let request = Request::from_parts(parts, body);
    let done = tokio::spawn(async move {
        let handled = AssertUnwindSafe(gates(&gate, request, next)).catch_unwind().await;
        let response = match handled {
            Ok(response) => response.into_response(),
            Err(_) => Problem::bug("a handler panicked").into_response(),
        };
        let service = &gate.service;
        trail.end(service.backend.as_ref(), response.status().as_u16(), (service.clock)()).await;
        response
    });
    done.await.unwrap_or_else(|error| Problem::bug(error).into_response())
}

/// The gates in their order. A caller without login or right learns nothing of what else is wrong.
async fn gates(gate: &Gate, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let template = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = gate.contract.operation(&parts.method, template).ok_or_else(Problem::method_not_allowed)?;
    let caller = match operation.right {
        Right::Public => None,
        _ => Some(
            gate.service
                .caller(&parts)
                .await?
                .ok_or_else(|| Problem::unauthenticated("send a token, or a user's name and password"))?,
        ),
    };
    if let (Some(notes), Some(caller)) = (parts.extensions.get::<Notes>(), &caller) {
        notes.caller(caller);
    }
    if operation.right == Right::Administer && !caller.as_ref().is_some_and(|caller| caller.administrator) {
        return Err(Problem::forbidden("this is for administrators"));
    }
    let mut named = Vec::new();
    let checked = checked(gate, operation, &mut parts, body, &mut named).await;
    if let Some(notes) = parts.extensions.get::<Notes>() {
        named.iter().for_each(|name| notes.environment(name));
    }
    if let Some(caller) = caller {
        allow(operation.right, &caller, &named, checked.is_ok())?;
        parts.extensions.insert(caller);
    }
    parts.extensions.insert(checked?);
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

/// Parameters and body, if the contract has nothing against them. The environments that they name are told either way.
async fn checked(
    gate: &Gate,
    operation: &Operation,
    parts: &mut Parts,
    body: Body,
    named: &mut Vec<String>,
) -> Result<CheckedRequest, Problem> {
    let query_text = parts.uri.query().unwrap_or_default();
    if query_text.len() > gate.service.limits.query_bytes {
        let limit = gate.service.limits.query_bytes;
        return Err(Problem::bad_request(vec![FieldError::query("", format!("is longer than {limit} bytes"))]));
    }
    let (mut params, mut errors) = operation.query(query_text);
    named.extend(environment_of(&params));
    let raw = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Problem::bad_request(vec![FieldError::at("path", "", "is not UTF-8")]))?;
    let (in_path, found) = operation.path(raw.iter());
    named.extend(environment_of(&in_path));
    errors.extend(found);
    params.extend(in_path);
    let (body, fault) = if operation.takes_body() {
        let bytes = read_body(gate, &parts.headers, body).await?;
        operation.body(&bytes)
    } else {
        (None, Ok(()))
    };
    named.extend(body.as_ref().and_then(Value::as_object).and_then(environment_of));
    if !errors.is_empty() {
        return Err(Problem::bad_request(errors));
    }
    fault.map_err(|fault| match fault {
        BodyFault::Unreadable(error) => Problem::bad_request(vec![*error]),
        BodyFault::Wrong(errors) => Problem::rejected(errors),
    })?;
    Ok(CheckedRequest { params, body })
}

/// The environment that parameters or a body name.
fn environment_of(fields: &Map<String, Value>) -> Option<String> {
    fields.get(ENVIRONMENT)?.as_str().map(str::to_owned)
}

async fn read_body(gate: &Gate, headers: &axum::http::HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let limits = &gate.service.limits;
    // What is left of the time is for the answer.
    let time = limits.time / 2;
    let read = tokio::time::timeout(time, to_bytes(body, limits.body_bytes)).await;
    let read = read.map_err(|_| Problem::too_slow(time))?;
    let bytes = read.map_err(|_| Problem::too_large(limits.body_bytes))?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Problem::unsupported_media_type());
    }
    Ok(bytes)
}

fn is_json(headers: &axum::http::HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// How a request names its environment, in path, query or body.
const ENVIRONMENT: &str = "env_name";

/// Refuses a caller whose rights do not reach all environments that the request names. A request that is not sound may name its
/// environment in a place that could not be read.
fn allow(right: Right, caller: &Caller, named: &[String], is_sound: bool) -> Result<(), Problem> {
    let needed = match right {
        Right::Public | Right::Login | Right::Administer => return Ok(()),
        Right::View => Grant::View,
        Right::Edit => Grant::Edit,
    };
    let reaches = |name: &str| caller.grant(name) >= Some(needed);
    let may = match named {
        // That a request is wrong is told to callers who could have sent a right one.
        [] if !is_sound => caller.administrator || caller.grants.values().any(|grant| *grant >= needed),
        // An operation that needs an environment and was given none is for those who may do it with all.
        [] => reaches(EVERY),
        names => names.iter().all(|name| reaches(name)),
    };
    // Whether there is such an environment is not told.
    if may { Ok(()) } else { Err(Problem::forbidden("your rights do not reach this environment")) }
}

/// Ends what takes too long.
pub(crate) async fn in_time(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let limit = gate.service.limits.time;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::overdue(limit).into_response(),
    }
}

/// Gives every request an id, measures it, and writes problems with that id.
pub(crate) async fn observe(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = calipso_store::work::new_id(gate.service.now_millis()).unwrap_or_else(|_| "unknown".into());
    let method = request.method().clone();
    let template = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    let response = next.run(request).await;
    let mut response = match response.extensions().get::<Problem>() {
        None => response,
        Some(problem) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(request = %id, status = problem.status(), cause = %calipso_model::chain(cause), "A request failed.");
            }
            let mut told = problem.response(Some(&id));
            if let Some(allow) = response.headers().get(header::ALLOW) {
                told.headers_mut().insert(header::ALLOW, allow.clone());
            }
            told
        }
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16().to_string();
    metrics::histogram!("calipso_http_request_seconds", "method" => label(&method), "path" => template, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

/// A method as metrics name it. Clients may make up as many as they like; metrics may not have as many.
fn label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// Where no path leads.
pub(crate) async fn nowhere() -> Response {
    Problem::not_found("no operation has this path; /api/v1/openapi.json lists them").into_response()
}

/// Where the method does not fit.
pub(crate) async fn wrong_method() -> Response {
    Problem::method_not_allowed().into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::label;

    #[test]
    fn metrics_know_a_few_methods_only() {
        assert_eq!(label(&Method::PATCH), "PATCH");
        for made_up in ["A1", "get", "TRACE"] {
            assert_eq!(label(&Method::from_bytes(made_up.as_bytes()).unwrap()), "other");
        }
    }
}
