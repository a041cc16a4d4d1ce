//! Derived attributes: level by level, only where something that they read changed.

use calipso_model::Value;

use super::{Graph, Work};
use crate::{
    eval::Evaluator,
    faults::{FaultKey, Part},
    join::{Draft, Index, opposite},
    nodes::NIL,
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
            let joins: Vec<usize> = level
                .iter()
                .flat_map(|number| &rules.attributes[*number].rules)
                .filter_map(|rule| match rule {
                    AttributeRule::Join(join) => Some(*join),
                    AttributeRule::Own(_) => None,
                })
                .collect();
            let heard = self.update_rows(&rules, &joins, &|_| Hear::Near, work);
            let mut near: Vec<(usize, Vec<u32>)> =
                joins.into_iter().zip(heard).map(|(join, heard)| (join, heard.near)).collect();
            let mut tasks = Vec::new();
            for number in level {
                let dirty = self.dirty(&rules, *number, &mut near);
                work.attributes += dirty.len();
                self.forget_faults(&rules, *number, &dirty);
                tasks.push((*number, dirty));
            }
            let size = tasks.iter().map(|(_, dirty)| dirty.len()).sum();
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
                |evaluator, (number, dirty)| {
                    let attribute = &rules.attributes[number];
                    let nodes = &self.nodes[attribute.type_id];
                    let mut changed = Vec::new();
                    for object in dirty {
                        let value = evaluator.attribute(attribute, *object);
                        let known = nodes.doc(*object).get(&attribute.name).unwrap_or(&Value::Null);
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
                let nodes = &mut self.nodes[attribute.type_id];
                for (object, value) in changed {
                    let value = Some(value).filter(|value| !value.is_null());
                    nodes.set_attribute(object, &attribute.name, value, bit);
                }
                self.faults.add(faults);
            }
            for nodes in &mut self.nodes {
                nodes.sort_touched();
            }
        }
    }

    /// Objects whose attribute has to be computed again, in id order.
    fn dirty(&self, rules: &Rules, number: usize, near: &mut [(usize, Vec<u32>)]) -> Vec<u32> {
        let attribute = &rules.attributes[number];
        let nodes = &self.nodes[attribute.type_id];
        let mut reads = 0;
        let mut dirty = Vec::new();
        for rule in &attribute.rules {
            match rule {
                AttributeRule::Own(own) => reads |= own.reads,
                AttributeRule::Join(join) => {
                    let index = &self.indexes[*join];
                    let rule = &rules.joins[*join];
                    reads |= rule.pair_reads[0];
                    // Partners of which something else is read than their keys.
                    for other in self.nodes[rule.ends[1].type_id].touched_by(rule.pair_reads[1]) {
                        for row in index.rows_of(1, other) {
                            let met = index.rows_with(0, index.row(1, row).key).map(|row| index.row(0, row).object);
                            dirty.extend(met.filter(|object| nodes.mask(*object) & reads == 0));
                        }
                    }
                    if let Some((_, heard)) = near.iter_mut().find(|(known, _)| known == join) {
                        dirty.append(heard);
                    }
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

    /// Evaluates the keys of what changed, at both ends of some joins, and says what met or parted.
    pub(super) fn update_rows<'a>(
        &mut self,
        rules: &Rules,
        joins: &[usize],
        hear: &(dyn Fn(usize) -> Hear<'a> + Sync),
        work: &mut Work,
    ) -> Vec<Heard> {
        let mut ends: Vec<(usize, usize, Vec<u32>)> = Vec::new();
        for join in joins {
            for (side, end) in rules.joins[*join].ends.iter().enumerate() {
                let dirty = self.nodes[end.type_id].touched_by(end.reads);
                work.keys += dirty.len();
                for object in &dirty {
                    self.faults.forget(*join, Part::of_side(side), *object);
                }
                ends.push((*join, side, dirty));
            }
        }
        let size: usize = ends.iter().map(|(_, _, dirty)| dirty.len()).sum();
        let threads = par::threads_for(self.threads, size);
        let pieces: Vec<(usize, usize, &[u32])> = ends
            .iter()
            .flat_map(|(join, side, dirty)| {
                par::ranges(threads, dirty.len()).into_iter().map(|range| (*join, *side, &dirty[range]))
            })
            .collect();
        let seed = self.key_seed;
        let indexes = &self.indexes;
        let nodes = &self.nodes;
        let drafted = par::run(
            threads,
            pieces,
            || Evaluator::new(rules, nodes, indexes),
            |evaluator, (join, side, dirty)| {
                let drafts: Vec<(u32, Vec<Draft>)> =
                    dirty.iter().map(|object| (*object, evaluator.rows(join, side, *object, seed))).collect();
                (join, side, drafts, std::mem::take(&mut evaluator.faults))
            },
        );
        let mut faults: Vec<(FaultKey, String)> = Vec::new();
        let mut by_join: Vec<[Vec<(u32, Vec<Draft>)>; 2]> = joins.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        for (join, side, mut drafts, mut found) in drafted {
            faults.append(&mut found);
            if let Some(place) = joins.iter().position(|known| *known == join) {
                let known = &mut by_join[place][side];
                if known.is_empty() {
                    *known = drafts;
                } else {
                    known.append(&mut drafts);
                }
            }
        }
        let mut indexes: Vec<Option<&mut Index>> = self.indexes.iter_mut().map(Some).collect();
        let tasks: Vec<_> = joins
            .iter()
            .zip(by_join)
            .map(|(join, drafts)| (*join, indexes[*join].take().expect("a join is updated once per change"), drafts))
            .collect();
        let heard = par::run(
            threads,
            tasks,
            || (),
            |(), (join, index, drafts)| {
                let ends = &rules.joins[join].ends;
                let mask = |side: usize, object: u32| nodes[ends[side].type_id].mask(object);
                let mut heard = Heard { near: Vec::new(), pairs: Vec::new() };
                for (side, drafts) in drafts.into_iter().enumerate() {
                    let rows = drafts.iter().map(|(_, drafts)| drafts.len()).sum();
                    index.reserve(side, nodes[ends[side].type_id].places(), rows);
                    for (object, drafts) in drafts {
                        let across = opposite(side);
                        let full = match hear(join) {
                            Hear::Near => false,
                            Hear::Pairs(full) => mask(side, object) & full[side] & !crate::nodes::TOUCHED != 0,
                        };
                        let changed = index.replace(side, object, drafts, &mut |index, key| match hear(join) {
                            Hear::Near if side == 0 => {}
                            Hear::Near => {
                                heard.near.extend(index.rows_with(0, key).map(|row| index.row(0, row).object));
                            }
                            Hear::Pairs(_) if full => {}
                            Hear::Pairs(full) => {
                                for row in index.rows_with(across, key) {
                                    let other = index.row(across, row).object;
                                    if other != NIL && mask(across, other) & full[across] & !crate::nodes::TOUCHED == 0
                                    {
                                        heard.pairs.push(if side == 0 { (object, other) } else { (other, object) });
                                    }
                                }
                            }
                        });
                        if changed && side == 0 && matches!(hear(join), Hear::Near) {
                            heard.near.push(object);
                        }
                    }
                }
                heard
            },
        );
        self.faults.add(faults);
        heard
    }
}
