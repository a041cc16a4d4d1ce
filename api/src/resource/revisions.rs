//! `/revisions`: what was committed to an environment, when and why.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use calipso_store::{Counts, Cursor, RevisionInfo};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    etag::Tag,
    extract::{Conditions, Params},
    paging::{self, Paging},
    problem::{Problem, ProblemBody},
    service::Service,
};

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(revisions))
}

/// Whose revisions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RevisionsQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// Only those after this one.
    #[param(minimum = 0)]
    after: Option<u64>,
}

/// How many objects, links and cliques.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevisionNumbers)]
pub(super) struct Numbers {
    objects: u64,
    links: u64,
    cliques: u64,
}

impl From<Counts> for Numbers {
    fn from(counts: Counts) -> Self {
        Self { objects: counts.objects, links: counts.links, cliques: counts.cliques }
    }
}

/// One revision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RevisionItem)]
pub(super) struct Revision {
    /// Its number.
    revision: u64,
    /// When it was committed.
    at: String,
    /// Why.
    note: String,
    /// How much it wrote anew or changed.
    written: Numbers,
    /// How much it took away.
    removed: Numbers,
}

impl From<&RevisionInfo> for Revision {
    fn from(info: &RevisionInfo) -> Self {
        Self {
            revision: info.revision,
            at: info.at.to_string(),
            note: info.note.to_string(),
            written: info.written.into(),
            removed: info.removed.into(),
        }
    }
}

/// Readable revisions.
#[derive(Debug, Serialize, ToSchema)]
struct RevisionList {
    /// Oldest first.
    revisions: Vec<Revision>,
    /// The current one.
    current: u64,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the revisions that can be read, oldest first. The empty revision 0 is not among them.
#[utoipa::path(get, path = "/revisions", tag = "inventory", extensions(("x-right" = json!("view"))),
    params(RevisionsQuery, Paging),
    responses((status = 200, body = inline(RevisionList)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn revisions(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<RevisionsQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    paging.refuse_number("revisions")?;
    let asked = paging.request(&service.limits, None)?;
    let after = match &asked.page.after {
        Some(cursor) => cursor.as_str().parse().map_err(|_| paging::foreign_cursor())?,
        None => query.after.unwrap_or(0),
    };
    let limit = asked.page.limit;
    let current = service.backend.current(&query.env_name).await?;
    let mut found = service.backend.revisions_after(&query.env_name, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| paging::encode(None, &Cursor::new(last.revision.to_string())));
    let body = RevisionList { revisions: found.iter().map(Into::into).collect(), current, next };
    let text = answer::to_json(&body)?;
    let tag = Tag::revision_and(service.backend.made(&query.env_name).await?, current, &text);
    Ok(answer::page_of(&conditions, &tag, text, body.next.as_deref()))
}
