//! Derived attributes: level by level, only where something that they read changed.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::Value;

use super::{Graph, Work};
use crate::{
    eval::Evaluator,
    faults::{FaultKey, Part},
    join::{Drafts, Index, opposite},
    nodes::{EXISTENCE, Nodes, TOUCHED, Touched},
    par,
    rules::{AttributeRule, Rules},
    same::same,
};

/// What one join hears when its rows change.
pub(super) struct Heard {
    /// Objects of side 0 whose keys changed, or whose partners' keys did; unsorted, with repetition.
    pub(super) near: Vec<u32>,
    /// Pairs that met or meet now through a key that changed; unsorted, with repetition.
    pub(super) pairs: Vec<(u32, u32)>,
}

/// What to hear.
#[derive(Clone, Copy)]
pub(super) enum Hear<'a> {
    /// Objects of side 0.
    Near,
    /// Pairs, those left out that have an object whose bits at its side meet the mask.
    Pairs(&'a [u64; 2]),
}

impl Graph {
    pub(super) fn derive_attributes(&mut self, work: &mut Work) {
        let rules = self.rules.clone();
        for level in &rules.levels {
            let joins =
                level.iter().flat_map(|number| &rules.attributes[*number].rules).filter_map(|rule| match rule {
                    AttributeRule::Join(join) => Some(rules.joins[*join].index),
                    AttributeRule::Own(_) => None,
                });
            let indexes: Vec<usize> = joins.collect::<BTreeSet<usize>>().into_iter().collect();
            let heard = self.update_rows(&rules, &indexes, &|_| Hear::Near, work);
            let near: BTreeMap<usize, Vec<u32>> =
                indexes.into_iter().zip(heard).map(|(index, heard)| (index, heard.near)).collect();
            let mut tasks: Vec<(usize, Vec<u32>)> = Vec::new();
            let mut size = 0;
            for number in level {
                let dirty = self.dirty(&rules, *number, &near);
                size += dirty.len();
                self.forget_faults(&rules, *number, &dirty);
                tasks.push((*number, dirty));
            }
            work.attributes += size;
            let threads = par::threads_for(self.threads, size);
            let pieces: Vec<(usize, &[u32])> = tasks
                .iter()
                .flat_map(|(number, dirty)| {
                    par::ranges(threads, dirty.len()).into_iter().map(|range| (*number, &dirty[range]))
                })
                .collect();
            let computed = par::run(
                threads,
                pieces,
                || Evaluator::new(&rules, &self.nodes, &self.indexes),
                |evaluator, (number, objects)| {
                    let attribute = &rules.attributes[number];
                    let nodes = &self.nodes[attribute.type_id];
                    let mut changed: Vec<(u32, Value)> = Vec::new();
                    for object in objects {
                        let value = evaluator.attribute(attribute, *object);
                        let known = nodes.record(*object)[attribute.number].as_ref().unwrap_or(&Value::Null);
                        if !same(known, &value) {
                            changed.push((*object, value));
                        }
                    }
                    (number, changed, std::mem::take(&mut evaluator.faults))
                },
            );
            for (number, changed, faults) in computed {
                let attribute = &rules.attributes[number];
                let bit = rules.types[attribute.type_id].bit(&attribute.name);
                for (object, value) in changed {
                    self.nodes[attribute.type_id].set_derived(object, attribute.number, value, bit);
                }
                self.faults.add(faults);
            }
            for nodes in &mut self.nodes {
                nodes.sort_touched();
            }
        }
        for (nodes, known) in self.nodes.iter_mut().zip(&rules.types) {
            nodes.write_derived(known, self.threads);
        }
    }

