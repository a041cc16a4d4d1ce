//! `/events`: news of environments, as they happen. (An event of a source is something else.)

mod hub;
mod position;
mod stream;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
};
use calipso_model::Str;
use futures::StreamExt as _;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access::Caller,
    extract::Params,
    problem::{FieldError, Problem, ProblemBody},
    resource::news::{hub::Hub, position::Position, stream::Listener},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(events)).layer(Extension(Arc::new(Hub::new())))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct EventsQuery {
    /// The environment; all that you may view when not given.
    #[param(min_length = 1, max_length = 256)]
    env_name: Option<String>,
    /// The id of the last event that was seen: what came after it is sent first. The same as the header `Last-Event-ID`.
    #[param(max_length = 12_000)]
    last_event_id: Option<String>,
}

/// One event of the stream; `:` lines in between keep the connection open.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it stands in the document only")]
struct ServerSentEvent {
    /// `ready`, `revision`, `scan` or `gone`.
    event: String,
    /// Where the stream is: what `Last-Event-ID` takes.
    id: String,
    /// What happened, as JSON.
    data: String,
}

/// A stream of server-sent events: `revision` for each one that is committed, `scan` whenever one changes, `gone` when an
/// environment is removed; first of all `ready` with the current revisions.
#[utoipa::path(get, path = "/events", tag = "operation", extensions(("x-right" = json!("login"))), params(EventsQuery),
    responses((status = 200, body = inline(ServerSentEvent), content_type = "text/event-stream"), (status = 403, body = ProblemBody),
        (status = 404, body = ProblemBody), (status = 429, body = ProblemBody)))]
async fn events(
    State(service): State<Arc<Service>>,
    Extension(hub): Extension<Arc<Hub>>,
    caller: Caller,
    headers: HeaderMap,
    Params(query): Params<EventsQuery>,
    parts: Parts,
) -> Result<Response, Problem> {
    let only = query.env_name.as_deref().map(Str::from);
    if let Some(name) = &only
        && !caller.may_view(name)
    {
        return Err(Problem::forbidden("your rights do not reach this environment"));
    }
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = match header.or(query.last_event_id.as_deref()).filter(|id| !id.is_empty()) {
        None => None,
        Some(id) => Some(Position::from_id(id).ok_or_else(|| {
            Problem::bad_request(vec![FieldError::query("last_event_id", "is not the id of any event")])
        })?),
    };
    let heartbeat = service.limits.news.heartbeat;
    let listener = Listener::open(service, hub, caller, parts, only, seen).await?;
    let events = listener.events().map(Ok::<_, Infallible>);
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(heartbeat)).into_response();
    // Proxies that gather answers would hold events back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
