//! `/cliques`: what an operator sees around one object.

use std::sync::Arc;

use axum::{extract::State, http::HeaderMap, response::Response};
use calipso_model::{Clique, Map, ObjectKey, Revision, Str};
use calipso_store::{CliqueQuery, Page, Paged, WholeClique};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    extract::{Conditions, Params},
    lookup,
    paging::{self, PageRequest, Paging},
    problem::{FieldError, Problem, ProblemBody},
    resource::{
        known_link_types, known_types,
        links::{End, FullLink},
    },
    service::Service,
};

/// Maximum number of cliques that are read for one page when only those with a type of link are wanted.
const MOST_LOOKED_AT: usize = 20_000;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(cliques))
}

/// Which cliques; every part that is given must hold.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CliquesQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// One clique, whole, by the id that a list gave.
    #[param(min_length = 1, max_length = 12_000)]
    id: Option<String>,
    /// Around the object of this id.
    #[param(min_length = 1, max_length = 4_096)]
    focal_point: Option<String>,
    /// The same as `focal_point`.
    #[param(min_length = 1, max_length = 4_096)]
    focal_point_object_id: Option<String>,
    /// Around objects of this type.
    #[param(min_length = 1, max_length = 256)]
    focal_point_type: Option<String>,
    /// Holding a link of this type.
    #[param(min_length = 1, max_length = 512)]
    link_type: Option<String>,
    /// Holding the link of this id.
    #[param(min_length = 1, max_length = 12_000)]
    link_id: Option<String>,
    /// Of this clique type.
    #[param(min_length = 1, max_length = 256)]
    clique_type: Option<String>,
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// One clique in a list.
#[derive(Debug, Serialize, ToSchema)]
struct CliqueItem<'c> {
    /// Opaque; says nothing but which clique.
    id: String,
    /// Type of the object in the middle.
    focal_point_type: &'c str,
    /// Id of the object in the middle.
    focal_point_object_id: &'c str,
    /// Its environment.
    environment: &'c str,
    /// Its clique type.
    clique_type: &'c str,
}

/// Cliques of an environment.
#[derive(Debug, Serialize, ToSchema)]
struct CliqueList<'c> {
    /// By focal point.
    cliques: Vec<CliqueItem<'c>>,
    /// The revision that was read.
    revision: Revision,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An object of a clique.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CliqueNode)]
struct Node<'c> {
    #[serde(rename = "type")]
    object_type: &'c str,
    id: &'c str,
    name: &'c str,
    host: Option<&'c str>,
    /// Text of folders and alike.
    object_name: Option<&'c str>,
}

/// One clique, whole.
#[derive(Debug, Serialize, ToSchema)]
struct FullClique<'c> {
    id: String,
    environment: &'c str,
    clique_type: &'c str,
    focal_point: End<'c>,
    focal_point_type: &'c str,
    focal_point_object_id: &'c str,
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    constraints: &'c Map,
    /// Ids of its links, in the order in which they were found.
    links: Vec<String>,
    /// Its links, whole.
    links_detailed: Vec<FullLink<'c>>,
    /// Its objects.
    nodes: Vec<End<'c>>,
    /// Its objects, with their names.
    nodes_detailed: Vec<Node<'c>>,
    /// The revision that was read.
    revision: Revision,
}

