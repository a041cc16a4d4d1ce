//! One change: take in the objects, then derive what follows, then say what is different.

use std::collections::BTreeSet;

use calipso_model::{Map, Object, ObjectKey, Str, Value, same::same};

use super::{Changes, Graph, Outcome, Work};
use crate::{
    hash::{LookUp, Seeded},
    nodes::Nodes,
    par,
    rules::TypeRules,
};

impl Graph {
    /// Applies a change and brings everything that follows from it up to date.
    ///
    /// # Shape
    /// The outcome depends only on the objects before and after, never on how they came in: many small changes and one
    /// large one lead to the same graph.
    pub fn apply(&mut self, changes: Changes) -> Outcome {
        let mut work = Work::default();
        self.take_in(changes);
        self.meter.begin(self.nodes.iter().map(Nodes::live).sum());
        self.derive_attributes(&mut work);
        self.derive_links(&mut work);
        if self.rules.implicit {
            self.close_chains();
        }
        let cliques = self.derive_cliques(&mut work);
        let delta = self.emit(cliques);
        self.settle();
        Outcome { delta, work }
    }

    fn take_in(&mut self, changes: Changes) {
        let Changes { upsert, remove } = changes;
        let size = upsert.len();
        if !remove.is_empty() {
            let kept: BTreeSet<&ObjectKey> = upsert.iter().map(|object| &object.key).collect();
            let gone: Vec<(usize, u32)> =
                remove.iter().filter(|key| !kept.contains(key)).filter_map(|key| self.locate(key)).collect();
            for (type_id, place) in gone {
                // A key may be given twice.
                if self.nodes[type_id].is_live(place) {
                    self.nodes[type_id].remove(place);
                }
            }
        }
        let mut groups: Vec<Vec<(Str, Map)>> = Vec::new();
        let mut latest: Option<(Str, usize)> = None;
        for Object { key, doc } in upsert {
            let type_id = match &latest {
                Some((name, type_id)) if *name == key.object_type => *type_id,
                _ => self.type_id(&key.object_type),
            };
            latest = Some((key.object_type, type_id));
            if groups.len() <= type_id {
                groups.resize_with(type_id + 1, Vec::new);
            }
            groups[type_id].push((key.id, doc));
        }
        let rules = &self.rules;
        let digests = self.digest_seed;
        let tasks: Vec<_> = self
            .nodes
            .iter_mut()
            .zip(groups)
            .enumerate()
            .filter(|(_, (_, group))| !group.is_empty())
            .map(|(type_id, (nodes, group))| (rules.types.get(type_id), nodes, group))
            .collect();
        par::run(
            par::threads_for(self.threads, size),
            tasks,
            || (),
            |(), (known, nodes, group)| {
                upsert_group(known, nodes, group, digests);
            },
        );
        for nodes in &mut self.nodes {
            nodes.sort_touched();
        }
    }

    fn settle(&mut self) {
        for nodes in &mut self.nodes {
            nodes.settle();
        }
        for links in self.links.iter_mut().chain(self.implicit.values_mut()) {
            links.settle();
        }
        self.implicit.retain(|_, links| links.live() > 0);
    }
}

fn upsert_group(known: Option<&TypeRules>, nodes: &mut Nodes, mut group: Vec<(Str, Map)>, digests: Seeded) {
    if !group.is_sorted_by(|a, b| a.0 < b.0) {
        group = in_order(group);
        group.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
    }
    nodes.reserve(group.len());
    let mut shapes = Shapes::new(known);
    for (id, doc) in group {
        let (doc, shape) = shapes.shared(doc);
        let fetched = shape.numbers.iter().map(|(number, place)| {
            let value = place.and_then(|place| doc.iter().as_slice().get(place));
            (*number, value.map(|(_, value)| value))
        });
        let Some(place) = nodes.find(&id) else {
            let place = nodes.insert(id, doc.clone(), digests);
            nodes.set_record(place, fetched);
            continue;
        };
        let mut whole = doc.clone();
        if let Some(known) = known {
            whole.merge(nodes.derived(known, place));
        }
        let changed = difference(known, nodes.doc(place), &whole);
        if changed != 0 {
            nodes.set_record(place, fetched);
            nodes.set_doc(place, whole, changed);
        }
    }
}

/// Sorts by id; of equal ids the later ones stay behind. Most ids differ in their first bytes, so that comparing them
/// reads no text.
fn in_order(group: Vec<(Str, Map)>) -> Vec<(Str, Map)> {
    let begin = |id: &str| {
        let mut first = [0_u8; 16];
        let len = id.len().min(16);
        first[..len].copy_from_slice(&id.as_bytes()[..len]);
        u128::from_be_bytes(first)
    };
    let mut order: Vec<(u128, usize)> = group.iter().enumerate().map(|(number, (id, _))| (begin(id), number)).collect();
    order.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| group[a.1].0.cmp(&group[b.1].0)).then_with(|| a.1.cmp(&b.1))
    });
    let mut room: Vec<Option<(Str, Map)>> = group.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(_, number)| room[number].take()).collect()
}

