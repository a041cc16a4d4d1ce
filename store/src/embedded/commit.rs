//! One commit: what differs is written, what it replaces becomes past, and all of it is seen at once.

pub(super) mod clique;
pub(super) mod link;
pub(super) mod object;
pub(super) mod scope;

use std::collections::BTreeSet;

use calipso_model::{Delta, Revision};
use rusqlite::{Connection, params};

use crate::{
    commit::{Commit, CommitInfo, RowWrite},
    embedded::{
        environment,
        fault::{Doing, to_db},
        key::Numbers,
        record,
    },
    error::StoreError,
    form::{self, millis},
    scope::ScopeChanges,
    store::{Counts, Lease, Searched},
};

/// Everything that a commit needs; owned, because it runs on another thread.
pub(super) struct Work {
    environment: String,
    base: Revision,
    lease: Lease,
    delta: Delta,
    scopes: ScopeChanges,
    rows: Vec<RowWrite>,
    info: CommitInfo,
    clear: bool,
}

impl Work {
    /// What is committed; or everything goes.
    pub(super) fn new(commit: &Commit<'_>, clear: bool) -> Self {
        Self {
            environment: commit.environment.to_owned(),
            base: commit.base,
            lease: commit.lease.clone(),
            delta: commit.delta.clone(),
            scopes: commit.scopes.clone(),
            rows: commit.rows.to_vec(),
            info: commit.info.clone(),
            clear,
        }
    }
}

/// Says by what objects are found, and makes what is stored fit it.
pub(super) fn search_by(db: &mut Connection, lease: &Lease, searched: &Searched) -> Result<(), StoreError> {
    let change = environment::begin(db)?;
    let state = environment::state(&change, &lease.environment)?;
    environment::guard_lease(&state, lease)?;
    if state.searched == *searched {
        return Ok(());
    }
    let types =
        state.searched.keys().chain(searched.keys()).filter(|name| state.searched.get(*name) != searched.get(*name));
    for object_type in types.collect::<BTreeSet<_>>() {
        object::find_by(&change, state.id, object_type, searched)?;
    }
    change
        .execute("UPDATE environment SET searched = ?2 WHERE id = ?1", params![state.id, form::searched_text(searched)])
        .doing("say what is searched")?;
    change.commit().doing("say what is searched")
}

/// How many rows of each kind were written and removed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// New and changed.
    pub(super) written: Counts,
    pub(super) removed: Counts,
}

/// The place where a commit writes.
#[derive(Clone, Copy)]
pub(super) struct CommitContext<'c> {
    /// The connection, within its transaction.
    pub(super) db: &'c Connection,
    /// Number of the environment.
    pub(super) env: i64,
    /// The revision being made.
    pub(super) revision: i64,
    /// Fields that search looks at beside names.
    pub(super) searched: &'c Searched,
}

/// Commits, or changes nothing.
pub(super) fn commit(db: &mut Connection, work: &Work) -> Result<Revision, StoreError> {
    let at_millis = millis(&work.info.at)?;
    let change = environment::begin(db)?;
    let state = environment::state(&change, &work.environment)?;
    environment::guard(&state, &work.environment, work.base, &work.lease)?;
    let revision = work.base + 1;
    let context = CommitContext { db: &change, env: state.id, revision: to_db(revision), searched: &state.searched };
    let mut tally = Tally::default();
    // First, for what is not as expected is found before all else is written.
    for row in &work.rows {
        record::write(&change, row)?;
    }
    if work.clear {
        tally.removed.objects = object::clear(context)?;
        tally.removed.links = link::clear(context)?;
        tally.removed.cliques = clique::clear(context)?;
        scope::clear(context)?;
    } else {
        let mut numbers = Numbers::new(&change, state.id, work.delta.objects.len())?;
        object::write(context, &mut numbers, &work.delta, &mut tally)?;
        link::write(context, &mut numbers, &work.delta, &mut tally)?;
        clique::write(context, &mut numbers, &work.delta, &mut tally)?;
        scope::write(context, &mut numbers, &work.scopes)?;
    }
    if tally.written == Counts::default() && tally.removed == Counts::default() {
        change.commit().doing("commit")?;
        return Ok(work.base);
    }
    change
        .execute(
            "INSERT INTO revision VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                context.env,
                context.revision,
                &*work.info.at,
                at_millis,
                &*work.info.note,
                to_db(tally.written.objects),
                to_db(tally.written.links),
                to_db(tally.written.cliques),
                to_db(tally.removed.objects),
                to_db(tally.removed.links),
                to_db(tally.removed.cliques),
            ],
        )
        .doing("note a revision")?;
    let moved = change
        .execute(
            "UPDATE environment SET current = ?2 WHERE id = ?1 AND current = ?3 AND fence = ?4",
            params![context.env, context.revision, to_db(work.base), to_db(work.lease.fence)],
        )
        .doing("move to the next revision")?;
    if moved != 1 {
        return Err(StoreError::corrupt("an environment changed under its own transaction"));
    }
    change.commit().doing("commit")?;
    Ok(revision)
}
