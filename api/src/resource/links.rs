//! `/links`: what connects two objects.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::HeaderMap, response::Response};
use calipso_model::{Link, LinkRef, LinkState, Map, ObjectKey, Revision, Str, Value};
use calipso_store::{LinkQuery, Paged};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    extract::{Conditions, Params},
    lookup,
    paging::{self, Paging},
    problem::{FieldError, Problem, ProblemBody},
    resource::{inventory::meanings_of, known_link_types},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(links))
}

/// Whether a link carries traffic.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum UpOrDown {
    Up,
    Down,
}

/// Which links; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LinksQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One link, whole, by the id that a list gave.
    #[param(min_length = 1, max_length = 12_000)]
    id: Option<String>,
    /// On this host.
    #[param(min_length = 1, max_length = 4_096)]
    host: Option<String>,
    /// Of one of these types; may be given several times.
    #[param(max_items = 100)]
    link_type: Option<Vec<String>>,
    /// With this name.
    #[param(max_length = 4_096)]
    link_name: Option<String>,
    /// Starting at the object of this id.
    #[param(min_length = 1, max_length = 4_096)]
    source_id: Option<String>,
    /// Type of that object, where several have the id.
    #[param(min_length = 1, max_length = 256)]
    source_type: Option<String>,
    /// Ending at the object of this id.
    #[param(min_length = 1, max_length = 4_096)]
    target_id: Option<String>,
    /// Type of that object, where several have the id.
    #[param(min_length = 1, max_length = 256)]
    target_type: Option<String>,
    /// `up` or `down`.
    #[param(inline)]
    state: Option<UpOrDown>,
    /// Those that stand for a chain of others, or those that do not.
    implicit: Option<bool>,
    /// `attributes[NAME]=VALUE` or `attributes:NAME=VALUE`: whose attribute has this value. `null` finds those without it.
    #[param(style = DeepObject, explode)]
    attributes: Option<BTreeMap<String, String>>,
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// One link in a list.
#[derive(Debug, Serialize, ToSchema)]
struct LinkItem<'l> {
    /// Opaque; says nothing but which link.
    id: String,
    /// Its name.
    link_name: &'l str,
    /// Its type.
    link_type: &'l str,
    /// Its environment.
    environment: &'l str,
    /// Its host.
    host: Option<&'l str>,
}

/// Links of an environment.
#[derive(Debug, Serialize, ToSchema)]
struct LinkList<'l> {
    /// By source, type, target.
    links: Vec<LinkItem<'l>>,
    /// The revision that was read.
    revision: Revision,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One end of a link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LinkEnd)]
pub(super) struct End<'l> {
    /// Type of the object.
    #[serde(rename = "type")]
    object_type: &'l str,
    /// Its id.
    id: &'l str,
}

impl<'l> End<'l> {
    /// Names an object.
    pub(super) fn of(key: &'l ObjectKey) -> Self {
        Self { object_type: &key.object_type, id: &key.id }
    }
}

/// One link, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FullLink<'l> {
    /// Opaque; says nothing but which link.
    pub(super) id: String,
    environment: &'l str,
    link_type: &'l str,
    link_name: &'l str,
    state: &'l str,
    source: End<'l>,
    source_id: &'l str,
    source_type: &'l str,
    source_label: &'l str,
    target: End<'l>,
    target_id: &'l str,
    target_type: &'l str,
    target_label: &'l str,
    host: Option<&'l str>,
    switch: Option<&'l str>,
    /// Whether it stands for a chain of others.
    implicit: bool,
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    attributes: &'l Map,
    /// The rule that made it.
    rule: &'l str,
    /// The revision that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<Revision>,
}

impl<'l> FullLink<'l> {
    /// A link as clients see it.
    pub(super) fn of(environment: &'l str, link: &'l Link) -> Self {
        let label = |name: &str| link.attributes.get(name).and_then(Value::as_str).unwrap_or_default();
        Self {
            id: lookup::link_id(&reference(link)),
            environment,
            link_type: &link.link_type,
            link_name: &link.name,
            state: link.state.as_str(),
            source: End::of(&link.source),
            source_id: &link.source.id,
            source_type: &link.source.object_type,
            source_label: label("source_label"),
            target: End::of(&link.target),
            target_id: &link.target.id,
            target_type: &link.target.object_type,
            target_label: label("target_label"),
            host: link.host.as_deref(),
            switch: link.switch.as_deref(),
            implicit: link.implicit,
            attributes: &link.attributes,
            rule: &link.rule,
            revision: None,
        }
    }
}

