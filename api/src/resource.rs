//! The resources, one file each, in the order of the document.

pub mod catalogue;
pub mod environment_configs;
pub mod problems;
pub mod version;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;

use crate::service::Service;

/// Every resource.
#[must_use]
pub fn all() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().merge(catalogue::routes()).merge(environment_configs::routes()).merge(version::routes())
}
