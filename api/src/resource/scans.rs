//! `/scans`: requests for scans, and what became of them.

mod request;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use calipso_model::Str;
use calipso_store::{
    RecordQuery,
    work::{self, ScanStatus, ScanTask, row::Versioned, scan},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    answer, etag,
    extract::{Body, Conditions, Params},
    listing,
    paging::Paging,
    problem::{Problem, ProblemBody},
    resource::scans::request::ScanRequest,
    service::Service,
};

pub(super) use request::{LogLevel, only};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new()
        .routes(routes!(scans, submit))
        .routes(routes!(scan))
        .routes(routes!(cancel))
        .routes(routes!(report))
}

/// Where a scan stands.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    Running,
    Completed,
    CompletedWithErrors,
    Failed,
    Aborted,
}

impl From<Status> for ScanStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::CompletedWithErrors => Self::CompletedWithErrors,
            Status::Failed => Self::Failed,
            Status::Aborted => Self::Aborted,
        }
    }
}

/// Which scans; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ScansQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One scan, whole.
    #[param(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// That stand here.
    #[param(inline)]
    status: Option<Status>,
    /// Of the object of this id, and what is under it.
    #[param(min_length = 1, max_length = 4_096)]
    base_object: Option<String>,
    /// Only the newest, whole.
    latest: Option<bool>,
}

/// One scan in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ScanItem {
    id: String,
    environment: String,
    status: &'static str,
    submit_timestamp: String,
    start_timestamp: Option<String>,
    end_timestamp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_id: Option<String>,
}

