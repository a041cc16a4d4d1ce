//! Objects at a revision.

use calipso_model::{Map, Object, ObjectKey, Str, Value};
use rusqlite::{OptionalExtension, named_params, params};

use crate::{
    embedded::{
        fault::{Doing, to_db},
        key::{find, find_word},
        read::{View, keys_after, search::Needle},
        row,
    },
    error::StoreError,
    form::{at_path, cursor},
    query::{Page, Paged, Query},
};

/// How many keys are looked at in one go while most of them may not fit.
const BATCH: usize = 1_024;

/// The text of an object's document.
pub(in crate::embedded) fn doc(view: View<'_>, key: i64) -> Result<Option<String>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| row.get(0);
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

/// One object.
pub(in crate::embedded) fn get(view: View<'_>, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
    let Some(id) = find(view.db, view.env, key)? else { return Ok(None) };
    doc(view, id)?.map(|doc| row::object_from(key.clone(), &doc)).transpose()
}

/// The conditions of a query, looked up.
struct Wanted<'q> {
    types: &'q [Str],
    types_text: String,
    parent: Option<i64>,
    host: Option<i64>,
    needle: Option<Needle>,
    equals: Vec<Equal<'q>>,
}

/// A field with its value.
struct Equal<'q> {
    field: &'q str,
    value: &'q Value,
    /// What the text of a document must hold somewhere; tells most others apart without reading them whole.
    trace: Option<String>,
}

impl<'q> Equal<'q> {
    fn of((field, value): &'q (Str, Value)) -> Self {
        let trace = match value {
            Value::Bool(_) | Value::Int(_) | Value::Str(_) => {
                let last = field.rsplit('.').next().unwrap_or(field);
                // The last part stands in every form of the path, whether the dots belong to a name or not.
                let name = Value::text(last).to_json();
                Some(format!("{}:{}", name.get(1..).unwrap_or_default(), value.to_json()))
            }
            _ => None,
        };
        Self { field, value, trace }
    }

    fn holds(&self, doc: &Map) -> bool {
        at_path(doc, self.field).unwrap_or(&Value::Null) == self.value
    }
}

impl<'q> Wanted<'q> {
    /// Looks up what a query names; nothing when something in it does not exist at all.
    fn of(view: View<'_>, query: &'q Query) -> Result<Option<Self>, StoreError> {
        let parent = match &query.parent {
            Some(key) => match find(view.db, view.env, key)? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
            None => None,
        };
        let host = match &query.host {
            Some(host) => match find_word(view.db, view.env, host)? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
            None => None,
        };
        Ok(Some(Self {
            types: &query.types,
            types_text: Value::list(query.types.iter().cloned().map(Value::Str).collect()).to_json(),
            parent,
            host,
            needle: query.text.as_deref().and_then(Needle::containing),
            equals: query.equals.iter().map(Equal::of).collect(),
        }))
    }

