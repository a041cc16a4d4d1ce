//! `/search`: what a person means who types this.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use calipso_model::{ObjectKey, Str};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    etag::Tag,
    extract::Params,
    problem::{Problem, ProblemBody},
    resource::known_types,
    service::Service,
};

/// Number of hits where the request does not say.
const LIMIT: usize = 50;

/// Number of hits that are read for each that is shown, when only some types are wanted.
const LOOKED_AT: usize = 20;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What is searched.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SearchQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// An id, a name or another value that the object's type lets it be found by (an address, say), the beginning of an id, or a
    /// part of a name or value, in whatever case.
    #[param(min_length = 1, max_length = 1_024)]
    query: String,
    /// Only objects of these types; may be given several times.
    #[serde(rename = "type")]
    #[param(max_items = 100)]
    object_types: Option<Vec<String>>,
    /// Maximum number of items.
    #[param(minimum = 1, maximum = 1_000)]
    limit: Option<usize>,
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// An object that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchHit)]
struct Hit<'o> {
    id: &'o str,
    #[serde(rename = "type")]
    object_type: &'o str,
    name: &'o str,
    object_name: Option<&'o str>,
    name_path: Option<&'o str>,
    host: Option<&'o str>,
    environment: &'o str,
    /// When it was found by a scan last.
    #[schema(value_type = Option<String>)]
    last_scanned: Option<Str>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
struct Hits<'o> {
    /// The best first.
    objects: Vec<Hit<'o>>,
    /// The revision that was read.
    revision: u64,
}

/// Finds objects by id, name, or a value that their types name under `search`: exact ids first, then names and values, then
/// beginnings of ids, then parts of names and values.
#[utoipa::path(get, path = "/search", tag = "inventory", extensions(("x-right" = json!("view"))), params(SearchQuery),
    responses((status = 200, body = inline(Hits)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn search(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(query): Params<SearchQuery>,
) -> Result<Response, Problem> {
    let environment = query.env_name.as_str();
    let types: Vec<Str> = query.object_types.iter().flatten().map(|name| Str::from(name.as_str())).collect();
    known_types(&service, environment, "type", &types).await?;
    let limit = query.limit.unwrap_or(LIMIT);
    let revision = match query.at {
        Some(revision) => revision,
        None => service.backend.current(environment).await?,
    };
    let wanted = if types.is_empty() { limit } else { limit.saturating_mul(LOOKED_AT) };
    let mut found = service.backend.search(environment, Some(revision), &query.query, wanted).await?;
    found.retain(|object| types.is_empty() || types.contains(&object.key.object_type));
    found.truncate(limit);
    let keys: Vec<ObjectKey> = found.iter().map(|object| object.key.clone()).collect();
    let times = service.backend.last_scanned(environment, &keys).await?;
    let objects = found.iter().zip(times).map(|(object, last_scanned)| Hit {
        id: &object.key.id,
        object_type: &object.key.object_type,
        name: object.name(),
        object_name: object.text("object_name"),
        name_path: object.text("name_path"),
        host: object.text("host"),
        environment,
        last_scanned,
    });
    let body = answer::to_json(&Hits { objects: objects.collect(), revision })?;
    let tag = Tag::revision_and(service.backend.made(environment).await?, revision, &body);
    Ok(answer::tagged(&headers, &tag, || answer::json_text(body)))
}