    /// Objects whose attribute has to be computed again, in id order.
    fn dirty(&self, rules: &Rules, number: usize, near: &BTreeMap<usize, Vec<u32>>) -> Vec<u32> {
        let attribute = &rules.attributes[number];
        let nodes = &self.nodes[attribute.type_id];
        let mut reads = 0;
        let mut dirty = Vec::new();
        for rule in &attribute.rules {
            match rule {
                AttributeRule::Own(own) => reads |= own.reads,
                AttributeRule::Join(join) => {
                    let index = self.index(*join);
                    let rule = &rules.joins[*join];
                    reads |= rule.pair_reads[0];
                    // Partners of which something else is read than their keys.
                    for other in self.nodes[rule.ends[1].type_id].touched_by(rule.pair_reads[1]) {
                        for row in index.rows_of(1, other) {
                            let met = index.rows_with(0, index.row(1, row).key).map(|row| index.row(0, row).object);
                            dirty.extend(met.filter(|object| nodes.mask(*object) & reads == 0));
                        }
                    }
                    dirty.extend(near.get(&rule.index).into_iter().flatten());
                }
            }
        }
        let mut all = nodes.touched_by(reads);
        if !dirty.is_empty() {
            all.extend(dirty);
            all.sort_unstable();
            all.dedup();
            all.sort_by(|a, b| nodes.order(*a, *b));
        }
        all.retain(|object| nodes.is_live(*object));
        all
    }

    fn forget_faults(&mut self, rules: &Rules, number: usize, dirty: &[u32]) {
        let attribute = &rules.attributes[number];
        let gone: Vec<u32> = self.nodes[attribute.type_id]
            .touched
            .iter()
            .map(|touched| touched.place)
            .filter(|place| !self.nodes[attribute.type_id].is_live(*place))
            .collect();
        for rule in &attribute.rules {
            for object in dirty.iter().chain(&gone) {
                match rule {
                    AttributeRule::Own(own) => self.faults.forget(rules.joins.len() + own.number, Part::Own, *object),
                    AttributeRule::Join(join) => {
                        self.faults.forget(*join, Part::Own, *object);
                        self.faults.forget(*join, Part::Pair, *object);
                    }
                }
            }
        }
    }

    /// Evaluates the keys of what changed, at both ends of some indexes, and says what met or parted, by index.
    pub(super) fn update_rows<'a>(
        &mut self,
        rules: &Rules,
        indexes: &[usize],
        hear: &(dyn Fn(usize) -> Hear<'a> + Sync),
        work: &mut Work,
    ) -> Vec<Heard> {
        // All ends that one type has, so that all keys of one object are evaluated while its document is at hand.
        let mut by_type: BTreeMap<usize, Vec<KeyEnd>> = BTreeMap::new();
        for (place, index) in indexes.iter().enumerate() {
            let join = rules.indexes[*index];
            for (side, end) in rules.joins[join].ends.iter().enumerate() {
                let end = KeyEnd { place, join, side, reads: end.reads & !TOUCHED };
                by_type.entry(rules.joins[join].ends[side].type_id).or_default().push(end);
            }
        }
        let mut size = 0;
        let mut pieces: Vec<(usize, &[KeyEnd], &[Touched])> = Vec::new();
        for (type_id, ends) in &by_type {
            size += self.nodes[*type_id].touched.len() * ends.len();
        }
        let threads = par::threads_for(self.threads, size);
        for (type_id, ends) in &by_type {
            let touched = &self.nodes[*type_id].touched;
            let ranges = par::ranges(threads, touched.len()).into_iter();
            pieces.extend(ranges.map(|range| (*type_id, ends.as_slice(), &touched[range])));
        }
        let seed = self.key_seed;
        let nodes = &self.nodes;
        let known_indexes = &self.indexes;
        let drafted = par::run(
            threads,
            pieces,
            || Evaluator::new(rules, nodes, known_indexes),
            |evaluator, (type_id, ends, touched)| {
                let mut drafted: Vec<Drafted> = ends.iter().map(Drafted::new).collect();
                for touched in touched {
                    let mask = nodes[type_id].mask(touched.place);
                    for (end, drafted) in ends.iter().zip(&mut drafted).filter(|(end, _)| mask & end.reads != 0) {
                        let before = drafted.drafts.keys.len();
                        evaluator.rows(end.join, end.side, touched.place, seed, &mut drafted.drafts);
                        drafted.objects.push((touched.place, (drafted.drafts.keys.len() - before) as u32));
                    }
                }
                (drafted, std::mem::take(&mut evaluator.faults))
            },
        );
        let mut faults: Vec<(FaultKey, String)> = Vec::new();
        let mut by_index: Vec<[Vec<Drafted>; 2]> = indexes.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        for (drafted, mut found) in drafted {
            faults.append(&mut found);
            for drafted in drafted.into_iter().filter(|drafted| !drafted.objects.is_empty()) {
                work.keys += drafted.objects.len();
                for (object, _) in &drafted.objects {
                    self.faults.forget(drafted.join, Part::of_side(drafted.side), *object);
                }
                by_index[drafted.place][drafted.side].push(drafted);
            }
        }
        let mut known: Vec<Option<&mut Index>> = self.indexes.iter_mut().map(Some).collect();
        let tasks: Vec<_> = indexes
            .iter()
            .zip(by_index)
            .map(|(index, drafts)| {
                let known = known[*index].take().expect("an index is updated once per change");
                (rules.indexes[*index], known, drafts)
            })
            .collect();
        let heard = par::run(
            threads,
            tasks,
            || (),
            |(), (join, index, drafts)| {
                let ends = [0, 1].map(|side| &nodes[rules.joins[join].ends[side].type_id]);
                keep_rows(index, ends, drafts, hear(join))
            },
        );
        self.faults.add(faults);
        heard
    }
}

