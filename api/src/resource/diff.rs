//! `/diff`: what differs between two revisions.

mod fields;

use std::sync::Arc;

use axum::{extract::State, response::Response};
use calipso_model::{Clique, Link, Object, Revision};
use calipso_store::{Change, Cursor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    answer,
    etag::Tag,
    extract::{Conditions, Params},
    lookup,
    paging::{self, Paging},
    problem::{FieldError, Problem, ProblemBody},
    resource::{diff::fields::FieldChange, links::FullLink},
    service::Service,
};

/// Maximum number of writes between two revisions that are compared.
const MOST_CHANGES: u64 = 50_000;

/// Number of revisions that are read at once.
const PIECE: usize = 1_000;

pub fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::new().routes(routes!(diff))
}

/// Which revisions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DiffQuery {
    /// Name of the environment.
    #[param(min_length = 1, max_length = 256)]
    env_name: String,
    /// The first revision; the one before `to` when not given. It may be the newer one.
    #[param(minimum = 0)]
    from: Option<u64>,
    /// The second revision; the current one when not given.
    #[param(minimum = 0)]
    to: Option<u64>,
}

/// How one thing differs.
#[derive(Debug, Serialize, ToSchema)]
struct Difference {
    /// The id: of an object, link or clique as the lists give it.
    id: String,
    /// Its type: of the object, of the link, of the focal point.
    #[serde(rename = "type")]
    kind: String,
    /// `added`, `removed` or `changed`.
    change: &'static str,
    /// At the first revision.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    before: Value,
    /// At the second revision.
    #[schema(value_type = Option<std::collections::BTreeMap<String, Value>>)]
    after: Value,
    /// Every field that differs, when it is there at both.
    #[schema(inline)]
    fields: Vec<FieldChange>,
}

/// How many things differ.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = DiffNumber)]
struct Number {
    added: u64,
    removed: u64,
    changed: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffNumbers)]
struct NumberOfAll {
    objects: Number,
    links: Number,
    cliques: Number,
}

/// What differs. A page goes on from objects to links to cliques.
#[derive(Debug, Serialize, ToSchema)]
struct DiffPage {
    /// The first revision.
    from: u64,
    /// The second revision.
    to: u64,
    /// How many things differ in all.
    counts: NumberOfAll,
    objects: Vec<Difference>,
    links: Vec<Difference>,
    cliques: Vec<Difference>,
    /// Cursor of the next page; not there on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Says what differs between two revisions, field by field.
#[utoipa::path(get, path = "/diff", tag = "inventory", extensions(("x-right" = json!("view"))), params(DiffQuery, Paging),
    responses((status = 200, body = inline(DiffPage)), (status = 304, description = "What you have is current."),
        (status = 404, body = ProblemBody)))]
async fn diff(
    State(service): State<Arc<Service>>,
    conditions: Conditions,
    Params(query): Params<DiffQuery>,
    Params(paging): Params<Paging>,
) -> Result<Response, Problem> {
    let environment = query.env_name.as_str();
    let asked = paging.request(&service.limits, query.to)?;
    let to = match asked.at {
        Some(revision) => revision,
        None => service.backend.current(environment).await?,
    };
    let from = query.from.unwrap_or_else(|| to.saturating_sub(1));
    let skip = match &asked.page.after {
        Some(cursor) => cursor.as_str().parse().map_err(|_| paging::foreign_cursor())?,
        None => asked.page.skip,
    };
    let made = service.backend.made(environment).await?;
    let tag = Tag::revision_and(made, to, &format!("{from} {skip}"));
    if tag.is_known(&conditions.headers) {
        return Ok(answer::not_modified(&tag));
    }
    measure(&service, environment, from, to).await?;
    let found = service.backend.diff(environment, from, to).await?;
    let mut window = Window { skip, left: asked.page.limit, more: false };
    let page = DiffPage {
        from,
        to,
        counts: NumberOfAll {
            objects: number(&found.objects),
            links: number(&found.links),
            cliques: number(&found.cliques),
        },
        objects: window.take(&found.objects, |change| {
            difference(change, |object| (object.key.id.to_string(), object.key.object_type.to_string()), object)
        })?,
        links: window.take(&found.links, |change| {
            let name = |link: &Link| (lookup::link_id(&super::links::reference(link)), link.link_type.to_string());
            difference(change, name, |link| value(&FullLink::of(environment, link)))
        })?,
        cliques: window.take(&found.cliques, |change| {
            let name =
                |clique: &Clique| (lookup::clique_id(&clique.focal_point), clique.focal_point.object_type.to_string());
            difference(change, name, clique)
        })?,
        next: None,
    };
    let next =
        window.more.then(|| paging::encode(query.to.or(Some(to)), &Cursor::new((skip + asked.page.limit).to_string())));
    let page = DiffPage { next, ..page };
    answer::page(&conditions, Some(tag), &page, page.next.as_deref())
}

