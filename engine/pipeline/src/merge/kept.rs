//! The members of a scope as they stay in memory: numbers and packed attributes.

use std::{fmt, sync::Arc};

use calipso_model::{Map, ObjectKey, Packed};

use crate::{
    compact::Tables,
    merge::{Contribution, Members},
};

/// The members of one scope, by the numbers of their keys.
#[derive(Clone)]
pub(super) struct Kept {
    tables: Arc<Tables>,
    entries: Vec<Entry>,
}

/// One object as one scope knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) object: u32,
    /// Number of the step that emitted it, doubled, and 1 more where the scope says that the object exists.
    step: u32,
    pub(super) attributes: Packed,
}

impl Entry {
    pub(super) fn asserts(&self) -> bool {
        self.step & 1 == 1
    }

    /// Whether the same follows from both for the object.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.asserts() == other.asserts() && self.attributes == other.attributes
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Kept {
    pub(super) fn new(tables: &Arc<Tables>, members: Members) -> Self {
        let pack = |(key, contribution): (ObjectKey, Contribution)| Entry {
            object: tables.keys.add(&key),
            step: tables.steps.add(&contribution.at) << 1 | u32::from(contribution.asserts),
            attributes: tables.words.pack(&contribution.attributes),
        };
        let mut entries: Vec<Entry> = members.into_iter().map(pack).collect();
        entries.sort_unstable_by_key(|entry| entry.object);
        entries.shrink_to_fit();
        Self { tables: Arc::clone(tables), entries }
    }

    fn contribution(&self, entry: &Entry) -> Contribution {
        Contribution {
            attributes: self.tables.words.unpack(&entry.attributes),
            asserts: entry.asserts(),
            at: self.tables.steps.get(entry.step >> 1),
        }
    }

    /// What an entry of these or of others of the same environment says.
    pub(super) fn attributes(&self, entry: &Entry) -> Map {
        self.tables.words.unpack(&entry.attributes)
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// What is kept of the object of a number.
    pub(super) fn entry(&self, object: u32) -> Option<&Entry> {
        let place = self.entries.binary_search_by_key(&object, |entry| entry.object).ok()?;
        self.entries.get(place)
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Option<Contribution> {
        self.entry(self.tables.keys.number(key)?).map(|entry| self.contribution(entry))
    }

    pub(super) fn contains_key(&self, key: &ObjectKey) -> bool {
        self.tables.keys.number(key).is_some_and(|number| self.entry(number).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = ObjectKey> {
        self.entries.iter().map(|entry| self.tables.keys.key(entry.object))
    }

    /// Keys and contributions, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectKey, Contribution)> {
        self.entries.iter().map(|entry| self.named(entry))
    }

    /// The key and the contribution of an entry.
    pub(super) fn named(&self, entry: &Entry) -> (ObjectKey, Contribution) {
        (self.tables.keys.key(entry.object), self.contribution(entry))
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&ObjectKey) -> bool) {
        let tables = &self.tables;
        self.entries.retain(|entry| stays(&tables.keys.key(entry.object)));
    }

    pub(super) fn retain_entries(&mut self, stays: impl Fn(&Entry) -> bool) {
        self.entries.retain(|entry| stays(entry));
    }

    /// Takes over what others have of some objects.
    pub(super) fn keep<'k>(&mut self, others: &Self, objects: impl Iterator<Item = &'k ObjectKey>) {
        let numbers = objects.filter_map(|key| self.tables.keys.number(key));
        let mut kept: Vec<Entry> = numbers.filter_map(|number| others.entry(number).cloned()).collect();
        kept.sort_unstable_by_key(|entry| entry.object);
        self.put(kept);
    }

    /// Puts members in place of those of their keys.
    pub(super) fn extend(&mut self, members: Members) {
        let more = Self::new(&self.tables, members);
        self.put(more.entries);
    }

    /// Puts entries, by number, in place of those of their numbers.
    pub(super) fn put(&mut self, more: Vec<Entry>) {
        if more.is_empty() {
            return;
        }
        let has_more = |entry: &Entry| more.binary_search_by_key(&entry.object, |entry| entry.object).is_ok();
        self.entries.retain(|entry| !has_more(entry));
        self.entries.extend(more);
        self.entries.sort_by_key(|entry| entry.object);
        self.entries.shrink_to_fit();
    }
}
