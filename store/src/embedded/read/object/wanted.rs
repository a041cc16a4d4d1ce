//! The objects that a query wants, and where candidates are found.

use calipso_model::{Map, ObjectKey, Str, Value};
use rusqlite::named_params;

use crate::{
    embedded::{
        fault::{Doing, to_db},
        key::{Names, find, find_word},
        read::{View, field::Field, keys_of_id, object::doc, search::Needle},
        row,
    },
    error::StoreError,
    form,
    query::Query,
};

/// A subtree of more objects than this is found by looking at all objects in order: most of them belong to it.
const SMALL_TREE: usize = 4_000;

/// Maximum number of ends of a path that are tried as the id of its object; ids hold few slashes.
const ENDS: usize = 16;

/// Where candidates are found.
pub(super) enum Start {
    /// All keys in order.
    Order,
    /// An index on parent, host or names.
    Index,
    /// These, in order.
    These(Vec<(i64, ObjectKey)>),
}

/// A question, looked up.
pub(super) struct Wanted<'q> {
    query: &'q Query,
    types_text: String,
    parents: Option<Vec<i64>>,
    host: Option<i64>,
    needle: Option<Needle>,
    fields: Vec<Field<'q>>,
    /// What `id_path` begins with, and how that stands in the text of a document.
    below: Option<(String, String)>,
    /// Where to look.
    pub(super) start: Start,
}

impl<'q> Wanted<'q> {
    /// Looks up what a query names; nothing when one of these does not exist.
    pub(super) fn of(view: View<'_>, query: &'q Query) -> Result<Option<Self>, StoreError> {
        let parents = match (&query.parent, &query.parent_id) {
            (Some(parent), Some(id)) if parent.id != *id => return Ok(None),
            (Some(parent), _) => match find(view.db, view.env, parent)? {
                Some(id) => Some(vec![id]),
                None => return Ok(None),
            },
            (None, Some(id)) => {
                let ids: Vec<i64> = keys_of_id(view, id)?.into_iter().map(|(id, _)| id).collect();
                if ids.is_empty() {
                    return Ok(None);
                }
                Some(ids)
            }
            (None, None) => None,
        };
        let host = match &query.host {
            Some(host) => match find_word(view.db, view.env, host)? {
                Some(id) => Some(id),
                None => return Ok(None),
            },
            None => None,
        };
        let needle = query.text.as_deref().and_then(Needle::containing);
        let start = if let Some(id) = &query.id {
            Start::These(keys_of_id(view, id)?)
        } else if parents.is_some() || host.is_some() || needle.is_some() {
            Start::Index
        } else {
            match &query.below {
                Some(path) => small_tree(view, path)?.map_or(Start::Order, Start::These),
                None => Start::Order,
            }
        };
        Ok(Some(Self {
            query,
            types_text: Value::list(query.types.iter().cloned().map(Value::Str).collect()).to_json(),
            parents,
            host,
            needle,
            fields: query.equals.iter().map(Field::equal).chain(query.one_of.iter().map(Field::one_of)).collect(),
            below: query.below.as_ref().map(|path| {
                let path = format!("{path}/");
                let quoted = Value::text(&path).to_json();
                let trace = format!("\"id_path\":{}", quoted.strip_suffix('"').unwrap_or(&quoted));
                (path, trace)
            }),
            start,
        }))
    }

    /// Whether an object of this type is wanted.
    pub(super) fn takes(&self, key: &ObjectKey) -> bool {
        self.query.types.is_empty() || self.query.types.contains(&key.object_type)
    }

    /// Whether only the document itself can show that it fits.
    pub(super) fn looks_inside(&self) -> bool {
        !self.fields.is_empty() || self.below.is_some() || self.compares_all()
    }

    /// Parents, host and names are compared here when no index has done so.
    fn compares_all(&self) -> bool {
        matches!(self.start, Start::These(_))
            && (self.parents.is_some() || self.host.is_some() || self.needle.is_some())
    }

    /// The document of a text, if it fits.
    pub(super) fn fitting(&self, text: &str) -> Result<Option<Map>, StoreError> {
        let may_fit = self.fields.iter().all(|field| field.may_fit(text))
            && self.below.as_ref().is_none_or(|(_, trace)| text.contains(trace));
        if !may_fit {
            return Ok(None);
        }
        let doc = row::map_from(text)?;
        let fits = self.fields.iter().all(|field| field.holds(&doc))
            && self.below.as_ref().is_none_or(|(path, _)| {
                doc.text("id_path").is_some_and(|found| found.len() > path.len() && found.starts_with(path))
            })
            && (!self.compares_all() || self.compare_all(&doc));
        Ok(fits.then_some(doc))
    }