/// Lists cliques by focal point, or gives one with `id`.
#[utoipa::path(get, path = "/cliques", tag = "inventory", extensions(("x-right" = json!("view"))),
    params(CliquesQuery, Paging),
    responses((status = 200, body = inline(CliqueList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn cliques(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<CliquesQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    let environment = query.env_name.as_str();
    if let Some(id) = &query.id {
        let focal_point = lookup::clique_of(id).ok_or_else(|| lookup::no_id("id", "clique"))?;
        return single(&service, &conditions.headers, environment, query.at, &focal_point).await;
    }
    let asked = paging.request(&service.limits, query.at)?;
    if let Some(unchanged) = answer::unchanged(&service, environment, &asked, &conditions.headers).await? {
        return Ok(unchanged);
    }
    let found = query.find(&service, &paging, &asked).await?;
    let next = found.next.map(|cursor| paging::encode(Some(found.revision), &cursor));
    let cliques = found.items.iter().map(|clique| CliqueItem {
        id: lookup::clique_id(&clique.focal_point),
        focal_point_type: &clique.focal_point.object_type,
        focal_point_object_id: &clique.focal_point.id,
        environment,
        clique_type: &clique.clique_type,
    });
    let body = CliqueList { cliques: cliques.collect(), revision: found.revision, next };
    let tag = answer::revision_tag(&service, environment, found.revision).await?;
    answer::page(&conditions, Some(tag), &body, body.next.as_deref())
}

async fn single(
    service: &Service,
    headers: &HeaderMap,
    environment: &str,
    at: Option<Revision>,
    focal_point: &ObjectKey,
) -> Result<Response, Problem> {
    let (revision, found) = service.backend.whole_clique(environment, at, focal_point).await?;
    let WholeClique { clique, links, objects } = found
        .ok_or_else(|| Problem::not_found(format!("`{focal_point}` has no clique in environment `{environment}`")))?;
    let body = answer::to_json(&FullClique {
        id: lookup::clique_id(focal_point),
        environment,
        clique_type: &clique.clique_type,
        focal_point: End::of(focal_point),
        focal_point_type: &focal_point.object_type,
        focal_point_object_id: &focal_point.id,
        constraints: &clique.constraints,
        links: clique.links.iter().map(lookup::link_id).collect(),
        links_detailed: links.iter().map(|link| FullLink::of(environment, link)).collect(),
        nodes: clique.nodes.iter().map(End::of).collect(),
        nodes_detailed: objects
            .iter()
            .map(|object| Node {
                object_type: &object.key.object_type,
                id: &object.key.id,
                name: object.name(),
                host: object.text("host"),
                object_name: object.text("object_name"),
            })
            .collect(),
        revision,
    })?;
    let tag = answer::revision_tag(service, environment, revision).await?;
    Ok(answer::tagged(headers, &tag, || answer::json_text(body)))
}

impl CliquesQuery {
    /// The page that is asked for.
    async fn find(&self, service: &Service, paging: &Paging, asked: &PageRequest) -> Result<Paged<Clique>, Problem> {
        let environment = self.env_name.as_str();
        let none = async || -> Result<Paged<Clique>, Problem> {
            let revision = match asked.at {
                Some(revision) => revision,
                None => service.backend.current(environment).await?,
            };
            Ok(Paged { revision, items: Vec::new(), next: None })
        };
        let types: Vec<Str> = self.focal_point_type.iter().map(|name| Str::from(name.as_str())).collect();
        known_types(service, environment, "focal_point_type", &types).await?;
        if let Some(link_type) = &self.link_type {
            known_link_types(service, environment, "link_type", &[link_type.as_str().into()]).await?;
        }
        let containing_link = match &self.link_id {
            Some(id) => Some(lookup::link_of(id).ok_or_else(|| lookup::no_id("link_id", "link"))?),
            None => None,
        };
        let focal_point = match (&self.focal_point, &self.focal_point_object_id) {
            (Some(one), Some(other)) if one != other => {
                let sentence = "names another object than `focal_point`";
                return Err(Problem::bad_request(vec![FieldError::query("focal_point_object_id", sentence)]));
            }
            (one, other) => one.as_ref().or(other.as_ref()),
        };
        if let Some(id) = focal_point {
            let object_type = self.focal_point_type.as_deref();
            let key = lookup::filter(service, environment, asked.at, id, object_type, "focal_point_type").await?;
            let Some(key) = key else { return none().await };
            let mut found = none().await?;
            // One object has one clique: nothing else is looked at.
            if asked.page.after.is_none() && asked.page.skip == 0 {
                found.items.extend(service.backend.clique(environment, Some(found.revision), &key).await?);
            }
            found.items.retain(|clique| {
                self.clique_type.as_ref().is_none_or(|wanted| *wanted == *clique.clique_type)
                    && containing_link.as_ref().is_none_or(|link| clique.links.contains(link))
                    && self.has_link_type(clique)
            });
            return Ok(found);
        }
        let question = CliqueQuery {
            types,
            clique_types: self.clique_type.iter().map(|name| Str::from(name.as_str())).collect(),
            containing: None,
            containing_link,
            // A list shows neither nodes nor links.
            brief: self.link_type.is_none(),
        };
        self.pages(service, paging, asked, &question).await
    }

    fn has_link_type(&self, clique: &Clique) -> bool {
        let Some(wanted) = &self.link_type else { return true };
        clique.links.iter().any(|link| *link.link_type == **wanted)
    }

    /// Pages of the store until one is full with cliques that hold the type of link.
    async fn pages(
        &self,
        service: &Service,
        paging: &Paging,
        asked: &PageRequest,
        question: &CliqueQuery,
    ) -> Result<Paged<Clique>, Problem> {
        if self.link_type.is_some() {
            paging.refuse_number("link_type")?;
        }
        let limit = asked.page.limit;
        let (mut items, mut page, mut at, mut looked_at) = (Vec::new(), asked.page.clone(), asked.at, 0);
        loop {
            // Never more than are missing, so that the store's cursor is where this page ends.
            page.limit = limit - items.len();
            let found = service
                .backend
                .cliques(&self.env_name, at, question, &page)
                .await
                .map_err(|error| paging::problem(error, &asked.page))?;
            looked_at += found.items.len();
            items.extend(found.items.into_iter().filter(|clique| self.has_link_type(clique)));
            match found.next {
                Some(next) if items.len() < limit && looked_at < MOST_LOOKED_AT => {
                    page = Page::after(next, limit);
                    at = Some(found.revision);
                }
                next => return Ok(Paged { revision: found.revision, items, next }),
            }
        }
    }
}
