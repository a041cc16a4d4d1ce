//! What is known of the objects at one moment, for `lookup`, for finding parents and for placing.
//!
//! A row holds what was contributed, packed, and where the object belongs. Its document is made when somebody looks at it.

mod index;
mod table;

use std::{
    collections::BTreeMap,
    fmt, iter,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{Map, ObjectKey, Packed, Str, Value};

use self::table::Listed;
pub(crate) use self::table::Table;
use crate::{
    compact::{Pages, Tables},
    identity::Identities,
};

/// How many parents up an object is looked for.
pub(crate) const MAX_DEPTH: usize = 64;

/// Tables may hold so many keys an object, folders and parents included, and so many in any case.
const KEYS_AN_OBJECT: usize = 4;
const KEYS_AT_LEAST: usize = 10_000;

/// All known objects. Cloning is cheap; a clone does not change when the original does.
pub(crate) struct Known {
    ids: Arc<Identities>,
    tables: Arc<Tables>,
    /// By the number of the key.
    rows: Pages<Row>,
    /// By type: which objects there are, and their indexes.
    types: BTreeMap<Str, Arc<Listed>>,
    /// By type: all documents, once somebody asked for all of them. A clone makes its own.
    whole: Mutex<BTreeMap<Str, Arc<Vec<Value>>>>,
}

/// One known object.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What was contributed; of a given object, its document.
    attributes: Packed,
    /// Number of the key of the parent; that of the object itself where none is known.
    parent: u32,
    pub(crate) standing: Standing,
}

/// What is known of the place of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has the form of this number.
    Form(u16),
    /// None of the forms of its type can be chosen: its id is its name, and it is below the root.
    NoForm,
    /// There is no such type; the object cannot be placed.
    NoType,
    /// It is a surrounding that somebody gave: others may lie below it, and it is not placed again.
    Given,
}

impl Standing {
    /// Number of the form among those of the type.
    pub(crate) fn form(self) -> Option<usize> {
        match self {
            Self::Form(number) => Some(number.into()),
            Self::NoForm | Self::NoType | Self::Given => None,
        }
    }
}

impl Default for Known {
    /// Nothing, of no environment.
    fn default() -> Self {
        Self::new(Arc::default(), Arc::default())
    }
}

impl Clone for Known {
    fn clone(&self) -> Self {
        Self {
            ids: Arc::clone(&self.ids),
            tables: Arc::clone(&self.tables),
            rows: self.rows.clone(),
            types: self.types.clone(),
            whole: Mutex::default(),
        }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} known objects", self.rows.len())
    }
}

impl Known {
    /// Nothing yet. Who shares the tables with it means the same objects by the same numbers.
    pub(crate) fn new(ids: Arc<Identities>, tables: Arc<Tables>) -> Self {
        Self { ids, tables, rows: Pages::default(), types: BTreeMap::new(), whole: Mutex::default() }
    }

