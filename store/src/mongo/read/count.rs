//! How much there is at a revision.

use calipso_model::Str;
use mongodb::bson::{Bson, doc};

use crate::{
    error::StoreError,
    mongo::{
        index::{CLIQUES, INVENTORY, LINKS},
        read::View,
    },
    store::CountsByType,
};

/// Counts everything, per type.
pub(in crate::mongo) async fn counts(view: &mut View<'_>) -> Result<CountsByType, StoreError> {
    Ok(CountsByType {
        revision: view.revision,
        objects: count(view, INVENTORY, "by_key", "$type").await?,
        links: count(view, LINKS, "by_source", "$link_type").await?,
        cliques: count(view, CLIQUES, "by_key", "$clique_type").await?,
    })
}

/// The index holds all that counting needs, so no document is read.
async fn count(
    view: &mut View<'_>,
    collection: &str,
    index: &'static str,
    by: &str,
) -> Result<Vec<(Str, u64)>, StoreError> {
    let pipeline = vec![
        doc! { "$match": view.visible() },
        doc! { "$group": { "_id": by, "n": { "$sum": 1_i64 } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let found = view.aggregate(collection, pipeline, index).await?;
    Ok(found
        .iter()
        .filter_map(|group| {
            let number = group.get("n").and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)))?;
            let Some(Bson::String(name)) = group.get("_id") else { return None };
            Some((name.as_str().into(), u64::try_from(number).ok()?))
        })
        .collect())
}
