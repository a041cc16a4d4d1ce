//! `/audit`: who changed what.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use calipso_store::{
    FieldTest, RecordQuery,
    work::{row::Versioned, stamp},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    account::folded,
    answer,
    audit::Entry,
    extract::{Conditions, Params},
    listing,
    paging::CursorPaging,
    problem::{FieldError, Problem},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
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
#[utoipa::path(get, path = "/audit", tag = "audit", extensions(("x-right" = json!("administer"))), params(AuditQuery, CursorPaging),
    responses((status = 200, body = Entries), (status = 304, description = "What you have is current.")))]
async fn list(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(which): Params<AuditQuery>,
    Params(paging): Params<CursorPaging>,
) -> Result<Response, Problem> {
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
    let page = paging.page(&service.limits)?;
    let (found, next) = listing::rows::<Entry>(&service, &query, &page).await?;
    let body = Entries { entries: found.into_iter().map(view).collect(), next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

fn time(name: &str, text: Option<&str>) -> Result<Option<calipso_model::Value>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let at: jiff::Timestamp = text
        .parse()
        .map_err(|_| Problem::bad_request(vec![FieldError::query(name, "is not a time like 2026-01-31T12:00:00Z")]))?;
    Ok(Some(stamp(at.as_millisecond()).into()))
}

fn view(task: Versioned<Entry>) -> EntryView {
    let entry = task.row;
    let text = |text: Option<calipso_model::Str>| text.map(|text| text.to_string());
    EntryView {
        id: task.id.to_string(),
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
