//! What is known of the objects at one moment, for `lookup`, for finding parents and for placing.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{Map, ObjectKey, Str, Value, same::same_map};

use crate::identity::Identity;

/// How many parents up an object is looked for.
pub(crate) const MAX_DEPTH: usize = 64;

/// All known objects by type. Cloning is cheap; a clone does not change when the original does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    tables: BTreeMap<Str, Arc<Table>>,
}

/// One known object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What fetchers see of it.
    pub(crate) document: Map,
    pub(crate) standing: Standing,
}

/// What is known of the place of an object.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// What its form says, and what of it could not be computed.
    Known(Identity, Vec<String>),
    /// It has no type, and why; the object cannot be placed.
    Unknown(String),
    /// It is a surrounding that somebody gave: others may lie below it, and it is not placed again.
    Given,
}

impl Known {
    pub(crate) fn table(&self, object_type: &str) -> Option<&Table> {
        self.tables.get(object_type).map(|table| &**table)
    }

    /// One object.
    pub(crate) fn row(&self, key: &ObjectKey) -> Option<&Row> {
        self.table(&key.object_type)?.rows.get(&key.id)
    }

    /// The parent that an object's type gives it, folders aside.
    pub(crate) fn parent(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        match &self.row(key)?.standing {
            Standing::Known(identity, _) => Some(&identity.parent),
            _ => None,
        }
    }

    /// The parents of an object, the nearest first, as far as they are known.
    pub(crate) fn ancestors<'a>(&'a self, key: &ObjectKey) -> impl Iterator<Item = &'a ObjectKey> {
        std::iter::successors(self.parent(key), |up| self.parent(up)).take(MAX_DEPTH)
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.tables.values().map(|table| table.rows.len()).sum()
    }

    /// Every object, by type and id.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (ObjectKey, &Row)> {
        self.tables.iter().flat_map(|(object_type, table)| {
            let key = |id: &Str| ObjectKey { object_type: object_type.clone(), id: id.clone() };
            table.rows.iter().map(move |(id, row)| (key(id), row))
        })
    }

    /// Puts an object in place of what was known of it. Returns whether that is another one.
    pub(crate) fn put(&mut self, key: &ObjectKey, row: Row) -> bool {
        let former = self.row(key);
        if former.is_some_and(|former| former.is_same(&row)) {
            return false;
        }
        let table = self.tables.entry(key.object_type.clone()).or_default();
        Arc::make_mut(table).put(&key.id, Some(row));
        true
    }

    /// Forgets an object. Returns whether it was known.
    pub(crate) fn remove(&mut self, key: &ObjectKey) -> bool {
        if self.row(key).is_none() {
            return false;
        }
        if let Some(table) = self.tables.get_mut(&key.object_type) {
            let table = Arc::make_mut(table);
            table.put(&key.id, None);
            if table.rows.is_empty() {
                self.tables.remove(&key.object_type);
            }
        }
        true
    }

    /// Adds a document that somebody gave.
    pub(crate) fn give(&mut self, key: &ObjectKey, document: Map) {
        self.put(key, Row { document, standing: Standing::Given });
    }
}

impl Row {
    fn is_same(&self, other: &Self) -> bool {
        // The standing follows from the document, but for its kind.
        std::mem::discriminant(&self.standing) == std::mem::discriminant(&other.standing)
            && same_map(&self.document, &other.document)
    }
}

/// Value of an attribute to the ids of the objects that have it.
type Index = BTreeMap<IndexKey, BTreeSet<Str>>;

/// The objects of one type.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<Str, Row>,
    /// By attribute; made when first asked for, and kept up to date then.
    indexes: Mutex<BTreeMap<Str, Arc<Index>>>,
}

impl Clone for Table {
    fn clone(&self) -> Self {
        let indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { rows: self.rows.clone(), indexes: Mutex::new(indexes) }
    }
}