/// The key of a link.
pub(super) fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

/// Lists links by source, type and target, or gives one with `id`.
#[utoipa::path(get, path = "/links", tag = "inventory", extensions(("x-right" = json!("view"))), params(LinksQuery, Paging),
    responses((status = 200, body = inline(LinkList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn links(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<LinksQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    let environment = query.env_name.as_str();
    if let Some(id) = &query.id {
        let key = lookup::link_of(id).ok_or_else(|| lookup::no_id("id", "link"))?;
        return single(&service, &conditions.headers, environment, query.at, &key).await;
    }
    let asked = paging.request(&service.limits, query.at)?;
    if let Some(unchanged) = answer::unchanged(&service, environment, &asked, &conditions.headers).await? {
        return Ok(unchanged);
    }
    let found = match query.question(&service, asked.at).await? {
        Some(question) => service
            .backend
            .links(environment, asked.at, &question, &asked.page)
            .await
            .map_err(|error| paging::problem(error, &asked.page))?,
        None => {
            let revision = match asked.at {
                Some(revision) => revision,
                None => service.backend.current(environment).await?,
            };
            Paged { revision, items: Vec::new(), next: None }
        }
    };
    let next = found.next.map(|cursor| paging::encode(Some(found.revision), &cursor));
    let links = found.items.iter().map(|link| LinkItem {
        id: lookup::link_id(&reference(link)),
        link_name: &link.name,
        link_type: &link.link_type,
        environment,
        host: link.host.as_deref(),
    });
    let body = LinkList { links: links.collect(), revision: found.revision, next };
    let tag = answer::revision_tag(&service, environment, found.revision).await?;
    answer::page(&conditions, Some(tag), &body, body.next.as_deref())
}

async fn single(
    service: &Service,
    headers: &HeaderMap,
    environment: &str,
    at: Option<Revision>,
    key: &LinkRef,
) -> Result<Response, Problem> {
    let revision = match at {
        Some(revision) => revision,
        None => service.backend.current(environment).await?,
    };
    let link = service.backend.link(environment, Some(revision), key).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "environment `{environment}` has no `{}` from `{}` to `{}`",
            key.link_type, key.source, key.target
        ))
    })?;
    let body = answer::to_json(&FullLink { revision: Some(revision), ..FullLink::of(environment, &link) })?;
    let tag = answer::revision_tag(service, environment, revision).await?;
    Ok(answer::tagged(headers, &tag, || answer::json_text(body)))
}

impl LinksQuery {
    /// The question to the store; nothing when it names an object that is not there.
    async fn question(&self, service: &Service, at: Option<Revision>) -> Result<Option<LinkQuery>, Problem> {
        let types: Vec<Str> = self.link_type.iter().flatten().map(|name| Str::from(name.as_str())).collect();
        known_link_types(service, &self.env_name, "link_type", &types).await?;
        let text = |value: &Option<String>| value.as_deref().map(Str::from);
        let mut question = LinkQuery {
            types,
            host: text(&self.host),
            name: text(&self.link_name),
            state: self.state.map(|state| match state {
                UpOrDown::Up => LinkState::Up,
                UpOrDown::Down => LinkState::Down,
            }),
            implicit: self.implicit,
            one_of: self
                .attributes
                .iter()
                .flatten()
                .map(|(name, value)| (name.as_str().into(), meanings_of(value)))
                .collect(),
            brief: true,
            ..LinkQuery::default()
        };
        let ends = [
            (&self.source_id, &self.source_type, "source_type", &mut question.source),
            (&self.target_id, &self.target_type, "target_type", &mut question.target),
        ];
        for (id, object_type, parameter, end) in ends {
            let Some(id) = id else {
                if object_type.is_some() {
                    let sentence = "says nothing without the id of the object";
                    return Err(Problem::bad_request(vec![FieldError::query(parameter, sentence)]));
                }
                continue;
            };
            *end = lookup::filter(service, &self.env_name, at, id, object_type.as_deref(), parameter).await?;
            if end.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(question))
    }
}
