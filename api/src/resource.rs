//! The resources, one file each, in the order of the document.

pub mod audit;
pub mod auth;
mod cursor;
pub mod problems;
pub mod users;
pub mod version;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::service::Service;

/// Every resource.
#[must_use]
pub fn all() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().merge(version::routes()).merge(auth::routes()).merge(users::routes()).merge(audit::routes())
}
