//! Environments and the right to write them.

use std::time::Duration;

use calipso_model::{Environment, Revision};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::{
    embedded::{
        fault::{Doing, from_db, to_db},
        row,
    },
    error::StoreError,
    form,
    store::{Expect, Lease, Searched},
};

/// What the file knows of an environment, its configuration aside.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Number of the environment's row.
    pub(super) id: i64,
    /// The current revision.
    pub(super) current: Revision,
    /// The oldest revision that can be read.
    pub(super) oldest: Revision,
    fence: i64,
    holder: Option<String>,
    until_millis: i64,
    /// Fields that search looks at beside names.
    pub(super) searched: Searched,
}

/// Begins to write; waits for another writer within the busy time-out.
pub(super) fn begin(db: &mut Connection) -> Result<Transaction<'_>, StoreError> {
    db.transaction_with_behavior(TransactionBehavior::Immediate).doing("begin to write")
}

/// A number that no version of anything in the file ever was.
pub(super) fn next_version(change: &Transaction<'_>) -> Result<i64, StoreError> {
    change
        .prepare_cached("UPDATE counter SET version = version + 1 RETURNING version")
        .and_then(|mut next| next.query_row([], |row| row.get(0)))
        .doing("number a version")
}

/// A test write that no reader sees: it fails wherever another write would fail.
pub(super) fn touch(db: &mut Connection) -> Result<(), StoreError> {
    let change = begin(db)?;
    next_version(&change)?;
    change.commit().doing("write")
}

/// The state of an environment.
pub(super) fn state(db: &Connection, name: &str) -> Result<State, StoreError> {
    db.prepare_cached(
        "SELECT id, current, oldest, fence, holder, until_millis, searched FROM environment WHERE name = ?1",
    )
    .and_then(|mut find| {
        find.query_row([name], |row| {
            Ok(State {
                id: row.get(0)?,
                current: from_db(row.get(1)?),
                oldest: from_db(row.get(2)?),
                fence: row.get(3)?,
                holder: row.get(4)?,
                until_millis: row.get(5)?,
                searched: form::searched_from(row.get_ref(6)?.as_str()?),
            })
        })
        .optional()
    })
    .doing("look up an environment")?
    .ok_or_else(|| StoreError::no_environment(name))
}

/// Refuses a writer that has lost its lease or does not know the current revision.
pub(super) fn guard(state: &State, name: &str, base: Revision, lease: &Lease) -> Result<(), StoreError> {
    if &*lease.environment != name {
        return Err(StoreError::invalid(format!(
            "a lease on environment `{}` was used to write environment `{name}`",
            lease.environment
        )));
    }
    guard_lease(state, lease)?;
    if state.current != base {
        return Err(StoreError::Conflict { environment: name.into(), base, current: state.current });
    }
    Ok(())
}

pub(super) fn guard_lease(state: &State, lease: &Lease) -> Result<(), StoreError> {
    if state.fence == 0 || state.fence != to_db(lease.fence) {
        return Err(StoreError::LeaseLost { environment: lease.environment.clone() });
    }
    Ok(())
}

/// Creates or replaces a configuration.
pub(super) fn put(db: &mut Connection, environment: &Environment, expect: Expect) -> Result<u64, StoreError> {
    if environment.name.is_empty() {
        return Err(StoreError::invalid("an environment needs a name"));
    }
    let change = begin(db)?;
    let known: Option<i64> = change
        .query_row("SELECT version FROM environment WHERE name = ?1", [&*environment.name], |row| row.get(0))
        .optional()
        .doing("save an environment")?;
    let name = || environment.name.clone();
    match (expect, known) {
        (Expect::Nothing, Some(_)) => return Err(StoreError::Exists { what: "environment", name: name() }),
        (Expect::Version(_), None) => return Err(StoreError::Changed { what: "environment", name: name() }),
        (Expect::Version(version), Some(known)) if from_db(known) != version => {
            return Err(StoreError::Changed { what: "environment", name: name() });
        }
        _ => {}
    }
    let version = next_version(&change)?;
    change
        .execute(
            "INSERT INTO environment(name, config, version, made, current, oldest, fence, until_millis)
             VALUES(?1, ?2, ?3, ?3, 0, 0, 0, 0)
             ON CONFLICT(name) DO UPDATE SET config = excluded.config, version = excluded.version",
            params![&*environment.name, row::environment_text(environment), version],
        )
        .doing("save an environment")?;
    change.commit().doing("save an environment")?;
    Ok(from_db(version))
}

