//! The last step of a commit: the environment moves to its next revision, unless another writer was faster.

use std::time::{Duration, Instant};

use calipso_model::Revision;
use mongodb::{
    ClientSession,
    bson::{Document, doc, oid::ObjectId},
};

use crate::{
    commit::Commit,
    error::StoreError,
    mongo::{
        commit::{CommitContext, Tally, VERSIONS, Writes, row},
        db::Db,
        environment::{self, to_db},
        fault::{fault, is_duplicate, is_passing},
        index::{ENVIRONMENTS, REVISIONS},
    },
    store::Counts,
};

/// Why a transaction came to nothing.
pub(super) enum CommitFailure {
    /// Somebody stands where this writer stood.
    Shut,
    /// The driver says so.
    Driver(mongodb::error::Error),
    /// A row is not what is expected, or cannot be written.
    Refused(StoreError),
}

impl From<mongodb::error::Error> for CommitFailure {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Driver(error)
    }
}

/// Says how long to wait before the `turn`-th try.
pub(super) fn pause(turn: u32) -> Duration {
    Duration::from_millis(10 << turn.min(6))
}

/// Writes what belongs to one batch; a part of a transaction.
pub(super) async fn write(
    db: &Db,
    session: &mut ClientSession,
    context: CommitContext<'_>,
    writes: &Writes,
) -> Result<(), mongodb::error::Error> {
    let Some((collection, from, to)) = VERSIONS.get(writes.kind) else { return Ok(()) };
    if !writes.inserts.is_empty() {
        db.at(collection).insert_many(&writes.inserts).session(&mut *session).await?;
    }
    if !writes.ends.is_empty() {
        let end = if *from == "rev_from" { context.revision } else { context.seq + 1 };
        db.at(collection)
            .update_many(
                doc! { "_id": { "$in": &writes.ends } },
                doc! { "$set": { *to: end, "ended_by": context.commit } },
            )
            .session(&mut *session)
            .await?;
    }
    Ok(())
}

/// Commits a transaction; repeats the command while its outcome is unknown.
pub(super) async fn settle(session: &mut ClientSession) -> Result<(), mongodb::error::Error> {
    let mut turn = 0;
    loop {
        match session.commit_transaction().await {
            Err(error) if error.contains_label("UnknownTransactionCommitResult") && turn < 5 => {
                tokio::time::sleep(pause(turn)).await;
                turn += 1;
            }
            answer => return answer,
        }
    }
}

/// What the last step needs.
pub(super) struct Finish<'w> {
    pub(super) work: &'w Commit<'w>,
    pub(super) context: CommitContext<'w>,
    pub(super) at_millis: i64,
}

