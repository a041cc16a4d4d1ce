//! Objects at a revision.

mod wanted;

use calipso_model::{Map, Object, ObjectKey, Str};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    embedded::{
        fault::Doing,
        key::find,
        read::{
            View, keys_of_id,
            object::wanted::{Start, Wanted},
            scope,
        },
        row,
    },
    error::StoreError,
    form::cursor,
    query::{Page, Paged, Query},
    store::WholeObject,
};

/// How many keys are looked at in one go while most of them may not fit.
const BATCH: usize = 1_024;

/// The text of an object's document.
pub(in crate::embedded) fn doc(view: View<'_>, key: i64) -> Result<Option<String>, StoreError> {
    let read = |row: &Row<'_>| row.get(0);
    if view.current {
        view.db
            .prepare_cached("SELECT doc FROM object WHERE key = ?1")
            .and_then(|mut find| find.query_row([key], read).optional())
    } else {
        view.db
            .prepare_cached(
                "SELECT doc FROM object WHERE key = ?1 AND rev_from <= ?2
                 UNION ALL SELECT doc FROM object_past WHERE key = ?1 AND rev_from <= ?2 AND rev_to > ?2",
            )
            .and_then(|mut find| find.query_row(params![key, view.revision], read).optional())
    }
    .doing("read an object")
}

pub(in crate::embedded) fn get(view: View<'_>, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
    let Some(id) = find(view.db, view.env, key)? else { return Ok(None) };
    doc(view, id)?.map(|doc| row::object_from(key.clone(), &doc)).transpose()
}

/// Several objects in the order asked; missing ones are left out.
pub(in crate::embedded) fn by_key(view: View<'_>, keys: &[ObjectKey]) -> Result<Vec<Object>, StoreError> {
    keys.iter().filter_map(|key| get(view, key).transpose()).collect()
}

/// The objects of an id, of one type or of any, whole.
pub(in crate::embedded) fn whole(
    view: View<'_>,
    id: &Str,
    object_type: Option<&Str>,
) -> Result<Vec<WholeObject>, StoreError> {
    let keys = match object_type {
        Some(object_type) => {
            let key = ObjectKey { object_type: object_type.clone(), id: id.clone() };
            find(view.db, view.env, &key)?.map(|number| (number, key)).into_iter().collect()
        }
        None => keys_of_id(view, id)?,
    };
    let mut objects = Vec::with_capacity(keys.len());
    for (number, key) in keys {
        if let Some(stored) = doc(view, number)? {
            let json = row::opened(&stored)?.to_owned();
            objects.push(WholeObject { key, json, scopes: scope::of_number(view.db, view.env, number)? });
        }
    }
    Ok(objects)
}

