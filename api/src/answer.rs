//! Answers that a client may keep: JSON, tagged with what it was made from.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use calipso_model::Revision;
use serde::Serialize;

use crate::{etag, paging::Asked, problem::Problem, service::Service};

/// What an answer was made from; while it stays, the answer stays.
///
/// # Shape
/// An entity tag: a weak one for what is read only, since the same content may be sent compressed; the strong one of its
/// version for a document. It names the making of the environment, so that nothing of a former one of the name is taken for it.
/// # Source
/// RFC 9110 section 8.8.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Everything follows from a revision of the environment with this number.
    #[must_use]
    pub fn revision(made: u64, revision: Revision) -> Self {
        Self(format!("W/\"{made}-{revision}\""))
    }

    /// A revision, and more that is not part of it.
    #[must_use]
    pub fn revision_and(made: u64, revision: Revision, more: &str) -> Self {
        // FNV-1a: equal texts give equal tags in every process; nobody gains by making two texts meet.
        let hash = more
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(format!("W/\"{made}-{revision}-{hash:016x}\""))
    }

    /// The version of a document.
    #[must_use]
    pub fn version(version: u64) -> Self {
        Self(etag::tag(version))
    }

    /// Whether a client has this already.
    #[must_use]
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').map(str::trim).any(|known| known == "*" || plain(known) == plain(&self.0)))
    }
}

fn plain(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// An answer that may be kept, or the word that the one kept is still right.
#[must_use]
pub fn tagged(headers: &HeaderMap, tag: &Tag, body: impl FnOnce() -> Response) -> Response {
    let mut response = if tag.is_known(headers) { StatusCode::NOT_MODIFIED.into_response() } else { body() };
    if let Ok(value) = HeaderValue::from_str(&tag.0) {
        response.headers_mut().insert(header::ETAG, value);
    }
    // May be kept by the client alone, and is asked for again each time.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// Whether the first page of a list, as the client has it, is of the revision that would be read: asked before reading.
///
/// # Errors
/// Those of the store.
pub async fn is_current(
    service: &Service,
    environment: &str,
    asked: &Asked,
    headers: &HeaderMap,
) -> Result<bool, Problem> {
    if !headers.contains_key(header::IF_NONE_MATCH) || asked.page.after.is_some() || asked.at.is_some() {
        return Ok(false);
    }
    let made = service.backend.made(environment).await?;
    Ok(Tag::revision(made, service.backend.current(environment).await?).is_known(headers))
}

/// The word that what the client has is still right, with the tag that it named.
#[must_use]
pub fn not_modified(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    if let Some(tag) = headers.get(header::IF_NONE_MATCH) {
        response.headers_mut().insert(header::ETAG, tag.clone());
    }
    response
}

/// JSON text as an answer.
#[must_use]
pub fn text(body: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from(body)).into_response()
}

/// Something as JSON.
///
/// # Errors
/// A fault of ours: it cannot be written as JSON.
pub fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(Problem::bug)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::Tag;

    #[test]
    fn tags_are_compared_weakly_and_in_lists() {
        let tag = Tag::revision(3, 7);
        for (value, known) in [
            ("W/\"3-7\"", true),
            ("\"3-7\"", true),
            ("\"8\", W/\"3-7\"", true),
            ("*", true),
            ("\"3-70\"", false),
            ("W/\"4-7\"", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(tag.is_known(&headers), known, "{value}");
        }
        assert_ne!(Tag::revision_and(1, 7, "a"), Tag::revision_and(1, 7, "b"));
        assert_ne!(Tag::revision_and(1, 7, "a"), Tag::revision_and(2, 7, "a"));
    }
}