/// Refuses to compare what too much was written between: both sides are held in memory.
async fn measure(service: &Service, environment: &str, from: Revision, to: Revision) -> Result<(), Problem> {
    let (low, high) = (from.min(to), from.max(to));
    let (mut after, mut written) = (low, 0);
    loop {
        let some = service.backend.revisions_after(environment, after, PIECE).await?;
        let last = some.len() < PIECE || some.last().is_some_and(|revision| revision.revision >= high);
        for revision in some.iter().filter(|revision| revision.revision <= high) {
            after = revision.revision;
            for counts in [revision.written, revision.removed] {
                written += counts.objects + counts.links + counts.cliques;
            }
        }
        if written > MOST_CHANGES {
            let error =
                FieldError::query("from", format!("more than {MOST_CHANGES} changes lie between {from} and {to}"))
                    .help("compare revisions that are nearer to each other; /revisions says how much each one wrote");
            return Err(Problem::bad_request(vec![error]));
        }
        if last {
            return Ok(());
        }
    }
}

/// The part of all differences that a page shows.
struct Window {
    skip: usize,
    left: usize,
    more: bool,
}

impl Window {
    fn take<T>(
        &mut self,
        changes: &[T],
        mut show: impl FnMut(&T) -> Result<Difference, Problem>,
    ) -> Result<Vec<Difference>, Problem> {
        let skipped = self.skip.min(changes.len());
        self.skip -= skipped;
        let rest = changes.get(skipped..).unwrap_or_default();
        let taken = self.left.min(rest.len());
        self.left -= taken;
        self.more |= taken < rest.len();
        rest.iter().take(taken).map(&mut show).collect()
    }
}

fn number<T>(changes: &[Change<T>]) -> Number {
    let mut number = Number::default();
    for change in changes {
        match (&change.before, &change.after) {
            (None, _) => number.added += 1,
            (_, None) => number.removed += 1,
            _ => number.changed += 1,
        }
    }
    number
}

fn value(shown: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(shown).map_err(Problem::bug)
}

fn object(object: &Object) -> Result<Value, Problem> {
    value(&object.doc)
}

fn clique(clique: &Clique) -> Result<Value, Problem> {
    let name = |key: &calipso_model::ObjectKey| json!({"type": &*key.object_type, "id": &*key.id});
    Ok(json!({
        "clique_type": &*clique.clique_type,
        "focal_point": name(&clique.focal_point),
        "constraints": value(&clique.constraints)?,
        "nodes": clique.nodes.iter().map(name).collect::<Vec<_>>(),
        "links": clique.links.iter().map(lookup::link_id).collect::<Vec<_>>(),
    }))
}

fn difference<T>(
    change: &Change<T>,
    name: impl Fn(&T) -> (String, String),
    show: impl Fn(&T) -> Result<Value, Problem>,
) -> Result<Difference, Problem> {
    let side = |side: &Option<T>| side.as_ref().map_or(Ok(Value::Null), &show);
    let (before, after) = (side(&change.before)?, side(&change.after)?);
    let (id, kind) = change.after.as_ref().or(change.before.as_ref()).map(name).unwrap_or_default();
    let fields = match (&before, &after) {
        (Value::Object(before), Value::Object(after)) => fields::changes(before, after),
        _ => Vec::new(),
    };
    let change = match (&change.before, &change.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    Ok(Difference { id, kind, change, before, after, fields })
}
