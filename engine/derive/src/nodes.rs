//! Objects of one type: what rules read of them, by number; ids to numbers; and what the current change touched.

use std::cmp::Ordering;

use calipso_expr::{AttributeRow, AttributeRows};
use calipso_model::{Map, ObjectKey, Str, Value};
use hashbrown::HashTable;

use crate::{
    column::Column,
    graph::{Heap, room, table},
    hash::{Bytes, Digest, NOTHING, Seed},
    rules::TypeRules,
};

/// Stands for no object, key, row or link.
pub(crate) const NIL: u32 = u32::MAX;

/// Bit of a mask: the object came or went.
pub(crate) const EXISTENCE: u64 = 1 << 62;
/// Bit of a mask: the object was touched in any way.
pub(crate) const TOUCHED: u64 = 1 << 63;
/// Mask of an object that came or went: everything about it changed.
pub(crate) const ALL: u64 = u64::MAX;
/// Attributes from this number on share the last attribute bit.
const LAST_ATTRIBUTE_BIT: usize = 61;
/// Bit of a mask: an attribute changed that no rule names.
pub(crate) const REST: u64 = 1 << LAST_ATTRIBUTE_BIT;

/// The bit of the n-th attribute of a type that rules read.
pub(crate) fn attribute_bit(number: usize) -> u64 {
    1 << number.min(LAST_ATTRIBUTE_BIT)
}

/// What is kept of an object beside its attributes.
#[derive(Debug)]
struct Node {
    id: Str,
    /// Digest of the fetched attributes that no rule reads.
    rest: Digest,
    live: bool,
}

/// An object touched by the current change.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) object: u32,
    /// Its document as fetched, where the change brought it.
    pub(crate) document: Option<Map>,
}

/// All objects of one type.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) name: Str,
    seed: Seed,
    /// Room for hashing values.
    bytes: Bytes,
    /// Numbers of objects, by id.
    by_id: HashTable<u32>,
    nodes: Vec<Node>,
    /// The attributes that rules read or derive, by number: what expressions see.
    columns: Columns,
    /// Fetched documents by object, where a rule reads whole objects of this type; else empty.
    documents: Vec<Map>,
    keeps_documents: bool,
    /// Numbers below this one are in the order of their ids, and keep them for ever.
    ordered: u32,
    free: Vec<u32>,
    live: usize,
    masks: Vec<u64>,
    pub(crate) touched: Vec<Touched>,
}

/// The numbered attributes of all objects of a type.
#[derive(Debug)]
struct Columns(Vec<Column>);

impl AttributeRows for Columns {
    #[inline]
    fn attribute(&self, object: u32, number: usize) -> Option<&Value> {
        self.0.get(number)?.get(object)
    }
}

impl Nodes {
    /// No objects yet, of a type that rules know nothing of where there is nothing known.
    pub(crate) fn new(name: Str, known: Option<&TypeRules>, seed: Seed) -> Self {
        Self {
            name,
            seed,
            by_id: HashTable::new(),
            nodes: Vec::new(),
            columns: Columns(known.iter().flat_map(|known| &known.numbers).map(|_| Column::default()).collect()),
            bytes: Bytes::new(seed),
            documents: Vec::new(),
            keeps_documents: known.is_some_and(|known| known.whole),
            ordered: 0,
            free: Vec::new(),
            live: 0,
            masks: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// How many objects there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// How many numbers there are, free ones included.
    pub(crate) fn n_numbers(&self) -> usize {
        self.nodes.len()
    }

    /// The number of an object that is there.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.number_of(id).filter(|object| self.is_live(*object))
    }

    fn number_of(&self, id: &str) -> Option<u32> {
        self.by_id.find(self.seed.text(id), |object| *self.nodes[*object as usize].id == *id).copied()
    }

    pub(crate) fn id(&self, object: u32) -> &Str {
        &self.nodes[object as usize].id
    }

    /// The numbered attributes of an object.
    pub(crate) fn record(&self, object: u32) -> AttributeRow<'_> {
        AttributeRow::new(&self.columns, object)
    }

