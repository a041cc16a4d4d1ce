//! `/audit`: who changed what.

use std::sync::Arc;

use axum::{Json, extract::State};
use calipso_store::{Collection, FieldTest, RecordQuery, work::Row as _, work::stamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    account::user::folded,
    audit::Entry,
    extract::Params,
    paging,
    problem::{FieldError, Problem},
    service::Service,
};

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// About this environment.
    #[param(max_length = 200)]
    environment: Option<String>,
    /// Of this user.
    #[param(max_length = 256)]
    user: Option<String>,
    /// From this time on (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this time (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    page_size: Option<usize>,
    /// `next` of the page before.
    #[param(max_length = 4000)]
    cursor: Option<String>,
}

/// One thing that was done or tried.
#[derive(Serialize, ToSchema)]
struct EntryView {
    /// Its id.
    id: String,
    /// When.
    timestamp: String,
    /// Who; for a failed login the name that was tried.
    user: Option<String>,
    /// With which token.
    token_id: Option<String>,
    /// Method and path template, or `login`.
    action: String,
    /// The environment that it was about.
    environment: Option<String>,
    /// The path.
    target: Option<String>,
    /// More of it.
    #[schema(value_type = Object)]
    details: calipso_model::Map,
    /// The request, as in its answer's `X-Request-Id`.
    request_id: Option<String>,
    /// Where it came from.
    address: Option<String>,
    /// `done`, `refused` or `failed`.
    outcome: String,
    /// The status of the answer.
    status: u16,
}

/// Entries of the audit trail.
#[derive(Serialize, ToSchema)]
struct Entries {
    /// Newest first.
    entries: Vec<EntryView>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists who changed what, and who tried to come in; newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", extensions(("x-right" = json!("administer"))), params(Which),
    responses((status = 200, body = Entries)))]
async fn list(State(service): State<Arc<Service>>, Params(which): Params<Which>) -> Result<Json<Entries>, Problem> {
    let mut query = RecordQuery::all().newest_first("timestamp");
    if let Some(environment) = which.environment {
        query = query.equals("environment", environment);
    }
    if let Some(user) = which.user {
        query = query.equals("user", folded(&user));
    }
    if let Some(since) = time("since", which.since.as_deref())? {
        query = query.and("timestamp", FieldTest::AtLeast(since));
    }
    if let Some(until) = time("until", which.until.as_deref())? {
        query = query.and("timestamp", FieldTest::Below(until));
    }
    let limit = which.page_size.unwrap_or(service.limits.page_size).min(service.limits.page_size);
    let page = paging::after(which.cursor.as_deref(), limit)?;
    let found = service.backend.records(Collection::Audit, &query, &page).await;
    let found = found.map_err(|error| paging::problem(error, &page))?;
    let mut entries = Vec::new();
    for record in &found.items {
        entries.push(view(record.id.to_string(), Entry::from_record(record)?));
    }
    Ok(Json(Entries { entries, next: found.next.map(|next| paging::encode(None, &next)) }))
}

fn time(name: &str, text: Option<&str>) -> Result<Option<calipso_model::Value>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| Problem::bad_request(vec![FieldError::query(name, "is not a time like 2026-01-31T12:00:00Z")]))?;
    Ok(Some(stamp(at.as_millisecond()).into()))
}

fn view(id: String, entry: Entry) -> EntryView {
    let text = |text: Option<calipso_model::Str>| text.map(|text| text.to_string());
    EntryView {
        id,
        timestamp: entry.timestamp.to_string(),
        user: text(entry.user),
        token_id: text(entry.token_id),
        action: entry.action.to_string(),
        environment: text(entry.environment),
        target: text(entry.target),
        details: entry.details,
        request_id: text(entry.request_id),
        address: text(entry.address),
        outcome: entry.outcome.to_string(),
        status: entry.status,
    }
}