/// Scans.
#[derive(Debug, Serialize, ToSchema)]
struct ScanList {
    /// Newest first.
    scans: Vec<ScanItem>,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A scan was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Created {
    /// A sentence.
    pub(super) message: String,
    /// Its id.
    pub(super) id: String,
}

fn item(task: &Versioned<ScanTask>) -> ScanItem {
    let text = |text: &Option<Str>| text.as_ref().map(ToString::to_string);
    ScanItem {
        id: task.id.to_string(),
        environment: task.row.environment.to_string(),
        status: task.row.status.as_str(),
        submit_timestamp: task.row.submit_timestamp.to_string(),
        start_timestamp: text(&task.row.start_timestamp),
        end_timestamp: text(&task.row.end_timestamp),
        object_type: text(&task.row.object_type),
        object_id: text(&task.row.object_id),
        schedule_id: text(&task.row.schedule_id),
    }
}

/// A scan as clients see it: without what only workers need.
fn whole(id: &str, scan: &ScanTask) -> Result<Value, Problem> {
    let mut doc = serde_json::to_value(scan).map_err(Problem::bug)?;
    if let Some(fields) = doc.as_object_mut() {
        fields.retain(|name, _| !name.ends_with("_millis"));
        fields.insert("id".to_owned(), id.into());
        for (name, part) in request::PARTS {
            fields.insert((*name).to_owned(), (scan.only == Some(*part)).into());
        }
    }
    Ok(doc)
}

/// Lists scans, newest first, or gives one with `id`.
#[utoipa::path(get, path = "/scans", tag = "operation", extensions(("x-right" = json!("view"))), params(ScansQuery, Paging),
    responses((status = 200, body = inline(ScanList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn scans(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<ScansQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    // Whether there is such an environment.
    service.backend.current(&query.env_name).await?;
    if let Some(id) = &query.id {
        let task = known(&service, id, |environment| environment == query.env_name).await?;
        return shown(&conditions.headers, &task);
    }
    let mut question =
        RecordQuery::all().equals("environment", query.env_name.as_str()).newest_first("submit_timestamp");
    if let Some(status) = query.status {
        question = question.equals("status", ScanStatus::from(status).as_str());
    }
    if let Some(id) = &query.base_object {
        question = question.equals("object_id", id.as_str());
    }
    let mut asked = paging.request(&service.limits, None)?;
    let latest = query.latest == Some(true);
    if latest {
        paging.refuse_number("latest")?;
        asked.page.limit = 1;
    }
    let (found, next) = listing::rows::<ScanTask>(&service, &question, &asked.page).await?;
    if latest {
        let scans = found.iter().map(|task| whole(&task.id, &task.row)).collect::<Result<Vec<_>, _>>()?;
        return answer::page(&conditions, None, &serde_json::json!({ "scans": scans }), None);
    }
    let body = ScanList { scans: found.iter().map(item).collect(), next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

/// Asks for a scan.
#[utoipa::path(post, path = "/scans", tag = "operation", extensions(("x-right" = json!("edit"))),
    request_body(content = ScanRequest, content_type = "application/json"),
    responses((status = 201, body = inline(Created)), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
async fn submit(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<ScanRequest>,
) -> Result<Response, Problem> {
    let task = request.task(&service, &caller.user).await?;
    let id = request::submit(&service, task).await?;
    let message = format!("Created a new scan for environment {}", request.env_name);
    Ok((StatusCode::CREATED, Json(Created { message, id: id.to_string() })).into_response())
}

/// Which scan.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ScanPath {
    /// Its id.
    id: String,
}

/// The scan of an id, if the caller may know of it.
async fn known(service: &Service, id: &str, may: impl Fn(&str) -> bool) -> Result<Versioned<ScanTask>, Problem> {
    let found = work::get::<ScanTask>(&*service.backend, id).await?;
    found
        .filter(|task| may(&task.row.environment))
        .ok_or_else(|| Problem::not_found(format!("no scan that you may view has the id `{id}`")))
}

fn shown(headers: &HeaderMap, task: &Versioned<ScanTask>) -> Result<Response, Problem> {
    let doc = whole(&task.id, &task.row)?;
    answer::document(headers, task.version, &doc)
}

/// One scan, whole: where it stands and how far it is.
#[utoipa::path(get, path = "/scans/{id}", tag = "operation", extensions(("x-right" = json!("login"))), params(ScanPath),
    responses((status = 200, body = std::collections::BTreeMap<String, Value>),
        (status = 304, description = "What you have is current."), (status = 404, body = ProblemBody)))]
async fn scan(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(path): Params<ScanPath>,
) -> Result<Response, Problem> {
    let task = known(&service, &path.id, |environment| caller.may_view(environment)).await?;
    shown(&headers, &task)
}

/// Ends a scan that waits, and asks the worker of one that runs to end it; `If-Match` refuses to when it went on meanwhile.
#[utoipa::path(post, path = "/scans/{id}/cancel", tag = "operation", extensions(("x-right" = json!("login"))),
    params(ScanPath),
    responses((status = 200, body = std::collections::BTreeMap<String, Value>), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody), (status = 412, body = ProblemBody)))]
async fn cancel(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(path): Params<ScanPath>,
) -> Result<Json<Value>, Problem> {
    let task = known(&service, &path.id, |environment| caller.may_view(environment)).await?;
    if !caller.may_edit(&task.row.environment) {
        return Err(Problem::forbidden("you may view this environment, not change it"));
    }
    etag::check(&headers, task.version)?;
    let scan = scan::cancel(&*service.backend, &path.id, &caller.user, service.now_millis()).await?;
    Ok(Json(whole(&path.id, &scan)?))
}

/// The report that a scan left: what it asked, what it found, what failed.
#[utoipa::path(get, path = "/scans/{id}/report", tag = "operation", extensions(("x-right" = json!("login"))),
    params(ScanPath),
    responses((status = 200, body = std::collections::BTreeMap<String, Value>), (status = 404, body = ProblemBody)))]
async fn report(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Params(path): Params<ScanPath>,
) -> Result<Response, Problem> {
    let task = known(&service, &path.id, |environment| caller.may_view(environment)).await?;
    let Some(report) = task.row.report_id else {
        return Err(Problem::not_found(format!(
            "scan `{}` has left no report (yet): it is {}",
            path.id,
            task.row.status.as_str()
        )));
    };
    let body = service.backend.report(&task.row.environment, report).await?;
    Ok(answer::json_text(body.to_json()))
}
