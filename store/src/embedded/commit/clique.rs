//! Cliques of a commit.

use std::collections::BTreeSet;

use calipso_model::{Clique, Delta};
use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        codec::Body,
        commit::{CommitContext, Tally},
        fault::Doing,
        key::Numbers,
    },
    error::StoreError,
    form::named_twice,
};

/// Writes the cliques that differ, and removes those that are gone.
pub(in crate::embedded) fn write(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    delta: &Delta,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    let mut cliques: Vec<(i64, &Clique)> = Vec::with_capacity(delta.cliques.len());
    for clique in &delta.cliques {
        cliques.push((numbers.make(&clique.focal_point)?, clique));
    }
    cliques.sort_unstable_by_key(|(key, _)| *key);
    if let Some(pair) = cliques.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(named_twice("the clique of", &pair[0].1.focal_point));
    }
    for removed in &delta.removed_cliques {
        let Some(key) = numbers.find(removed)? else { continue };
        if cliques.binary_search_by_key(&key, |(key, _)| *key).is_ok() {
            return Err(named_twice("the clique of", removed));
        }
        if end(context, key)? {
            tally.removed.cliques += 1;
        }
    }
    let mut focal_types: BTreeSet<&str> = BTreeSet::new();
    for (key, clique) in cliques {
        let object_type = &*clique.focal_point.object_type;
        if focal_types.insert(object_type) {
            context
                .db
                .prepare_cached("INSERT INTO focal(env, type) VALUES(?1, ?2) ON CONFLICT DO NOTHING")
                .and_then(|mut note| note.execute(params![context.env, object_type]))
                .doing("note a type of focal points")?;
        }
        let clique_type = numbers.word(&clique.clique_type)?;
        let body = Body::of(clique, numbers)?.encode();
        let same = context
            .db
            .prepare_cached("SELECT type, body FROM clique WHERE key = ?1")
            .and_then(|mut find| {
                find.query_row([key], |row| {
                    Ok(row.get::<_, i64>(0)? == clique_type && row.get_ref(1)?.as_blob()? == body)
                })
                .optional()
            })
            .doing("compare a clique")?;
        match same {
            Some(true) => continue,
            Some(false) => {
                end(context, key)?;
            }
            None => {}
        }
        context
            .db
            .prepare_cached("INSERT INTO clique(key, env, rev_from, type, body) VALUES(?1, ?2, ?3, ?4, ?5)")
            .and_then(|mut insert| insert.execute(params![key, context.env, context.revision, clique_type, body]))
            .doing("write a clique")?;
        tally.written.cliques += 1;
    }
    Ok(())
}

/// Ends the current version of a clique; returns whether there was one.
fn end(context: CommitContext<'_>, key: i64) -> Result<bool, StoreError> {
    let moved = context
        .db
        .prepare_cached(
            "INSERT INTO clique_past(key, env, rev_from, rev_to, type, body)
             SELECT key, env, rev_from, ?2, type, body FROM clique WHERE key = ?1",
        )
        .and_then(|mut keep| keep.execute(params![key, context.revision]))
        .doing("keep the past of a clique")?;
    if moved == 0 {
        return Ok(false);
    }
    context
        .db
        .prepare_cached("DELETE FROM clique WHERE key = ?1")
        .and_then(|mut forget| forget.execute([key]))
        .doing("remove a clique")?;
    Ok(true)
}

/// Ends the current versions of all cliques; returns how many there were.
pub(in crate::embedded) fn clear(context: CommitContext<'_>) -> Result<u64, StoreError> {
    context
        .db
        .execute(
            "INSERT INTO clique_past(key, env, rev_from, rev_to, type, body)
             SELECT key, env, rev_from, ?2, type, body FROM clique WHERE env = ?1",
            params![context.env, context.revision],
        )
        .doing("keep the past of all cliques")?;
    let gone = context.db.execute("DELETE FROM clique WHERE env = ?1", [context.env]).doing("remove all cliques")?;
    Ok(gone as u64)
}