    /// The next keys that may fit, in order.
    fn keys(
        &self,
        view: View<'_>,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
        if self.parent.is_none() && self.host.is_none() && self.needle.is_none() {
            return keys_after(view, self.types, after, false, limit);
        }
        // The first condition that is given picks the index; a plus keeps the planner from another one.
        let mut conditions = Vec::new();
        if self.parent.is_some() {
            conditions.push("parent = :parent");
        }
        if self.host.is_some() {
            conditions.push(if conditions.is_empty() { "host = :host" } else { "+host = :host" });
        }
        let by_text = conditions.is_empty();
        if self.needle.is_some() {
            conditions.push("+env = :env AND instr(names, :needle) > 0");
        }
        let conditions = conditions.join(" AND ");
        let first = if by_text { "key IN (SELECT rowid FROM text WHERE text MATCH :match) AND" } else { "" };
        let past = if view.current {
            String::new()
        } else {
            let all = if by_text { "env = :env AND " } else { "" };
            format!(
                "UNION SELECT key FROM object_past WHERE {all}{conditions} AND +rev_from <= :revision AND +rev_to > :revision"
            )
        };
        let types = if self.types.is_empty() { "" } else { "AND k.type IN (SELECT value FROM json_each(:types))" };
        let statement = format!(
            "WITH found(key) AS (SELECT key FROM object WHERE {first} {conditions} AND +rev_from <= :revision {past})
             SELECT k.id, k.type, k.oid FROM found JOIN key k ON k.id = found.key
             WHERE (:all OR (k.type, k.oid) > (:after_type, :after_id)) {types} ORDER BY k.type, k.oid LIMIT :limit"
        );
        let mut read = view.db.prepare_cached(&statement).doing("find objects")?;
        let (after_type, after_id) = after.map_or(("", ""), |key| (&*key.object_type, &*key.id));
        let values: &[(&str, &dyn rusqlite::ToSql)] = named_params! {
            ":parent": self.parent,
            ":host": self.host,
            ":env": view.env,
            ":needle": self.needle.as_ref().map(|needle| &needle.folded),
            ":match": self.needle.as_ref().map(|needle| &needle.trigrams),
            ":revision": view.revision,
            ":types": self.types_text,
            ":all": after.is_none(),
            ":after_type": after_type,
            ":after_id": after_id,
            ":limit": to_db(limit as u64),
        };
        for (name, value) in values {
            // A condition that was not asked for has no place in the statement.
            if let Some(place) = read.parameter_index(name).doing("find objects")? {
                read.raw_bind_parameter(place, value).doing("find objects")?;
            }
        }
        let mut rows = read.raw_query();
        let mut found = Vec::new();
        while let Some(row) = rows.next().doing("find objects")? {
            let read = || -> rusqlite::Result<_> {
                let object_type: String = row.get(1)?;
                let id: String = row.get(2)?;
                Ok((row.get(0)?, ObjectKey::new(object_type, id)))
            };
            found.push(read().doing("find objects")?);
        }
        Ok(found)
    }

    /// The object of a key, if it is there and fits.
    fn object(&self, view: View<'_>, id: i64, key: ObjectKey) -> Result<Option<Object>, StoreError> {
        let Some(text) = doc(view, id)? else { return Ok(None) };
        let may_fit = self.equals.iter().all(|equal| equal.trace.as_ref().is_none_or(|trace| text.contains(trace)));
        if !may_fit {
            return Ok(None);
        }
        let object = row::object_from(key, &text)?;
        Ok(self.equals.iter().all(|equal| equal.holds(&object.doc)).then_some(object))
    }
}

/// One page of objects.
pub(in crate::embedded) fn page(
    view: View<'_>,
    query: &Query,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Object>, StoreError> {
    let mut answer = Paged { revision: view.number(), items: Vec::new(), next: None };
    let Some(wanted) = Wanted::of(view, query)? else { return Ok(answer) };
    let limit = page.limit.max(1);
    let mut skip = page.skip;
    let batch = if query.equals.is_empty() { limit.saturating_add(1) } else { BATCH };
    let mut after = after.map(|place| match <[Str; 2]>::try_from(place) {
        Ok([object_type, id]) => ObjectKey { object_type, id },
        Err(_) => ObjectKey::new("", ""),
    });
    loop {
        let keys = wanted.keys(view, after.as_ref(), batch)?;
        let last = keys.len() < batch;
        for (id, key) in keys {
            after = Some(key.clone());
            let Some(object) = wanted.object(view, id, key)? else { continue };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if answer.items.len() == limit {
                answer.next = answer
                    .items
                    .last()
                    .map(|last: &Object| cursor(view.number(), &[&last.key.object_type, &last.key.id]));
                return Ok(answer);
            }
            answer.items.push(object);
        }
        if last {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Str, Value};

    use super::Equal;

    fn doc(text: &str) -> Map {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_trace_never_hides_what_fits() {
        for (text, field, value) in [
            (r#"{"a":{"b":"x\"y"}}"#, "a.b", Value::text("x\"y")),
            (r#"{"a.b":true}"#, "a.b", Value::Bool(true)),
            (r#"{"n":1.0}"#, "n", Value::Int(1)),
            (r#"{"n":1}"#, "n", Value::Float(1.0)),
            (r#"{"pro\"v:id":7}"#, "pro\"v:id", Value::Int(7)),
            (r#"{"x":0}"#, "gone", Value::Null),
        ] {
            let doc = doc(text);
            let pair = (Str::from(field), value);
            let equal = Equal::of(&pair);
            assert!(equal.holds(&doc), "{field} in {text}");
            let stored = crate::embedded::row::map_text(&doc);
            assert!(equal.trace.as_ref().is_none_or(|trace| stored.contains(trace)), "{field} in {stored}");
        }
    }
}
