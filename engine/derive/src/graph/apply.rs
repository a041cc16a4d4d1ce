//! One change: take in the objects, then derive what follows, then say what is different.

use std::collections::BTreeSet;

use calipso_model::{Map, Object, ObjectKey, Str, Value, same::same};

use super::{Applied, Changes, Documents, Graph, MissingDocument, Work};
use crate::{
    hash::{Bytes, Digest},
    nodes::{Nodes, REST, attribute_bit},
    par,
    rules::TypeRules,
};

impl Graph {
    /// Applies a change and brings everything that follows from it up to date.
    ///
    /// # Shape
    /// The outcome depends only on the objects before and after, never on how they came in: many small changes and one
    /// large one lead to the same graph. `documents` has the objects that were handed in before, and whose derived attributes
    /// may change now.
    ///
    /// # Errors
    /// [`MissingDocument`]: `documents` lacks an object that was handed in before. The graph is of no use then.
    pub fn apply(&mut self, changes: Changes, documents: &dyn Documents) -> Result<Applied, MissingDocument> {
        let mut work = Work::default();
        self.take_in(changes);
        self.meter.begin(self.nodes.iter().map(Nodes::live).sum());
        self.derive_attributes(&mut work);
        self.derive_links(&mut work);
        if self.rules.implicit {
            self.close_chains();
        }
        let cliques = self.derive_cliques(&mut work);
        let delta = self.emit(cliques, documents)?;
        self.settle();
        Ok(Applied { delta, work })
    }

    fn take_in(&mut self, changes: Changes) {
        let Changes { upsert, remove } = changes;
        let size = upsert.len();
        if !remove.is_empty() {
            let kept: BTreeSet<&ObjectKey> = upsert.iter().map(|object| &object.key).collect();
            let gone: Vec<(usize, u32)> =
                remove.iter().filter(|key| !kept.contains(key)).filter_map(|key| self.locate(key)).collect();
            for (type_id, object) in gone {
                // A key may be given twice.
                if self.nodes[type_id].is_live(object) {
                    self.nodes[type_id].remove(object);
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
        let seed = self.seed;
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
            || Bytes::new(seed),
            |bytes, (known, nodes, group)| upsert_group(known, nodes, group, bytes),
        );
        for nodes in &mut self.nodes {
            nodes.sort_touched();
        }
    }

    fn settle(&mut self) {
        let size = self.nodes.iter().map(|nodes| nodes.touched.len()).sum();
        let nodes: Vec<&mut Nodes> = self.nodes.iter_mut().collect();
        par::run(par::threads_for(self.threads, size), nodes, || (), |(), nodes| nodes.settle());
        for links in self.links.iter_mut().chain(self.implicit.values_mut()) {
            links.settle();
        }
        self.implicit.retain(|_, links| links.live() > 0);
    }
}

fn upsert_group(known: Option<&TypeRules>, nodes: &mut Nodes, mut group: Vec<(Str, Map)>, bytes: &mut Bytes) {
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
    for (id, document) in group {
        let shape = shapes.of(&document);
        let rest = shape.rest(&document, bytes);
        let Some(object) = nodes.find(&id) else {
            let object = nodes.insert(id, rest);
            for (number, value) in shape.read(&document) {
                nodes.set_attribute(object, number, value);
            }
            nodes.set_document(object, document);
            continue;
        };
        let mut changed = if nodes.set_rest(object, rest) { REST } else { 0 };
        for (number, value) in shape.read(&document) {
            if !same_or_none(nodes.record(object).get(number), value) {
                nodes.set_attribute(object, number, value);
                changed |= attribute_bit(number);
            }
        }
        if changed != 0 {
            nodes.touch(object, changed);
            nodes.set_document(object, document);
        }
    }
}

fn same_or_none(before: Option<&Value>, after: Option<&Value>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => same(before, after),
        (before, after) => before.is_none() && after.is_none(),
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

/// Where a document of certain attribute names has what rules read.
struct Shape {
    names: Vec<Str>,
    /// Numbers of the fetched attributes that rules read, and where they stand in the document, if they do.
    read: Vec<(usize, Option<usize>)>,
    /// Where the others stand, derived ones left out.
    rest: Vec<usize>,
}

impl Shape {
    fn new(known: Option<&TypeRules>, document: &Map) -> Self {
        let names: Vec<Str> = document.keys().cloned().collect();
        let is_derived = |number: usize| known.is_some_and(|known| known.derived.iter().any(|other| other.1 == number));
        let numbers = || known.iter().flat_map(|known| &known.numbers);
        let fetched = numbers().filter(|(_, number)| !is_derived(**number));
        let position = |name: &Str| names.iter().position(|known| known == name);
        let read = fetched.map(|(name, number)| (*number, position(name))).collect();
        let is_rest = |name: &Str| known.is_none_or(|known| !known.numbers.contains_key(name));
        let rest = names.iter().enumerate().filter(|(_, name)| is_rest(name)).map(|(position, _)| position).collect();
        Self { names, read, rest }
    }

    fn fits(&self, document: &Map) -> bool {
        let same = |(known, name): (&Str, &Str)| Str::ptr_eq(known, name) || known == name;
        self.names.len() == document.len() && self.names.iter().zip(document.keys()).all(same)
    }

    /// The attributes that rules read, with their numbers.
    fn read<'a>(&'a self, document: &'a Map) -> impl Iterator<Item = (usize, Option<&'a Value>)> {
        let pairs = document.iter().as_slice();
        self.read.iter().map(|(number, position)| (*number, position.map(|position| &pairs[position].1)))
    }

    /// The digest of all others.
    fn rest(&self, document: &Map, bytes: &mut Bytes) -> Digest {
        let pairs = document.iter().as_slice();
        for position in &self.rest {
            let (name, value) = &pairs[*position];
            bytes.text(name);
            bytes.same_value(value);
        }
        bytes.digest()
    }
}

/// The shapes of the documents of one type: most documents have the names of the one before.
struct Shapes<'a> {
    known: Option<&'a TypeRules>,
    shapes: Vec<Shape>,
    latest: usize,
}

/// Maximum number of shapes that are remembered.
const MAX_SHAPES: usize = 16;

impl<'a> Shapes<'a> {
    fn new(known: Option<&'a TypeRules>) -> Self {
        Self { known, shapes: Vec::new(), latest: 0 }
    }

    fn of(&mut self, document: &Map) -> &Shape {
        if !self.shapes.get(self.latest).is_some_and(|shape| shape.fits(document)) {
            self.latest = self.shapes.iter().position(|shape| shape.fits(document)).unwrap_or_else(|| {
                if self.shapes.len() >= MAX_SHAPES {
                    self.shapes.clear();
                }
                self.shapes.push(Shape::new(self.known, document));
                self.shapes.len() - 1
            });
        }
        &self.shapes[self.latest]
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
}
