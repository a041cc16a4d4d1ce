//! `/health`: whether the service can work, and how an environment is.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use calipso_model::Environment;
use calipso_store::{
    StoreHealth,
    work::{self, scan::EnvironmentState},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    extract::Params,
    problem::{Problem, ProblemBody},
    resource::timezone::Timezone,
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(health))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct HealthQuery {
    /// An environment: how it is. Needs a login that may view it.
    #[param(min_length = 1, max_length = 256)]
    env_name: Option<String>,
}

/// How an environment is.
#[derive(Debug, Serialize, ToSchema)]
struct EnvironmentHealth {
    /// Whether a scan of all of it was ever completed.
    scanned: bool,
    #[schema(inline)]
    timezone: Timezone,
    /// Version of its distribution.
    version: String,
    /// How the newest scan of all of it that ended did so.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scan_status: Option<&'static str>,
    /// When the newest completed one ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scanned: Option<String>,
    /// Whether it is being scanned.
    running: bool,
    /// How many scans wait.
    pending: u64,
    /// Its current revision.
    revision: u64,
}

/// Whether the service can work.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Version of the program.
    version: &'static str,
    /// Whether the store can be used: `ok`, `away`, `full` (it can be read, and not changed, until space is freed) or `damaged`
    /// (what it holds is not all what was written; `calipso store check` on the server tells what).
    store: &'static str,
    #[schema(inline)]
    timezone: Timezone,
    /// The environments that the caller may view; none without a login.
    environments: BTreeMap<String, EnvironmentHealth>,
}

/// How the service is, or one environment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands in the document only")]
enum HealthOfOne {
    Service(Health),
    Environment(EnvironmentHealth),
}

/// Whether the service can work; with a login how the environments are that it may view, or one of them.
#[utoipa::path(get, path = "/health", tag = "service", security(()), extensions(("x-right" = json!("public"))),
    params(HealthQuery),
    responses((status = 200, body = inline(HealthOfOne)), (status = 503, body = inline(Health)),
        (status = 401, body = ProblemBody), (status = 403, body = ProblemBody), (status = 404, body = ProblemBody)))]
async fn health(
    State(service): State<Arc<Service>>,
    Params(query): Params<HealthQuery>,
    parts: Parts,
) -> Result<Response, Problem> {
    let now = (service.clock)();
    if let Some(name) = query.env_name {
        let caller = service.caller(&parts).await?;
        let caller = caller.ok_or_else(|| Problem::unauthenticated("log in to see how an environment is"))?;
        if !caller.may_view(&name) {
            return Err(Problem::forbidden("your rights do not reach this environment"));
        }
        let environment = service.backend.environment(&name).await?;
        return Ok(Json(health_of(&service, &environment, now).await?).into_response());
    }
    let known = service.backend.environments().await;
    let store = match (service.backend.health().await, &known) {
        (StoreHealth::Damaged, _) => "damaged",
        (_, Err(_)) => "away",
        (StoreHealth::Full, Ok(_)) => "full",
        (StoreHealth::Fine, Ok(_)) => "ok",
    };
    let mut environments = BTreeMap::new();
    if let Ok(known) = known {
        // A wrong login is told as little as none.
        let caller = service.caller(&parts).await.ok().flatten().unwrap_or_default();
        for environment in known.iter().filter(|environment| caller.may_view(&environment.name)) {
            // Whether the service can work is told, also where one environment cannot be read.
            match health_of(&service, environment, now).await {
                Ok(health) => drop(environments.insert(environment.name.to_string(), health)),
                Err(problem) if store == "ok" => return Err(problem),
                Err(_) => {}
            }
        }
    }
    let status = if store == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = Health { version: service.version, store, timezone: Timezone::server(), environments };
    Ok((status, Json(body)).into_response())
}

async fn health_of(
    service: &Service,
    environment: &Environment,
    now: jiff::Timestamp,
) -> Result<EnvironmentHealth, Problem> {
    let state: EnvironmentState = work::scan::state(&*service.backend, &environment.name).await?;
    Ok(EnvironmentHealth {
        scanned: state.scanned,
        timezone: Timezone::of(environment, now),
        version: environment.version.to_string(),
        last_scan_status: state.last_scan_status.map(|status| status.as_str()),
        last_scanned: state.last_scanned.map(|time| time.to_string()),
        running: state.running,
        pending: state.pending,
        revision: service.backend.current(&environment.name).await?,
    })
}
