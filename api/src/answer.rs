//! Answers that a client may keep: JSON, tagged with what it was made from.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_model::Revision;
use serde::Serialize;

use crate::{
    etag::Tag,
    extract::Conditions,
    paging::{self, PageRequest},
    problem::Problem,
    service::Service,
};

/// An answer that may be kept; or 304 with its tag, where the client has it already.
pub(crate) fn tagged(headers: &HeaderMap, tag: &Tag, body: impl FnOnce() -> Response) -> Response {
    kept(tag, if tag.is_known(headers) { StatusCode::NOT_MODIFIED.into_response() } else { body() })
}

/// Adds the tag, and that the client alone may keep the answer and asks each time whether it is still right.
fn kept(tag: &Tag, mut response: Response) -> Response {
    let (name, value) = tag.header();
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// A document in one version.
///
/// # Errors
/// A fault of ours: it cannot be written as JSON.
pub(crate) fn document(headers: &HeaderMap, version: u64, body: &impl Serialize) -> Result<Response, Problem> {
    let body = to_json(body)?;
    Ok(tagged(headers, &Tag::version(version), || json_text(body)))
}

/// One page of a list, with a `Link` to the next one. Without a tag it gets that of its content.
///
/// # Errors
/// A fault of ours: it cannot be written as JSON.
pub(crate) fn page(
    conditions: &Conditions,
    tag: Option<Tag>,
    body: &impl Serialize,
    next: Option<&str>,
) -> Result<Response, Problem> {
    let text = to_json(body)?;
    let tag = tag.unwrap_or_else(|| Tag::content(&text));
    Ok(page_of(conditions, &tag, text, next))
}

/// The same with the JSON of the page.
pub(crate) fn page_of(conditions: &Conditions, tag: &Tag, body: String, next: Option<&str>) -> Response {
    let mut response = tagged(&conditions.headers, tag, || json_text(body));
    paging::link(&mut response, conditions.query.as_deref(), next);
    response
}

/// The tag of what follows from a revision of an environment.
///
/// # Errors
/// Those of the store.
pub(crate) async fn revision_tag(service: &Service, environment: &str, revision: Revision) -> Result<Tag, Problem> {
    Ok(Tag::revision(service.backend.made(environment).await?, revision))
}

/// 304, where the first page of a list as the client has it is of the revision that would be read. PageRequest before reading.
///
/// # Errors
/// Those of the store.
pub(crate) async fn unchanged(
    service: &Service,
    environment: &str,
    asked: &PageRequest,
    headers: &HeaderMap,
) -> Result<Option<Response>, Problem> {
    if !headers.contains_key(header::IF_NONE_MATCH) || asked.page.after.is_some() || asked.at.is_some() {
        return Ok(None);
    }
    let tag = revision_tag(service, environment, service.backend.current(environment).await?).await?;
    Ok(tag.is_known(headers).then(|| not_modified(&tag)))
}

/// 304: what the client has is still right.
pub(crate) fn not_modified(tag: &Tag) -> Response {
    kept(tag, StatusCode::NOT_MODIFIED.into_response())
}

/// JSON text as an answer.
pub(crate) fn json_text(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from(body.into())).into_response()
}

/// Something as JSON.
///
/// # Errors
/// A fault of ours: it cannot be written as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(Problem::bug)
}
