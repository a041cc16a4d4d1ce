//! Cliques at a revision.

use calipso_model::{Clique, ObjectKey, Str};
use mongodb::bson::{Document, doc};

use crate::{
    error::StoreError,
    mongo::{
        commit::clique::{link_number, node_number, read},
        index::CLIQUES,
        read::{Ask, View},
    },
    query::{CliqueQuery, Page, Paged},
};

/// The order of answers.
const ORDER: &[&str] = &["focal_point_type", "focal_point_id"];

/// What of a clique's document nobody needs.
pub(super) fn fields() -> Document {
    doc! { "_id": 0, "environment": 0, "digest": 0, "commit": 0, "ended_by": 0, "holds": 0 }
}

/// The clique of a focal point.
pub(in crate::mongo) async fn get(view: &mut View<'_>, focal_point: &ObjectKey) -> Result<Option<Clique>, StoreError> {
    let mut filter = view.visible();
    filter.extend(doc! { "focal_point_type": &*focal_point.object_type, "focal_point_id": &*focal_point.id });
    let ask =
        Ask { collection: CLIQUES, filter, hint: Some("by_key"), order: &[], in_order: true, projection: fields() };
    let mut found = None;
    view.each(&ask, Some(1), 0, &mut |doc| {
        found = Some(read(doc)?);
        Ok(false)
    })
    .await?;
    Ok(found)
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
    let ask = Ask {
        collection: CLIQUES,
        filter,
        hint: Some(if by_content { "by_content" } else { "by_key" }),
        order: ORDER,
        in_order: !by_content,
        projection: fields(),
    };
    view.paged(ask, after, page, read, fits, |clique| vec![&clique.focal_point.object_type, &clique.focal_point.id])
        .await
}
