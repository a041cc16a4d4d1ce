//! The resources, one file each, in the order of the document.

mod aggregates;
mod audit;
mod auth;
mod catalogue;
mod clique_types;
mod cliques;
mod connection_tests;
mod diff;
mod environment_configs;
mod graph;
mod health;
mod inventory;
mod links;
mod messages;
mod news;
pub(crate) mod problems;
mod revisions;
mod scans;
mod scheduled_scans;
mod search;
mod specs;
mod timezone;
mod users;
mod version;

use std::sync::Arc;

use calipso_model::Str;
use calipso_store::{LinkQuery, Page, Query};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    problem::{FieldError, Problem},
    service::Service,
};

/// What stands before the path of every resource.
pub(crate) const PREFIX: &str = "/api/v1";

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
        .merge(news::routes())
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
    let loaded = service.catalogue(environment).await?;
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
    let loaded = service.catalogue(environment).await?;
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
