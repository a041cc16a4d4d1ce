//! Retention: old revisions go, with all that only they held.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    embedded::{
        codec::Body,
        environment,
        fault::{Doing, from_db, to_db},
    },
    error::StoreError,
    form::millis,
    store::{Keep, Pruned},
};

/// Makes old revisions unreadable and frees what only they held.
pub(super) fn prune(db: &mut Connection, name: &str, keep: &Keep) -> Result<Pruned, StoreError> {
    let change = environment::begin(db)?;
    let state = environment::state(&change, name)?;
    let wanted = match keep {
        Keep::Last(revisions) => (state.current + 1).saturating_sub((*revisions).max(1)),
        Keep::Since(time) => change
            .query_row(
                "SELECT max(revision) FROM revision WHERE env = ?1 AND at_millis <= ?2",
                params![state.id, millis(time)?],
                |row| row.get::<_, Option<i64>>(0),
            )
            .optional()
            .doing("find the oldest revision to keep")?
            .flatten()
            .map_or(0, from_db),
    };
    let oldest = wanted.clamp(state.oldest, state.current);
    let pruned = Pruned { oldest, revisions: oldest - state.oldest };
    if pruned.revisions == 0 {
        return Ok(pruned);
    }
    let edge = to_db(oldest);
    let loose = loosened(&change, state.id, edge)?;
    for forget in [
        "DELETE FROM object_past WHERE env = ?1 AND rev_to <= ?2",
        "DELETE FROM link_past WHERE env = ?1 AND rev_to <= ?2",
        "DELETE FROM clique_past WHERE env = ?1 AND rev_to <= ?2",
        "DELETE FROM revision WHERE env = ?1 AND revision < ?2",
        "UPDATE environment SET oldest = ?2 WHERE id = ?1",
    ] {
        change.execute(forget, params![state.id, edge]).doing("remove old revisions")?;
    }
    forget_keys(&change, state.id, &loose)?;
    change.commit().doing("remove old revisions")?;
    Ok(pruned)
}

/// Keys that versions about to go refer to.
fn loosened(db: &Connection, env: i64, edge: i64) -> Result<BTreeSet<i64>, StoreError> {
    let mut keys = BTreeSet::new();
    let mut read = db
        .prepare(
            "SELECT key FROM object_past WHERE env = ?1 AND rev_to <= ?2
             UNION SELECT parent FROM object_past WHERE env = ?1 AND rev_to <= ?2 AND parent IS NOT NULL
             UNION SELECT source FROM link_past WHERE env = ?1 AND rev_to <= ?2
             UNION SELECT target FROM link_past WHERE env = ?1 AND rev_to <= ?2
             UNION SELECT key FROM clique_past WHERE env = ?1 AND rev_to <= ?2",
        )
        .doing("look for keys out of use")?;
    let mut rows = read.query(params![env, edge]).doing("look for keys out of use")?;
    while let Some(row) = rows.next().doing("look for keys out of use")? {
        keys.insert(row.get(0).doing("look for keys out of use")?);
    }
    in_cliques(db, "SELECT body FROM clique_past WHERE env = ?1 AND rev_to <= ?2", params![env, edge], &mut |key| {
        keys.insert(key);
    })?;
    Ok(keys)
}

/// Every key inside some cliques.
fn in_cliques(
    db: &Connection,
    statement: &str,
    values: impl rusqlite::Params,
    take: &mut dyn FnMut(i64),
) -> Result<(), StoreError> {
    let mut read = db.prepare(statement).doing("look into cliques")?;
    let mut rows = read.query(values).doing("look into cliques")?;
    while let Some(row) = rows.next().doing("look into cliques")? {
        let body = Body::decode(row.get_ref(0).and_then(|body| Ok(body.as_blob()?)).doing("look into cliques")?)?;
        body.nodes
            .iter()
            .chain(body.links.iter().flat_map(|(_, source, target)| [source, target]))
            .for_each(|key| take(*key));
    }
    Ok(())
}

/// Removes those keys that no row uses any more.
fn forget_keys(db: &Connection, env: i64, loose: &BTreeSet<i64>) -> Result<(), StoreError> {
    let mut used = db
        .prepare(
            "SELECT EXISTS(SELECT 1 FROM object WHERE key = ?1)
                 OR EXISTS(SELECT 1 FROM object_past WHERE key = ?1)
                 OR EXISTS(SELECT 1 FROM object WHERE parent = ?1)
                 OR EXISTS(SELECT 1 FROM object_past WHERE parent = ?1)
                 OR EXISTS(SELECT 1 FROM link WHERE source = ?1)
                 OR EXISTS(SELECT 1 FROM link WHERE target = ?1)
                 OR EXISTS(SELECT 1 FROM link_past WHERE source = ?1)
                 OR EXISTS(SELECT 1 FROM link_past WHERE target = ?1)
                 OR EXISTS(SELECT 1 FROM clique WHERE key = ?1)
                 OR EXISTS(SELECT 1 FROM clique_past WHERE key = ?1)
                 OR EXISTS(SELECT 1 FROM member WHERE object = ?1)
                 OR EXISTS(SELECT 1 FROM scope WHERE parent = ?1)",
        )
        .doing("look for keys out of use")?;
    let mut unused = BTreeSet::new();
    for key in loose {
        if !used.query_row([key], |row| row.get::<_, bool>(0)).doing("look for keys out of use")? {
            unused.insert(*key);
        }
    }
    if unused.is_empty() {
        return Ok(());
    }
    in_cliques(
        db,
        "SELECT body FROM clique WHERE env = ?1 UNION ALL SELECT body FROM clique_past WHERE env = ?1",
        [env],
        &mut |key| {
            unused.remove(&key);
        },
    )?;
    let mut forget = db.prepare("DELETE FROM key WHERE id = ?1").doing("forget a key")?;
    for key in unused {
        forget.execute([key]).doing("forget a key")?;
    }
    Ok(())
}
