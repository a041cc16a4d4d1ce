//! `/graph`: a clique, a neighbourhood or a tree, for programs that draw and as pictures.

mod around;
mod tree;

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use calipso_model::{Link, Object, ObjectKey, Revision, shown};
use calipso_picture::{self as picture, Line, Picture};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    etag::Tag,
    extract::Params,
    lookup,
    problem::{FieldError, Problem, ProblemBody},
    resource::graph::{around::Surroundings, tree::Branch},
    service::Service,
};

/// Width of pictures made of text, where nothing else is asked for.
const COLUMNS: usize = 120;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(graph))
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// The clique of the focal point.
    Clique,
    /// Every object within `depth` links.
    Neighbourhood,
    /// The focal point (the environment, when none is named) and what is below it.
    ChildrenTree,
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Nodes and links.
    #[default]
    Json,
    /// The language of Graphviz.
    Dot,
    /// The language of Mermaid.
    Mermaid,
    /// Boxes and lines.
    Text,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct GraphQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// What is drawn.
    #[serde(rename = "type")]
    #[param(inline)]
    kind: Kind,
    /// Id of the object in the middle, or at the top.
    #[param(min_length = 1, max_length = 4_096)]
    focal_point_id: Option<String>,
    /// Its type, where several objects have the id.
    #[param(min_length = 1, max_length = 256)]
    focal_point_type: Option<String>,
    /// How many links, or levels, away from the focal point: 2 when not given.
    #[param(minimum = 1, maximum = 10)]
    depth: Option<usize>,
    /// How it is drawn; `json` when not given.
    #[param(inline)]
    format: Option<Format>,
    /// Columns of a picture made of text.
    #[param(minimum = 20, maximum = 1_000)]
    width: Option<usize>,
    /// The revision; the current one when not given.
    #[param(minimum = 0)]
    at: Option<u64>,
}

/// A node of a graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GraphNode)]
struct Node<'g> {
    #[serde(rename = "type")]
    object_type: &'g str,
    id: &'g str,
    name: &'g str,
    host: Option<&'g str>,
    /// In how many links from the focal point.
    distance: usize,
}

/// A link of a graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GraphEdge)]
struct Edge<'g> {
    id: String,
    link_type: &'g str,
    name: &'g str,
    state: &'g str,
    implicit: bool,
    /// Number of its source among the nodes, from 0.
    source: usize,
    /// Number of its target among the nodes, from 0.
    target: usize,
}

/// Nodes and links; the focal point is the first node.
#[derive(Debug, Serialize, ToSchema)]
struct Graph<'g> {
    nodes: Vec<Node<'g>>,
    links: Vec<Edge<'g>>,
}

/// Nodes and links, or a tree.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Drawn<'g> {
    Graph(Graph<'g>),
    Tree(Branch),
}

/// A graph around, or below, one object.
#[derive(Debug, Serialize, ToSchema)]
struct GraphAnswer<'g> {
    environment: &'g str,
    #[serde(rename = "type")]
    #[schema(inline)]
    kind: Kind,
    focal_point_id: Option<&'g str>,
    focal_point_type: Option<&'g str>,
    graph: Drawn<'g>,
    /// Whether there is more than is shown.
    truncated: bool,
    /// The revision that was read.
    revision: u64,
}

/// The graph around, or below, an object.
#[utoipa::path(get, path = "/graph", tag = "inventory", extensions(("x-right" = json!("view"))), params(GraphQuery),
    responses((status = 200, content((inline(GraphAnswer) = "application/json"), (String = "text/plain"))),
        (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody), (status = 409, body = ProblemBody)))]
