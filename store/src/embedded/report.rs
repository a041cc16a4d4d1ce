//! Scan reports.

use calipso_model::{Revision, Value};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    embedded::{
        environment,
        fault::{Doing, from_db, to_db, unreadable},
        row,
    },
    error::StoreError,
    store::{ReportEntry, ReportId},
};

/// Keeps a report, and removes the oldest ones beyond the limit.
pub(super) fn put(
    db: &mut Connection,
    name: &str,
    at: &str,
    revision: Revision,
    body: &Value,
    keep: usize,
) -> Result<ReportId, StoreError> {
    let change = environment::begin(db)?;
    let state = environment::state(&change, name)?;
    // The newest one is always kept, so numbers only grow.
    let id: i64 = change
        .query_row("SELECT coalesce(max(id), 0) + 1 FROM report WHERE env = ?1", [state.id], |found| found.get(0))
        .doing("save a report")?;
    change
        .execute(
            "INSERT INTO report(env, id, at, revision, body) VALUES(?1, ?2, ?3, ?4, ?5)",
            params![state.id, id, at, to_db(revision), row::seal(body.to_json())],
        )
        .doing("save a report")?;
    change
        .execute(
            "DELETE FROM report WHERE env = ?1
                 AND id NOT IN (SELECT id FROM report WHERE env = ?1 ORDER BY id DESC LIMIT ?2)",
            params![state.id, to_db(keep.max(1) as u64)],
        )
        .doing("remove old reports")?;
    change.commit().doing("save a report")?;
    Ok(from_db(id))
}

/// The reports, newest first.
pub(super) fn list(db: &Connection, name: &str) -> Result<Vec<ReportEntry>, StoreError> {
    let state = environment::state(db, name)?;
    let mut read = db
        .prepare_cached("SELECT id, at, revision FROM report WHERE env = ?1 ORDER BY id DESC")
        .doing("list reports")?;
    read.query_map([state.id], |row| {
        Ok(ReportEntry {
            id: from_db(row.get(0)?),
            at: row.get::<_, String>(1)?.into(),
            revision: from_db(row.get(2)?),
        })
    })
    .and_then(Iterator::collect)
    .doing("list reports")
}

pub(super) fn get(db: &Connection, name: &str, id: ReportId) -> Result<Value, StoreError> {
    let state = environment::state(db, name)?;
    let body: Option<String> = db
        .query_row("SELECT body FROM report WHERE env = ?1 AND id = ?2", params![state.id, to_db(id)], |found| {
            found.get(0)
        })
        .optional()
        .doing("read a report")?;
    let body = body.ok_or_else(|| StoreError::NotFound { what: "report", name: id.to_string().into() })?;
    Value::from_json(row::opened(&body)?).map_err(|error| unreadable("a report", error))
}