/// One page of objects.
pub(in crate::embedded) fn page(
    view: View<'_>,
    query: &Query,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Object>, StoreError> {
    let answer = Paged { revision: view.number(), items: Vec::new(), next: None };
    let Some(wanted) = Wanted::of(view, query)? else { return Ok(answer) };
    let mut after = after.map(|parts| match <[Str; 2]>::try_from(parts) {
        Ok([object_type, id]) => ObjectKey { object_type, id },
        Err(_) => ObjectKey::new("", ""),
    });
    let limit = page.limit.max(1);
    let mut taking = Taking {
        wanted: &wanted,
        fields: query.fields.as_deref(),
        looks_inside: wanted.looks_inside(),
        skip: page.skip,
        limit,
        answer,
    };
    match &wanted.start {
        Start::Order => in_order(view, &query.types, after.as_ref(), &mut taking)?,
        Start::These(keys) => {
            for (id, key) in keys {
                if after.as_ref().is_some_and(|after| key <= after) || !wanted.takes(key) {
                    continue;
                }
                if let Some(text) = doc(view, *id)?
                    && taking.offer(key, &text)?
                {
                    break;
                }
            }
        }
        Start::Index => {
            // Far more than the page is only worth finding when most of it may not fit.
            let batch = if taking.looks_inside { BATCH } else { limit.saturating_add(1).saturating_add(page.skip) };
            loop {
                let keys = wanted.indexed(view, after.as_ref(), batch)?;
                let last = keys.len() < batch;
                for (id, key) in keys {
                    if let Some(text) = doc(view, id)?
                        && taking.offer(&key, &text)?
                    {
                        return Ok(taking.answer);
                    }
                    after = Some(key);
                }
                if last {
                    break;
                }
            }
        }
    }
    Ok(taking.answer)
}

/// A page that is being filled.
struct Taking<'w, 'q> {
    wanted: &'w Wanted<'q>,
    fields: Option<&'q [Str]>,
    looks_inside: bool,
    skip: usize,
    limit: usize,
    answer: Paged<Object>,
}

impl Taking<'_, '_> {
    /// Takes an object if it fits; returns whether the page is full and another one follows.
    fn offer(&mut self, key: &ObjectKey, text: &str) -> Result<bool, StoreError> {
        let mut doc: Option<Map> = None;
        if self.looks_inside {
            doc = self.wanted.fitting(text)?;
            if doc.is_none() {
                return Ok(false);
            }
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(false);
        }
        if self.answer.items.len() == self.limit {
            let last = self.answer.items.last();
            self.answer.next = last.map(|last| cursor(self.answer.revision, &[&last.key.object_type, &last.key.id]));
            return Ok(true);
        }
        let doc = match (doc, self.fields) {
            (Some(doc), _) => doc,
            (None, Some(fields)) => row::some_from(text, fields)?,
            (None, None) => row::map_from(text)?,
        };
        self.answer.items.push(Object { key: key.clone(), doc });
        Ok(false)
    }
}

/// A number, its type and id; neighbours share the text of their type.
fn key_of(row: &Row<'_>, last: &mut Option<Str>) -> rusqlite::Result<(i64, ObjectKey)> {
    let name = row.get_ref(1)?.as_str()?;
    let object_type = match last {
        Some(last) if **last == *name => last.clone(),
        _ => last.insert(name.into()).clone(),
    };
    Ok((row.get(0)?, ObjectKey { object_type, id: row.get_ref(2)?.as_str()?.into() }))
}

/// Offers all objects of some types (any, when none is named) after a key, in order.
fn in_order(
    view: View<'_>,
    types: &[Str],
    after: Option<&ObjectKey>,
    taking: &mut Taking<'_, '_>,
) -> Result<(), StoreError> {
    // Keys first, in the order of their index; the document is read with the key where nothing but the current state counts.
    let (columns, join) = if view.current { (", o.doc", "CROSS JOIN object o ON o.key = k.id") } else { ("", "") };
    let (start_type, start_id) = after.map_or(("", ""), |key| (&*key.object_type, &*key.id));
    let mut run = |condition: &str, object_type: &str, id: &str| -> Result<bool, StoreError> {
        let statement = format!(
            "SELECT k.id, k.type, k.oid{columns} FROM key k {join} WHERE k.env = ?1 AND {condition} ORDER BY k.type, k.oid"
        );
        let mut read = view.db.prepare_cached(&statement).doing("list objects")?;
        let mut rows = read.query(params![view.env, object_type, id]).doing("list objects")?;
        let mut last: Option<Str> = None;
        while let Some(row) = rows.next().doing("list objects")? {
            let (id, key) = key_of(row, &mut last).doing("list objects")?;
            let full = if view.current {
                taking.offer(&key, row.get_ref(3).and_then(|doc| Ok(doc.as_str()?)).doing("list objects")?)?
            } else {
                match doc(view, id)? {
                    Some(text) => taking.offer(&key, &text)?,
                    None => false,
                }
            };
            if full {
                return Ok(true);
            }
        }
        Ok(false)
    };
    if types.is_empty() {
        // Before the first key nothing is skipped: an empty one would be found too.
        let condition = if after.is_some() { "(k.type, k.oid) > (?2, ?3)" } else { "(k.type, k.oid) >= (?2, ?3)" };
        run(condition, start_type, start_id)?;
        return Ok(());
    }
    let mut types: Vec<&str> = types.iter().map(|name| &**name).filter(|name| *name >= start_type).collect();
    types.sort_unstable();
    types.dedup();
    for object_type in types {
        let full = if object_type == start_type && after.is_some() {
            run("k.type = ?2 AND k.oid > ?3", object_type, start_id)?
        } else {
            run("k.type = ?2 AND k.oid >= ?3", object_type, "")?
        };
        if full {
            break;
        }
    }
    Ok(())
}
