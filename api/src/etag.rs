//! Entity tags: the only place that makes them, and that reads `If-Match` and `If-None-Match`.
//!
//! A document has a strong tag, its version: a change that names another one is refused. What is only read has a weak one, made
//! from what it was read from, since the same content may be sent compressed.
//!
//! # Source
//! RFC 9110, sections 8.8.3 and 13.1.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use calipso_model::Revision;

use crate::problem::{FieldError, Problem};

/// An entity tag, with its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// The strong tag of a document in this version.
    pub(crate) fn version(version: u64) -> Self {
        Self(format!("\"{version}\""))
    }

    /// The weak tag of what follows from a revision. `made` tells environments of one name apart that were made one after the
    /// other.
    pub(crate) fn revision(made: u64, revision: Revision) -> Self {
        Self(format!("W/\"{made}-{revision}\""))
    }

    /// The weak tag of what follows from a revision and from more that is not part of it.
    pub(crate) fn revision_and(made: u64, revision: Revision, more: &str) -> Self {
        Self(format!("W/\"{made}-{revision}-{:016x}\"", hash(more)))
    }

    /// The weak tag of a content.
    pub(crate) fn content(text: &str) -> Self {
        Self(format!("W/\"{:016x}\"", hash(text)))
    }

    /// The header `ETag`.
    pub(crate) fn header(&self) -> (HeaderName, String) {
        (header::ETAG, self.0.clone())
    }

    /// Whether a client has this already, as `If-None-Match` says: weak and strong tags are the same there.
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        let opaque = self.0.trim_start_matches("W/");
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|text| text.trim() == "*" || tags(text).is_some_and(|tags| tags.iter().any(|(tag, _)| *tag == opaque)))
    }
}

/// FNV-1a: equal texts give equal tags in every process; nobody gains by making two texts meet.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether this is a strong entity tag. An answer that has one goes out as it is: compressed, it would be another.
pub(crate) fn is_strong(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"\"")
}

/// Refuses a change of what is not in a version that `If-Match` names; without that header anything is changed.
///
/// # Errors
/// 412, or 400 when the header is no list of entity tags.
/// # Source
/// RFC 9110, section 13.1.1: tags are compared strongly, so a weak one never fits.
pub(crate) fn check(headers: &HeaderMap, version: u64) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let wrong = || Problem::bad_request(vec![FieldError::at("header", "If-Match", "is no version, as ETag tells it")]);
    let Tag(current) = Tag::version(version);
    let mut fits = false;
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| wrong())?;
        if text.trim() == "*" {
            fits = true;
            continue;
        }
        for (tag, is_weak) in tags(text).ok_or_else(wrong)? {
            fits |= !is_weak && tag == current;
        }
    }
    if fits { Ok(()) } else { Err(Problem::changed(format!("it is in version {current} now"))) }
}

/// The entity tags of a list, with their quotes, and whether each is weak; nothing when it is no such list.
fn tags(list: &str) -> Option<Vec<(&str, bool)>> {
    let mut found = Vec::new();
    let mut rest = list.trim();
    loop {
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        // What is between the quotes may hold commas, and no quote.
        let end = quoted.strip_prefix('"')?.find('"')? + 2;
        found.push((quoted.get(..end)?, is_weak));
        rest = quoted.get(end..)?.trim_start();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::{Tag, check};

    #[test]
    fn only_a_strong_tag_of_the_current_version_fits() {
        let asked = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_MATCH, HeaderValue::from_static(value));
            }
            check(&headers, 7).map_or_else(|problem| problem.status(), |()| 200)
        };
        for (values, status) in [
            (&[][..], 200),
            (&["\"7\""], 200),
            (&["*"], 200),
            (&["\"8\", \"7\""], 200),
            (&["\"8\"", "\"7\""], 200),
            (&["\"a,b\" , \"7\""], 200),
            (&["W/\"8\", \"7\""], 200),
            (&["\"8\""], 412),
            (&["\"70\""], 412),
            (&["\"7,8\""], 412),
            (&["W/\"7\""], 412),
            (&["\"v7\""], 412),
            (&["7"], 400),
            (&[""], 400),
            (&["\"7\","], 400),
            (&["\"7\" \"8\""], 400),
            (&["\"7"], 400),
            (&["w/\"7\""], 400),
            (&["*, \"7\""], 400),
        ] {
            assert_eq!(asked(values), status, "{values:?}");
        }
    }

    #[test]
    fn what_a_client_has_is_compared_weakly() {
        let tag = Tag::revision(3, 7);
        for (value, is_known) in [
            ("W/\"3-7\"", true),
            ("\"3-7\"", true),
            ("\"8\", W/\"3-7\"", true),
            ("\"a, b\", \"3-7\"", true),
            ("*", true),
            ("\"3-70\"", false),
            ("W/\"4-7\"", false),
            ("3-7", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(tag.is_known(&headers), is_known, "{value}");
        }
        assert!(!tag.is_known(&HeaderMap::new()));
        assert_ne!(Tag::revision_and(1, 7, "a"), Tag::revision_and(1, 7, "b"));
        assert_ne!(Tag::revision_and(1, 7, "a"), Tag::revision_and(2, 7, "a"));
        assert_ne!(Tag::content("a"), Tag::content("b"));
    }
}
