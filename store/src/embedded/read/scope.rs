//! Scopes and their members.

use std::collections::BTreeMap;

use calipso_model::{ObjectKey, Str, Value};
use rusqlite::{Connection, params};

use crate::{
    embedded::{
        environment,
        fault::{Doing, unreadable},
        key::{Names, find},
        row,
    },
    error::StoreError,
    scope::{Member, ScopeKey, ScopeRecord},
};

/// The condition that every scope meets.
const ALL: &str = "1";

/// Which members are read.
#[derive(Clone, Copy)]
enum Members {
    All,
    Of(i64),
}

/// All scopes, by key.
pub(in crate::embedded) fn all(db: &Connection, environment: &str) -> Result<Vec<ScopeRecord>, StoreError> {
    let state = environment::state(db, environment)?;
    records(db, state.id, ALL, 0, Members::All)
}

pub(in crate::embedded) fn get(
    db: &Connection,
    environment: &str,
    key: &ScopeKey,
) -> Result<Option<ScopeRecord>, StoreError> {
    let state = environment::state(db, environment)?;
    let Some(parent) = find(db, state.id, &key.parent)? else { return Ok(None) };
    // Below one parent there are few scopes, so they are compared here.
    let found = headers(db, state.id, "parent = ?2", parent)?;
    let mut names = Names::new(db);
    for (scope, header) in found {
        let record = header.name(&mut names)?;
        if record.key == *key {
            return fill(db, scope, record, Members::All, &mut names).map(Some);
        }
    }
    Ok(None)
}

/// The scopes that an object is a member of.
pub(in crate::embedded) fn of(
    db: &Connection,
    environment: &str,
    key: &ObjectKey,
) -> Result<Vec<ScopeRecord>, StoreError> {
    let state = environment::state(db, environment)?;
    match find(db, state.id, key)? {
        Some(object) => of_number(db, state.id, object),
        None => Ok(Vec::new()),
    }
}

/// The scopes that the object of a number is a member of.
pub(super) fn of_number(db: &Connection, env: i64, object: i64) -> Result<Vec<ScopeRecord>, StoreError> {
    records(db, env, "id IN (SELECT scope FROM member WHERE object = ?2)", object, Members::Of(object))
}

/// When each of some objects was found last by a fetcher that asserts it.
pub(in crate::embedded) fn last_scanned(
    db: &Connection,
    environment: &str,
    keys: &[ObjectKey],
) -> Result<Vec<Option<Str>>, StoreError> {
    let state = environment::state(db, environment)?;
    let mut read = db
        .prepare_cached(
            "SELECT max(s.scanned_at) FROM member m JOIN scope s ON s.id = m.scope
             WHERE m.object = ?1 AND m.asserts AND s.scanned_at <> ''",
        )
        .doing("look for the last scan of an object")?;
    keys.iter()
        .map(|key| {
            let Some(id) = find(db, state.id, key)? else { return Ok(None) };
            read.query_row([id], |row| row.get::<_, Option<String>>(0))
                .map(|time| time.map(Str::from))
                .doing("look for the last scan of an object")
        })
        .collect()
}

