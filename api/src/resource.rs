//! The resources, one file each, in the order of the document.

pub mod aggregates;
pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod clique_types;
pub mod cliques;
pub mod connection_tests;
pub mod diff;
pub mod environment_configs;
pub mod events;
pub mod graph;
pub mod health;
pub mod inventory;
pub mod links;
pub mod messages;
pub mod problems;
pub mod revisions;
pub mod scans;
pub mod scheduled_scans;
pub mod search;
pub mod specs;
pub mod timezone;
pub mod users;
pub mod version;

use std::sync::Arc;

use calipso_model::Str;
use calipso_store::{LinkQuery, Page, Query};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    environments::catalogue::of as in_force,
    problem::{FieldError, Problem},
    service::Service,
};

/// Every resource.
#[must_use]
pub fn all() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .merge(aggregates::routes())
        .merge(audit::routes())
        .merge(auth::routes())
        .merge(catalogue::routes())
        .merge(clique_types::routes())
        .merge(cliques::routes())
        .merge(connection_tests::routes())
        .merge(diff::routes())
        .merge(environment_configs::routes())
        .merge(events::routes())
        .merge(graph::routes())
        .merge(health::routes())
        .merge(inventory::routes())
        .merge(links::routes())
        .merge(messages::routes())
        .merge(revisions::routes())
        .merge(scans::routes())
        .merge(scheduled_scans::routes())
        .merge(search::routes())
        .merge(specs::routes())
        .merge(timezone::routes())
        .merge(users::routes())
        .merge(version::routes())
}

/// Refuses object types that neither the catalogue nor the environment knows.
///
/// # Errors
/// 400 with each of them.
async fn known_types(service: &Service, environment: &str, parameter: &str, types: &[Str]) -> Result<(), Problem> {
    if types.is_empty() {
        return Ok(());
    }
    let loaded = in_force(service, Some(environment)).await?;
    let mut errors = Vec::new();
    for object_type in types {
        if loaded.specs.object_types.contains_key(object_type) {
            continue;
        }
        let query = Query { types: vec![object_type.clone()], ..Query::default() };
        let found = service.backend.objects(environment, None, &query, &Page::first(1)).await?;
        if found.items.is_empty() {
            errors.push(FieldError::query(parameter, format!("`{object_type}` is not the type of any object")));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::bad_request(errors)) }
}

/// Refuses link types that neither the catalogue nor the environment knows.
///
/// # Errors
/// 400 with each of them.
async fn known_link_types(service: &Service, environment: &str, parameter: &str, types: &[Str]) -> Result<(), Problem> {
    if types.is_empty() {
        return Ok(());
    }
    let loaded = in_force(service, Some(environment)).await?;
    let specs = &loaded.specs;
    let mut errors = Vec::new();
    for link_type in types {
        // A link may be stored the other way round than its type is written.
        let known = specs.link_types.contains_key(link_type)
            || specs.link_types.values().any(|known| format!("{}-{}", known.to, known.from) == **link_type);
        if known {
            continue;
        }
        let query = LinkQuery { types: vec![link_type.clone()], ..LinkQuery::default() };
        let found = service.backend.links(environment, None, &query, &Page::first(1)).await?;
        if found.items.is_empty() {
            errors.push(FieldError::query(parameter, format!("`{link_type}` is not the type of any link")));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::bad_request(errors)) }
}

/// Which ids are meant; nothing when all are.
///
/// # Errors
/// 400 unless exactly one of both is said.
fn some_or_all(ids: Option<&str>, all: Option<bool>) -> Result<Option<Vec<&str>>, Problem> {
    match (ids, all) {
        (None, Some(true)) => Ok(None),
        (Some(ids), None | Some(false)) => {
            Ok(Some(ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect()))
        }
        (Some(_), Some(true)) => {
            Err(Problem::bad_request(vec![FieldError::query("all", "stands beside `ids`; say one of them")]))
        }
        (None, _) => Err(Problem::bad_request(vec![FieldError::query("ids", "is needed, or `all=true`")])),
    }
}
