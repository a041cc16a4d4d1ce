//! Cliques at a revision.

use std::collections::BTreeSet;

use calipso_model::{Clique, Map, ObjectKey, Str};
use mongodb::bson::{Document, RawDocument, doc};

use crate::{
    error::StoreError,
    mongo::{
        codec,
        commit::clique::{link_number, node_number, read},
        index::CLIQUES,
        read::{Ask, Found, View},
    },
    query::{CliqueQuery, Page, Paged},
};

/// The order of answers.
const ORDER: &[&str] = &["focal_point_type", "focal_point_id"];

/// What is read of a clique.
pub(super) fn fields() -> Document {
    doc! {
        "_id": 0, "focal_point_type": 1, "focal_point_id": 1, "clique_type": 1, "constraints": 1, "constraints_json": 1,
        "nodes": 1, "links": 1,
    }
}

/// The cliques of some focal points.
pub(in crate::mongo) async fn by_key(
    view: &mut View<'_>,
    keys: &BTreeSet<&ObjectKey>,
) -> Result<Found<ObjectKey, Clique>, StoreError> {
    let ask = Ask {
        collection: CLIQUES,
        filter: view.visible(),
        hint: Some("by_key"),
        order: &[],
        in_order: true,
        projection: fields(),
    };
    let mut found = Found::new();
    view.each_of(ask, ["focal_point_type", "focal_point_id"], keys, &mut |doc| found.take(doc, focal_point, read))
        .await?;
    Ok(found)
}

fn focal_point(doc: &RawDocument) -> Result<ObjectKey, StoreError> {
    Ok(ObjectKey::new(codec::text(doc, "focal_point_type")?, codec::text(doc, "focal_point_id")?))
}

fn read_brief(doc: &RawDocument) -> Result<Clique, StoreError> {
    Ok(Clique {
        focal_point: focal_point(doc)?,
        clique_type: codec::text(doc, "clique_type")?.into(),
        constraints: Map::new(),
        nodes: Vec::new(),
        links: Vec::new(),
    })
}

/// One page of cliques.
pub(in crate::mongo) async fn page(
    view: &mut View<'_>,
    query: &CliqueQuery,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Clique>, StoreError> {
    let mut filter = view.visible();
    let names = |names: &[Str]| doc! { "$in": names.iter().map(|name| &**name).collect::<Vec<_>>() };
    if !query.types.is_empty() {
        filter.insert("focal_point_type", names(&query.types));
    }
    if !query.clique_types.is_empty() {
        filter.insert("clique_type", names(&query.clique_types));
    }
    let mut held = Vec::new();
    held.extend(query.containing.as_ref().map(node_number));
    held.extend(query.containing_link.as_ref().map(link_number));
    let by_content = !held.is_empty();
    if by_content {
        filter.insert("holds", doc! { "$all": held });
    }
    // Different things may have the same number.
    let fits = |clique: &Clique| {
        query.containing.as_ref().is_none_or(|key| clique.nodes.contains(key))
            && query.containing_link.as_ref().is_none_or(|link| clique.links.contains(link))
    };
    let fits: Option<&(dyn Fn(&Clique) -> bool + Sync)> = if by_content { Some(&fits) } else { None };
    // The brief form is answered from the index alone.
    let (projection, read): (_, &(dyn Fn(&RawDocument) -> _ + Sync)) = if query.brief && !by_content {
        (doc! { "_id": 0, "focal_point_type": 1, "focal_point_id": 1, "clique_type": 1 }, &read_brief)
    } else {
        (fields(), &read)
    };
    let ask = Ask {
        collection: CLIQUES,
        filter,
        hint: Some(if by_content { "by_content" } else { "by_key" }),
        order: ORDER,
        in_order: !by_content,
        projection,
    };
    view.paged(ask, after, page, read, fits, |clique| vec![&clique.focal_point.object_type, &clique.focal_point.id])
        .await
}