    fn compare_all(&self, doc: &Map) -> bool {
        let parent = form::parent(doc);
        let query = self.query;
        query.parent.as_ref().is_none_or(|wanted| parent.as_ref() == Some(wanted))
            && query.parent_id.as_ref().is_none_or(|wanted| parent.as_ref().is_some_and(|parent| parent.id == *wanted))
            && query.host.as_ref().is_none_or(|wanted| form::host(doc) == Some(wanted))
            && self
                .needle
                .as_ref()
                .is_none_or(|needle| form::names(doc).is_some_and(|names| names.contains(&needle.folded)))
    }

    /// The next keys that an index finds, in order.
    pub(super) fn indexed(
        &self,
        view: View<'_>,
        after: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Vec<(i64, ObjectKey)>, StoreError> {
        // The first condition that is given picks the index; a plus keeps the planner from another one.
        let mut conditions = Vec::new();
        match self.parents.as_deref() {
            Some([_]) => conditions.push("parent = :parent"),
            Some(_) => conditions.push("parent IN (SELECT value FROM json_each(:parents))"),
            None => {}
        }
        if self.host.is_some() {
            conditions.push(if conditions.is_empty() { "host = :host" } else { "+host = :host" });
        }
        let by_text = conditions.is_empty();
        if self.needle.is_some() {
            // Only names count here; what stands behind their end are other values.
            conditions.push(
                "+env = :env AND instr(names, :needle) > 0 AND instr(names, :needle) < instr(names || x'04', x'04')",
            );
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
        let types =
            if self.query.types.is_empty() { "" } else { "AND k.type IN (SELECT value FROM json_each(:types))" };
        let statement = format!(
            "WITH found(key) AS (SELECT key FROM object WHERE {first} {conditions} AND +rev_from <= :revision {past})
             SELECT k.id, k.type, k.oid FROM found JOIN key k ON k.id = found.key
             WHERE (:all OR (k.type, k.oid) > (:after_type, :after_id)) {types} ORDER BY k.type, k.oid LIMIT :limit"
        );
        let mut read = view.db.prepare_cached(&statement).doing("find objects")?;
        let (after_type, after_id) = after.map_or(("", ""), |key| (&*key.object_type, &*key.id));
        let parents = self.parents.as_deref().unwrap_or_default();
        let values: &[(&str, &dyn rusqlite::ToSql)] = named_params! {
            ":parent": parents.first(),
            ":parents": Value::list(parents.iter().copied().map(Value::Int).collect()).to_json(),
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
            if let Some(index) = read.parameter_index(name).doing("find objects")? {
                read.raw_bind_parameter(index, value).doing("find objects")?;
            }
        }
        let mut rows = read.raw_query();
        let mut found = Vec::new();
        let mut last: Option<Str> = None;
        while let Some(row) = rows.next().doing("find objects")? {
            found.push(super::key_of(row, &mut last).doing("find objects")?);
        }
        Ok(found)
    }
}

/// Everything below the object of a path, in order; nothing when that is much, or no object has the path.
fn small_tree(view: View<'_>, path: &Str) -> Result<Option<Vec<(i64, ObjectKey)>>, StoreError> {
    let Some(root) = of_path(view, path)? else { return Ok(None) };
    let past = if view.current {
        ""
    } else {
        "UNION SELECT key FROM object_past WHERE parent = ?1 AND +rev_from <= ?2 AND +rev_to > ?2"
    };
    let statement = format!("SELECT key FROM object WHERE parent = ?1 AND +rev_from <= ?2 {past}");
    let mut read = view.db.prepare_cached(&statement).doing("find what is below an object")?;
    let mut seen = std::collections::BTreeSet::from([root]);
    let mut front = vec![root];
    while let Some(parent) = front.pop() {
        let mut rows = read.query([parent, view.revision]).doing("find what is below an object")?;
        while let Some(row) = rows.next().doing("find what is below an object")? {
            let key: i64 = row.get(0).doing("find what is below an object")?;
            if seen.len() > SMALL_TREE {
                return Ok(None);
            }
            if seen.insert(key) {
                front.push(key);
            }
        }
    }
    seen.remove(&root);
    let mut names = Names::new(view.db);
    let mut found = seen.into_iter().map(|id| Ok((id, names.key(id)?))).collect::<Result<Vec<_>, StoreError>>()?;
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(Some(found))
}

/// The number of the object that has a path: its id is what the path ends with.
fn of_path(view: View<'_>, path: &Str) -> Result<Option<i64>, StoreError> {
    for (slash, _) in path.rmatch_indices('/').take(ENDS) {
        let id = path.get(slash + 1..).unwrap_or_default();
        for (key, _) in keys_of_id(view, id)? {
            let Some(text) = doc(view, key)? else { continue };
            if row::map_from(&text)?.text("id_path") == Some(path) {
                return Ok(Some(key));
            }
        }
    }
    Ok(None)
}
