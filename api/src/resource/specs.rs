//! `/specs`: link types and clique types of single environments; and the check of specs that are not kept.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use calipso_spec::{Layer, diag};
use calipso_store::work::{row::Versioned, spec, spec::SpecRow};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    answer,
    environments::{
        body::rejected,
        own_specs::{self, Content, Draft},
    },
    etag::{self, Tag},
    extract::{Body, Params},
    problem::{FieldError, Problem},
    service::Service,
};

/// Maximum number of files of one check.
const MOST_FILES: usize = 200;
/// How long a check may take.
const CHECK_TIME: Duration = Duration::from_secs(20);
/// The layer of files that are only checked.
const SENT: &str = "sent";

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(one, replace, remove)).routes(routes!(check))
}

/// Whose specs, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SpecsQuery {
    /// Name of the environment.
    env_name: String,
    /// Of this kind.
    kind: Option<String>,
    /// Of this name.
    name: Option<String>,
}

/// Which environment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EnvironmentQuery {
    /// Name of the environment.
    env_name: String,
}

/// Which spec of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SpecPath {
    /// `clique_type` or `link_type`.
    kind: String,
    /// Its name.
    name: String,
}

/// A spec: its YAML, or the same as an object; one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpecContent {
    /// The YAML.
    text: Option<String>,
    /// The same as an object.
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
}

/// A new spec of an environment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSpec {
    /// Name of the environment.
    env_name: String,
    /// `clique_type` or `link_type`.
    kind: String,
    /// The YAML.
    text: Option<String>,
    /// The same as an object.
    #[schema(value_type = Option<Object>)]
    spec: Option<Value>,
}

fn content(text: Option<String>, spec: Option<Value>) -> Result<Content, Problem> {
    match (text, spec) {
        (Some(text), None) => Ok(Content::Text(text)),
        (None, Some(spec)) => Ok(Content::Data(spec)),
        _ => Err(Problem::rejected(vec![FieldError::body("/text", "one of `text` and `spec` has to be given")])),
    }
}

fn shown(task: &Versioned<SpecRow>) -> Value {
    json!({
        "env_name": task.row.environment,
        "kind": task.row.kind,
        "name": task.row.name,
        "text": task.row.text,
        "changed_by": task.row.changed_by,
        "timestamp": task.row.timestamp,
        "version": task.version,
    })
}

/// The specs that an environment has of its own.
#[utoipa::path(get, path = "/specs", tag = "specs", params(SpecsQuery),
    extensions(("x-right" = json!("view"))), responses((status = 200, body = Object)))]
async fn list(State(service): State<Arc<Service>>, Params(filter): Params<SpecsQuery>) -> Result<Json<Value>, Problem> {
    service.backend.environment(&filter.env_name).await?;
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    let found = spec::of(service.backend.as_ref(), &filter.env_name).await?;
    let found = found.iter().filter(|task| is(&filter.kind, &task.row.kind) && is(&filter.name, &task.row.name));
    Ok(Json(json!({"specs": found.map(shown).collect::<Vec<_>>()})))
}

/// Adds a link type or a clique type for one environment. It is checked together with all other specs, and must select that
/// environment only; a text without `environment` gets the selector. With `extends: true` it adds to a spec of the
/// server, for this environment only.
#[utoipa::path(post, path = "/specs", tag = "specs", request_body = NewSpec,
    extensions(("x-right" = json!("edit"))), responses((status = 201, body = Object)))]
async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(sent): Body<NewSpec>,
) -> Result<Response, Problem> {
    service.backend.environment(&sent.env_name).await?;
    let draft = Draft {
        environment: sent.env_name.into(),
        kind: sent.kind.into(),
        name: None,
        content: content(sent.text, sent.spec)?,
    };
    let taken = own_specs::keep(&service, &caller, draft, None).await?;
    let mut body = shown(&taken.task);
    body["message"] = json!(format!("created a {} for {}", taken.task.row.kind, taken.task.row.environment));
    body["id"] = json!(taken.task.row.name);
    body["warnings"] = json!(taken.warnings);
    Ok((StatusCode::CREATED, [Tag::version(taken.task.version).header()], Json(body)).into_response())
}

/// One spec of an environment; `ETag` tells its version.
#[utoipa::path(get, path = "/specs/{kind}/{name}", tag = "specs", params(SpecPath, EnvironmentQuery),
    extensions(("x-right" = json!("view"))),
    responses((status = 200, body = Object), (status = 304, description = "What you have is current.")))]
async fn one(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(SpecPath { kind, name }): Params<SpecPath>,
    Params(EnvironmentQuery { env_name }): Params<EnvironmentQuery>,
) -> Result<Response, Problem> {
    let task = own_specs::get(&service, &env_name, &kind, &name).await?;
    answer::document(&headers, task.version, &shown(&task))
}

