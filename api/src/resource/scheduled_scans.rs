//! `/scheduled_scans`: scans that are asked for again and again.

mod request;

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use calipso_store::{
    Collection, RecordQuery, StoreError,
    work::{self, Schedule, row::Versioned, schedule},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    answer, etag,
    extract::{Body, Conditions, Params},
    listing::{self, RemoveQuery, Removed},
    paging::Paging,
    problem::{Problem, ProblemBody},
    resource::{
        scans::Created,
        scheduled_scans::request::{Recurrence, ScheduleRequest, problem},
    },
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(scheduled_scans, create, remove_some)).routes(routes!(
        scheduled_scan,
        replace,
        remove
    ))
}

/// Which schedules; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct SchedulesQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One schedule, whole.
    #[param(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// That recur so.
    #[param(inline)]
    recurrence: Option<Recurrence>,
}

/// One schedule in a list.
#[derive(Debug, Serialize, ToSchema)]
struct ScheduleItem {
    id: String,
    environment: String,
    recurrence: &'static str,
    /// The next planned time; null when it is finished.
    scheduled_timestamp: Option<String>,
    #[schema(value_type = String)]
    status: work::ScheduleStatus,
}

/// Schedules.
#[derive(Debug, Serialize, ToSchema)]
struct ScheduleList {
    /// By the next planned time.
    scheduled_scans: Vec<ScheduleItem>,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists schedules by their next time, or gives one with `id`.
#[utoipa::path(get, path = "/scheduled_scans", tag = "operation", extensions(("x-right" = json!("view"))),
    params(SchedulesQuery, Paging),
    responses((status = 200, body = inline(ScheduleList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn scheduled_scans(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<SchedulesQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    // Whether there is such an environment.
    service.backend.current(&query.env_name).await?;
    if let Some(id) = &query.id {
        let task = known(&service, id, |environment| environment == query.env_name).await?;
        return shown(&conditions.headers, &task);
    }
    let mut question = RecordQuery::all().equals("environment", query.env_name.as_str()).ordered("scheduled_timestamp");
    if let Some(recurrence) = query.recurrence {
        question = question.equals("recurrence", work::Recurrence::from(recurrence).as_str());
    }
    let asked = paging.request(&service.limits, None)?;
    let (found, next) = listing::rows::<Schedule>(&service, &question, &asked.page).await?;
    let item = |task: &Versioned<Schedule>| ScheduleItem {
        id: task.id.to_string(),
        environment: task.row.environment.to_string(),
        recurrence: task.row.recurrence.as_str(),
        scheduled_timestamp: task.row.scheduled_timestamp.as_ref().map(ToString::to_string),
        status: task.row.status,
    };
    let body = ScheduleList { scheduled_scans: found.iter().map(item).collect(), next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

/// Keeps a schedule.
#[utoipa::path(post, path = "/scheduled_scans", tag = "operation", extensions(("x-right" = json!("edit"))),
    request_body(content = ScheduleRequest, content_type = "application/json"),
    responses((status = 201, body = inline(Created)), (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody)))]
async fn create(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<ScheduleRequest>,
) -> Result<Response, Problem> {
    service.backend.current(&request.env_name).await?;
    let now = service.now_millis();
    let schedule = request.schedule(&caller.user)?;
    schedule.validate(now).map_err(|found| problem(&found))?;
    let task = schedule::create(&*service.backend, schedule, now).await?;
    let message = format!("Created a new scheduled scan for environment {}", request.env_name);
    Ok((StatusCode::CREATED, Json(Created { message, id: task.id.to_string() })).into_response())
}

/// Removes schedules: those of some ids, or all. Scans that they asked for stay.
#[utoipa::path(delete, path = "/scheduled_scans", tag = "operation", extensions(("x-right" = json!("edit"))),
    params(RemoveQuery),
    responses((status = 200, body = inline(Removed)), (status = 404, body = ProblemBody)))]
async fn remove_some(
    State(service): State<Arc<Service>>,
    Params(query): Params<RemoveQuery>,
) -> Result<Json<Removed>, Problem> {
    Ok(Json(listing::remove(&service, Collection::ScheduledScans, &query).await?))
}

/// Which schedule.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct SchedulePath {
    /// Its id.
    id: String,
}

/// The schedule of an id, if the caller may know of it.
async fn known(service: &Service, id: &str, may: impl Fn(&str) -> bool) -> Result<Versioned<Schedule>, Problem> {
    let found = work::get::<Schedule>(&*service.backend, id).await?;
    found
        .filter(|task| may(&task.row.environment))
        .ok_or_else(|| Problem::not_found(format!("no scheduled scan that you may view has the id `{id}`")))
}

/// The schedule of an id, if the caller may change it.
async fn editable(service: &Service, caller: &Caller, id: &str) -> Result<Versioned<Schedule>, Problem> {
    let task = known(service, id, |environment| caller.may_view(environment)).await?;
    if caller.may_edit(&task.row.environment) {
        return Ok(task);
    }
    Err(Problem::forbidden("you may view this environment, not change it"))
}

fn shown(headers: &HeaderMap, task: &Versioned<Schedule>) -> Result<Response, Problem> {
    let mut doc = serde_json::to_value(&task.row).map_err(Problem::bug)?;
    doc["id"] = (*task.id).into();
    answer::document(headers, task.version, &doc)
}

/// One schedule, whole.
#[utoipa::path(get, path = "/scheduled_scans/{id}", tag = "operation", extensions(("x-right" = json!("login"))),
    params(SchedulePath),
    responses((status = 200, body = std::collections::BTreeMap<String, serde_json::Value>),
        (status = 304, description = "What you have is current."), (status = 404, body = ProblemBody)))]
