//! Objects of one type: documents and records by place, ids to places, and what the current change touched.

use std::cmp::Ordering;

use calipso_expr::AttributeRow;
use calipso_model::{Map, ObjectKey, Str, Value};

use crate::{
    hash::{LookUp, Seeded},
    par,
    rules::TypeRules,
};

/// No place.
pub(crate) const NIL: u32 = u32::MAX;

/// Bit of a mask: the object came or went.
pub(crate) const EXISTENCE: u64 = 1 << 62;
/// Bit of a mask: the object was touched in any way.
pub(crate) const TOUCHED: u64 = 1 << 63;
/// Mask of an object that came or went: everything about it changed.
pub(crate) const ALL: u64 = u64::MAX;
/// Attributes from this number on share the last attribute bit.
const LAST_ATTRIBUTE_BIT: usize = 61;

/// The bit of the n-th attribute of a type that rules read.
pub(crate) fn attribute_bit(number: usize) -> u64 {
    1 << number.min(LAST_ATTRIBUTE_BIT)
}

/// One object.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) id: Str,
    /// Hash of the id with a fixed seed, for fingerprints.
    pub(crate) digest: u64,
    pub(crate) live: bool,
    /// Fetched and derived attributes.
    pub(crate) doc: Map,
}

/// An object touched by the current change.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) place: u32,
    /// Its document before; none: it did not exist.
    pub(crate) before: Option<Map>,
}

/// All objects of one type.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) name: Str,
    ids: LookUp<Str, u32>,
    slots: Vec<Slot>,
    /// The attributes that rules read, by place and number: what expressions see.
    records: Vec<Option<Value>>,
    /// How many attributes a record has.
    width: usize,
    /// Places below this one are in the order of their ids; they keep their id for ever.
    ordered: u32,
    free: Vec<u32>,
    live: usize,
    masks: Vec<u64>,
    pub(crate) touched: Vec<Touched>,
}

impl Nodes {
    pub(crate) fn new(name: Str, width: usize) -> Self {
        Self {
            name,
            ids: LookUp::default(),
            slots: Vec::new(),
            records: Vec::new(),
            width,
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

    /// How many places there are, free ones included.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.ids.get(id).copied().filter(|place| self.is_live(*place))
    }

    pub(crate) fn slot(&self, place: u32) -> &Slot {
        &self.slots[place as usize]
    }

    pub(crate) fn doc(&self, place: u32) -> &Map {
        &self.slots[place as usize].doc
    }

    /// The numbered attributes of an object.
    pub(crate) fn record(&self, place: u32) -> AttributeRow<'_> {
        let start = place as usize * self.width;
        &self.records[start..start + self.width]
    }

    fn record_mut(&mut self, place: u32) -> &mut [Option<Value>] {
        let start = place as usize * self.width;
        &mut self.records[start..start + self.width]
    }

    pub(crate) fn is_live(&self, place: u32) -> bool {
        self.slots.get(place as usize).is_some_and(|slot| slot.live)
    }

    pub(crate) fn key(&self, place: u32) -> ObjectKey {
        ObjectKey { object_type: self.name.clone(), id: self.slot(place).id.clone() }
    }

    /// Order by id.
    pub(crate) fn order(&self, a: u32, b: u32) -> Ordering {
        if a < self.ordered && b < self.ordered { a.cmp(&b) } else { self.slot(a).id.cmp(&self.slot(b).id) }
    }

    /// Whether every object came with the current change.
    pub(crate) fn all_new(&self) -> bool {
        self.touched.len() >= self.live && self.masks.iter().all(|mask| mask & EXISTENCE != 0)
    }

    /// What changed of an object in the current change.
    pub(crate) fn mask(&self, place: u32) -> u64 {
        self.masks.get(place as usize).copied().unwrap_or(0)
    }

