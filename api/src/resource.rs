//! The resources, one file each, in the order of the document.

pub mod aggregates;
pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod clique_types;
pub mod cliques;
pub mod connection_tests;
mod cursor;
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
