//! The gates before every handler: contract, login, right; and the outermost layer that gives every request an id.

use std::{sync::Arc, time::Instant};

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State},
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use crate::{
    access::{Caller, Right},
    contract::{BodyFault, Contract},
    extract::Checked,
    problem::{FieldError, Problem},
    service::Service,
};

/// What the gates need.
#[derive(Clone)]
pub struct Gate {
    /// What all handlers share.
    pub service: Arc<Service>,
    /// What each operation takes.
    pub contract: Arc<Contract>,
}

/// Lets a request through to its handler if it is sound, known and allowed.
///
/// # Errors
/// The first gate that it does not pass. A caller without login learns nothing of what else is wrong.
pub async fn pass(State(gate): State<Gate>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let template = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let Some(operation) = gate.contract.operation(parts.method.as_str(), &template) else {
        return Err(Problem::method_not_allowed());
    };
    let caller = match operation.right {
        Right::Public => None,
        _ => Some(
            gate.service
                .access
                .caller(&parts, (gate.service.clock)())
                .await?
                .ok_or_else(|| Problem::unauthenticated("send a token, or a user's name and password"))?,
        ),
    };
    if operation.right == Right::Administer && !caller.as_ref().is_some_and(|caller| caller.administrator) {
        return Err(Problem::forbidden("this is for administrators"));
    }
    let query_text = parts.uri.query().unwrap_or_default();
    if query_text.len() > gate.service.limits.query_bytes {
        let limit = gate.service.limits.query_bytes;
        return Err(Problem::bad_request(vec![FieldError::query("", format!("is longer than {limit} bytes"))]));
    }
    let mut errors = Vec::new();
    let mut params = operation.query(query_text).unwrap_or_else(|found| {
        errors.extend(found);
        Map::new()
    });
    let raw = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Problem::bad_request(vec![FieldError::at("path", "", "is not UTF-8")]))?;
    match operation.path(raw.iter()) {
        Ok(found) => params.extend(found),
        Err(found) => errors.extend(found),
    }
    if !errors.is_empty() {
        return Err(Problem::bad_request(errors));
    }
    let body = if operation.takes_body() { checked_body(&gate, operation, &parts.headers, body).await? } else { None };
    if let Some(caller) = &caller {
        allow(operation.right, caller, &params, body.as_ref())?;
    }
    if let Some(caller) = caller {
        parts.extensions.insert(caller);
    }
    parts.extensions.insert(Checked { params, body });
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

async fn checked_body(
    gate: &Gate,
    operation: &crate::contract::Operation,
    headers: &axum::http::HeaderMap,
    body: Body,
) -> Result<Option<Value>, Problem> {
    let limit = gate.service.limits.body_bytes;
    let bytes = to_bytes(body, limit).await.map_err(|_| Problem::too_large(limit))?;
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Problem::unsupported_media_type());
    }
    operation.body(&bytes).map_err(|fault| match fault {
        BodyFault::Unreadable(errors) => Problem::bad_request(errors),
        BodyFault::Wrong(errors) => Problem::rejected(errors),
    })
}

fn is_json(headers: &axum::http::HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The environment that a request names: `env_name` in path, query or body.
fn environment<'a>(params: &'a Map<String, Value>, body: Option<&'a Value>) -> Option<&'a str> {
    params.get("env_name").or_else(|| body?.get("env_name")).and_then(Value::as_str)
}

/// Refuses a caller whose rights do not reach.
fn allow(right: Right, caller: &Caller, params: &Map<String, Value>, body: Option<&Value>) -> Result<(), Problem> {
    let may = match (right, environment(params, body)) {
        (Right::Public | Right::Login | Right::Administer, _) => true,
        (Right::View, Some(name)) => caller.may_view(name),
        (Right::Edit, Some(name)) => caller.may_edit(name),
        // An operation that needs an environment and was given none is for those who may do it with all.
        (Right::View, None) => caller.may_view(crate::access::EVERY),
        (Right::Edit, None) => caller.may_edit(crate::access::EVERY),
    };
    // Whether there is such an environment is not told.
    if may { Ok(()) } else { Err(Problem::forbidden("your rights do not reach this environment")) }
}

/// Gives every request an id, measures it, and writes problems with that id.
pub async fn observe(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = calipso_store::work::new_id(gate.service.now_millis()).unwrap_or_else(|_| "unknown".into());
    let method = request.method().clone();
    let template = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let mut response = match response.extensions().get::<Problem>() {
        None => response,
        Some(problem) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(request = %id, status = problem.status(), cause = %chain(cause), "A request failed.");
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
    metrics::histogram!("calipso_http_request_seconds", "method" => method.to_string(), "path" => template, "status" => status)
        .record(started.elapsed().as_secs_f64());
    response
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// Where no path leads.
pub async fn nowhere() -> Response {
    Problem::not_found("no operation has this path; /api/v1/openapi.json lists them").into_response()
}

/// Where the method does not fit.
pub async fn wrong_method() -> Response {
    Problem::method_not_allowed().into_response()
}