async fn graph(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Params(query): Params<GraphQuery>,
) -> Result<Response, Problem> {
    let environment = query.env_name.as_str();
    let revision = match query.at {
        Some(revision) => revision,
        None => service.backend.current(environment).await?,
    };
    let tag = answer::revision_tag(&service, environment, revision).await?;
    if tag.is_known(&headers) {
        return Ok(answer::not_modified(&tag));
    }
    let focal_point = query.focal_point(&service, revision).await?;
    let depth = query.depth.unwrap_or(2);
    let format = query.format.unwrap_or_default();
    if query.kind == Kind::ChildrenTree {
        if format != Format::Json {
            let error = FieldError::query("format", "a tree comes as `json` only");
            return Err(Problem::bad_request(vec![error]));
        }
        let (tree, truncated) = tree::below(&service, environment, revision, focal_point.as_ref(), depth).await?;
        return query.answer(&headers, &tag, revision, focal_point.as_ref(), Drawn::Tree(tree), truncated);
    }
    let Some(focal_point) = focal_point else {
        let error = FieldError::query("focal_point_id", "is needed for everything but trees");
        return Err(Problem::bad_request(vec![error]));
    };
    let (links, truncated) = match query.kind {
        Kind::Clique => {
            let clique = service.backend.clique(environment, Some(revision), &focal_point.key).await?;
            let clique = clique.ok_or_else(|| {
                Problem::not_found(format!(
                    "`{}` has no clique; type=neighbourhood shows what is near it",
                    focal_point.key
                ))
            })?;
            (service.backend.links_by_key(environment, Some(revision), &clique.links).await?, false)
        }
        _ => around::links(&service, environment, revision, &focal_point.key, depth).await?,
    };
    let found = Surroundings::of(&service, environment, revision, focal_point, links).await?;
    if format == Format::Json {
        return query.answer(
            &headers,
            &tag,
            revision,
            Some(&found.focal_point),
            Drawn::Graph(found.graph()),
            truncated,
        );
    }
    let picture = found.picture();
    let (text, kind) = match format {
        Format::Dot => (picture::dot(&picture), "text/vnd.graphviz"),
        Format::Mermaid => (picture::mermaid(&picture), "text/vnd.mermaid"),
        _ => (picture::draw(&picture, query.width.unwrap_or(COLUMNS)), "text/plain; charset=utf-8"),
    };
    let body = || ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response();
    Ok(answer::tagged(&headers, &tag, body))
}

impl GraphQuery {
    async fn focal_point(&self, service: &Service, revision: Revision) -> Result<Option<Object>, Problem> {
        let Some(id) = &self.focal_point_id else { return Ok(None) };
        let object_type = self.focal_point_type.as_deref();
        let found = lookup::object(service, &self.env_name, Some(revision), id, object_type).await;
        found.map(|(_, object)| Some(object))
    }

    fn answer(
        &self,
        headers: &HeaderMap,
        tag: &Tag,
        revision: Revision,
        focal_point: Option<&Object>,
        graph: Drawn<'_>,
        truncated: bool,
    ) -> Result<Response, Problem> {
        let body = answer::to_json(&GraphAnswer {
            environment: &self.env_name,
            kind: self.kind,
            focal_point_id: focal_point.map(|object| &*object.key.id),
            focal_point_type: focal_point.map(|object| &*object.key.object_type),
            graph,
            truncated,
            revision,
        })?;
        Ok(answer::tagged(headers, tag, || answer::json_text(body)))
    }
}

/// Text without characters that steer a terminal.
fn printable(text: &str) -> String {
    shown::line(text).into_owned()
}

impl Surroundings {
    fn picture(&self) -> Picture {
        Picture {
            nodes: self
                .nodes
                .iter()
                .map(|(key, object)| picture::Node {
                    key: ObjectKey::new(printable(&key.object_type), printable(&key.id)),
                    name: printable(object.as_ref().map_or(&*key.id, Object::name)),
                    // The answer is known again by its revision, and scopes have none.
                    stale: false,
                })
                .collect(),
            lines: self
                .links
                .iter()
                .map(|link| Line {
                    from: self.index_of(&link.source),
                    to: self.index_of(&link.target),
                    link_type: link.link_type.to_string(),
                    label: printable(&link.name),
                    state: link.state,
                })
                .collect(),
            focal: 0,
        }
    }

    fn graph(&self) -> Graph<'_> {
        let edge = |link: &Link| (self.index_of(&link.source), self.index_of(&link.target));
        let distances = picture::distances(self.nodes.len(), 0, self.links.iter().map(edge));
        Graph {
            nodes: self
                .nodes
                .iter()
                .zip(distances)
                .map(|((key, object), distance)| Node {
                    object_type: &key.object_type,
                    id: &key.id,
                    name: object.as_ref().map_or(&*key.id, Object::name),
                    host: object.as_ref().and_then(|object| object.text("host")),
                    distance,
                })
                .collect(),
            links: self
                .links
                .iter()
                .map(|link| Edge {
                    id: lookup::link_id(&super::links::reference(link)),
                    link_type: &link.link_type,
                    name: &link.name,
                    state: link.state.as_str(),
                    implicit: link.implicit,
                    source: self.index_of(&link.source),
                    target: self.index_of(&link.target),
                })
                .collect(),
        }
    }
}