/// The bits of the attributes in which two documents differ.
fn difference(known: Option<&TypeRules>, before: &Map, after: &Map) -> u64 {
    let bit = |name: &str| known.map_or(1, |known| known.bit(name));
    let mut changed = 0;
    let mut old = before.iter().peekable();
    for (name, value) in after {
        while let Some((gone, _)) = old.next_if(|(other, _)| other < name) {
            changed |= bit(gone);
        }
        match old.next_if(|(other, _)| other == name) {
            Some((_, known)) if same(known, value) => {}
            _ => changed |= bit(name),
        }
    }
    old.fold(changed, |changed, (gone, _)| changed | bit(gone))
}

/// The attribute names of documents, and where the numbered ones stand.
struct Shape {
    /// The names, each with a null: names without values, as a shared document would have to be copied when attributes
    /// are derived.
    names: Map,
    /// Numbers of fetched attributes, and their places in the document.
    numbers: Vec<(usize, Option<usize>)>,
}

/// The shapes of the documents of one group: documents of one shape share the texts of their attribute names.
struct Shapes<'a> {
    known: Option<&'a TypeRules>,
    names: LookUp<Str, Str>,
    shapes: Vec<Shape>,
    latest: usize,
}

/// So many shapes are told apart.
const MAX_SHAPES: usize = 16;

impl<'a> Shapes<'a> {
    fn new(known: Option<&'a TypeRules>) -> Self {
        Self { known, names: LookUp::default(), shapes: Vec::new(), latest: 0 }
    }

    /// The same document with shared attribute names and without derived attributes.
    fn shared(&mut self, doc: Map) -> (Map, &Shape) {
        if let Some(place) = self.place(&doc) {
            self.latest = place;
            return (doc, &self.shapes[place]);
        }
        let derived = self.known.map_or(&[][..], |known| &known.derived);
        let fetched = doc.iter().filter(|(name, _)| derived.binary_search_by(|known| known.0.cmp(name)).is_err());
        let pairs = fetched.map(|(key, value)| {
            let name = self.names.entry(key.clone()).or_insert_with(|| key.clone()).clone();
            (name, value.clone())
        });
        let doc = Map::from_pairs(pairs.collect());
        self.latest = match self.place(&doc) {
            Some(place) => place,
            None => {
                if self.shapes.len() >= MAX_SHAPES {
                    self.shapes.clear();
                }
                self.shapes.push(self.shape(&doc));
                self.shapes.len() - 1
            }
        };
        (doc, &self.shapes[self.latest])
    }

    /// The shape of a document that has these very names.
    fn place(&self, doc: &Map) -> Option<usize> {
        let same = |place: &usize| {
            let names = &self.shapes[*place].names;
            names.len() == doc.len() && names.keys().zip(doc.keys()).all(|(known, key)| Str::ptr_eq(known, key))
        };
        if self.latest < self.shapes.len() && same(&self.latest) {
            return Some(self.latest);
        }
        (0..self.shapes.len()).find(same)
    }

    fn shape(&self, doc: &Map) -> Shape {
        let names = Map::from_pairs(doc.keys().map(|key| (key.clone(), Value::Null)).collect());
        let fetched = self.known.iter().flat_map(|known| {
            let is_derived = |number: usize| known.derived.iter().any(|(_, derived)| *derived == number);
            known.numbers.iter().filter(move |(_, number)| !is_derived(**number))
        });
        let place = |name: &Str| names.keys().position(|key| key == name);
        let numbers = fetched.map(|(name, number)| (*number, place(name))).collect();
        Shape { names, numbers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_order_whatever_they_begin_with() {
        let ids = ["b", "", "a long common beginning 2", "a\0", "a long common beginning 10", "a", "ab", "a"];
        let group = ids
            .iter()
            .enumerate()
            .map(|(number, id)| (Str::from(*id), Map::from_pairs(vec![("n".into(), Value::Int(number as i64))])));
        let mut expected: Vec<(Str, Map)> = group.clone().collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(in_order(group.collect()), expected);
    }

    #[test]
    fn numbers_that_look_different_are_a_difference() {
        let of = |value: Value| Map::from_pairs(vec![("a".into(), value)]);
        assert_eq!(difference(None, &of(Value::Int(1)), &of(Value::Int(1))), 0);
        assert_ne!(difference(None, &of(Value::Int(1)), &of(Value::Float(1.0))), 0);
        assert_ne!(difference(None, &of(Value::list(vec![Value::Int(1)])), &of(Value::list(vec![]))), 0);
        assert_ne!(difference(None, &of(Value::Null), &Map::new()), 0);
        assert_ne!(difference(None, &Map::new(), &of(Value::Null)), 0);
    }
}
