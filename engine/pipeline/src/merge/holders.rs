//! Which scopes know an object, and whether each says that it exists.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{ObjectKey, Str};
use calipso_store::ScopeKey;

use crate::compact::{Ordered, Pages, Tables};

/// By object: the scopes that know it. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    tables: Arc<Tables>,
    of: Pages<Few>,
    /// By type: the objects that some scope knows.
    types: BTreeMap<Str, Arc<Ordered>>,
}

/// A scope that knows an object.
#[derive(Clone, Copy, Debug)]
struct Holder {
    /// Number of the key of the scope.
    scope: u32,
    /// Place among the contributions to one object.
    order: u32,
    asserts: bool,
}

/// Holders in the order in which they contribute: mostly one.
#[derive(Clone, Debug)]
enum Few {
    One(Holder),
    Many(Arc<Vec<Holder>>),
}

impl Few {
    fn as_slice(&self) -> &[Holder] {
        match self {
            Self::One(holder) => std::slice::from_ref(holder),
            Self::Many(holders) => holders,
        }
    }

    fn new(holders: &[Holder]) -> Option<Self> {
        match holders {
            [] => None,
            [one] => Some(Self::One(*one)),
            many => Some(Self::Many(Arc::new(many.to_vec()))),
        }
    }
}

impl Holders {
    pub(super) fn new(tables: &Arc<Tables>) -> Self {
        Self { tables: Arc::clone(tables), ..Self::default() }
    }

    /// The number of a scope.
    pub(super) fn number(&self, scope: &Arc<ScopeKey>) -> u32 {
        self.tables.scopes.add(scope)
    }

    /// Notes that a scope knows an object, with its order and whether it says that it exists, or does not know it any more.
    pub(super) fn hold(&mut self, object: u32, scope: u32, as_what: Option<(u32, bool)>) {
        let mut holders: Vec<Holder> =
            self.slice(object).iter().filter(|known| known.scope != scope).copied().collect();
        if let Some((order, asserts)) = as_what {
            let key = |scope: u32| self.tables.scopes.get(scope);
            let is_before =
                |known: &Holder| known.order < order || known.order == order && key(known.scope) < key(scope);
            let place = holders.partition_point(is_before);
            holders.insert(place, Holder { scope, order, asserts });
        }
        let is_there = !holders.is_empty();
        let was_there = self.of.set(object, Few::new(&holders)).is_some();
        if is_there != was_there {
            let object_type = self.tables.keys.key(object).object_type;
            Arc::make_mut(self.types.entry(object_type).or_default()).change(object, was_there, is_there);
        }
    }

    fn slice(&self, object: u32) -> &[Holder] {
        self.of.get(object).map(Few::as_slice).unwrap_or_default()
    }

    /// The scopes that know an object, in the order in which they contribute.
    pub(super) fn of(&self, object: u32) -> impl DoubleEndedIterator<Item = Arc<ScopeKey>> + ExactSizeIterator {
        self.slice(object).iter().map(move |holder| self.tables.scopes.get(holder.scope))
    }

    /// Whether a scope says that the object exists.
    pub(super) fn exists(&self, object: u32) -> bool {
        self.slice(object).iter().any(|holder| holder.asserts)
    }

    /// The objects of a type that exist, by id.
    pub(super) fn of_type(&self, object_type: &str) -> Vec<ObjectKey> {
        let numbers = self.known_of(object_type);
        numbers.iter().filter(|number| self.exists(**number)).map(|number| self.tables.keys.key(*number)).collect()
    }

    /// The objects that several scopes know, by key.
    pub(super) fn shared(&self) -> impl Iterator<Item = u32> {
        let all = self.types.keys().flat_map(|object_type| self.known_of(object_type).to_vec());
        all.filter(|number| self.slice(*number).len() > 1)
    }

    fn known_of(&self, object_type: &str) -> Arc<Vec<u32>> {
        let numbers = self
            .types
            .get(object_type)
            .map(|known| known.numbers(&self.tables.keys, |number| self.of.get(number).is_some()));
        numbers.unwrap_or_default()
    }
}
