//! Scopes of a commit: not versioned, and of their members only what differs is written.

use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        commit::CommitContext,
        fault::Doing,
        key::{Numbers, find},
        row,
    },
    error::StoreError,
    form::not_stored,
    scope::{Member, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate},
};

/// A member as it lies in the file; its key within the scope comes first.
#[derive(PartialEq)]
struct Row {
    object: i64,
    n: i64,
    asserts: bool,
    order: u32,
    at: i64,
    contribution: String,
}

/// Saves and removes scopes.
pub(in crate::embedded) fn write(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    changes: &ScopeChanges,
) -> Result<(), StoreError> {
    for key in &changes.remove {
        if let Some(scope) = find_scope(context, key)? {
            context.db.execute("DELETE FROM member WHERE scope = ?1", [scope]).doing("remove a scope")?;
            context.db.execute("DELETE FROM scope WHERE id = ?1", [scope]).doing("remove a scope")?;
        }
    }
    for record in &changes.put {
        put(context, numbers, record)?;
    }
    for change in &changes.update {
        update(context, numbers, change)?;
    }
    Ok(())
}

/// Changes the head of a scope, and only the named ones of its members.
fn update(context: CommitContext<'_>, numbers: &mut Numbers<'_>, change: &ScopeUpdate) -> Result<(), StoreError> {
    let record = &change.record;
    let key = &record.key;
    let missing = || not_stored(key);
    let parent = numbers.find(&key.parent)?.ok_or_else(missing)?;
    let scope: i64 = context
        .db
        .prepare_cached(
            "UPDATE scope SET complete = ?6, scanned_at = ?7, tried_at = ?8, stale_since = ?9, problem = ?10
             WHERE env = ?1 AND fetcher = ?2 AND object_type = ?3 AND parent = ?4 AND narrowing = ?5 RETURNING id",
        )
        .and_then(|mut save| {
            save.query_row(head(context, parent, record, &key.narrowing.to_json()), |row| row.get(0)).optional()
        })
        .doing("save a scope")?
        .ok_or_else(missing)?;
    for gone in &change.remove {
        let Some(object) = numbers.find(gone)? else { continue };
        context
            .db
            .prepare_cached("DELETE FROM member WHERE scope = ?1 AND object = ?2")
            .and_then(|mut forget| forget.execute([scope, object]))
            .doing("remove a member of a scope")?;
    }
    let rows = rows(numbers, &record.members)?;
    for rows in rows.chunk_by(|a, b| a.object == b.object) {
        write_members(context, scope, rows.first().map(|row| row.object), rows)?;
    }
    Ok(())
}

fn put(context: CommitContext<'_>, numbers: &mut Numbers<'_>, record: &ScopeRecord) -> Result<(), StoreError> {
    let key = &record.key;
    let parent = numbers.make(&key.parent)?;
    let scope: i64 = context
        .db
        .prepare_cached(
            "INSERT INTO scope(env, fetcher, object_type, parent, narrowing, complete, scanned_at, tried_at, stale_since,
                 problem)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT(env, fetcher, object_type, parent, narrowing) DO UPDATE SET complete = excluded.complete,
                 scanned_at = excluded.scanned_at, tried_at = excluded.tried_at, stale_since = excluded.stale_since,
                 problem = excluded.problem
             RETURNING id",
        )
        .and_then(|mut save| save.query_row(head(context, parent, record, &key.narrowing.to_json()), |row| row.get(0)))
        .doing("save a scope")?;
    write_members(context, scope, None, &rows(numbers, &record.members)?)
}

/// What is bound for the head of a scope: its key first.
fn head<'r>(
    context: CommitContext<'_>,
    parent: i64,
    record: &'r ScopeRecord,
    narrowing: &'r str,
) -> impl rusqlite::Params + use<'r> {
    (
        context.env,
        &*record.key.fetcher,
        &*record.key.object_type,
        parent,
        narrowing,
        record.complete,
        &*record.scanned_at,
        &*record.tried_at,
        record.stale_since.as_deref(),
        record.problem.as_deref(),
    )
}

