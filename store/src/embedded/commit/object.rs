//! Objects of a commit.

use std::sync::mpsc;

use calipso_model::{Delta, Object, Str};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    embedded::{
        commit::{CommitContext, Tally},
        fault::Doing,
        key::Numbers,
        row,
    },
    error::StoreError,
    form::{self, named_twice},
    store::Searched,
};

/// Minimum number of objects for which another thread makes their text.
const MANY: usize = 2_000;

/// An object in the form in which the file holds it.
struct Ready {
    doc: String,
    names: Option<String>,
}

impl Ready {
    fn of(object: &Object, searched: &Searched) -> Self {
        let names = form::terms(&object.key.object_type, &object.doc, searched);
        Self { doc: row::sealed_text(&object.doc), names }
    }
}

/// Writes the objects that differ, and removes those that are gone.
pub(in crate::embedded) fn write(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    delta: &Delta,
    tally: &mut Tally,
) -> Result<(), StoreError> {
    let mut objects: Vec<&Object> = delta.objects.iter().collect();
    // In key order the largest index grows at its end only.
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = objects.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(named_twice("object", &pair[0].key));
    }
    for removed in &delta.removed_objects {
        if objects.binary_search_by(|object| object.key.cmp(removed)).is_ok() {
            return Err(named_twice("object", removed));
        }
        if let Some(key) = numbers.find(removed)?
            && end(context, key, true)?
        {
            tally.removed.objects += 1;
        }
    }
    let before: bool = context
        .db
        .query_row("SELECT EXISTS(SELECT 1 FROM object WHERE env = ?1)", [context.env], |row| row.get(0))
        .doing("look for objects")?;
    let keys = objects.iter().map(|object| numbers.make(&object.key)).collect::<Result<Vec<_>, _>>()?;
    let mut put = |key: i64, object: &Object, ready: Ready| -> Result<(), StoreError> {
        if put(context, numbers, before, key, object, &ready)? {
            tally.written.objects += 1;
        }
        Ok(())
    };
    if objects.len() < MANY {
        for (key, object) in keys.iter().zip(&objects) {
            put(*key, object, Ready::of(object, context.searched))?;
        }
        return Ok(());
    }
    std::thread::scope(|scope| {
        let (chunks, made) = mpsc::sync_channel::<Vec<Ready>>(4);
        let (all, searched) = (&objects, context.searched);
        scope.spawn(move || {
            for chunk in all.chunks(512) {
                // The writer gave up; it reports the reason.
                if chunks.send(chunk.iter().map(|object| Ready::of(object, searched)).collect()).is_err() {
                    return;
                }
            }
        });
        let mut next = keys.iter().zip(&objects);
        for chunk in made {
            for ready in chunk {
                if let Some((key, object)) = next.next() {
                    put(*key, object, ready)?;
                }
            }
        }
        Ok(())
    })
}

/// Writes one object if it differs from the stored one; returns whether it did.
fn put(
    context: CommitContext<'_>,
    numbers: &mut Numbers<'_>,
    before: bool,
    key: i64,
    object: &Object,
    ready: &Ready,
) -> Result<bool, StoreError> {
    let mut named = false;
    if before {
        let same = context
            .db
            .prepare_cached("SELECT doc, names FROM object WHERE key = ?1")
            .and_then(|mut find| {
                find.query_row([key], |found| {
                    let doc = found.get_ref(0)?.as_str()?;
                    let names = found.get_ref(1)?.as_str_or_null()?;
                    Ok((row::is_same(doc, &ready.doc), names == ready.names.as_deref()))
                })
                .optional()
            })
            .doing("compare an object")?;
        match same {
            Some((true, _)) => return Ok(false),
            Some((false, same_names)) => {
                named = same_names;
                end(context, key, !named)?;
            }
            None => {}
        }
    }
    let parent = form::parent(&object.doc).map(|parent| numbers.make(&parent)).transpose()?;
    let host = numbers.word_of(form::host(&object.doc))?;
    context
        .db
        .prepare_cached(
            "INSERT INTO object(key, env, rev_from, parent, host, names, doc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut insert| {
            insert.execute(params![key, context.env, context.revision, parent, host, ready.names, ready.doc])
        })
        .doing("write an object")?;
    if ready.names.is_some() && !named {
        context
            .db
            .prepare_cached("INSERT INTO text(rowid, names) VALUES(?1, ?2)")
            .and_then(|mut insert| insert.execute(params![key, ready.names]))
            .doing("write the names of an object")?;
    }
    Ok(true)
}

/// Makes the current objects of a type be found by other fields.
pub(in crate::embedded) fn find_by(
    db: &Connection,
    env: i64,
    object_type: &Str,
    searched: &Searched,
) -> Result<(), StoreError> {
    let doing = "find objects by other fields";
    let mut read = db
        .prepare_cached("SELECT o.key, o.doc FROM key k JOIN object o ON o.key = k.id WHERE k.env = ?1 AND k.type = ?2")
        .doing(doing)?;
    let found: Vec<(i64, String)> = read
        .query_map(params![env, &**object_type], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect)
        .doing(doing)?;
    for (key, doc) in found {
        let names = form::terms(object_type, &row::map_from(&doc)?, searched);
        let run = |statement: &str, with_names: bool| {
            let mut change = db.prepare_cached(statement)?;
            if with_names { change.execute(params![key, names]) } else { change.execute([key]) }
        };
        run("UPDATE object SET names = ?2 WHERE key = ?1", true).doing(doing)?;
        run("DELETE FROM text WHERE rowid = ?1", false).doing(doing)?;
        if names.is_some() {
            run("INSERT INTO text(rowid, names) VALUES(?1, ?2)", true).doing(doing)?;
        }
    }
    Ok(())
}

/// Ends the current version of an object, and its names if wanted; returns whether there was one.
fn end(context: CommitContext<'_>, key: i64, with_names: bool) -> Result<bool, StoreError> {
    let moved = context
        .db
        .prepare_cached(
            "INSERT INTO object_past(key, env, rev_from, rev_to, parent, host, names, doc)
             SELECT key, env, rev_from, ?2, parent, host, names, doc FROM object WHERE key = ?1",
        )
        .and_then(|mut keep| keep.execute(params![key, context.revision]))
        .doing("keep the past of an object")?;
    if moved == 0 {
        return Ok(false);
    }
    let forget = |statement: &str| {
        context.db.prepare_cached(statement).and_then(|mut forget| forget.execute([key])).doing("remove an object")
    };
    if with_names {
        forget("DELETE FROM text WHERE rowid = ?1")?;
    }
    forget("DELETE FROM object WHERE key = ?1")?;
    Ok(true)
}

/// Ends the current versions of all objects; returns how many there were.
pub(in crate::embedded) fn clear(context: CommitContext<'_>) -> Result<u64, StoreError> {
    context
        .db
        .execute(
            "INSERT INTO object_past(key, env, rev_from, rev_to, parent, host, names, doc)
             SELECT key, env, rev_from, ?2, parent, host, names, doc FROM object WHERE env = ?1",
            params![context.env, context.revision],
        )
        .doing("keep the past of all objects")?;
    context
        .db
        .execute("DELETE FROM text WHERE rowid IN (SELECT key FROM object WHERE env = ?1)", [context.env])
        .doing("remove all names")?;
    let gone = context.db.execute("DELETE FROM object WHERE env = ?1", [context.env]).doing("remove all objects")?;
    Ok(gone as u64)
}
