//! What is known of the objects at one moment, for `lookup` and for finding parents.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{Str, Value};

/// All known objects by type; a snapshot that does not change while steps read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    tables: BTreeMap<Str, Arc<Table>>,
}

impl Known {
    pub(crate) fn table(&self, object_type: &str) -> Option<&Table> {
        self.tables.get(object_type).map(|table| &**table)
    }

    /// Replaces what is known of one type; documents in the order of their ids.
    pub(crate) fn set(&mut self, object_type: Str, documents: Vec<Value>) {
        if documents.is_empty() {
            self.tables.remove(&object_type);
        } else {
            self.tables.insert(object_type, Arc::new(Table { documents, indexes: Mutex::default() }));
        }
    }
}

/// Value in its JSON form to the places of the documents that have it.
type Index = BTreeMap<String, Vec<usize>>;

/// The objects of one type.
#[derive(Debug, Default)]
pub(crate) struct Table {
    documents: Vec<Value>,
    indexes: Mutex<BTreeMap<Str, Arc<Index>>>,
}

impl Table {
    pub(crate) fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// The documents that may have this value under an attribute; an index is made when first asked for.
    pub(crate) fn with(&self, attribute: &Str, value: &Value) -> Vec<Value> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let index = Arc::clone(indexes.entry(attribute.clone()).or_insert_with(|| Arc::new(self.index(attribute))));
        drop(indexes);
        let places = index.get(&index_key(value)).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.documents.get(*place).cloned()).collect()
    }

    fn index(&self, attribute: &str) -> Index {
        let mut index = Index::new();
        for (place, document) in self.documents.iter().enumerate() {
            let value = document.as_map().and_then(|map| map.get(attribute)).unwrap_or(&Value::Null);
            index.entry(index_key(value)).or_default().push(place);
        }
        index
    }
}

/// Equal values give equal keys; whole numbers written as floating point count as whole.
fn index_key(value: &Value) -> String {
    match value {
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Value::Int(*number as i64).to_json(),
        other => other.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use calipso_model::Map;

    use super::*;

    #[test]
    fn finds_by_index_and_by_absence() {
        let document = |id: &str, host: Option<&str>| {
            let mut map = Map::new();
            map.insert("id", id);
            if let Some(host) = host {
                map.insert("host", host);
            }
            Value::Map(map)
        };
        let mut known = Known::default();
        known.set("card".into(), vec![document("a", Some("h1")), document("b", None), document("c", Some("h1"))]);
        let table = known.table("card").unwrap();
        assert_eq!(table.with(&"host".into(), &Value::from("h1")).len(), 2);
        assert_eq!(table.with(&"host".into(), &Value::Null), vec![document("b", None)]);
        assert!(table.with(&"host".into(), &Value::from("h2")).is_empty());
        assert!(known.table("none").is_none());
    }
}
