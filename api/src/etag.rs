//! Versions of documents as `ETag` says them and `If-Match` asks for them: the only place that reads `If-Match`.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::problem::{FieldError, Problem};

/// The header that tells a version: a strong entity tag, for a change is refused by it.
#[must_use]
pub fn header(version: u64) -> (HeaderName, String) {
    (header::ETAG, tag(version))
}

/// The entity tag of a version.
#[must_use]
pub fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Whether this is a strong entity tag. An answer that has one goes out as it is: compressed, it would be another.
#[must_use]
pub fn is_strong(value: &HeaderValue) -> bool {
    value.as_bytes().starts_with(b"\"")
}

/// Refuses a change of what is not in a version that `If-Match` names; without that header anything is changed.
///
/// # Errors
/// 412, or 400 when the header is no list of entity tags.
/// # Source
/// RFC 9110, section 13.1.1: tags are compared strongly, so a weak one never fits.
pub fn check(headers: &HeaderMap, version: u64) -> Result<(), Problem> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let wrong = || Problem::bad_request(vec![FieldError::at("header", "If-Match", "is no version, as ETag tells it")]);
    let current = tag(version);
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

    use super::check;

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
}
