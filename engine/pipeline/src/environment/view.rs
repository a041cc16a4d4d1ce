//! What one contributor sees of an environment: what was known when it began, and what it brought since.

use std::{collections::BTreeSet, sync::Arc};

use calipso_model::ObjectKey;
use calipso_store::ScopeRecord;

use crate::{
    identity::Identities,
    known::Known,
    merge::{Inventory, Ticket},
};

/// Scopes, and the objects that follow from them as fetchers see them. Cloning is cheap, and a clone goes its own way.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) inventory: Inventory,
    pub(crate) known: Known,
    /// Objects that came, went or changed since this was last taken.
    changed: BTreeSet<ObjectKey>,
}

impl View {
    /// What the store kept. Every object counts as changed.
    pub(crate) fn from_records(ids: &Identities, records: Vec<ScopeRecord>) -> Self {
        let mut view = Self::unread(ids, records);
        view.refresh(ids);
        view
    }

    /// What the store kept, before anybody looked at the objects.
    pub(super) fn unread(ids: &Identities, records: Vec<ScopeRecord>) -> Self {
        let tables = Arc::default();
        let inventory = Inventory::from_records(records, &tables);
        Self { inventory, known: Known::new(Arc::new(ids.clone()), tables), changed: BTreeSet::new() }
    }

    /// Brings the objects up to date with the scopes.
    pub(crate) fn refresh(&mut self, ids: &Identities) {
        for key in self.inventory.take_touched() {
            let is_other = if self.inventory.exists(&key) {
                let object_type = ids.types.get(&key.object_type).map(|known| &**known);
                self.known.put_packed(&key, self.inventory.packed(&key, object_type))
            } else {
                self.known.remove(&key)
            };
            if is_other {
                self.changed.insert(key);
            }
        }
    }

    /// The same, for somebody who is about to contribute.
    pub(crate) fn for_writer(&self, writer: Ticket) -> Self {
        Self { inventory: self.inventory.for_writer(writer), known: self.known.clone(), changed: self.changed.clone() }
    }

    /// Takes over what a contributor found who began when this was otherwise.
    pub(crate) fn take_over(&mut self, mut other: Self, ids: &Identities) {
        other.refresh(ids);
        let is_below = |key: &ObjectKey, object: &ObjectKey| {
            key == object
                || other.known.ancestors(key).any(|up| up == *object)
                || self.known.ancestors(key).any(|up| up == *object)
        };
        self.inventory.take_over(&other.inventory, &is_below);
        self.inventory.withdraw_orphans(&ids.root());
        self.refresh(ids);
    }

    /// The objects that came, went or changed since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.changed)
    }
}
