//! Cliques at a revision.

use calipso_model::{Clique, ObjectKey, Str, Value};
use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        codec::Body,
        fault::{Doing, to_db},
        key::{Names, find, find_word},
        read::View,
    },
    error::StoreError,
    form::cursor,
    query::{CliqueQuery, Page, Paged},
};

/// Where a clique lies at a revision: `key`, `type`, `body` of those current, then of those past.
fn at(view: View<'_>, condition: &str) -> String {
    let past = if view.current {
        String::new()
    } else {
        format!(
            "UNION ALL SELECT key, type, body FROM clique_past
             WHERE {condition} AND +rev_from <= :revision AND +rev_to > :revision"
        )
    };
    format!("SELECT key, type, body FROM clique WHERE {condition} AND +rev_from <= :revision {past}")
}

/// The type and the bytes of a clique.
pub(in crate::embedded) fn stored(view: View<'_>, key: i64) -> Result<Option<(i64, Vec<u8>)>, StoreError> {
    view.db
        .prepare_cached(&at(view, "key = :key"))
        .and_then(|mut find| {
            find.query_row(&[(":key", &key), (":revision", &view.revision)], |row| Ok((row.get(1)?, row.get(2)?)))
                .optional()
        })
        .doing("read a clique")
}

/// The clique of a focal point.
pub(in crate::embedded) fn get(view: View<'_>, focal_point: &ObjectKey) -> Result<Option<Clique>, StoreError> {
    let Some(key) = find(view.db, view.env, focal_point)? else { return Ok(None) };
    let Some((clique_type, body)) = stored(view, key)? else { return Ok(None) };
    Body::decode(&body)?.name(focal_point.clone(), clique_type, &mut Names::new(view.db)).map(Some)
}

/// One page of cliques.
pub(in crate::embedded) fn page(
    view: View<'_>,
    query: &CliqueQuery,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Clique>, StoreError> {
    let mut answer = Paged { revision: view.number(), items: Vec::new(), next: None };
    let limit = page.limit.max(1);
    let containing = match &query.containing {
        Some(key) => match find(view.db, view.env, key)? {
            Some(id) => Some(id),
            None => return Ok(answer),
        },
        None => None,
    };
    let containing_link = match &query.containing_link {
        Some(link) => match (
            find_word(view.db, view.env, &link.link_type)?,
            find(view.db, view.env, &link.source)?,
            find(view.db, view.env, &link.target)?,
        ) {
            (Some(link_type), Some(source), Some(target)) => Some((link_type, source, target)),
            _ => return Ok(answer),
        },
        None => None,
    };
    let mut clique_types = Vec::new();
    for name in &query.clique_types {
        clique_types.extend(find_word(view.db, view.env, name)?);
    }
    if clique_types.is_empty() && !query.clique_types.is_empty() {
        return Ok(answer);
    }

    let statement = format!(
        "SELECT k.id, k.type, k.oid FROM ({}) c JOIN key k ON k.id = c.key
         WHERE (:all OR (k.type, k.oid) > (:after_type, :after_id))
             AND (:any_type OR k.type IN (SELECT value FROM json_each(:types)))
             AND (:any_clique_type OR c.type IN (SELECT value FROM json_each(:clique_types)))
         ORDER BY k.type, k.oid",
        at(view, "env = :env")
    );
    let (after_type, after_id) = match &after {
        Some(place) => (place.first().map_or("", |part| part), place.get(1).map_or("", |part| part)),
        None => ("", ""),
    };
    let types = Value::list(query.types.iter().cloned().map(Value::Str).collect()).to_json();
    let clique_type_ids = Value::list(clique_types.iter().copied().map(Value::Int).collect()).to_json();
    let filtered = containing.is_some() || containing_link.is_some();
    let statement = if filtered { statement } else { format!("{statement} LIMIT :limit OFFSET :skip") };
    let mut read = view.db.prepare_cached(&statement).doing("find cliques")?;
    let values: &[(&str, &dyn rusqlite::ToSql)] = rusqlite::named_params! {
        ":env": view.env,
        ":revision": view.revision,
        ":all": after.is_none(),
        ":after_type": after_type,
        ":after_id": after_id,
        ":any_type": query.types.is_empty(),
        ":types": types,
        ":any_clique_type": query.clique_types.is_empty(),
        ":clique_types": clique_type_ids,
        ":limit": to_db(limit.saturating_add(1) as u64),
        ":skip": to_db(page.skip as u64),
    };
    for (name, value) in values {
        // Without a limit in the statement there is no place for it.
        if let Some(place) = read.parameter_index(name).doing("find cliques")? {
            read.raw_bind_parameter(place, value).doing("find cliques")?;
        }
    }
    let mut rows = read.raw_query();
    let mut names = Names::new(view.db);
    // Where nothing is left out here, the statement passes over them itself.
    let mut skip = if filtered { page.skip } else { 0 };
    while let Some(row) = rows.next().doing("find cliques")? {
        let (id, object_type, oid): (i64, String, String) =
            row.get(0).and_then(|id| Ok((id, row.get(1)?, row.get(2)?))).doing("find cliques")?;
        let Some((clique_type, bytes)) = stored(view, id)? else { continue };
        let body = Body::decode(&bytes)?;
        if containing.is_some_and(|node| body.nodes.binary_search(&node).is_err())
            || containing_link.is_some_and(|link| !body.links.contains(&link))
        {
            continue;
        }
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if answer.items.len() == limit {
            answer.next = answer
                .items
                .last()
                .map(|last: &Clique| cursor(view.number(), &[&last.focal_point.object_type, &last.focal_point.id]));
            break;
        }
        let focal_point = ObjectKey { object_type: names.shared(&object_type), id: oid.into() };
        answer.items.push(body.name(focal_point, clique_type, &mut names)?);
    }
    Ok(answer)
}

/// Focal points of cliques that changed after one revision and until another.
pub(in crate::embedded) fn changed(view: View<'_>, after: i64, until: i64) -> Result<Vec<i64>, StoreError> {
    super::diff::changed(view, "clique", "key", params![view.env, after, until], |row| row.get(0))
}
