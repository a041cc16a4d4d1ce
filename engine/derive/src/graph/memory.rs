//! How much memory a graph holds, by part.

use calipso_model::{Str, Value};
use hashbrown::{HashTable, hash_table::Entry};

use super::Graph;
use crate::{hash::Seed, join::Index, nodes::Nodes, store::Links};

/// Bytes that a graph holds, by part. What is shared counts once, at the first part that has it; spare room counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Ids of objects, and how they are found.
    pub objects: usize,
    /// What rules read of objects, and what they derived.
    pub attributes: usize,
    /// Keys of joins, and who has them.
    pub indexes: usize,
    /// Links: their ends, digests and values of constraints.
    pub links: usize,
    /// Digests of cliques.
    pub cliques: usize,
}

impl Memory {
    /// All parts together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.objects + self.attributes + self.indexes + self.links + self.cliques
    }
}

impl Graph {
    /// How much memory it holds. Looks at every value: for measuring, not for every change.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut heap = Heap { seed: self.seed, addresses: HashTable::new() };
        let mut memory = Memory::default();
        memory.objects = self.nodes.iter().map(|nodes| nodes.memory(&mut heap)).sum();
        memory.attributes = self.nodes.iter().map(|nodes: &Nodes| nodes.memory_of_records(&mut heap)).sum();
        memory.indexes = self.indexes.iter().map(|index: &Index| index.memory(&mut heap)).sum();
        memory.links =
            self.links.iter().chain(self.implicit.values()).map(|links: &Links| links.memory(&mut heap)).sum();
        memory.cliques = self.fingerprints.iter().map(room).sum();
        memory
    }
}

/// Bytes of a list's own allocation.
pub(crate) fn room<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

/// Bytes of a table of numbers: five for each bucket.
pub(crate) fn table(table: &HashTable<u32>) -> usize {
    table.num_buckets() * (size_of::<u32>() + 1)
}

/// Counts of a shared allocation: how many refer to it, strongly and weakly.
const COUNTS: usize = 16;

/// Shared allocations that were counted already.
#[derive(Debug)]
pub(crate) struct Heap {
    seed: Seed,
    addresses: HashTable<usize>,
}

impl Heap {
    fn is_new(&mut self, address: usize) -> bool {
        let seed = self.seed;
        let hash = |address: &usize| seed.address(*address);
        match self.addresses.entry(hash(&address), |known| *known == address, hash) {
            Entry::Occupied(_) => false,
            Entry::Vacant(slot) => {
                slot.insert(address);
                true
            }
        }
    }

    /// Bytes of a text that were not counted yet.
    pub(crate) fn text(&mut self, text: &Str) -> usize {
        if self.is_new(text.as_ptr().addr()) { (COUNTS + text.len()).next_multiple_of(8) } else { 0 }
    }

    /// Bytes behind a value that were not counted yet.
    pub(crate) fn value(&mut self, value: &Value) -> usize {
        match value {
            Value::Str(text) => self.text(text),
            Value::List(items) if self.is_new(std::ptr::from_ref(&**items).addr()) => {
                COUNTS
                    + size_of::<Vec<Value>>()
                    + room(items)
                    + items.iter().map(|item| self.value(item)).sum::<usize>()
            }
            Value::Map(map) if self.is_new(map.iter().as_slice().as_ptr().addr()) => {
                let pairs = map.iter().as_slice();
                let own = COUNTS + size_of::<Vec<Value>>() + size_of_val(pairs);
                own + pairs.iter().map(|(name, value)| self.text(name) + self.value(value)).sum::<usize>()
            }
            _ => 0,
        }
    }
}
