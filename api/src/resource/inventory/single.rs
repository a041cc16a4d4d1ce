//! One object, whole, with when and by whom it was found.

use axum::{http::HeaderMap, response::Response};
use calipso_model::{Revision, Str};
use calipso_store::{ScopeRecord, WholeObject, store::newest_scan};
use serde::Serialize;

use crate::{answer, etag::Tag, lookup, problem::Problem, service::Service};

/// What one fetcher says of an object.
#[derive(Debug, Serialize)]
struct Provenance<'s> {
    fetcher: &'s str,
    /// The object below which it asked.
    parent: Key<'s>,
    /// Whether it says that the object exists, or only adds to it.
    asserts: bool,
    /// The steps that emitted it, as `file:line:column`.
    at: Vec<&'s str>,
    /// Whether its last answer was complete.
    complete: bool,
    /// When its last complete answer came.
    scanned_at: Option<&'s str>,
    /// When it asked last.
    tried_at: &'s str,
    /// Since when this may be out of date.
    stale_since: Option<&'s str>,
    /// Why its last answer was not complete.
    problem: Option<&'s str>,
}

#[derive(Debug, Serialize)]
struct Key<'s> {
    #[serde(rename = "type")]
    object_type: &'s str,
    id: &'s str,
}

fn provenance(scope: &ScopeRecord) -> Provenance<'_> {
    let mut at: Vec<&str> = scope.members.iter().map(|member| &*member.at).collect();
    at.dedup();
    Provenance {
        fetcher: &scope.key.fetcher,
        parent: Key { object_type: &scope.key.parent.object_type, id: &scope.key.parent.id },
        asserts: scope.members.iter().any(|member| member.asserts),
        at,
        complete: scope.complete,
        scanned_at: Some(&*scope.scanned_at).filter(|time| !time.is_empty()),
        tried_at: &scope.tried_at,
        stale_since: scope.stale_since.as_deref(),
        problem: scope.problem.as_deref(),
    }
}

/// What stands beside the document.
#[derive(Debug, Serialize)]
struct Beside<'s> {
    last_scanned: Option<Str>,
    provenance: Vec<Provenance<'s>>,
    revision: Revision,
}

/// The answer for one object.
///
/// # Errors
/// 404; 409 when several types have the id and none is named.
pub(super) async fn answer(
    service: &Service,
    headers: &HeaderMap,
    environment: &str,
    at: Option<Revision>,
    id: &str,
    object_type: Option<&str>,
) -> Result<Response, Problem> {
    let (revision, found) = service.backend.whole_objects(environment, at, id, object_type).await?;
    let WholeObject { json: doc, scopes, .. } =
        lookup::only(found, environment, id, object_type, |object| &object.key)?;
    let beside =
        Beside { last_scanned: newest_scan(&scopes), provenance: scopes.iter().map(provenance).collect(), revision };
    let beside = answer::to_json(&beside)?;
    let tag = Tag::revision_and(service.backend.made(environment).await?, revision, &beside);
    Ok(answer::tagged(headers, &tag, || answer::json_text(joined(doc, &beside))))
}

/// One JSON object of two.
fn joined(mut first: String, second: &str) -> String {
    first.pop();
    if first.len() > 1 {
        first.push(',');
    }
    first.push_str(second.get(1..).unwrap_or("}"));
    first
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn two_objects_become_one() {
        assert_eq!(joined(r#"{"a":1}"#.to_owned(), r#"{"b":2}"#), r#"{"a":1,"b":2}"#);
        assert_eq!(joined("{}".to_owned(), r#"{"b":2}"#), r#"{"b":2}"#);
    }
}
