//! `/messages`: what happened, for operators.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use calipso_model::Str;
use calipso_spec::Specs;
use calipso_store::{
    Collection,
    work::{self, Level, Message, MessageFilter, row::Versioned},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    extract::{Conditions, Params},
    listing::{self, RemoveQuery, Removed},
    paging::Paging,
    problem::{FieldError, Problem, ProblemBody},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(messages, remove))
}

/// Which messages; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MessagesQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One message, whole.
    #[param(min_length = 1, max_length = 256)]
    id: Option<String>,
    /// From this system.
    #[param(min_length = 1, max_length = 256)]
    source_system: Option<String>,
    /// Of this level or a more serious one: `error`, `warning`, `info`, `debug`, or the names of syslog.
    #[param(min_length = 1, max_length = 32)]
    level: Option<String>,
    /// About the object of this id.
    #[param(min_length = 1, max_length = 4_096)]
    related_object: Option<String>,
    /// About objects of this type.
    #[param(min_length = 1, max_length = 256)]
    related_object_type: Option<String>,
    /// Left by this scan or test.
    #[param(min_length = 1, max_length = 256)]
    origin_id: Option<String>,
    /// Not before this time (RFC 3339).
    #[param(min_length = 1, max_length = 64)]
    start_time: Option<String>,
    /// Not after this time (RFC 3339).
    #[param(min_length = 1, max_length = 64)]
    end_time: Option<String>,
}

/// One message in a list.
#[derive(Debug, Serialize, ToSchema)]
struct MessageItem {
    id: String,
    environment: String,
    source_system: String,
    level: &'static str,
    timestamp: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    related_object: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    related_object_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin_id: Option<String>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
struct MessageList {
    /// Newest first.
    messages: Vec<MessageItem>,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

fn item(task: Versioned<Message>) -> MessageItem {
    let text = |text: Option<Str>| text.map(|text| text.to_string());
    MessageItem {
        id: task.id.to_string(),
        environment: task.row.environment.to_string(),
        source_system: task.row.source_system.to_string(),
        level: task.row.level.as_str(),
        timestamp: task.row.timestamp.to_string(),
        message: task.row.message.to_string(),
        related_object: text(task.row.related_object),
        related_object_type: text(task.row.related_object_type),
        origin_id: text(task.row.origin_id),
    }
}

/// Lists messages, newest first, or gives one with `id`.
#[utoipa::path(get, path = "/messages", tag = "operation", extensions(("x-right" = json!("view"))),
    params(MessagesQuery, Paging),
    responses((status = 200, body = inline(MessageList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn messages(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<MessagesQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    // Whether there is such an environment.
    service.backend.current(&query.env_name).await?;
    if let Some(id) = &query.id {
        let found = work::get::<Message>(&*service.backend, id).await?;
        let task = found.filter(|task| *task.row.environment == *query.env_name).ok_or_else(|| {
            Problem::not_found(format!("environment `{}` has no message of the id `{id}`", query.env_name))
        })?;
        let mut doc = serde_json::to_value(&task.row).map_err(Problem::bug)?;
        doc["id"] = (*task.id).into();
        return answer::document(&conditions.headers, task.version, &doc);
    }
    let loaded = service.catalogue(&query.env_name).await?;
    let question = query.filter(&loaded.specs)?.query();
    let asked = paging.request(&service.limits, None)?;
    let (found, next) = listing::rows::<Message>(&service, &question, &asked.page).await?;
    let body = MessageList { messages: found.into_iter().map(item).collect(), next };
    answer::page(&conditions, None, &body, body.next.as_deref())
}

impl MessagesQuery {
    fn filter(&self, specs: &Specs) -> Result<MessageFilter, Problem> {
        let mut errors = Vec::new();
        let types = specs.object_types.keys().map(ToString::to_string).collect();
        listing::known(&mut errors, "related_object_type", &self.related_object_type, &types);
        let text = |value: &Option<String>| value.as_deref().map(Str::from);
        let mut time = |parameter: &str, value: &Option<String>| {
            let text = value.as_ref()?;
            // A plus sign in a query means a blank, which no time holds.
            let millis = work::unstamp(&text.replace(' ', "+"));
            if millis.is_none() {
                errors.push(FieldError::query(parameter, "is not a time such as 2026-01-31T12:00:00.000Z"));
            }
            millis
        };
        let from = time("start_time", &self.start_time).map(work::stamp);
        // The store's bound is not part of the range, and times have milliseconds.
        let until = time("end_time", &self.end_time).map(|millis| work::stamp(millis.saturating_add(1)));
        let at_least = self.level.as_ref().and_then(|name| {
            let level = Level::from_name(name);
            if level.is_none() {
                errors.push(FieldError::query("level", "is no level; write error, warning, info or debug"));
            }
            level
        });
        if !errors.is_empty() {
            return Err(Problem::bad_request(errors));
        }
        Ok(MessageFilter {
            environment: Some(self.env_name.as_str().into()),
            at_least,
            from,
            until,
            source_system: text(&self.source_system),
            related_object: text(&self.related_object),
            related_object_type: text(&self.related_object_type),
            origin_id: text(&self.origin_id),
        })
    }
}

/// Removes messages: those of some ids, or all.
#[utoipa::path(delete, path = "/messages", tag = "operation", extensions(("x-right" = json!("edit"))), params(RemoveQuery),
    responses((status = 200, body = inline(Removed)), (status = 404, body = ProblemBody)))]
async fn remove(
    State(service): State<Arc<Service>>,
    Params(query): Params<RemoveQuery>,
) -> Result<Json<Removed>, Problem> {
    Ok(Json(listing::remove(&service, Collection::Messages, &query).await?))
}
