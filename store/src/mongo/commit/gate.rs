//! The gates that all batches of a large commit pass: none passes once another commit has begun.

use std::time::Instant;

use futures::TryStreamExt;
use mongodb::{
    ClientSession,
    bson::{Bson, Document, doc},
    options::ReturnDocument,
};
use tokio::sync::Mutex;

use crate::{
    commit::Commit,
    error::StoreError,
    mongo::{
        commit::{
            CommitContext, Writes, sweep,
            transaction::{CommitFailure, pause, settle, write},
        },
        db::Db,
        environment::{self, MOST_LANES, State, gate, to_db, without_config},
        fault::{Doing, is_duplicate, is_passing},
        index::{ENVIRONMENTS, GATES},
    },
};

/// The gates of one commit, each with the session that goes through it.
pub(super) struct Gates {
    lanes: Vec<Mutex<ClientSession>>,
}

/// Begins a commit: says so in the environment's document, shuts the gates of earlier commits, removes what they left.
pub(super) async fn open(db: &Db, work: &Commit<'_>, context: CommitContext<'_>) -> Result<Gates, StoreError> {
    let until = Instant::now() + db.options.patience;
    let state = begin(db, work, context, until).await?;
    let mut lanes = Vec::new();
    for _ in 0..db.options.lanes.clamp(1, MOST_LANES) {
        lanes.push(db.session().await?);
    }
    let earlier: Vec<_> = state.unfinished.iter().copied().filter(|id| *id != context.commit).collect();
    // An earlier writer may have had more lanes.
    let shut = if earlier.is_empty() { lanes.len() } else { MOST_LANES };
    if !earlier.is_empty() {
        let open = sessions(db, context.env).await?;
        db.end_sessions(open).await;
    }
    // The session of the lease: the next writer knows it, and ends its open transaction.
    let fence = to_db(work.lease.fence);
    let mut session = db.lend(fence).await?;
    let done = shut_gates(db, work, context, &mut session, &lanes, shut, until).await;
    if !matches!(done, Err(StoreError::LeaseLost { .. })) {
        db.keep(fence, session);
    }
    done?;
    if !earlier.is_empty() {
        sweep::sweep(db, &state, &earlier).await?;
    }
    Ok(Gates { lanes: lanes.into_iter().map(Mutex::new).collect() })
}

/// Makes this commit the only one that may finish.
async fn begin(db: &Db, work: &Commit<'_>, context: CommitContext<'_>, until: Instant) -> Result<State, StoreError> {
    let mut turn = 0;
    loop {
        let begun = db
            .at(ENVIRONMENTS)
            .find_one_and_update(
                doc! {
                    "_id": work.environment, "env": context.env, "fence": to_db(work.lease.fence),
                    "current_revision": context.base, "seq": context.seq,
                },
                doc! { "$set": { "writer": context.commit }, "$addToSet": { "unfinished": context.commit } },
            )
            .projection(without_config())
            .return_document(ReturnDocument::After)
            .await;
        match begun {
            Ok(Some(found)) => return State::of(&found),
            Ok(None) => {
                let state = environment::state(db, work.environment).await?;
                environment::guard(&state, work.environment, work.base, work.lease)?;
                return Err(StoreError::Busy);
            }
            Err(error) if is_passing(&error) && Instant::now() < until => tokio::time::sleep(pause(turn)).await,
            Err(error) => return Err(error).doing(db, "begin a commit"),
        }
        turn += 1;
    }
}

/// Puts the id of this commit into the gates, on condition that it still is the one that may finish: a writer that was
/// stopped right before this must not open them again for itself when it wakes up. A batch of an earlier commit that is on
/// its way through is waited for, and its transaction is ended: its writer may have been stopped in the middle.
async fn shut_gates(
    db: &Db,
    work: &Commit<'_>,
    context: CommitContext<'_>,
    session: &mut ClientSession,
    lanes: &[ClientSession],
    gates: usize,
    until: Instant,
) -> Result<(), StoreError> {
    let names: Vec<Bson> = (0..gates)
        .map(|lane| lanes.get(lane).map_or(Bson::Null, |session| Bson::Document(session.id().clone())))
        .collect();
    let mut turn = 0;
    loop {
        session.start_transaction().await.doing(db, "begin a commit")?;
        let answer = match put_id(db, session, work, context, &names).await {
            Ok(()) => settle(session).await.map_err(CommitFailure::Driver),
            Err(trouble) => {
                session.abort_transaction().await.ok();
                Err(trouble)
            }
        };
        match answer {
            Ok(()) => return Ok(()),
            Err(CommitFailure::Shut) => {
                let state = environment::state(db, work.environment).await?;
                environment::guard(&state, work.environment, work.base, work.lease)?;
                return Err(StoreError::Busy);
            }
            Err(CommitFailure::Driver(error)) if is_passing(&error) || is_duplicate(&error) => {
                if Instant::now() >= until {
                    return Err(error).doing(db, "shut the gates of an earlier commit");
                }
                let open = sessions(db, context.env).await.unwrap_or_default();
                db.end_sessions(open.into_iter().filter(|id| !names.contains(&Bson::Document(id.clone()))).collect())
                    .await;
            }
            Err(CommitFailure::Driver(error)) => return Err(error).doing(db, "shut the gates of an earlier commit"),
            Err(CommitFailure::Refused(error)) => return Err(error),
        }
        tokio::time::sleep(pause(turn)).await;
        turn += 1;
    }
}