/// Objects without a complete scope that asserts them, and since when.
pub(in crate::embedded) fn stale(db: &Connection, environment: &str) -> Result<BTreeMap<ObjectKey, Str>, StoreError> {
    let state = environment::state(db, environment)?;
    let mut read = db
        .prepare_cached(
            "SELECT m.object, max(coalesce(s.stale_since, s.tried_at)) FROM scope s JOIN member m ON m.scope = s.id
             WHERE s.env = ?1 AND NOT s.complete AND m.asserts AND NOT EXISTS(
                 SELECT 1 FROM member o JOIN scope c ON c.id = o.scope WHERE o.object = m.object AND o.asserts AND c.complete)
             GROUP BY m.object",
        )
        .doing("look for what is out of date")?;
    let found: Vec<(i64, String)> = read
        .query_map([state.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .doing("look for what is out of date")?;
    let mut names = Names::new(db);
    found.into_iter().map(|(object, since)| Ok((names.key(object)?, since.into()))).collect()
}

fn records(
    db: &Connection,
    env: i64,
    condition: &str,
    value: i64,
    members: Members,
) -> Result<Vec<ScopeRecord>, StoreError> {
    let mut names = Names::new(db);
    let mut records = headers(db, env, condition, value)?
        .into_iter()
        .map(|(scope, header)| fill(db, scope, header.name(&mut names)?, members, &mut names))
        .collect::<Result<Vec<_>, StoreError>>()?;
    records.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(records)
}

/// A scope as it lies in the file, without its members.
struct Header {
    fetcher: String,
    object_type: String,
    parent: i64,
    narrowing: String,
    complete: bool,
    scanned_at: String,
    tried_at: String,
    stale_since: Option<String>,
    problem: Option<String>,
}

impl Header {
    fn name(self, names: &mut Names<'_>) -> Result<ScopeRecord, StoreError> {
        Ok(ScopeRecord {
            key: ScopeKey {
                fetcher: names.shared(&self.fetcher),
                object_type: names.shared(&self.object_type),
                parent: names.key(self.parent)?,
                narrowing: Value::from_json(&self.narrowing)
                    .map_err(|error| unreadable("the narrowing of a scope", error))?,
            },
            complete: self.complete,
            scanned_at: self.scanned_at.into(),
            tried_at: self.tried_at.into(),
            stale_since: self.stale_since.map(Into::into),
            problem: self.problem.map(Into::into),
            members: Vec::new(),
        })
    }
}

fn headers(db: &Connection, env: i64, condition: &str, value: i64) -> Result<Vec<(i64, Header)>, StoreError> {
    // What picks scopes picks few of all; a plus then keeps the planner from the index on the environment.
    let env_column = if condition == ALL { "env" } else { "+env" };
    let mut read = db
        .prepare_cached(&format!(
            "SELECT id, fetcher, object_type, parent, narrowing, complete, scanned_at, tried_at, stale_since, problem
             FROM scope WHERE {env_column} = ?1 AND ?2 IS NOT NULL AND {condition}"
        ))
        .doing("read scopes")?;
    read.query_map(params![env, value], |row| {
        Ok((
            row.get(0)?,
            Header {
                fetcher: row.get(1)?,
                object_type: row.get(2)?,
                parent: row.get(3)?,
                narrowing: row.get(4)?,
                complete: row.get(5)?,
                scanned_at: row.get(6)?,
                tried_at: row.get(7)?,
                stale_since: row.get(8)?,
                problem: row.get(9)?,
            },
        ))
    })
    .and_then(Iterator::collect)
    .doing("read scopes")
}

fn fill(
    db: &Connection,
    scope: i64,
    mut record: ScopeRecord,
    members: Members,
    names: &mut Names<'_>,
) -> Result<ScopeRecord, StoreError> {
    let only = match members {
        Members::All => None,
        Members::Of(object) => Some(object),
    };
    let mut read = db
        .prepare_cached(match members {
            Members::All => "SELECT object, asserts, ord, at, contribution FROM member WHERE scope = ?1 AND ?2 IS NULL",
            Members::Of(_) => {
                "SELECT object, asserts, ord, at, contribution FROM member WHERE scope = ?1 AND object = ?2"
            }
        })
        .doing("read the members of a scope")?;
    let mut rows = read.query(params![scope, only]).doing("read the members of a scope")?;
    while let Some(row) = rows.next().doing("read the members of a scope")? {
        let (object, asserts, order, at): (i64, bool, u32, i64) = row
            .get(0)
            .and_then(|object| Ok((object, row.get(1)?, row.get(2)?, row.get(3)?)))
            .doing("read the members of a scope")?;
        let contribution = row.get_ref(4).and_then(|text| Ok(text.as_str()?)).doing("read the members of a scope")?;
        record.members.push(Member {
            key: names.key(object)?,
            contribution: row::map_from(contribution)?,
            asserts,
            order,
            at: names.word(at)?,
        });
    }
    record.members.sort_by(|a, b| (&a.key, a.order, &a.at).cmp(&(&b.key, b.order, &b.at)));
    Ok(record)
}
