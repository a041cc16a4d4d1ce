//! Retention: old revisions go, with all that only they held.

use mongodb::{
    bson::{Document, doc},
    options::ReturnDocument,
};

use crate::{
    error::StoreError,
    form::millis,
    mongo::{
        codec,
        db::Db,
        environment::{self, State, to_db, without_config},
        fault::Doing,
        index::{CLIQUES, ENVIRONMENTS, INVENTORY, LINKS, REVISIONS},
    },
    store::{Keep, Pruned},
};

/// Makes old revisions unreadable, and then removes what only they held. What is left when that is cut short is invisible
/// already, and goes with the next time.
pub(super) async fn prune(db: &Db, name: &str, keep: &Keep) -> Result<Pruned, StoreError> {
    let state = environment::state(db, name).await?;
    let wanted = match keep {
        Keep::Last(revisions) => (state.current + 1).saturating_sub((*revisions).max(1)),
        Keep::Since(time) => {
            let found = db
                .at(REVISIONS)
                .find_one(doc! { "env": state.env, "at_millis": { "$lte": millis(time)? } })
                .sort(doc! { "revision": -1 })
                .await
                .doing(db, "find the oldest revision to keep")?;
            found.map_or(Ok(0), |found| codec::number(&found, "revision").map(|n| u64::try_from(n).unwrap_or(0)))?
        }
    };
    let oldest = wanted.clamp(state.oldest, state.current);
    let pruned = Pruned { oldest, revisions: oldest - state.oldest };
    let edge = to_db(oldest);
    if pruned.revisions > 0 {
        let moved = db
            .at(ENVIRONMENTS)
            .find_one_and_update(doc! { "_id": name, "env": state.env }, doc! { "$max": { "oldest_revision": edge } })
            .projection(without_config())
            .return_document(ReturnDocument::After)
            .await
            .doing(db, "remove old revisions")?
            .ok_or_else(|| StoreError::no_environment(name))?;
        State::of(&moved)?;
    }
    let forget = async |collection: &str, filter: Document| -> Result<(), StoreError> {
        db.at(collection).delete_many(filter).await.doing(db, "remove old revisions").map(drop)
    };
    for collection in [INVENTORY, LINKS, CLIQUES] {
        forget(collection, doc! { "env": state.env, "rev_to": { "$lte": edge } }).await?;
    }
    forget(REVISIONS, doc! { "env": state.env, "revision": { "$lt": edge } }).await?;
    Ok(pruned)
}
