//! The objects of one type: which there are, and which have some value.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::{ObjectKey, Str, Value};

use crate::known::{
    Known,
    index::{Index, hash},
};

/// Numbers of the objects of one type, and indexes over them.
#[derive(Debug, Default)]
pub(super) struct Listed {
    len: usize,
    ordered: Mutex<Ordered>,
    /// By attribute; made when first asked for, and kept up to date then.
    indexes: Mutex<BTreeMap<Str, Arc<Index>>>,
}

/// Numbers in the order of their ids, as far as somebody asked for that.
#[derive(Clone, Debug, Default)]
struct Ordered {
    numbers: Arc<Vec<u32>>,
    /// Those that came since.
    new: Vec<u32>,
    /// Some of `numbers` went since.
    has_gone: bool,
}

impl Clone for Listed {
    fn clone(&self) -> Self {
        Self {
            len: self.len,
            ordered: Mutex::new(self.ordered.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            indexes: Mutex::new(self.indexes.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        }
    }
}

impl Listed {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
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
        self.len = self.len + usize::from(is_there) - usize::from(was_there);
        let ordered = self.ordered.get_mut().unwrap_or_else(PoisonError::into_inner);
        match (was_there, is_there) {
            (false, true) => ordered.new.push(number),
            (true, false) => ordered.has_gone = true,
            _ => {}
        }
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
        let mut ordered = self.listed.ordered.lock().unwrap_or_else(PoisonError::into_inner);
        if ordered.new.is_empty() && !ordered.has_gone {
            return Arc::clone(&ordered.numbers);
        }
        let new = std::mem::take(&mut ordered.new);
        ordered.has_gone = false;
        let numbers = Arc::make_mut(&mut ordered.numbers);
        numbers.extend(new);
        numbers.retain(|number| self.known.row(*number).is_some());
        self.sort(numbers);
        numbers.dedup();
        numbers.shrink_to_fit();
        Arc::clone(&ordered.numbers)
    }

    fn sort(&self, numbers: &mut [u32]) {
        let keys = self.known.tables.keys.read();
        numbers.sort_by(|one, other| keys.id(*one).cmp(keys.id(*other)));
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
        self.sort(&mut found);
        found
    }
}
