//! Search for names and ids.

use std::collections::BTreeSet;

use calipso_model::{Object, ObjectKey, Str};
use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        fault::{Doing, to_db},
        key::{Names, find},
        read::{View, object},
        row,
    },
    error::StoreError,
    form,
};

/// Maximum number of hits on names that are ranked. A text with more hits has to be typed further.
const RANKED: usize = 2_000;

/// Maximum number of trigrams that narrow a look-up; the rest of a long text is compared afterwards.
const TRIGRAMS: usize = 48;

/// A text to look for among names.
pub(super) struct Needle {
    /// As it stands in the searched names.
    pub(super) folded: String,
    /// As the index is asked.
    pub(super) trigrams: String,
}

impl Needle {
    /// Names that contain the text; or start with it, if it is of one or two characters. Nothing for no text.
    pub(super) fn containing(text: &str) -> Option<Self> {
        form::infix_pattern(text).map(Self::of)
    }

    /// Names that are the text.
    fn whole(text: &str) -> Self {
        Self::of(form::exact_pattern(text))
    }

    fn of(folded: String) -> Self {
        let letters: Vec<char> = folded.chars().collect();
        // Three letters after three, and the last three: each letter counts, and the text itself is compared afterwards.
        let trigrams: BTreeSet<String> = letters
            .windows(3)
            .step_by(3)
            .take(TRIGRAMS)
            .chain(letters.windows(3).last())
            .map(|letters| letters.iter().collect::<String>().replace('"', "\"\""))
            .collect();
        let trigrams = trigrams.into_iter().map(|letters| format!("\"{letters}\"")).collect::<Vec<_>>().join(" AND ");
        Self { folded, trigrams }
    }
}

/// What a person means who types a text.
pub(in crate::embedded) fn search(view: View<'_>, text: &str, limit: usize) -> Result<Vec<Object>, StoreError> {
    let mut hits = Hits { view, limit, seen: BTreeSet::new(), objects: Vec::new() };
    if text.is_empty() || limit == 0 {
        return Ok(hits.objects);
    }
    let types = types(view)?;
    for object_type in &types {
        let key = ObjectKey { object_type: object_type.clone(), id: text.into() };
        if let Some(id) = find(view.db, view.env, &key)? {
            hits.add(id, key)?;
        }
    }
    hits.add_all(named(view, &Needle::whole(text))?)?;
    if hits.full() {
        return Ok(hits.objects);
    }
    for object_type in &types {
        hits.add_all(with_prefix(view, object_type, text, limit)?)?;
    }
    if let Some(needle) = Needle::containing(text)
        && !hits.full()
    {
        hits.add_all(named(view, &needle)?)?;
    }
    Ok(hits.objects)
}

struct Hits<'c> {
    view: View<'c>,
    limit: usize,
    seen: BTreeSet<i64>,
    objects: Vec<Object>,
}

impl Hits<'_> {
    fn full(&self) -> bool {
        self.objects.len() >= self.limit
    }

    fn add_all(&mut self, found: Vec<(i64, ObjectKey)>) -> Result<(), StoreError> {
        for (id, key) in found {
            if self.full() {
                break;
            }
            self.add(id, key)?;
        }
        Ok(())
    }

    fn add(&mut self, id: i64, key: ObjectKey) -> Result<(), StoreError> {
        if !self.full()
            && self.seen.insert(id)
            && let Some(doc) = object::doc(self.view, id)?
        {
            self.objects.push(row::object_from(key, &doc)?);
        }
        Ok(())
    }
}

/// Every type that any key has, in order.
fn types(view: View<'_>) -> Result<Vec<Str>, StoreError> {
    let mut types: Vec<Str> = Vec::new();
    loop {
        // One step into the index for each type.
        let next: Option<String> = view
            .db
            .prepare_cached("SELECT type FROM key WHERE env = ?1 AND type > ?2 ORDER BY type LIMIT 1")
            .and_then(|mut find| {
                find.query_row(params![view.env, types.last().map_or("", |last| &**last)], |row| row.get(0)).optional()
            })
            .doing("list object types")?;
        match next {
            Some(next) => types.push(next.into()),
            None => return Ok(types),
        }
    }
}

/// Keys of one type whose id starts with a text.
fn with_prefix(
    view: View<'_>,
    object_type: &Str,
    text: &str,
    limit: usize,
) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
    let mut read = view
        .db
        .prepare_cached(
            "SELECT id, oid FROM key WHERE env = ?1 AND type = ?2 AND oid >= ?3 AND oid < ?6
                 AND (EXISTS(SELECT 1 FROM object WHERE key = id AND rev_from <= ?5)
                     OR EXISTS(SELECT 1 FROM object_past WHERE key = id AND rev_from <= ?5 AND rev_to > ?5))
             ORDER BY oid LIMIT ?4",
        )
        .doing("search ids")?;
    // Where objects of this type are gone or were never there, their keys would else be looked at to the last.
    let end = form::after_all(text);
    let mut rows = read
        .query(params![view.env, &**object_type, text, to_db(limit as u64), view.revision, end])
        .doing("search ids")?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().doing("search ids")? {
        let (id, oid): (i64, String) = row.get(0).and_then(|id| Ok((id, row.get(1)?))).doing("search ids")?;
        if !oid.starts_with(text) {
            break;
        }
        found.push((id, ObjectKey { object_type: object_type.clone(), id: oid.into() }));
    }
    Ok(found)
}

/// Objects whose names hold a text, by type and id.
fn named(view: View<'_>, needle: &Needle) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
    let past = if view.current {
        ""
    } else {
        "UNION SELECT key FROM object_past WHERE env = ?2 AND instr(names, ?3) > 0 AND +rev_from <= ?4 AND +rev_to > ?4"
    };
    // `CROSS` keeps the planner from asking the index once for every object.
    let statement = format!(
        "SELECT key FROM (SELECT o.key AS key FROM text t CROSS JOIN object o ON o.key = t.rowid
             WHERE text MATCH ?1 AND +o.env = ?2 AND instr(o.names, ?3) > 0 AND +o.rev_from <= ?4 {past}) LIMIT ?5"
    );
    let mut read = view.db.prepare_cached(&statement).doing("search names")?;
    let ids: Vec<i64> = read
        .query_map(params![needle.trigrams, view.env, needle.folded, view.revision, to_db(RANKED as u64)], |row| {
            row.get(0)
        })
        .and_then(Iterator::collect)
        .doing("search names")?;
    let mut names = Names::new(view.db);
    let mut found = ids.into_iter().map(|id| Ok((id, names.key(id)?))).collect::<Result<Vec<_>, StoreError>>()?;
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}