/// Replaces a spec of an environment.
#[utoipa::path(put, path = "/specs/{kind}/{name}", tag = "specs", params(SpecPath, EnvironmentQuery), request_body = SpecContent,
    extensions(("x-right" = json!("edit"))), responses((status = 200, body = Object), (status = 412)))]
async fn replace(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(SpecPath { kind, name }): Params<SpecPath>,
    Params(EnvironmentQuery { env_name }): Params<EnvironmentQuery>,
    Body(sent): Body<SpecContent>,
) -> Result<Response, Problem> {
    let former = own_specs::get(&service, &env_name, &kind, &name).await?;
    etag::check(&headers, former.version)?;
    let draft = Draft {
        environment: env_name.into(),
        kind: kind.into(),
        name: Some(name.into()),
        content: content(sent.text, sent.spec)?,
    };
    let taken = own_specs::keep(&service, &caller, draft, Some(former)).await?;
    let mut body = shown(&taken.task);
    body["warnings"] = json!(taken.warnings);
    answer::document(&HeaderMap::new(), taken.task.version, &body)
}

/// Removes a spec of an environment, unless another of its specs needs it.
#[utoipa::path(delete, path = "/specs/{kind}/{name}", tag = "specs", params(SpecPath, EnvironmentQuery),
    extensions(("x-right" = json!("edit"))), responses((status = 204), (status = 412)))]
async fn remove(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(SpecPath { kind, name }): Params<SpecPath>,
    Params(EnvironmentQuery { env_name }): Params<EnvironmentQuery>,
) -> Result<StatusCode, Problem> {
    let task = own_specs::get(&service, &env_name, &kind, &name).await?;
    etag::check(&headers, task.version)?;
    own_specs::forget(&service, &task).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Files to be checked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpecFiles {
    /// At most 200 files.
    #[schema(min_items = 1, max_items = 200)]
    files: Vec<SpecFile>,
}

/// One file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    /// Folder of the kind and name: `link_types/a-b.yaml`.
    path: String,
    /// The YAML.
    text: String,
}

/// Checks specs together with those of the server, as the command `check` does with a folder that is laid over them. Nothing
/// is kept. The answer is that of `check --format json`.
#[utoipa::path(post, path = "/specs/check", tag = "specs", request_body = SpecFiles,
    extensions(("x-right" = json!("login"))), responses((status = 200, body = Object), (status = 429)))]
async fn check(State(service): State<Arc<Service>>, Body(sent): Body<SpecFiles>) -> Result<Json<Value>, Problem> {
    let mut wrong = Vec::new();
    for (index, file) in sent.files.iter().enumerate() {
        let parts: Vec<&str> = file.path.split('/').collect();
        let named = parts.iter().all(|part| !part.is_empty() && !part.starts_with('.')) && file.path.len() <= 300;
        let folder = parts.len().checked_sub(2).and_then(|at| parts.get(at));
        let kind = calipso_spec::load::KINDS.iter().any(|(known, _)| folder == Some(known));
        if !named || !kind || file.path.chars().any(|c| c.is_control() || c == '\\') {
            let folders: Vec<&str> = calipso_spec::load::KINDS.iter().map(|(folder, _)| *folder).collect();
            wrong.push(
                calipso_spec::environment::Mistake::new(format!("/files/{index}/path"), "is no FOLDER/NAME.yaml")
                    .help(format!("folders are {}", folders.join(", "))),
            );
        }
    }
    if sent.files.len() > MOST_FILES {
        wrong
            .push(calipso_spec::environment::Mistake::new("/files", format!("at most {MOST_FILES} files are checked")));
    }
    if !wrong.is_empty() {
        return Err(rejected(wrong));
    }
    let busy = || Problem::too_many("other checks are running", 2);
    let permit = service.catalogues.check_permit().ok_or_else(busy)?;
    let files = sent.files.into_iter().map(|file| (file.path.into(), file.text.into())).collect();
    let layers = service.catalogues.with_layer(Layer { name: SENT.into(), files });
    let checking = tokio::task::spawn_blocking(move || {
        let loaded = calipso_spec::load(&layers);
        // Until here, however long somebody waits for it.
        drop(permit);
        diag::json(&loaded.diagnostics, &loaded.files)
    });
    let text = tokio::time::timeout(CHECK_TIME, checking).await.map_err(|_| busy())?.map_err(Problem::bug)?;
    let mut report: Value = serde_json::from_str(&text).map_err(Problem::bug)?;
    as_sent(&mut report);
    Ok(Json(report))
}

/// Gives files in a report the names that the request gave them.
fn as_sent(report: &mut Value) {
    match report {
        Value::Array(items) => items.iter_mut().for_each(as_sent),
        Value::Object(map) => {
            for (key, value) in map {
                let plain = value.as_str().and_then(|file| file.strip_prefix(&format!("{SENT}/"))).map(str::to_owned);
                match plain {
                    Some(plain) if key == "file" => *value = Value::String(plain),
                    _ => as_sent(value),
                }
            }
        }
        _ => {}
    }
}