/// Members as they lie in the file, in key order.
fn rows(numbers: &mut Numbers<'_>, members: &[Member]) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::with_capacity(members.len());
    for member in members {
        rows.push(Row {
            object: numbers.make(&member.key)?,
            n: 0,
            asserts: member.asserts,
            order: member.order,
            at: numbers.word(&member.at)?,
            contribution: row::sealed_text(&member.contribution),
        });
    }
    rows.sort_by(|a, b| {
        (a.object, a.order, a.at, a.asserts, &a.contribution).cmp(&(
            b.object,
            b.order,
            b.at,
            b.asserts,
            &b.contribution,
        ))
    });
    let mut last = None;
    for row in &mut rows {
        let (object, n) = last.filter(|(object, _)| *object == row.object).map_or((row.object, 0), |(o, n)| (o, n + 1));
        row.n = n;
        last = Some((object, n));
    }
    Ok(rows)
}

/// Makes the stored members, all or those of one object, equal to `rows`, which are in key order.
fn write_members(context: CommitContext<'_>, scope: i64, only: Option<i64>, rows: &[Row]) -> Result<(), StoreError> {
    let mut changed: Vec<&Row> = Vec::new();
    let mut gone: Vec<(i64, i64)> = Vec::new();
    let mut wanted = rows.iter().peekable();
    let mut read = context
        .db
        .prepare_cached(match only {
            None => {
                "SELECT object, n, asserts, ord, at, contribution FROM member WHERE scope = ?1 AND ?2 IS NULL
                     ORDER BY object, n"
            }
            Some(_) => {
                "SELECT object, n, asserts, ord, at, contribution FROM member WHERE scope = ?1 AND object = ?2
                        ORDER BY n"
            }
        })
        .doing("read the members of a scope")?;
    let mut stored = read.query(params![scope, only]).doing("read the members of a scope")?;
    while let Some(found) = stored.next().doing("read the members of a scope")? {
        let (object, n): (i64, i64) =
            found.get(0).and_then(|object| Ok((object, found.get(1)?))).doing("read the members of a scope")?;
        while let Some(new) = wanted.next_if(|row| (row.object, row.n) < (object, n)) {
            changed.push(new);
        }
        match wanted.next_if(|row| (row.object, row.n) == (object, n)) {
            None => gone.push((object, n)),
            Some(row) => {
                let same = (|| {
                    Ok(found.get::<_, bool>(2)? == row.asserts
                        && found.get::<_, u32>(3)? == row.order
                        && found.get::<_, i64>(4)? == row.at
                        && row::is_same(found.get_ref(5)?.as_str()?, &row.contribution))
                })()
                .doing("compare the members of a scope")?;
                if !same {
                    changed.push(row);
                }
            }
        }
    }
    drop(stored);
    changed.extend(wanted);
    for (object, n) in gone {
        context
            .db
            .prepare_cached("DELETE FROM member WHERE scope = ?1 AND object = ?2 AND n = ?3")
            .and_then(|mut forget| forget.execute(params![scope, object, n]))
            .doing("remove a member of a scope")?;
    }
    for row in changed {
        context
            .db
            .prepare_cached(
                "INSERT OR REPLACE INTO member(scope, object, n, asserts, ord, at, contribution)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .and_then(|mut save| {
                save.execute(params![scope, row.object, row.n, row.asserts, row.order, row.at, row.contribution])
            })
            .doing("save a member of a scope")?;
    }
    Ok(())
}

/// The number of a scope.
fn find_scope(context: CommitContext<'_>, key: &ScopeKey) -> Result<Option<i64>, StoreError> {
    let Some(parent) = find(context.db, context.env, &key.parent)? else { return Ok(None) };
    context
        .db
        .prepare_cached(
            "SELECT id FROM scope WHERE env = ?1 AND fetcher = ?2 AND object_type = ?3 AND parent = ?4 AND narrowing = ?5",
        )
        .and_then(|mut find| {
            find.query_row(
                params![context.env, &*key.fetcher, &*key.object_type, parent, key.narrowing.to_json()],
                |row| row.get(0),
            )
            .optional()
        })
        .doing("look up a scope")
}

/// Forgets all scopes.
pub(in crate::embedded) fn clear(context: CommitContext<'_>) -> Result<(), StoreError> {
    context
        .db
        .execute("DELETE FROM member WHERE scope IN (SELECT id FROM scope WHERE env = ?1)", [context.env])
        .doing("forget all scopes")?;
    context.db.execute("DELETE FROM scope WHERE env = ?1", [context.env]).doing("forget all scopes")?;
    Ok(())
}
