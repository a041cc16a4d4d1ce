//! Reading at one revision.

pub(super) mod clique;
pub(super) mod count;
pub(super) mod diff;
mod field;
pub(super) mod link;
pub(super) mod object;
pub(super) mod scope;
pub(super) mod search;

use calipso_model::{ObjectKey, Revision, Str};
use rusqlite::{Connection, params};

use crate::{
    embedded::{
        environment,
        fault::{Doing, from_db, to_db},
    },
    error::StoreError,
    form::open_cursor,
    query::Page,
    store::{Counts, RevisionInfo},
};

/// An environment at one revision.
#[derive(Clone, Copy)]
pub(super) struct View<'c> {
    /// The connection, within its transaction.
    pub(super) db: &'c Connection,
    /// Number of the environment.
    pub(super) env: i64,
    pub(super) revision: i64,
    /// Whether nothing is newer.
    pub(super) current: bool,
}

impl<'c> View<'c> {
    /// Looks at a revision; the current one if none is named.
    pub(super) fn at(db: &'c Connection, name: &str, at: Option<Revision>) -> Result<Self, StoreError> {
        let state = environment::state(db, name)?;
        let revision = at.unwrap_or(state.current);
        if revision < state.oldest || revision > state.current {
            return Err(StoreError::NoRevision {
                environment: name.into(),
                revision,
                oldest: state.oldest,
                current: state.current,
            });
        }
        Ok(Self { db, env: state.id, revision: to_db(revision), current: revision == state.current })
    }

    /// Looks at the revision of a page: the one its cursor names.
    pub(super) fn page(
        db: &'c Connection,
        name: &str,
        at: Option<Revision>,
        page: &Page,
        parts: usize,
    ) -> Result<(Self, Option<Vec<Str>>), StoreError> {
        let Some(cursor) = &page.after else { return Ok((Self::at(db, name, at)?, None)) };
        let (revision, place) = open_cursor(cursor, parts)?;
        if at.is_some_and(|at| at != revision) {
            return Err(StoreError::invalid(format!(
                "the cursor belongs to revision {revision}; it cannot go on at another one"
            )));
        }
        Ok((Self::at(db, name, Some(revision))?, Some(place)))
    }

    /// The number of the revision.
    pub(super) fn number(&self) -> Revision {
        from_db(self.revision)
    }
}

/// Keys of some types after (or from) a key, in order, up to a limit: type by type if types are named.
pub(super) fn keys_after(
    view: View<'_>,
    types: &[Str],
    after: Option<&ObjectKey>,
    inclusive: bool,
    limit: usize,
) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
    let more = if inclusive || after.is_none() { ">=" } else { ">" };
    let (start_type, start_id) = after.map_or(("", ""), |key| (&*key.object_type, &*key.id));
    let mut found = Vec::new();
    let mut take = |statement: &str, object_type: &str, id: &str, limit: usize| -> Result<usize, StoreError> {
        let mut read = view.db.prepare_cached(statement).doing("list keys")?;
        let mut rows = read.query(params![view.env, object_type, id, to_db(limit as u64)]).doing("list keys")?;
        let mut last: Option<Str> = None;
        let mut taken = 0;
        while let Some(row) = rows.next().doing("list keys")? {
            let key = (|| {
                let name = row.get_ref(1)?.as_str()?;
                let object_type = match &last {
                    Some(last) if **last == *name => last.clone(),
                    _ => last.insert(name.into()).clone(),
                };
                Ok((row.get(0)?, ObjectKey { object_type, id: row.get_ref(2)?.as_str()?.into() }))
            })()
            .doing("list keys")?;
            found.push(key);
            taken += 1;
        }
        Ok(taken)
    };
    if types.is_empty() {
        let statement = format!(
            "SELECT id, type, oid FROM key WHERE env = ?1 AND (type, oid) {more} (?2, ?3) ORDER BY type, oid LIMIT ?4"
        );
        take(&statement, start_type, start_id, limit)?;
        return Ok(found);
    }
    let mut types: Vec<&str> = types.iter().map(|name| &**name).filter(|name| *name >= start_type).collect();
    types.sort_unstable();
    types.dedup();
    let statement =
        format!("SELECT id, type, oid FROM key WHERE env = ?1 AND type = ?2 AND oid {more} ?3 ORDER BY oid LIMIT ?4");
    let mut left = limit;
    for object_type in types {
        // Before the first id of a type nothing is skipped: an empty id would be found too.
        left -= if object_type == start_type && after.is_some() {
            take(&statement, object_type, start_id, left)?
        } else {
            let statement =
                "SELECT id, type, oid FROM key WHERE env = ?1 AND type = ?2 AND oid >= ?3 ORDER BY oid LIMIT ?4";
            take(statement, object_type, "", left)?
        };
        if left == 0 {
            break;
        }
    }
    Ok(found)
}

/// Every key of an id, whatever its type, by type.
pub(super) fn keys_of_id(view: View<'_>, id: &str) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
    // One step into the index for each type, and one for the id in it.
    let mut read = view
        .db
        .prepare_cached(
            "WITH RECURSIVE known(type) AS (
                 SELECT (SELECT type FROM key WHERE env = ?1 ORDER BY type LIMIT 1)
                 UNION ALL SELECT (SELECT type FROM key WHERE env = ?1 AND type > known.type ORDER BY type LIMIT 1)
                     FROM known WHERE known.type IS NOT NULL)
             SELECT k.id, k.type FROM known CROSS JOIN key k ON k.env = ?1 AND k.type = known.type AND k.oid = ?2",
        )
        .doing("look up an id")?;
    read.query_map(params![view.env, id], |row| Ok((row.get(0)?, ObjectKey::new(row.get::<_, String>(1)?, id))))
        .and_then(Iterator::collect)
        .doing("look up an id")
}

/// The readable revisions after one, oldest first, up to a limit.
pub(super) fn revisions(
    db: &Connection,
    name: &str,
    after: Revision,
    limit: usize,
) -> Result<Vec<RevisionInfo>, StoreError> {
    let state = environment::state(db, name)?;
    let mut read = db
        .prepare_cached(
            "SELECT revision, at, note, written_objects, written_links, written_cliques, removed_objects, removed_links,
                 removed_cliques
             FROM revision WHERE env = ?1 AND revision >= ?2 AND revision > ?3 ORDER BY revision LIMIT ?4",
        )
        .doing("list revisions")?;
    read.query_map(params![state.id, to_db(state.oldest), to_db(after), to_db(limit as u64)], |row| {
        let counts = |first: usize| -> rusqlite::Result<Counts> {
            Ok(Counts {
                objects: from_db(row.get(first)?),
                links: from_db(row.get(first + 1)?),
                cliques: from_db(row.get(first + 2)?),
            })
        };
        Ok(RevisionInfo {
            revision: from_db(row.get(0)?),
            at: row.get::<_, String>(1)?.into(),
            note: row.get::<_, String>(2)?.into(),
            written: counts(3)?,
            removed: counts(6)?,
        })
    })
    .and_then(Iterator::collect)
    .doing("list revisions")
}
