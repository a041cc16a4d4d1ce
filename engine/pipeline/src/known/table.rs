//! The objects of one type: which there are, and which have some value.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{ObjectKey, Str, Value};

use crate::{
    compact::Ordered,
    known::{
        Known,
        index::{Index, hash},
    },
};

/// Numbers of the objects of one type, and indexes over them.
#[derive(Debug, Default)]
pub(super) struct Listed {
    ordered: Ordered,
    /// By attribute; made when first asked for, and kept up to date then.
    indexes: Mutex<BTreeMap<Str, Arc<Index>>>,
}

impl Clone for Listed {
    fn clone(&self) -> Self {
        Self {
            ordered: self.ordered.clone(),
            indexes: Mutex::new(self.indexes.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }
}

impl Listed {
    pub(super) fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// The attributes that have indexes.
    pub(super) fn indexed(&mut self) -> Vec<Str> {
        self.indexes.get_mut().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Notes that an object came, changed or went: whether it was there, and is; and the hashes of its indexed values, in the order
    /// of [`Listed::indexed`].
    pub(super) fn change(
        &mut self,
        number: u32,
        (was_there, is_there): (bool, bool),
        before: &[Option<u32>],
        after: &[Option<u32>],
    ) {
        self.ordered.change(number, was_there, is_there);
        let indexes = self.indexes.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (index, (before, after)) in indexes.values_mut().zip(before.iter().zip(after)) {
            if before != after {
                Arc::make_mut(index).change(number, *before, *after);
            }
        }
    }
}

/// The objects of one type.
pub(crate) struct Table<'k> {
    known: &'k Known,
    object_type: &'k Str,
    listed: &'k Listed,
}

impl<'k> Table<'k> {
    pub(super) fn new(known: &'k Known, object_type: &'k Str, listed: &'k Listed) -> Self {
        Self { known, object_type, listed }
    }

    /// The numbers of the objects, in the order of their ids.
    pub(crate) fn numbers(&self) -> Arc<Vec<u32>> {
        self.listed.ordered.numbers(&self.known.tables.keys, |number| self.known.row(number).is_some())
    }

    /// The document of an object of this type.
    pub(crate) fn document(&self, number: u32) -> Option<Value> {
        let row = self.known.row(number)?;
        Some(Value::Map(self.known.document_of(&self.known.tables.keys.key(number), row)))
    }

    /// One field of the document of an object of this type.
    pub(crate) fn field(&self, number: u32, name: &str) -> Option<Value> {
        self.known.field(number, name)
    }

    /// Keys and documents, in the order of their ids.
    pub(crate) fn rows(&self) -> Vec<(ObjectKey, Value)> {
        let row = |number: &u32| Some((self.known.tables.keys.key(*number), self.document(*number)?));
        self.numbers().iter().filter_map(row).collect()
    }

    /// All documents, in the order of their ids: made once, for those who ask for all again and again.
    pub(crate) fn documents(&self) -> Arc<Vec<Value>> {
        let lock = || self.known.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = lock().get(self.object_type) {
            return Arc::clone(made);
        }
        let made: Vec<Value> = self.numbers().iter().filter_map(|number| self.document(*number)).collect();
        Arc::clone(lock().entry(self.object_type.clone()).or_insert(Arc::new(made)))
    }

    /// The objects that may have this value under an attribute, in the order of their ids. A few may have another one.
    pub(crate) fn with(&self, attribute: &Str, value: &Value) -> Vec<u32> {
        let made = {
            let indexes = self.listed.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            indexes.get(attribute).cloned()
        };
        let index = made.unwrap_or_else(|| {
            let numbers = self.numbers();
            let of = |number: &u32| (hash(self.known.field(*number, attribute).as_ref()), *number);
            let made = Arc::new(Index::new(numbers.iter().map(of).collect()));
            let mut indexes = self.listed.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(indexes.entry(attribute.clone()).or_insert(made))
        });
        let mut found = index.find(hash(Some(value)));
        self.known.tables.keys.sort_by_id(&mut found);
        found
    }
}