    /// Every live object in id order.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let mut places: Vec<u32> = (0..self.slots.len() as u32).filter(|place| self.is_live(*place)).collect();
        places.sort_by(|a, b| self.order(*a, *b));
        places
    }

    /// Makes room.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.ids.reserve(more);
        self.slots.reserve(more);
        self.records.reserve(more * self.width);
        self.masks.reserve(more);
    }

    /// Adds an object that is not there, without a record.
    pub(crate) fn insert(&mut self, id: Str, doc: Map, digests: Seeded) -> u32 {
        let place = if let Some(place) = self.ids.get(&id).copied() {
            let slot = &mut self.slots[place as usize];
            slot.live = true;
            slot.doc = doc;
            place
        } else {
            let slot = Slot { digest: digests.text(&id), id: id.clone(), live: true, doc };
            let place = match self.free.pop() {
                Some(place) => {
                    self.slots[place as usize] = slot;
                    place
                }
                None => {
                    let place = u32::try_from(self.slots.len()).expect("a graph has fewer than 2^32 objects of a type");
                    if self.ordered == place && (place == 0 || self.slots[place as usize - 1].id < slot.id) {
                        self.ordered += 1;
                    }
                    self.slots.push(slot);
                    self.records.resize(self.slots.len() * self.width, None);
                    self.masks.push(0);
                    place
                }
            };
            self.ids.insert(id, place);
            place
        };
        self.live += 1;
        self.touch(place, ALL, None);
        place
    }

    /// Removes an object; its place is free only after [`Nodes::settle`].
    pub(crate) fn remove(&mut self, place: u32) {
        let slot = &mut self.slots[place as usize];
        slot.live = false;
        let before = std::mem::take(&mut slot.doc);
        self.record_mut(place).fill(None);
        self.live -= 1;
        self.touch(place, ALL, Some(before));
    }

    /// Sets the document of a live object.
    pub(crate) fn set_doc(&mut self, place: u32, doc: Map, changed: u64) {
        let before = std::mem::replace(&mut self.slots[place as usize].doc, doc);
        self.touch(place, changed, Some(before));
    }

    /// Sets numbered attributes of an object's record only.
    pub(crate) fn set_record<'v>(&mut self, place: u32, values: impl Iterator<Item = (usize, Option<&'v Value>)>) {
        let record = self.record_mut(place);
        for (number, value) in values {
            record[number] = value.cloned();
        }
    }

    /// Sets or drops a derived attribute of a live object; its document follows with [`Nodes::write_derived`].
    pub(crate) fn set_derived(&mut self, place: u32, number: usize, value: Value, changed: u64) {
        self.record_mut(place)[number] = Some(value).filter(|value| !value.is_null());
        let seen = self.mask(place) & TOUCHED != 0;
        let before = if seen { None } else { Some(self.slots[place as usize].doc.clone()) };
        self.touch(place, changed, before);
    }

    /// The derived attributes of an object as they are now, for its document.
    pub(crate) fn derived<'a>(&'a self, known: &'a TypeRules, place: u32) -> impl Iterator<Item = Derived<'a>> + Clone {
        derived(&known.derived, self.record(place))
    }

    /// Writes derived attributes that are different now into the documents.
    pub(crate) fn write_derived(&mut self, known: &TypeRules, threads: usize) {
        let bits = known.derived_bits();
        let (width, masks, records) = (self.width, &self.masks, &self.records);
        if self.touched.len() < self.slots.len() / 4 || bits == 0 {
            for touched in &self.touched {
                let place = touched.place as usize;
                let slot = &mut self.slots[place];
                if masks[place] & bits != 0 && slot.live {
                    slot.doc.merge(derived(&known.derived, &records[place * width..][..width]));
                }
            }
            return;
        }
        let threads = par::threads_for(threads, self.slots.len());
        let step = par::step(threads, self.slots.len());
        let tasks: Vec<(usize, &mut [Slot])> =
            self.slots.chunks_mut(step).enumerate().map(|(number, slots)| (number * step, slots)).collect();
        par::run(
            threads,
            tasks,
            || if threads > 1 { own_names(&known.derived) } else { known.derived.clone() },
            |known, (start, slots)| {
                for (place, slot) in slots.iter_mut().enumerate() {
                    let place = start + place;
                    if masks[place] & bits != 0 && slot.live {
                        slot.doc.merge(derived(known, &records[place * width..][..width]));
                    }
                }
            },
        );
    }

    fn touch(&mut self, place: u32, changed: u64, before: Option<Map>) {
        let mask = &mut self.masks[place as usize];
        if *mask & TOUCHED == 0 {
            self.touched.push(Touched { place, before });
        }
        *mask |= changed | TOUCHED;
    }

    /// Touched places whose mask meets `reads`, in id order.
    pub(crate) fn touched_by(&self, reads: u64) -> Vec<u32> {
        self.touched
            .iter()
            .map(|touched| touched.place)
            .filter(|place| self.mask(*place) & reads & !TOUCHED != 0)
            .collect()
    }

    /// Brings the touched objects into id order.
    pub(crate) fn sort_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        let sorted = touched.is_sorted_by(|a, b| self.order(a.place, b.place) != Ordering::Greater);
        if !sorted {
            touched.sort_by(|a, b| self.order(a.place, b.place));
        }
        self.touched = touched;
    }

    /// Forgets the current change and frees the places of what is gone.
    pub(crate) fn settle(&mut self) {
        for touched in std::mem::take(&mut self.touched) {
            let place = touched.place;
            self.masks[place as usize] = 0;
            let slot = &self.slots[place as usize];
            if !slot.live && place >= self.ordered && self.ids.get(&slot.id) == Some(&place) {
                self.ids.remove(&slot.id);
                self.free.push(place);
            }
        }
    }
}

/// Copies of names: counting references to one name from two threads is slow.
fn own_names(names: &[(Str, usize)]) -> Vec<(Str, usize)> {
    names.iter().map(|(name, number)| (Str::from(&**name), *number)).collect()
}

/// A derived attribute and its value, if it has one.
type Derived<'a> = (&'a Str, Option<&'a Value>);

fn derived<'a>(known: &'a [(Str, usize)], record: AttributeRow<'a>) -> impl Iterator<Item = Derived<'a>> + Clone {
    known.iter().map(|(name, number)| (name, record[*number].as_ref()))
}