async fn put_id(
    db: &Db,
    session: &mut ClientSession,
    work: &Commit<'_>,
    context: CommitContext<'_>,
    names: &[Bson],
) -> Result<(), CommitFailure> {
    for (lane, name) in names.iter().enumerate() {
        db.at(GATES)
            .update_one(
                doc! { "_id": gate(context.env, lane) },
                doc! { "$set": { "commit": context.commit, "session": name } },
            )
            .upsert(true)
            .session(&mut *session)
            .await?;
    }
    // It is written, not only read: so it cannot be true in this transaction and false in one at the same time.
    let mine = db
        .at(ENVIRONMENTS)
        .update_one(
            doc! { "_id": work.environment, "env": context.env, "writer": context.commit },
            doc! { "$set": { "gates": i64::try_from(names.len()).unwrap_or(i64::MAX), "gates_of": context.commit } },
        )
        .session(&mut *session)
        .await?;
    if mine.matched_count == 1 { Ok(()) } else { Err(CommitFailure::Shut) }
}

/// The sessions that went through the gates last.
async fn sessions(db: &Db, env: i64) -> Result<Vec<Document>, StoreError> {
    let names: Vec<Document> = (0..MOST_LANES).map(|lane| gate(env, lane)).collect();
    let found: Vec<Document> = db
        .database
        .collection::<Document>(GATES)
        .find(doc! { "_id": { "$in": names } })
        .await
        .doing(db, "look at the gates")?
        .try_collect()
        .await
        .doing(db, "look at the gates")?;
    Ok(found.iter().filter_map(|gate| gate.get_document("session").ok().cloned()).collect())
}

impl Gates {
    /// Writes one batch through the gate of a lane.
    pub(super) async fn write(
        &self,
        db: &Db,
        work: &Commit<'_>,
        context: CommitContext<'_>,
        lane: usize,
        writes: &Writes,
    ) -> Result<(), StoreError> {
        let until = Instant::now() + db.options.patience;
        let Some(session) = self.lanes.get(lane) else { return Err(StoreError::Busy) };
        let mut session = session.lock().await;
        let mut turn = 0;
        loop {
            match db.within(async { Ok(attempt(db, &mut session, context, lane, writes).await) }).await? {
                Ok(()) => return Ok(()),
                // The try before this one was done after all.
                Err(CommitFailure::Driver(error)) if is_duplicate(&error) && turn > 0 => return Ok(()),
                Err(CommitFailure::Driver(error)) if is_passing(&error) && Instant::now() < until => {}
                Err(CommitFailure::Driver(error)) => return Err(error).doing(db, "write a part of a commit"),
                Err(CommitFailure::Refused(error)) => return Err(error),
                Err(CommitFailure::Shut) => {
                    let state = environment::state(db, work.environment).await?;
                    environment::guard(&state, work.environment, work.base, work.lease)?;
                    return Err(StoreError::Busy);
                }
            }
            tokio::time::sleep(pause(turn)).await;
            turn += 1;
        }
    }
}

async fn attempt(
    db: &Db,
    session: &mut ClientSession,
    context: CommitContext<'_>,
    lane: usize,
    writes: &Writes,
) -> Result<(), CommitFailure> {
    session.start_transaction().await?;
    let answer = body(db, session, context, lane, writes).await;
    if answer.is_err() {
        session.abort_transaction().await.ok();
        return answer;
    }
    settle(session).await.map_err(CommitFailure::Driver)
}

async fn body(
    db: &Db,
    session: &mut ClientSession,
    context: CommitContext<'_>,
    lane: usize,
    writes: &Writes,
) -> Result<(), CommitFailure> {
    let through = db
        .at(GATES)
        .update_one(
            doc! { "_id": gate(context.env, lane), "commit": context.commit },
            doc! { "$inc": { "batches": 1_i64 } },
        )
        .session(&mut *session)
        .await?;
    if through.matched_count != 1 {
        return Err(CommitFailure::Shut);
    }
    write(db, session, context, writes).await?;
    Ok(())
}
