//! The resources, one file each, in the order of the document.

pub mod audit;
pub mod auth;
pub mod catalogue;
pub mod clique_types;
pub mod connection_tests;
mod cursor;
pub mod environment_configs;
pub mod problems;
pub mod specs;
pub mod users;
pub mod version;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::service::Service;

/// Every resource.
#[must_use]
pub fn all() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .merge(audit::routes())
        .merge(auth::routes())
        .merge(catalogue::routes())
        .merge(clique_types::routes())
        .merge(connection_tests::routes())
        .merge(environment_configs::routes())
        .merge(specs::routes())
        .merge(users::routes())
        .merge(version::routes())
}