    pub(crate) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    pub(crate) fn table(&self, object_type: &str) -> Option<Table<'_>> {
        let (object_type, listed) = self.types.get_key_value(object_type)?;
        Some(Table::new(self, object_type, listed))
    }

    /// What is kept of one object.
    pub(crate) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(number)
    }

    /// What fetchers see of one object.
    pub(crate) fn document(&self, key: &ObjectKey) -> Option<Map> {
        self.row(self.tables.keys.number(key)?).map(|row| self.document_of(key, row))
    }

    /// What fetchers see of the object of a row.
    pub(crate) fn document_of(&self, key: &ObjectKey, row: &Row) -> Map {
        let attributes = self.attributes(row);
        match row.standing {
            Standing::Given => attributes,
            Standing::NoType => self.ids.untyped(key, attributes),
            Standing::Form(_) | Standing::NoForm => {
                let names = self.ids.names(key, &attributes, row.standing.form());
                self.ids.document(key, attributes, &names)
            }
        }
    }

    /// What was contributed to an object; of a given one, its document.
    pub(crate) fn attributes(&self, row: &Row) -> Map {
        self.tables.words.unpack(&row.attributes)
    }

    /// One field of the document of an object, without the others.
    fn field(&self, number: u32, name: &str) -> Option<Value> {
        let row = self.row(number)?;
        let key = || self.tables.keys.key(number);
        match (row.standing, name) {
            (Standing::Given, _) => {}
            (_, "id") => return Some(Value::Str(key().id)),
            (_, "type") => return Some(Value::Str(key().object_type)),
            (Standing::NoType, _) => {}
            (_, "environment") => return Some(Value::Str(self.ids.environment.clone())),
            (standing, "name" | "object_name") => {
                let (display, object) = self.ids.names(&key(), &self.attributes(row), standing.form());
                return Some(Value::Str(if name == "name" { display } else { object }));
            }
            _ => {}
        }
        self.tables.words.get(&row.attributes, name)
    }

    /// The parent that an object's type gives it, folders aside.
    pub(crate) fn parent(&self, key: &ObjectKey) -> Option<ObjectKey> {
        let number = self.parent_of(self.tables.keys.number(key)?)?;
        Some(self.tables.keys.key(number))
    }

    fn parent_of(&self, number: u32) -> Option<u32> {
        let row = self.row(number)?;
        matches!(row.standing, Standing::Form(_) | Standing::NoForm).then_some(row.parent)
    }

    /// The parents of an object, the nearest first, as far as they are known.
    pub(crate) fn ancestors(&self, key: &ObjectKey) -> impl Iterator<Item = ObjectKey> {
        let first = self.tables.keys.number(key).and_then(|number| self.parent_of(number));
        let numbers = iter::successors(first, |number| self.parent_of(*number)).take(MAX_DEPTH);
        numbers.map(|number| self.tables.keys.key(number))
    }

    /// How many objects there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether most of what the tables hold is of objects that are gone: then it is time to read everything anew.
    pub(crate) fn is_worn(&self) -> bool {
        self.tables.keys.len() > KEYS_AN_OBJECT * self.rows.len() + KEYS_AT_LEAST
    }

    /// The keys of all objects.
    pub(crate) fn keys(&self) -> impl Iterator<Item = ObjectKey> {
        self.rows.iter().map(|(number, _)| self.tables.keys.key(number))
    }

    /// Puts an object in place of what was known of it. Returns whether that is another one.
    pub(crate) fn put(&mut self, key: &ObjectKey, attributes: &Map) -> bool {
        self.put_packed(key, self.tables.words.pack(attributes))
    }

    /// The same, of attributes that were packed with the words of this environment.
    pub(crate) fn put_packed(&mut self, key: &ObjectKey, packed: Packed) -> bool {
        let number = self.tables.keys.add(key);
        let is_as_it_was = |row: &Row| row.standing != Standing::Given && row.attributes == packed;
        if self.row(number).is_some_and(is_as_it_was) {
            return false;
        }
        let (standing, parent) = match self.ids.seat(key, &self.tables.words.unpack(&packed)) {
            None => (Standing::NoType, number),
            Some((form, parent)) => {
                let form = form.map(|form| u16::try_from(form).expect("a type has fewer than 2^16 forms"));
                (form.map_or(Standing::NoForm, Standing::Form), self.tables.keys.add(&parent))
            }
        };
        self.set(&key.object_type, number, Some(Row { attributes: packed, parent, standing }));
        true
    }

    /// Forgets an object. Returns whether it was known.
    pub(crate) fn remove(&mut self, key: &ObjectKey) -> bool {
        let number = self.tables.keys.number(key).filter(|number| self.row(*number).is_some());
        if let Some(number) = number {
            self.set(&key.object_type, number, None);
        }
        number.is_some()
    }

    /// Adds a document that somebody gave.
    pub(crate) fn give(&mut self, key: &ObjectKey, document: &Map) {
        let number = self.tables.keys.add(key);
        let attributes = self.tables.words.pack(document);
        self.set(&key.object_type, number, Some(Row { attributes, parent: number, standing: Standing::Given }));
    }

    fn set(&mut self, object_type: &Str, number: u32, row: Option<Row>) {
        self.whole.get_mut().unwrap_or_else(PoisonError::into_inner).remove(object_type);
        let mut listed = self.types.remove(object_type).unwrap_or_default();
        let list = Arc::make_mut(&mut listed);
        let indexed = list.indexed();
        let hashes = |known: &Self| -> Vec<Option<u32>> {
            let is_there = known.row(number).is_some();
            indexed.iter().map(|name| is_there.then(|| index::hash(known.field(number, name).as_ref()))).collect()
        };
        let before = hashes(self);
        let is_new = row.is_some();
        let was_there = self.rows.set(number, row).is_some();
        list.change(number, (was_there, is_new), &before, &hashes(self));
        if !list.is_empty() {
            self.types.insert(object_type.clone(), listed);
        }
    }
}

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
        let table = known.table("card").unwrap();
        let found = table.with(&"host".into(), host);
        found.iter().map(|number| known.tables().keys.key(*number).id.to_string()).collect()
    }

    #[test]
    fn finds_by_index_and_by_absence_whatever_changed_since() {
        let mut known = Known::default();
        for (id, host) in [("a", Some("h1")), ("b", None), ("c", Some("h1"))] {
            known.give(&ObjectKey::new("card", id), &document(id, host));
        }
        assert_eq!(hosted(&known, &"h1".into()), ["a", "c"]);
        assert_eq!(hosted(&known, &Value::Null), ["b"]);
        assert!(hosted(&known, &"h2".into()).is_empty());
        assert!(known.table("none").is_none());
        let before = known.clone();
        known.give(&ObjectKey::new("card", "b"), &document("b", Some("h1")));
        known.give(&ObjectKey::new("card", "c"), &document("c", Some("h2")));
        assert!(known.remove(&ObjectKey::new("card", "a")) && !known.remove(&ObjectKey::new("card", "a")));
        assert_eq!((hosted(&known, &"h1".into()), hosted(&known, &"h2".into())), (vec!["b".into()], vec!["c".into()]));
        assert!(hosted(&known, &Value::Null).is_empty());
        assert_eq!((known.len(), before.len()), (2, 3));
        assert_eq!(hosted(&before, &"h1".into()), ["a", "c"], "a clone stays as it was");
    }

    #[test]
    fn objects_come_in_the_order_of_their_ids_whenever_they_came() {
        let mut known = Known::default();
        let ids = |known: &Known| -> Vec<String> {
            let documents = known.table("card").unwrap().documents();
            documents.iter().map(|document| document.as_map().unwrap().text("id").unwrap().to_string()).collect()
        };
        for id in ["m", "b", "x"] {
            known.give(&ObjectKey::new("card", id), &document(id, None));
        }
        assert_eq!(ids(&known), ["b", "m", "x"]);
        known.remove(&ObjectKey::new("card", "m"));
        known.give(&ObjectKey::new("card", "c"), &document("c", None));
        assert_eq!(ids(&known), ["b", "c", "x"]);
        known.give(&ObjectKey::new("card", "m"), &document("m", None));
        assert_eq!(ids(&known), ["b", "c", "m", "x"]);
    }
}