/// One end of an index that objects of a type have.
struct KeyEnd {
    /// Place of the index among those that are updated.
    place: usize,
    join: usize,
    side: usize,
    reads: u64,
}

/// Keys of some objects at one end: how many of the drafts each object has.
struct Drafted {
    place: usize,
    join: usize,
    side: usize,
    objects: Vec<(u32, u32)>,
    drafts: Drafts,
}

impl Drafted {
    fn new(end: &KeyEnd) -> Self {
        Self { place: end.place, join: end.join, side: end.side, objects: Vec::new(), drafts: Drafts::default() }
    }
}

/// Puts the rows of some objects into an index.
fn keep_rows(index: &mut Index, ends: [&Nodes; 2], drafted: [Vec<Drafted>; 2], hear: Hear<'_>) -> Heard {
    let whole = |side: usize, object: u32, full: &[u64; 2]| ends[side].mask(object) & full[side] & !TOUCHED != 0;
    let mut heard = Heard { near: Vec::new(), pairs: Vec::new() };
    for (side, pieces) in drafted.into_iter().enumerate() {
        let across = opposite(side);
        index.reserve(side, ends[side].places(), pieces.iter().map(|piece| piece.drafts.keys.len()).sum());
        for piece in pieces {
            let Drafts { keys, mut binds } = piece.drafts;
            let width = binds.len().checked_div(keys.len()).unwrap_or(0);
            let mut start = 0;
            for (object, count) in piece.objects {
                let end = start + count as usize;
                let (own, binds) = (&keys[start..end], &mut binds[start * width..end * width]);
                start = end;
                let changed = match hear {
                    Hear::Near if side == 0 => index.replace(side, object, own, binds, &mut |_, _| {}),
                    Hear::Near => index.replace(side, object, own, binds, &mut |index, key| {
                        let met = index.rows_with(0, key).map(|row| index.row(0, row).object);
                        // What came or went itself is computed anyway.
                        heard.near.extend(met.filter(|near| ends[0].mask(*near) & EXISTENCE == 0));
                    }),
                    Hear::Pairs(full) if whole(side, object, full) => {
                        index.replace(side, object, own, binds, &mut |_, _| {})
                    }
                    Hear::Pairs(full) => index.replace(side, object, own, binds, &mut |index, key| {
                        let met = index.rows_with(across, key).map(|row| index.row(across, row).object);
                        for other in met.filter(|other| !whole(across, *other, full)) {
                            heard.pairs.push(if side == 0 { (object, other) } else { (other, object) });
                        }
                    }),
                };
                if changed && side == 0 && matches!(hear, Hear::Near) && ends[0].mask(object) & EXISTENCE == 0 {
                    heard.near.push(object);
                }
            }
        }
    }
    heard
}
