//! What differs between two revisions.

use calipso_model::Revision;
use rusqlite::{Connection, Params, Row, params};

use crate::{
    embedded::{
        codec::Body,
        fault::Doing,
        key::Names,
        read::{View, clique, link, object},
        row,
    },
    error::StoreError,
    store::{Change, Diff},
};

/// Everything that differs.
pub(in crate::embedded) fn diff(
    db: &Connection,
    environment: &str,
    from: Revision,
    to: Revision,
) -> Result<Diff, StoreError> {
    let before = View::at(db, environment, Some(from))?;
    let after = View::at(db, environment, Some(to))?;
    let mut names = Names::new(db);
    Ok(Diff {
        from,
        to,
        objects: objects(before, after, &mut names)?,
        links: links(before, after, &mut names)?,
        cliques: cliques(before, after, &mut names)?,
    })
}

/// What of a table changed after one revision (`?2`) and until another (`?3`).
pub(super) fn changed<T>(
    view: View<'_>,
    table: &str,
    columns: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    let statement = format!(
        "SELECT {columns} FROM {table} WHERE env = ?1 AND rev_from > ?2 AND rev_from <= ?3
         UNION SELECT {columns} FROM {table}_past WHERE env = ?1 AND rev_from > ?2 AND rev_from <= ?3
         UNION SELECT {columns} FROM {table}_past WHERE env = ?1 AND rev_to > ?2 AND rev_to <= ?3"
    );
    let mut find = view.db.prepare_cached(&statement).doing("compare revisions")?;
    find.query_map(values, read).and_then(Iterator::collect).doing("compare revisions")
}

fn span(before: View<'_>, after: View<'_>) -> (i64, i64) {
    (before.revision.min(after.revision), before.revision.max(after.revision))
}

fn objects(
    before: View<'_>,
    after: View<'_>,
    names: &mut Names<'_>,
) -> Result<Vec<Change<calipso_model::Object>>, StoreError> {
    let (low, high) = span(before, after);
    let keys: Vec<i64> = changed(before, "object", "key", params![before.env, low, high], |row| row.get(0))?;
    let mut changes = Vec::new();
    for id in keys {
        let (old, new) = (object::doc(before, id)?, object::doc(after, id)?);
        if old == new {
            continue;
        }
        let key = names.key(id)?;
        let make = |doc: Option<String>| doc.map(|doc| row::object_from(key.clone(), &doc)).transpose();
        changes.push((key.clone(), Change { before: make(old)?, after: make(new)? }));
    }
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

fn links(
    before: View<'_>,
    after: View<'_>,
    names: &mut Names<'_>,
) -> Result<Vec<Change<calipso_model::Link>>, StoreError> {
    let (low, high) = span(before, after);
    let triples: Vec<(i64, i64, i64)> =
        changed(before, "link", "source, type, target", params![before.env, low, high], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let mut changes = Vec::new();
    for triple in triples {
        let (old, new) = (link::stored(before, triple)?, link::stored(after, triple)?);
        if old == new {
            continue;
        }
        let mut make = |link: Option<link::Stored>| link.map(|link| link.name(names)).transpose();
        let change = Change { before: make(old)?, after: make(new)? };
        let (source, link_type, target) = triple;
        changes.push(((names.key(source)?, names.word(link_type)?, names.key(target)?), change));
    }
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

fn cliques(
    before: View<'_>,
    after: View<'_>,
    names: &mut Names<'_>,
) -> Result<Vec<Change<calipso_model::Clique>>, StoreError> {
    let (low, high) = span(before, after);
    let mut changes = Vec::new();
    for id in clique::changed(before, low, high)? {
        let (old, new) = (clique::stored(before, id)?, clique::stored(after, id)?);
        if old == new {
            continue;
        }
        let key = names.key(id)?;
        let mut make = |stored: Option<(i64, Vec<u8>)>| {
            stored.map(|(clique_type, body)| Body::decode(&body)?.name(key.clone(), clique_type, names)).transpose()
        };
        let change = Change { before: make(old)?, after: make(new)? };
        changes.push((key, change));
    }
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}
