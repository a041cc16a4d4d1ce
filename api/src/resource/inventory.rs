//! `/inventory`: the objects of an environment.

mod projection;
mod single;

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use calipso_model::{Map, ObjectKey, Revision, Str, Value};
use calipso_store::{Page, Paged, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    etag::Tag,
    extract::{Conditions, Params},
    lookup,
    paging::{self, PageRequest, Paging},
    problem::{FieldError, Problem, ProblemBody},
    resource::{inventory::projection::Projection, known_types},
    service::Service,
};

/// Type of what stands above all objects.
const ROOT: &str = "environment";

/// Maximum number of objects that are read for one page when the time of their last scan counts.
const MOST_LOOKED_AT: usize = 20_000;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(inventory)).routes(routes!(object))
}

/// Which objects; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InventoryQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One object, whole, by its id. Name `type` as well where several objects have the id.
    #[param(min_length = 1, max_length = 4_096)]
    id: Option<String>,
    /// Of one of these types; may be given several times.
    #[serde(rename = "type")]
    #[param(max_items = 100)]
    object_types: Option<Vec<String>>,
    /// With this `id_path`.
    #[param(min_length = 1, max_length = 8_192)]
    id_path: Option<String>,
    /// Children of the object of this id.
    #[param(min_length = 1, max_length = 4_096)]
    parent_id: Option<String>,
    /// Type of that parent, where several objects have the id.
    #[param(min_length = 1, max_length = 256)]
    parent_type: Option<String>,
    /// Children of the object of this `id_path`; of all paths below it with `sub_tree`. Taken as it is.
    #[param(min_length = 1, max_length = 8_192)]
    parent_path: Option<String>,
    /// With `parent_path`: all that is below it.
    sub_tree: Option<bool>,
    /// On this host.
    #[param(min_length = 1, max_length = 4_096)]
    host: Option<String>,
    /// Whose name contains this, in whatever case; of one or two letters: starts with it.
    #[param(min_length = 1, max_length = 1_024)]
    text: Option<String>,
    /// `attributes[NAME]=VALUE` or `attributes:NAME=VALUE`: whose field, or dotted path, has this value. `null` finds those
    /// without it.
    #[param(style = DeepObject, explode)]
    attributes: Option<BTreeMap<String, String>>,
    /// Fields to show, with commas between; dotted paths lead into them.
    #[param(min_length = 1, max_length = 4_096)]
    projection: Option<String>,
    /// Found last at this time (RFC 3339) or later.
    #[param(format = DateTime)]
    scanned_after: Option<String>,
    /// Found last before this time (RFC 3339).
    #[param(format = DateTime)]
    scanned_before: Option<String>,
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// Objects of an environment.
#[derive(Debug, Serialize, ToSchema)]
struct ObjectList {
    /// `id`, `type`, and the fields asked for.
    #[schema(value_type = Vec<BTreeMap<String, serde_json::Value>>)]
    objects: Vec<Map>,
    /// The revision that was read.
    revision: Revision,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists objects by type and id, or gives one object with `id`.
#[utoipa::path(get, path = "/inventory", tag = "inventory", extensions(("x-right" = json!("view"))),
    params(InventoryQuery, Paging),
    responses((status = 200, body = ObjectList), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn inventory(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<InventoryQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    if let Some(id) = &query.id {
        let object_type = match query.object_types.as_deref() {
            None => None,
            Some([only]) => Some(only.as_str()),
            Some(_) => return Err(query_problem("type", "stands several times beside `id`; one object has one type")),
        };
        return single::answer(&service, &conditions.headers, &query.env_name, query.at, id, object_type).await;
    }
    let asked = paging.request(&service.limits, query.at)?;
    let types: Vec<Str> = query.object_types.iter().flatten().map(|name| Str::from(name.as_str())).collect();
    let loaded = service.catalogue(&query.env_name).await?;
    let projection = Projection::of(query.projection.as_deref(), &loaded.specs, &types)?;
    let reads_scans = projection.last_scanned || query.scanned_after.is_some() || query.scanned_before.is_some();
    if !reads_scans
        && let Some(unchanged) = answer::unchanged(&service, &query.env_name, &asked, &conditions.headers).await?
    {
        return Ok(unchanged);
    }
    known_types(&service, &query.env_name, "type", &types).await?;
    let (found, times) = match query.question(&service, &asked, types, &projection).await? {
        None => {
            let revision = match asked.at {
                Some(revision) => revision,
                None => service.backend.current(&query.env_name).await?,
            };
            (Paged { revision, items: Vec::new(), next: None }, Vec::new())
        }
        Some(question) => query.find(&service, &paging, &asked, &question, &projection).await?,
    };
    let mut times = times.into_iter();
    let objects = found.items.iter().map(|object| {
        let mut shown = projection.apply(&object.doc);
        if projection.last_scanned {
            shown.insert(projection::LAST_SCANNED, Value::from(times.next().flatten()));
        }
        shown
    });
    let next = found.next.map(|cursor| paging::encode(Some(found.revision), &cursor));
    let body = ObjectList { objects: objects.collect(), revision: found.revision, next };
    // When something was scanned changes without a revision.
    let made = service.backend.made(&query.env_name).await?;
    let tag = if reads_scans {
        Tag::revision_and(made, found.revision, &answer::to_json(&body)?)
    } else {
        Tag::revision(made, found.revision)
    };
    answer::page(&conditions, Some(tag), &body, body.next.as_deref())
}

/// Where one object is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ObjectPath {
    /// Name of the environment.
    env_name: String,
    /// Its type.
    object_type: String,
    /// Its id.
    id: String,
}

/// When one object is looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ObjectQuery {
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// One object, whole, with when and by whom it was found.
#[utoipa::path(get, path = "/inventory/{env_name}/{object_type}/{id}", tag = "inventory",
    extensions(("x-right" = json!("view"))), params(ObjectPath, ObjectQuery),
    responses((status = 200, body = BTreeMap<String, serde_json::Value>), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn object(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(path): Params<ObjectPath>,
    Params(query): Params<ObjectQuery>,
) -> Result<Response, Problem> {
    single::answer(&service, &headers, &path.env_name, query.at, &path.id, Some(&path.object_type)).await
}

fn query_problem(parameter: &str, sentence: &str) -> Problem {
    Problem::bad_request(vec![FieldError::query(parameter, sentence)])
}

impl InventoryQuery {
    /// The question to the store; nothing when it names an object that is not there.
    async fn question(
        &self,
        service: &Service,
        asked: &PageRequest,
        types: Vec<Str>,
        projection: &Projection,
    ) -> Result<Option<Query>, Problem> {
        if self.parent_type.is_some() && self.parent_id.is_none() {
            return Err(query_problem("parent_type", "says nothing without `parent_id`"));
        }
        if self.sub_tree.is_some() && self.parent_path.is_none() {
            return Err(query_problem("sub_tree", "says nothing without `parent_path`"));
        }
        let text = |value: &Option<String>| value.as_deref().map(Str::from);
        let mut question = Query {
            types,
            host: text(&self.host),
            text: text(&self.text),
            one_of: self
                .attributes
                .iter()
                .flatten()
                .map(|(name, value)| (name.as_str().into(), meanings_of(value)))
                .collect(),
            fields: Some(projection.fields()),
            ..Query::default()
        };
        match (&self.parent_id, &self.parent_type) {
            (Some(id), Some(object_type)) => question.parent = Some(ObjectKey::new(object_type.as_str(), id.as_str())),
            (id, _) => question.parent_id = text(id),
        }
        if let Some(path) = &self.parent_path {
            let path = path.strip_suffix('/').unwrap_or(path);
            if self.sub_tree == Some(true) {
                question.below = Some(path.into());
                return Ok(Some(question));
            }
            let Some(parent) = of_path(service, &self.env_name, asked.at, path).await? else { return Ok(None) };
            if question.parent.as_ref().is_some_and(|other| *other != parent)
                || question.parent_id.as_ref().is_some_and(|other| *other != parent.id)
            {
                return Ok(None);
            }
            question.parent = Some(parent);
        } else if let Some(path) = &self.id_path {
            let Some(key) = of_path(service, &self.env_name, asked.at, path).await? else { return Ok(None) };
            if key.object_type.as_ref() == ROOT
                || (!question.types.is_empty() && !question.types.contains(&key.object_type))
            {
                return Ok(None);
            }
            question.types = vec![key.object_type];
            question.id = Some(key.id);
        }
        Ok(Some(question))
    }

    /// A page of what a question finds, and when each of it was found last where that counts.
    async fn find(
        &self,
        service: &Service,
        paging: &Paging,
        asked: &PageRequest,
        question: &Query,
        projection: &Projection,
    ) -> Result<(Paged<calipso_model::Object>, Vec<Option<Str>>), Problem> {
        let (environment, backend) = (self.env_name.as_str(), &service.backend);
        let (after, before) =
            (time("scanned_after", &self.scanned_after)?, time("scanned_before", &self.scanned_before)?);
        if after.is_none() && before.is_none() {
            let found = backend
                .objects(environment, asked.at, question, &asked.page)
                .await
                .map_err(|error| paging::problem(error, &asked.page))?;
            let times = if projection.last_scanned {
                backend.last_scanned(environment, &keys(&found.items)).await?
            } else {
                Vec::new()
            };
            return Ok((found, times));
        }
        paging.refuse_number("scanned_after` or `scanned_before")?;
        let limit = asked.page.limit;
        let (mut items, mut times) = (Vec::new(), Vec::new());
        let (mut page, mut at, mut looked_at) = (asked.page.clone(), asked.at, 0);
        loop {
            // Never more than are missing, so that the store's cursor is where this page ends.
            page.limit = limit - items.len();
            let found = backend
                .objects(environment, at, question, &page)
                .await
                .map_err(|error| paging::problem(error, &asked.page))?;
            looked_at += found.items.len();
            let scanned = backend.last_scanned(environment, &keys(&found.items)).await?;
            for (object, time) in found.items.into_iter().zip(scanned) {
                let at = time.as_ref().and_then(|time| time.parse::<jiff::Timestamp>().ok());
                let fits = at
                    .is_some_and(|at| after.is_none_or(|after| at >= after) && before.is_none_or(|before| at < before));
                if fits {
                    items.push(object);
                    times.push(time);
                }
            }
            match found.next {
                Some(next) if items.len() < limit && looked_at < MOST_LOOKED_AT => {
                    page = Page::after(next, limit);
                    at = Some(found.revision);
                }
                next => return Ok((Paged { revision: found.revision, items, next }, times)),
            }
        }
    }
}

fn keys(objects: &[calipso_model::Object]) -> Vec<ObjectKey> {
    objects.iter().map(|object| object.key.clone()).collect()
}

fn time(parameter: &str, text: &Option<String>) -> Result<Option<jiff::Timestamp>, Problem> {
    let parse = |text: &String| {
        text.parse().map_err(|_| query_problem(parameter, "is not a time such as 2026-01-31T12:00:00Z"))
    };
    text.as_ref().map(parse).transpose()
}

/// The values that a text may mean: itself, and the number, truth value or null that it spells.
pub(super) fn meanings_of(text: &str) -> Vec<Value> {
    let mut values = vec![Value::text(text)];
    if let Ok(value @ (Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_))) = Value::from_json(text) {
        values.push(value);
    }
    values
}

/// The object of a path: its id is what the path ends with; the environment itself at the top.
async fn of_path(
    service: &Service,
    environment: &str,
    at: Option<Revision>,
    path: &str,
) -> Result<Option<ObjectKey>, Problem> {
    if path.strip_prefix('/') == Some(environment) {
        return Ok(Some(ObjectKey::new(ROOT, environment)));
    }
    for (slash, _) in path.rmatch_indices('/').take(16) {
        let id = path.get(slash + 1..).unwrap_or_default();
        let found = lookup::namesakes(service, environment, at, id, None).await?;
        if let Some(object) = found.items.into_iter().find(|object| object.text("id_path") == Some(path)) {
            return Ok(Some(object.key));
        }
    }
    Ok(None)
}
