//! What differs between two revisions.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Revision;
use mongodb::bson::{Document, RawDocument, doc};

use crate::{
    error::StoreError,
    mongo::{
        commit::{clique as cliques, link as links},
        db::Db,
        environment::to_db,
        index::{CLIQUES, INVENTORY, LINKS},
        read::{Ask, View, clique, link, object},
    },
    store::{Change, Diff},
};

/// Everything that differs.
pub(in crate::mongo) async fn diff(
    db: &Arc<Db>,
    environment: &str,
    from: Revision,
    to: Revision,
) -> Result<Diff, StoreError> {
    let mut view = View::at(db, environment, Some(from)).await?;
    view.go(environment, to)?;
    Ok(Diff {
        from,
        to,
        objects: changes(&mut view, (from, to), INVENTORY, object::fields(), object::read, |object| object.key.clone())
            .await?,
        links: changes(&mut view, (from, to), LINKS, link::fields(), links::read, |link| {
            (link.source.clone(), link.link_type.clone(), link.target.clone())
        })
        .await?,
        cliques: changes(&mut view, (from, to), CLIQUES, clique::fields(), cliques::read, |clique| {
            clique.focal_point.clone()
        })
        .await?,
    })
}

async fn changes<K: Ord + Send, T: PartialEq + Send>(
    view: &mut View<'_>,
    (from, to): (Revision, Revision),
    collection: &'static str,
    fields: Document,
    read: fn(&RawDocument) -> Result<T, StoreError>,
    key: fn(&T) -> K,
) -> Result<Vec<Change<T>>, StoreError> {
    let (low, high) = (to_db(from.min(to)), to_db(from.max(to)));
    // What counts at the lower revision and not at the higher one, and the other way round.
    let only_low = doc! { "env": view.env, "rev_to": { "$gt": low, "$lte": high }, "rev_from": { "$lte": low } };
    let only_high = doc! { "env": view.env, "rev_from": { "$gt": low, "$lte": high }, "rev_to": { "$gt": high } };
    let mut found: BTreeMap<K, Change<T>> = BTreeMap::new();
    for (filter, hint, is_low) in [(only_low, "by_end", true), (only_high, "by_beginning", false)] {
        let ask = Ask { collection, filter, hint: Some(hint), order: &[], in_order: true, projection: fields.clone() };
        view.each(&ask, None, 0, &mut |doc| {
            let item = read(doc)?;
            let change = found.entry(key(&item)).or_insert(Change { before: None, after: None });
            if is_low == (from <= to) {
                change.before = Some(item);
            } else {
                change.after = Some(item);
            }
            Ok(true)
        })
        .await?;
    }
    Ok(found.into_values().filter(|change| change.before != change.after).collect())
}
