//! Removes what unfinished commits left, and never anything of another commit.

use std::time::Duration;

use calipso_model::Delta;
use futures::TryStreamExt;
use mongodb::bson::{doc, oid::ObjectId};

use crate::{
    commit::{Commit, CommitInfo},
    error::StoreError,
    mongo::{
        codec,
        commit::{VERSIONS, gate},
        db::Db,
        environment::{self, State, to_db},
        fault::Doing,
        index::ENVIRONMENTS,
    },
};

/// Removes what commits left that can never finish: their gates are shut, and they are no longer the writer. It may be done
/// twice, or late: only what carries the id of such a commit is touched, and no finished commit has one of these.
pub(super) async fn sweep(db: &Db, state: &State, unfinished: &[ObjectId]) -> Result<(), StoreError> {
    for (collection, from, to) in VERSIONS {
        let current = if *from == "rev_from" { to_db(state.current) } else { state.seq };
        db.at(collection)
            .delete_many(doc! { "env": state.env, *from: { "$gt": current }, "commit": { "$in": unfinished } })
            .await
            .doing(db, "remove what an unfinished commit left")?;
        db.at(collection)
            .update_many(
                doc! {
                    "env": state.env, *to: { "$gt": current, "$lt": f64::INFINITY }, "ended_by": { "$in": unfinished },
                },
                doc! { "$set": { *to: f64::INFINITY }, "$unset": { "ended_by": "" } },
            )
            .await
            .doing(db, "take back what an unfinished commit ended")?;
    }
    db.at(ENVIRONMENTS)
        .update_one(doc! { "env": state.env }, doc! { "$pull": { "unfinished": { "$in": unfinished } } })
        .await
        .doing(db, "note that an unfinished commit is gone")
        .map(drop)
}

/// Tidies every environment whose writer left something unfinished and has no lease that runs.
pub(in crate::mongo) async fn sweep_all(db: &Db, now_millis: i64) -> Result<u64, StoreError> {
    let unfinished = db
        .at(ENVIRONMENTS)
        .find(doc! { "unfinished.0": { "$exists": true } })
        .projection(doc! { "_id": 1 })
        .await
        .doing(db, "look for leftovers")?;
    let names: Vec<_> = unfinished.try_collect().await.doing(db, "look for leftovers")?;
    let mut tidied = 0;
    for found in names {
        let name = codec::text(&found, "_id")?;
        // The fence of this lease keeps the earlier writer from finishing, whatever it still does.
        let lease = match environment::acquire(db, name, "tidying up", now_millis, Duration::from_secs(600)).await {
            Ok(lease) => lease,
            Err(StoreError::LeaseHeld { .. } | StoreError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        let swept = sweep_one(db, name, &lease).await;
        environment::release(db, &lease).await?;
        swept?;
        tidied += 1;
    }
    Ok(tidied)
}

async fn sweep_one(db: &Db, name: &str, lease: &crate::store::Lease) -> Result<(), StoreError> {
    let _turn = db.turn(name).await;
    let state = environment::state(db, name).await?;
    let info = CommitInfo { at: "".into(), note: "".into() };
    let nothing = Delta::default();
    let work = Commit::new(state.current, lease, &nothing, &info);
    let context = crate::mongo::commit::CommitContext {
        environment: name,
        env: state.env,
        base: to_db(state.current),
        revision: to_db(state.current + 1),
        seq: state.seq,
        commit: ObjectId::new(),
        searched: &state.searched,
    };
    // Opening the gates for a commit shuts them for all before it, and sweeps; the commit itself then never comes.
    gate::open(db, &work, context).await?;
    db.at(ENVIRONMENTS)
        .update_one(
            doc! { "_id": name, "writer": context.commit },
            doc! { "$pull": { "unfinished": context.commit }, "$set": { "writer": null } },
        )
        .await
        .doing(db, "tidy up")
        .map(drop)
}
