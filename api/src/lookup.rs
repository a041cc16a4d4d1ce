//! Names that clients use: ids of objects, links and cliques, and what they mean.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{LinkRef, Object, ObjectKey, Revision, Str};
use calipso_store::{Page, Paged, Query};

use crate::{
    problem::{FieldError, Problem},
    service::Service,
};

/// Maximum number of objects of one id that are told apart.
const NAMESAKES: usize = 50;

/// What of an object is read to tell it apart and to call it by its name.
const FIELDS: &[&str] = &["host", "id_path", "name", "object_name", "text"];

/// The objects of an id, with the fields that name them: one, unless several types have it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn namesakes(
    service: &Service,
    environment: &str,
    at: Option<Revision>,
    id: &str,
    object_type: Option<&str>,
) -> Result<Paged<Object>, Problem> {
    let query = Query {
        id: Some(id.into()),
        types: object_type.into_iter().map(Str::from).collect(),
        fields: Some(FIELDS.iter().copied().map(Str::from).collect()),
        ..Query::default()
    };
    Ok(service.backend.objects(environment, at, &query, &Page::first(NAMESAKES)).await?)
}

/// The one object of an id, with the fields that name it, and the revision that was read.
///
/// # Errors
/// 404; 409 with each candidate when several types have the id.
pub(crate) async fn object(
    service: &Service,
    environment: &str,
    at: Option<Revision>,
    id: &str,
    object_type: Option<&str>,
) -> Result<(Revision, Object), Problem> {
    let found = namesakes(service, environment, at, id, object_type).await?;
    Ok((found.revision, only(found.items, environment, id, object_type, |object| &object.key)?))
}

/// The one thing of an id.
///
/// # Errors
/// 404; 409 with each candidate when several types have the id.
pub(crate) fn only<T>(
    mut found: Vec<T>,
    environment: &str,
    id: &str,
    object_type: Option<&str>,
    key: fn(&T) -> &ObjectKey,
) -> Result<T, Problem> {
    match (found.pop(), found.is_empty()) {
        (Some(object), true) => Ok(object),
        (Some(last), false) => {
            found.push(last);
            Err(ambiguous("type", id, found.iter().map(key)))
        }
        (None, _) => Err(Problem::not_found(match object_type {
            Some(object_type) => format!("environment `{environment}` has no `{object_type}` of the id `{id}`"),
            None => format!("environment `{environment}` has no object of the id `{id}`"),
        })),
    }
}

/// The key of an id that a filter names; nothing when there is no such object.
///
/// # Errors
/// 409 when several types have the id.
pub(crate) async fn filter(
    service: &Service,
    environment: &str,
    at: Option<Revision>,
    id: &str,
    object_type: Option<&str>,
    type_parameter: &str,
) -> Result<Option<ObjectKey>, Problem> {
    if let Some(object_type) = object_type {
        return Ok(Some(ObjectKey::new(object_type, id)));
    }
    let found = namesakes(service, environment, at, id, None).await?.items;
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.key.clone())),
        several => Err(ambiguous(type_parameter, id, several.iter().map(|object| &object.key))),
    }
}

fn ambiguous<'k>(parameter: &str, id: &str, candidates: impl Iterator<Item = &'k ObjectKey>) -> Problem {
    let errors = candidates
        .take(NAMESAKES)
        .map(|key| FieldError::query(parameter, format!("could be `{}`", key.object_type)))
        .collect();
    Problem::conflict(format!("several objects have the id `{id}`; name `{parameter}`, too")).with_errors(errors)
}

/// The id of a link: opaque, and nothing but its key.
#[must_use]
pub(crate) fn link_id(link: &LinkRef) -> String {
    sealed(&[&link.link_type, &link.source.object_type, &link.source.id, &link.target.object_type, &link.target.id])
}

/// The key of a link from its id.
#[must_use]
pub(crate) fn link_of(id: &str) -> Option<LinkRef> {
    let [link_type, source_type, source, target_type, target] = opened(id)?;
    Some(LinkRef {
        link_type,
        source: ObjectKey { object_type: source_type, id: source },
        target: ObjectKey { object_type: target_type, id: target },
    })
}

/// The id of a clique: opaque, and nothing but its focal point.
#[must_use]
pub fn clique_id(focal_point: &ObjectKey) -> String {
    sealed(&[&focal_point.object_type, &focal_point.id])
}

/// The focal point of a clique from its id.
#[must_use]
pub(crate) fn clique_of(id: &str) -> Option<ObjectKey> {
    let [object_type, id] = opened(id)?;
    Some(ObjectKey { object_type, id })
}

/// Says that a parameter is no id of such a thing.
#[must_use]
pub(crate) fn no_id(parameter: &str, what: &str) -> Problem {
    Problem::bad_request(vec![FieldError::query(parameter, format!("is not the id of a {what}"))])
}

fn sealed(parts: &[&Str]) -> String {
    let parts: Vec<&str> = parts.iter().map(|part| &***part).collect();
    URL_SAFE_NO_PAD.encode(serde_json::to_string(&parts).unwrap_or_default())
}

fn opened<const N: usize>(id: &str) -> Option<[Str; N]> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()?;
    let parts: Vec<String> = serde_json::from_str(&text).ok()?;
    let parts: [Str; N] = parts.into_iter().map(Str::from).collect::<Vec<_>>().try_into().ok()?;
    // One thing has one id.
    (sealed(&parts.each_ref()) == id).then_some(parts)
}

#[cfg(test)]
mod tests {
    use calipso_model::{LinkRef, ObjectKey};
    use proptest::prelude::*;

    use super::{clique_id, clique_of, link_id, link_of};

    proptest! {
        #[test]
        fn ids_lead_back(parts in prop::array::uniform5(".*")) {
            let [link_type, source_type, source, target_type, target] = parts;
            let link = LinkRef {
                link_type: link_type.into(),
                source: ObjectKey::new(source_type, source),
                target: ObjectKey::new(target_type, target),
            };
            prop_assert_eq!(link_of(&link_id(&link)), Some(link.clone()));
            prop_assert_eq!(clique_of(&clique_id(&link.source)), Some(link.source.clone()));
            prop_assert_eq!(clique_of(&link_id(&link)), None, "a link is no clique");
        }

        #[test]
        fn any_text_is_an_id_or_none(text in ".*") {
            if let Some(link) = link_of(&text) {
                prop_assert_eq!(link_id(&link), text);
            }
        }
    }
}
