//! Versions of documents as `ETag` says them and `If-Match` asks for them.

use axum::http::{HeaderMap, HeaderName, header};

use crate::problem::{FieldError, Problem};

/// The header that tells a version.
#[must_use]
pub fn header(version: u64) -> (HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// Refuses a change of what is not in a version that `If-Match` names; without that header anything is changed.
///
/// # Errors
/// 412, or 400 when the header is no list of versions.
pub fn check(headers: &HeaderMap, version: u64) -> Result<(), Problem> {
    let mut named = headers.get_all(header::IF_MATCH).iter().peekable();
    if named.peek().is_none() {
        return Ok(());
    }
    let wrong = || Problem::bad_request(vec![FieldError::at("header", "If-Match", "is no version, as ETag tells it")]);
    for value in named {
        for tag in value.to_str().map_err(|_| wrong())?.split(',').map(str::trim) {
            let strong = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            match strong {
                _ if tag == "*" => return Ok(()),
                Some(strong) if strong == version.to_string() => return Ok(()),
                Some(_) => {}
                // A weak one never matches (RFC 9110, section 13.1.1).
                None if tag.starts_with("W/\"") => {}
                None => return Err(wrong()),
            }
        }
    }
    Err(Problem::changed(format!("it is in version \"{version}\" now")))
}
