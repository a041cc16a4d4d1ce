//! Cliques at a revision.

use calipso_model::{Clique, ObjectKey, Str};
use rusqlite::{OptionalExtension, params};

use crate::{
    embedded::{
        codec::Body,
        fault::Doing,
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

/// The conditions of a query, looked up.
struct Wanted {
    clique_types: Option<Vec<i64>>,
    containing: Option<i64>,
    containing_link: Option<(i64, i64, i64)>,
}

impl Wanted {
    /// Looks up what a query names; nothing when one of these does not exist.
    fn of(view: View<'_>, query: &CliqueQuery) -> Result<Option<Self>, StoreError> {
        let mut wanted = Self { clique_types: None, containing: None, containing_link: None };
        if let Some(key) = &query.containing {
            let Some(id) = find(view.db, view.env, key)? else { return Ok(None) };
            wanted.containing = Some(id);
        }
        if let Some(link) = &query.containing_link {
            let (Some(link_type), Some(source), Some(target)) = (
                find_word(view.db, view.env, &link.link_type)?,
                find(view.db, view.env, &link.source)?,
                find(view.db, view.env, &link.target)?,
            ) else {
                return Ok(None);
            };
            wanted.containing_link = Some((link_type, source, target));
        }
        if !query.clique_types.is_empty() {
            let mut types = Vec::new();
            for name in &query.clique_types {
                types.extend(find_word(view.db, view.env, name)?);
            }
            if types.is_empty() {
                return Ok(None);
            }
            wanted.clique_types = Some(types);
        }
        Ok(Some(wanted))
    }

    fn fits(&self, clique_type: i64, body: &Body) -> bool {
        self.clique_types.as_ref().is_none_or(|types| types.contains(&clique_type))
            && self.containing.is_none_or(|node| body.nodes.binary_search(&node).is_ok())
            && self.containing_link.is_none_or(|link| body.links.contains(&link))
    }
}

/// The types of objects that ever were focal points, in order.
fn focal_types(view: View<'_>) -> Result<Vec<String>, StoreError> {
    view.db
        .prepare_cached("SELECT type FROM focal WHERE env = ?1 ORDER BY type")
        .and_then(|mut read| read.query_map([view.env], |row| row.get(0))?.collect())
        .doing("list types of focal points")
}

/// One page of cliques.
pub(in crate::embedded) fn page(
    view: View<'_>,
    query: &CliqueQuery,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Clique>, StoreError> {
    let mut answer = Paged { revision: view.number(), items: Vec::new(), next: None };
    let Some(wanted) = Wanted::of(view, query)? else { return Ok(answer) };
    let limit = page.limit.max(1);
    let mut skip = page.skip;
    let after: Option<[Str; 2]> = after.and_then(|parts| parts.try_into().ok());
    let (after_type, after_id) = after.as_ref().map_or(("", ""), |[object_type, id]| (&**object_type, &**id));
    let mut names = Names::new(view.db);
    // Most objects of a type that has cliques have one, so that walking their keys in order meets few without.
    for object_type in focal_types(view)? {
        let wants = query.types.is_empty() || query.types.iter().any(|wanted| **wanted == *object_type);
        if !wants || *object_type < *after_type {
            continue;
        }
        let (sign, start) = if after.is_some() && object_type == after_type { (">", after_id) } else { (">=", "") };
        let (columns, join) =
            if view.current { (", c.type, c.body", "CROSS JOIN clique c ON c.key = k.id") } else { ("", "") };
        let statement = format!(
            "SELECT k.id, k.oid{columns} FROM key k {join} WHERE k.env = ?1 AND k.type = ?2 AND k.oid {sign} ?3 ORDER BY k.oid"
        );
        let mut read = view.db.prepare_cached(&statement).doing("find cliques")?;
        let mut rows = read.query(params![view.env, object_type, start]).doing("find cliques")?;
        while let Some(row) = rows.next().doing("find cliques")? {
            let id: i64 = row.get(0).doing("find cliques")?;
            let (clique_type, body) = if view.current {
                let bytes = row.get_ref(3).and_then(|body| Ok(body.as_blob()?)).doing("find cliques")?;
                (row.get(2).doing("find cliques")?, Body::decode(bytes)?)
            } else {
                let Some((clique_type, bytes)) = stored(view, id)? else { continue };
                (clique_type, Body::decode(&bytes)?)
            };
            if !wanted.fits(clique_type, &body) {
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
                return Ok(answer);
            }
            let oid: String = row.get(1).doing("find cliques")?;
            let focal_point = ObjectKey { object_type: names.shared(&object_type), id: oid.into() };
            let body = if query.brief { Body { constraints: "{}".to_owned(), ..Body::default() } } else { body };
            answer.items.push(body.name(focal_point, clique_type, &mut names)?);
        }
    }
    Ok(answer)
}

/// Focal points of cliques that changed after one revision and until another.
pub(in crate::embedded) fn changed(view: View<'_>, after: i64, until: i64) -> Result<Vec<i64>, StoreError> {
    super::diff::changed(view, "clique", "key", params![view.env, after, until], |row| row.get(0))
}