    /// The document of an object with its derived attributes as they are now, where a rule reads whole objects of this type.
    pub(crate) fn whole(&self, known: &TypeRules, object: u32) -> Map {
        let mut document = self.documents.get(object as usize).cloned().unwrap_or_default();
        document.merge(self.derived(&known.derived, object));
        document
    }

    pub(crate) fn is_live(&self, object: u32) -> bool {
        self.nodes.get(object as usize).is_some_and(|node| node.live)
    }

    pub(crate) fn key(&self, object: u32) -> ObjectKey {
        ObjectKey { object_type: self.name.clone(), id: self.id(object).clone() }
    }

    /// Compares two objects by their ids.
    pub(crate) fn order(&self, a: u32, b: u32) -> Ordering {
        if a < self.ordered && b < self.ordered { a.cmp(&b) } else { self.id(a).cmp(self.id(b)) }
    }

    /// Whether every object came with the current change.
    pub(crate) fn all_new(&self) -> bool {
        self.touched.len() >= self.live && self.masks.iter().all(|mask| mask & EXISTENCE != 0)
    }

    /// What changed of an object in the current change.
    pub(crate) fn mask(&self, object: u32) -> u64 {
        self.masks.get(object as usize).copied().unwrap_or(0)
    }

    /// Every live object in id order.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let mut objects: Vec<u32> = (0..self.nodes.len() as u32).filter(|object| self.is_live(*object)).collect();
        if objects.last().is_some_and(|last| *last >= self.ordered) {
            objects.sort_by(|a, b| self.order(*a, *b));
        }
        objects
    }

    /// Makes room. What comes at once is what there is mostly, so no room is made for more.
    pub(crate) fn reserve(&mut self, more: usize) {
        let nodes = &self.nodes;
        self.by_id.reserve(more, |object| self.seed.text(&nodes[*object as usize].id));
        self.nodes.reserve(more);
        let end = self.nodes.len() + more;
        self.columns.0.iter_mut().for_each(|column| column.reserve(end));
        self.masks.reserve(more);
        if self.keeps_documents {
            self.documents.reserve(more);
        }
    }

    /// Adds an object that is not there, without a record.
    pub(crate) fn insert(&mut self, id: Str, rest: Digest) -> u32 {
        let object = if let Some(object) = self.number_of(&id) {
            let node = &mut self.nodes[object as usize];
            node.live = true;
            node.rest = rest;
            object
        } else {
            let hash = self.seed.text(&id);
            let node = Node { id, rest, live: true };
            let object = match self.free.pop() {
                Some(object) => {
                    self.nodes[object as usize] = node;
                    object
                }
                None => {
                    let object =
                        u32::try_from(self.nodes.len()).expect("a graph has fewer than 2^32 objects of a type");
                    if self.ordered == object && (object == 0 || self.nodes[object as usize - 1].id < node.id) {
                        self.ordered += 1;
                    }
                    self.nodes.push(node);
                    self.masks.push(0);
                    if self.keeps_documents {
                        self.documents.push(Map::new());
                    }
                    object
                }
            };
            let nodes = &self.nodes;
            self.by_id.insert_unique(hash, object, |object| self.seed.text(&nodes[*object as usize].id));
            object
        };
        self.live += 1;
        self.touch(object, ALL);
        object
    }

    /// Removes an object; its number is free only after [`Nodes::settle`].
    pub(crate) fn remove(&mut self, object: u32) {
        let node = &mut self.nodes[object as usize];
        node.live = false;
        node.rest = NOTHING;
        if let Some(document) = self.documents.get_mut(object as usize) {
            *document = Map::new();
        }
        for column in &mut self.columns.0 {
            column.set(object, None, &mut self.bytes);
        }
        self.live -= 1;
        self.touch(object, ALL);
    }

    /// Sets the digest of what no rule reads; whether it is another one now.
    pub(crate) fn set_rest(&mut self, object: u32, rest: Digest) -> bool {
        std::mem::replace(&mut self.nodes[object as usize].rest, rest) != rest
    }

    /// Sets an attribute of an object's record only.
    pub(crate) fn set_attribute(&mut self, object: u32, number: usize, value: Option<&Value>) {
        self.columns.0[number].set(object, value, &mut self.bytes);
    }

    /// Notes the document of an object that the current change touched.
    pub(crate) fn set_document(&mut self, object: u32, document: Map) {
        if self.keeps_documents {
            self.documents[object as usize] = document.clone();
        }
        // It is the one that was touched last.
        if let Some(touched) = self.touched.last_mut().filter(|touched| touched.object == object) {
            touched.document = Some(document);
        }
    }

    /// Sets or drops a derived attribute of a live object.
    pub(crate) fn set_derived(&mut self, object: u32, number: usize, value: Value, changed: u64) {
        self.columns.0[number].set(object, Some(&value).filter(|value| !value.is_null()), &mut self.bytes);
        self.touch(object, changed);
    }

    /// The derived attributes of an object as they are now; `names` are those of its type with their numbers.
    pub(crate) fn derived<'a>(
        &'a self,
        names: &'a [(Str, usize)],
        object: u32,
    ) -> impl Iterator<Item = (&'a Str, Option<&'a Value>)> + Clone {
        let record = self.record(object);
        names.iter().map(move |(name, number)| (name, record.get(*number)))
    }

    /// Notes what changed of an object.
    pub(crate) fn touch(&mut self, object: u32, changed: u64) {
        let mask = &mut self.masks[object as usize];
        if *mask & TOUCHED == 0 {
            self.touched.push(Touched { object, document: None });
        }
        *mask |= changed | TOUCHED;
    }

    /// Touched objects whose mask meets `reads`, in id order.
    pub(crate) fn touched_by(&self, reads: u64) -> Vec<u32> {
        self.touched
            .iter()
            .map(|touched| touched.object)
            .filter(|object| self.mask(*object) & reads & !TOUCHED != 0)
            .collect()
    }

    /// Brings the touched objects into id order.
    pub(crate) fn sort_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        let sorted = touched.is_sorted_by(|a, b| self.order(a.object, b.object) != Ordering::Greater);
        if !sorted {
            touched.sort_by(|a, b| self.order(a.object, b.object));
        }
        self.touched = touched;
    }

    /// Forgets the current change and frees the numbers of what is gone.
    pub(crate) fn settle(&mut self) {
        self.columns.0.iter_mut().for_each(|column| column.settle(self.seed));
        for touched in std::mem::take(&mut self.touched) {
            let object = touched.object;
            self.masks[object as usize] = 0;
            let node = &self.nodes[object as usize];
            if !node.live && object >= self.ordered {
                let hash = self.seed.text(&node.id);
                if let Ok(known) = self.by_id.find_entry(hash, |known| *known == object) {
                    known.remove();
                    self.free.push(object);
                }
            }
        }
    }

    /// Bytes of ids, and of what finds them.
    pub(crate) fn memory(&self, heap: &mut Heap) -> usize {
        let own = room(&self.nodes) + room(&self.masks) + room(&self.free) + table(&self.by_id);
        own + self.nodes.iter().map(|node| heap.text(&node.id)).sum::<usize>()
    }

    /// Bytes of what rules read, and of what they derived.
    pub(crate) fn memory_of_records(&self, heap: &mut Heap) -> usize {
        let columns = self.columns.0.iter().map(|column| column.memory(heap)).sum::<usize>();
        let documents = self.documents.iter().map(|document| heap.value(&Value::Map(document.clone()))).sum::<usize>();
        columns + room(&self.documents) + documents
    }
}
