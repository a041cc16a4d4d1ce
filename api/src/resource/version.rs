//! `/version`: which program answers.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::service::Service;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(version))
}

/// Which program answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Version {
    /// Version of the program.
    version: &'static str,
    /// Version of this interface.
    api: &'static str,
}

/// Which program answers, and which version of the interface it speaks.
#[utoipa::path(get, path = "/version", tag = "service", security(()), extensions(("x-right" = json!("public"))),
    responses((status = 200, body = Version)))]
async fn version(State(service): State<Arc<Service>>) -> Json<Version> {
    Json(Version { version: service.version, api: "v1" })
}