/// One configuration and its version.
pub(super) fn get(db: &Connection, name: &str) -> Result<(Environment, u64), StoreError> {
    let found: Option<(String, i64)> = db
        .query_row("SELECT config, version FROM environment WHERE name = ?1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .doing("read an environment")?;
    let (config, version) = found.ok_or_else(|| StoreError::no_environment(name))?;
    Ok((row::environment_from(&config)?, from_db(version)))
}

/// The number of its making.
pub(super) fn made(db: &Connection, name: &str) -> Result<u64, StoreError> {
    let found: Option<i64> = db
        .prepare_cached("SELECT made FROM environment WHERE name = ?1")
        .and_then(|mut find| find.query_row([name], |row| row.get(0)).optional())
        .doing("read an environment")?;
    found.map(from_db).ok_or_else(|| StoreError::no_environment(name))
}

/// Every configuration, by name.
pub(super) fn list(db: &Connection) -> Result<Vec<Environment>, StoreError> {
    let mut read = db.prepare_cached("SELECT config FROM environment ORDER BY name").doing("list environments")?;
    let configs = read
        .query_map([], |row| row.get::<_, String>(0))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .doing("list environments")?;
    configs.iter().map(|config| row::environment_from(config)).collect()
}

/// Removes an environment with all its data.
pub(super) fn remove(db: &mut Connection, name: &str, now_millis: i64) -> Result<(), StoreError> {
    let change = begin(db)?;
    let state = state(&change, name)?;
    free(&state, name, now_millis)?;
    for forget in [
        "DELETE FROM text WHERE rowid IN (SELECT key FROM object WHERE env = ?1)",
        "DELETE FROM object WHERE env = ?1",
        "DELETE FROM object_past WHERE env = ?1",
        "DELETE FROM link WHERE env = ?1",
        "DELETE FROM link_past WHERE env = ?1",
        "DELETE FROM clique WHERE env = ?1",
        "DELETE FROM clique_past WHERE env = ?1",
        "DELETE FROM focal WHERE env = ?1",
        "DELETE FROM leads WHERE env = ?1",
        "DELETE FROM member WHERE scope IN (SELECT id FROM scope WHERE env = ?1)",
        "DELETE FROM scope WHERE env = ?1",
        "DELETE FROM report WHERE env = ?1",
        "DELETE FROM revision WHERE env = ?1",
        "DELETE FROM key WHERE env = ?1",
        "DELETE FROM word WHERE env = ?1",
        "DELETE FROM environment WHERE id = ?1",
    ] {
        change.execute(forget, [state.id]).doing("remove an environment")?;
    }
    change.commit().doing("remove an environment")
}

fn free(state: &State, name: &str, now_millis: i64) -> Result<(), StoreError> {
    match &state.holder {
        Some(holder) if state.until_millis > now_millis => Err(StoreError::LeaseHeld {
            environment: name.into(),
            holder: holder.as_str().into(),
            until_millis: state.until_millis,
        }),
        _ => Ok(()),
    }
}

/// Takes a lease that is free or has run out.
pub(super) fn acquire(
    db: &mut Connection,
    name: &str,
    holder: &str,
    now_millis: i64,
    ttl: Duration,
) -> Result<Lease, StoreError> {
    let change = begin(db)?;
    let state = state(&change, name)?;
    free(&state, name, now_millis)?;
    let until_millis = until(now_millis, ttl);
    let fence: i64 = change
        .query_row("UPDATE counter SET fence = fence + 1 RETURNING fence", [], |row| row.get(0))
        .doing("take a lease")?;
    change
        .execute(
            "UPDATE environment SET fence = ?2, holder = ?3, until_millis = ?4 WHERE id = ?1",
            params![state.id, fence, holder, until_millis],
        )
        .doing("take a lease")?;
    change.commit().doing("take a lease")?;
    Ok(Lease { environment: name.into(), holder: holder.into(), fence: from_db(fence), until_millis })
}

/// Makes a lease last longer.
pub(super) fn renew(db: &mut Connection, lease: &Lease, now_millis: i64, ttl: Duration) -> Result<Lease, StoreError> {
    let change = begin(db)?;
    let state = state(&change, &lease.environment)?;
    guard_lease(&state, lease)?;
    let until_millis = until(now_millis, ttl);
    change
        .execute("UPDATE environment SET until_millis = ?2 WHERE id = ?1", params![state.id, until_millis])
        .doing("renew a lease")?;
    change.commit().doing("renew a lease")?;
    Ok(Lease { until_millis, ..lease.clone() })
}

/// Gives a lease back, unless it is lost already.
pub(super) fn release(db: &mut Connection, lease: &Lease) -> Result<(), StoreError> {
    let change = begin(db)?;
    change
        .execute(
            "UPDATE environment SET fence = 0, holder = NULL, until_millis = 0 WHERE name = ?1 AND fence = ?2",
            params![&*lease.environment, to_db(lease.fence)],
        )
        .doing("give a lease back")?;
    change.commit().doing("give a lease back")
}

fn until(now_millis: i64, ttl: Duration) -> i64 {
    now_millis.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}