async fn scheduled_scan(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(path): Params<SchedulePath>,
) -> Result<Response, Problem> {
    let task = known(&service, &path.id, |environment| caller.may_view(environment)).await?;
    shown(&headers, &task)
}

/// Replaces a schedule; `If-Match` refuses to when it was changed meanwhile.
#[utoipa::path(put, path = "/scheduled_scans/{id}", tag = "operation", extensions(("x-right" = json!("login"))),
    params(SchedulePath), request_body(content = ScheduleRequest, content_type = "application/json"),
    responses((status = 200, body = std::collections::BTreeMap<String, serde_json::Value>), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 412, body = ProblemBody), (status = 422, body = ProblemBody)))]
async fn replace(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(path): Params<SchedulePath>,
    Body(request): Body<ScheduleRequest>,
) -> Result<Response, Problem> {
    let mut task = editable(&service, &caller, &path.id).await?;
    etag::check(&headers, task.version)?;
    if *request.env_name != *task.row.environment {
        return Err(Problem::rejected(vec![crate::problem::FieldError::body(
            "/env_name",
            "a schedule stays with its environment; make another one",
        )]));
    }
    let now = service.now_millis();
    let schedule = request.schedule(&caller.user)?;
    task.row = request::planned(schedule, now).map_err(|found| problem(&found))?;
    task.save(&*service.backend).await?;
    shown(&HeaderMap::new(), &task)
}

/// Removes a schedule; `If-Match` refuses to when it was changed meanwhile.
#[utoipa::path(delete, path = "/scheduled_scans/{id}", tag = "operation", extensions(("x-right" = json!("login"))),
    params(SchedulePath),
    responses((status = 204, description = "It is gone."), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 412, body = ProblemBody)))]
async fn remove(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    Params(path): Params<SchedulePath>,
) -> Result<StatusCode, Problem> {
    loop {
        let task = editable(&service, &caller, &path.id).await?;
        etag::check(&headers, task.version)?;
        match service.backend.remove(Collection::ScheduledScans, &path.id, Some(task.version)).await {
            Ok(_) => return Ok(StatusCode::NO_CONTENT),
            // A worker planned its next time meanwhile.
            Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
