//! How much there is at a revision.

use calipso_model::Str;
use rusqlite::params;

use crate::{
    embedded::{
        fault::{Doing, from_db},
        read::View,
    },
    error::StoreError,
    store::CountsByType,
};

/// Counts everything, per type.
pub(in crate::embedded) fn counts(view: View<'_>) -> Result<CountsByType, StoreError> {
    // The index on the first revision holds all that counting needs, so no document is read.
    let at = |table: &str, column: &str| {
        let current = format!("SELECT {column} AS it FROM {table} WHERE env = ?1 AND rev_from <= ?2");
        if view.current {
            return current;
        }
        format!(
            "{current} UNION ALL SELECT {column} FROM {table}_past WHERE env = ?1 AND rev_from <= ?2 AND rev_to > ?2"
        )
    };
    let count = |statement: String| -> Result<Vec<(Str, u64)>, StoreError> {
        let mut read = view.db.prepare_cached(&statement).doing("count")?;
        read.query_map(params![view.env, view.revision], |row| {
            Ok((Str::from(row.get::<_, String>(0)?), from_db(row.get(1)?)))
        })
        .and_then(Iterator::collect)
        .doing("count")
    };
    let words = |inner: String| {
        format!(
            "SELECT w.text, c.n FROM (SELECT it, count(*) AS n FROM ({inner}) GROUP BY it) c JOIN word w ON w.id = c.it
             ORDER BY w.text"
        )
    };
    Ok(CountsByType {
        revision: view.number(),
        objects: count(format!(
            "SELECT k.type, count(*) FROM ({}) o JOIN key k ON k.id = o.it GROUP BY k.type ORDER BY k.type",
            at("object", "key")
        ))?,
        links: count(words(at("link", "type")))?,
        cliques: count(words(at("clique", "type")))?,
    })
}