impl Table {
    /// The objects, in the order of their ids.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Str, &Row)> {
        self.rows.iter()
    }

    pub(crate) fn documents(&self) -> impl Iterator<Item = Value> {
        self.rows.values().map(|row| Value::Map(row.document.clone()))
    }

    /// The documents that may have this value under an attribute, in the order of their ids.
    pub(crate) fn with(&self, attribute: &Str, value: &Value) -> Vec<Value> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = Arc::clone(indexes.entry(attribute.clone()).or_insert_with(|| Arc::new(self.index(attribute))));
        drop(indexes);
        let ids = index.get(&IndexKey::new(value)).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id)).map(|row| Value::Map(row.document.clone())).collect()
    }

    fn index(&self, attribute: &str) -> Index {
        let mut index = Index::new();
        for (id, row) in &self.rows {
            index.entry(key_of(row, attribute)).or_default().insert(id.clone());
        }
        index
    }

    fn put(&mut self, id: &Str, row: Option<Row>) {
        let indexes = self.indexes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let former = self.rows.get(id);
        for (attribute, index) in indexes {
            let before = former.map(|row| key_of(row, attribute));
            let after = row.as_ref().map(|row| key_of(row, attribute));
            if before == after {
                continue;
            }
            let index = Arc::make_mut(index);
            if let Some(before) = before
                && let Some(ids) = index.get_mut(&before)
            {
                ids.remove(id);
                if ids.is_empty() {
                    index.remove(&before);
                }
            }
            if let Some(after) = after {
                index.entry(after).or_default().insert(id.clone());
            }
        }
        match row {
            Some(row) => self.rows.insert(id.clone(), row),
            None => self.rows.remove(id),
        };
    }
}

fn key_of(row: &Row, attribute: &str) -> IndexKey {
    IndexKey::new(row.document.get(attribute).unwrap_or(&Value::Null))
}

/// A value in an order in which equal ones meet: whole numbers count the same however they are written.
#[derive(Clone, Debug)]
struct IndexKey(Value);

impl IndexKey {
    fn new(value: &Value) -> Self {
        Self(match value {
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Value::Int(*number as i64),
            other => other.clone(),
        })
    }
}

impl Ord for IndexKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl PartialOrd for IndexKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for IndexKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for IndexKey {}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(id: &str, host: Option<&str>) -> Map {
        let mut map = Map::new();
        map.insert("id", id);
        if let Some(host) = host {
            map.insert("host", host);
        }
        map
    }

    fn hosted(known: &Known, host: &Value) -> Vec<String> {
        let found = known.table("card").unwrap().with(&"host".into(), host);
        found.iter().map(|document| document.as_map().unwrap().text("id").unwrap().to_string()).collect()
    }

    #[test]
    fn finds_by_index_and_by_absence_whatever_changed_since() {
        let mut known = Known::default();
        for (id, host) in [("a", Some("h1")), ("b", None), ("c", Some("h1"))] {
            known.give(&ObjectKey::new("card", id), document(id, host));
        }
        assert_eq!(hosted(&known, &"h1".into()), ["a", "c"]);
        assert_eq!(hosted(&known, &Value::Null), ["b"]);
        assert!(hosted(&known, &"h2".into()).is_empty());
        assert!(known.table("none").is_none());
        let before = known.clone();
        known.give(&ObjectKey::new("card", "b"), document("b", Some("h1")));
        known.give(&ObjectKey::new("card", "c"), document("c", Some("h2")));
        assert!(known.remove(&ObjectKey::new("card", "a")) && !known.remove(&ObjectKey::new("card", "a")));
        assert_eq!((hosted(&known, &"h1".into()), hosted(&known, &"h2".into())), (vec!["b".into()], vec!["c".into()]));
        assert!(hosted(&known, &Value::Null).is_empty());
        assert_eq!((known.len(), before.len()), (2, 3));
        assert_eq!(hosted(&before, &"h1".into()), ["a", "c"], "a clone stays as it was");
    }
}