impl Finish<'_> {
    /// Moves the environment, and in the same transaction writes what is given. Returns the revision that is then current.
    pub(super) async fn run(
        &self,
        db: &Db,
        tally: Tally,
        writes: &[Writes],
        begun: Option<ObjectId>,
    ) -> Result<Revision, StoreError> {
        let fence = to_db(self.work.lease.fence);
        let mut session = db.lend(fence).await?;
        let answer = self.tries(db, &mut session, tally, writes, begun).await;
        // A lost lease needs none any more.
        if !matches!(answer, Err(StoreError::LeaseLost { .. })) {
            db.keep(fence, session);
        }
        answer
    }

    async fn tries(
        &self,
        db: &Db,
        session: &mut ClientSession,
        tally: Tally,
        writes: &[Writes],
        begun: Option<ObjectId>,
    ) -> Result<Revision, StoreError> {
        let until = Instant::now() + db.options.patience;
        let moves = tally != Tally::default();
        let done = if moves { self.work.base + 1 } else { self.work.base };
        let mut turn = 0;
        loop {
            let failed = match db.within(async { Ok(self.attempt(db, session, tally, writes, begun).await) }).await {
                Ok(Ok(())) => return Ok(done),
                Ok(Err(CommitFailure::Driver(error))) => {
                    // Another writer has made the revision of that number; the lines below find out which.
                    let passes = is_passing(&error) || (is_duplicate(&error) && turn < 3);
                    let error = fault(db, &error, "commit");
                    if !passes {
                        return Err(error);
                    }
                    Some(error)
                }
                Ok(Err(CommitFailure::Refused(error))) => Some(error),
                Ok(Err(CommitFailure::Shut)) => None,
                Err(error) => return Err(error),
            };
            // What seemed to fail may have been done, only the answer was lost; then a row is there that was not expected.
            match db.within(environment::state(db, self.work.environment)).await {
                Ok(state) if state.last_commit == Some(self.context.commit) && state.env == self.context.env => {
                    return Ok(done);
                }
                Ok(state) => {
                    environment::guard(&state, self.work.environment, self.work.base, self.work.lease)?;
                    match failed {
                        // Another task or process commits with the same lease.
                        None => return Err(StoreError::Busy),
                        Some(error) if is_final(&error) || Instant::now() >= until => return Err(error),
                        Some(_) => {}
                    }
                }
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => {}
            }
            tokio::time::sleep(pause(turn)).await;
            turn += 1;
        }
    }

    async fn attempt(
        &self,
        db: &Db,
        session: &mut ClientSession,
        tally: Tally,
        writes: &[Writes],
        begun: Option<ObjectId>,
    ) -> Result<(), CommitFailure> {
        session.start_transaction().await?;
        let answer = self.body(db, session, tally, writes, begun).await;
        if answer.is_err() {
            // The server ends it by itself when it does not hear this.
            session.abort_transaction().await.ok();
            return answer;
        }
        settle(session).await.map_err(CommitFailure::Driver)
    }

    async fn body(
        &self,
        db: &Db,
        session: &mut ClientSession,
        tally: Tally,
        writes: &[Writes],
        begun: Option<ObjectId>,
    ) -> Result<(), CommitFailure> {
        let (work, context) = (self.work, self.context);
        let mut filter = doc! {
            "_id": work.environment, "env": context.env, "fence": to_db(work.lease.fence), "current_revision": context.base,
            "seq": context.seq,
        };
        let mut set = doc! { "seq": context.seq + 1, "last_commit": context.commit, "writer": null };
        if tally != Tally::default() {
            set.insert("current_revision", context.revision);
        }
        let mut update = doc! { "$set": set };
        match begun {
            Some(commit) => {
                filter.insert("writer", commit);
                update.insert("$pull", doc! { "unfinished": commit });
            }
            None => drop(filter.insert("unfinished", doc! { "$size": 0 })),
        }
        if tally != Tally::default() {
            let revision = doc! {
                "_id": context.commit, "environment": work.environment, "env": context.env, "revision": context.revision,
                "at": &*work.info.at, "at_millis": self.at_millis, "note": &*work.info.note,
                "written": counts(tally.written), "removed": counts(tally.removed),
            };
            db.database.collection::<Document>(REVISIONS).insert_one(revision).session(&mut *session).await?;
        }
        for writes in writes {
            write(db, session, context, writes).await?;
        }
        row::write(db, session, work.rows).await?;
        // Last, because no other writer can change this document until the transaction ends.
        let moved = db.at(ENVIRONMENTS).update_one(filter, update).session(&mut *session).await?;
        if moved.matched_count != 1 {
            return Err(CommitFailure::Shut);
        }
        Ok(())
    }
}

/// Whether another try would end in the same way.
fn is_final(error: &StoreError) -> bool {
    matches!(error, StoreError::Exists { .. } | StoreError::Changed { .. } | StoreError::Invalid { .. })
}

fn counts(counts: Counts) -> Document {
    doc! { "objects": to_db(counts.objects), "links": to_db(counts.links), "cliques": to_db(counts.cliques) }
}
