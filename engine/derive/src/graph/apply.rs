//! One change: take in the objects, then derive what follows, then say what is different.

use std::{collections::BTreeSet, sync::atomic::AtomicU32};

use calipso_model::{Map, Object, ObjectKey, Str, Value};

use super::{Changes, Graph, Outcome, Work};
use crate::{
    hash::{LookUp, Seeded},
    nodes::Nodes,
    par,
    rules::TypeRules,
    same::same,
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
        group.sort_by(|a, b| a.0.cmp(&b.0));
        group.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
    }
    nodes.reserve(group.len());
    let mut names = Names::default();
    let near: Vec<AtomicU32> = known.iter().flat_map(|known| &known.derived).map(|_| AtomicU32::new(0)).collect();
    for (id, doc) in group {
        let mut doc = names.shared(doc);
        let derived = known.map_or(&[][..], |known| &known.derived);
        for (name, near) in derived.iter().zip(&near) {
            if doc.get_near(name, near).is_some() {
                doc.remove(name);
            }
        }
        let Some(place) = nodes.find(&id) else {
            nodes.insert(id, doc, digests);
            continue;
        };
        let before = nodes.doc(place);
        for name in derived {
            if let Some(value) = before.get(name) {
                doc.insert(name.clone(), value.clone());
            }
        }
        let changed = difference(known, before, &doc);
        if changed != 0 {
            nodes.set_doc(place, doc, changed);
        }
    }
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

/// Attribute names met in one group: one copy of each.
#[derive(Default)]
struct Names {
    known: LookUp<Str, Str>,
    latest: Option<Map>,
}

impl Names {
    /// The same document with shared attribute names.
    fn shared(&mut self, doc: Map) -> Map {
        let same = |latest: &Map| {
            latest.len() == doc.len() && latest.keys().zip(doc.keys()).all(|(known, key)| Str::ptr_eq(known, key))
        };
        if self.latest.as_ref().is_some_and(same) {
            return doc;
        }
        let pairs = doc.iter().map(|(key, value)| {
            let name = self.known.entry(key.clone()).or_insert_with(|| key.clone()).clone();
            (name, value.clone())
        });
        let doc = Map::from_pairs(pairs.collect());
        // Names without values: a shared document would have to be copied when attributes are derived.
        self.latest = Some(Map::from_pairs(doc.keys().map(|key| (key.clone(), Value::Null)).collect()));
        doc
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
