//! Derived attributes: level by level, only where something that they read changed.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::Slot;
use calipso_model::{Value, same::same};

use super::{Graph, Work};
use crate::{
    bounds,
    eval::Evaluator,
    faults::{FaultKey, Part},
    hash::Bytes,
    join::{Drafts, Index, opposite},
    nodes::{EXISTENCE, NIL, Nodes, TOUCHED, Touched},
    par,
    rules::{AttributeRule, End, Rules},
};

/// What the changed rows of one index affect.
pub(super) struct Affected {
    /// Objects of side 0 whose keys changed, or whose partners' keys did; unsorted, with repetition.
    pub(super) objects: Vec<u32>,
    /// Pairs that had, or have now, a key in common that changed; unsorted, with repetition.
    pub(super) pairs: Vec<(u32, u32)>,
}

/// What a caller wants to know of the rows that change.
#[derive(Clone, Copy)]
pub(super) enum Watch<'a> {
    /// The objects of side 0 that they affect.
    Objects,
    /// The pairs that they affect, without those of which an object changed in one of these attributes (a mask for each side):
    /// all links of such an object are looked at again anyway.
    Pairs(&'a [u64; 2]),
}

impl Graph {
    pub(super) fn derive_attributes(&mut self, work: &mut Work) {
        let rules = self.rules.clone();
        // By index: objects whose keys, or whose partners' keys, are others now.
        let mut near: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for level in &rules.levels {
            let joins =
                level.iter().flat_map(|number| &rules.attributes[*number].rules).filter_map(|rule| match rule {
                    AttributeRule::Join(join) => Some(rules.joins[*join].index),
                    AttributeRule::Own(_) => None,
                });
            // An index that a later level uses, too, is up to date then: equal keys read the same attributes.
            let indexes: BTreeSet<usize> = joins.filter(|index| !near.contains_key(index)).collect();
            let indexes: Vec<usize> = indexes.into_iter().collect();
            let changed = self.update_rows(&rules, &indexes, &|_| Watch::Objects, work);
            near.extend(indexes.into_iter().zip(changed.into_iter().map(|affected| affected.objects)));
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
                || Evaluator::new(&rules, &self.nodes, &self.indexes, threads, &self.meter),
                |evaluator, (number, objects)| {
                    let attribute = &rules.attributes[number];
                    let nodes = &self.nodes[attribute.type_id];
                    let mut changed: Vec<(u32, Value)> = Vec::with_capacity(objects.len());
                    for object in objects {
                        let value = evaluator.attribute(attribute, *object);
                        let known = nodes.record(*object).get(attribute.number).unwrap_or(&Value::Null);
                        if !same(known, &value) {
                            changed.push((*object, value));
                        }
                    }
                    evaluator.settle();
                    (number, changed, std::mem::take(&mut evaluator.faults))
                },
            );
            for number in level {
                self.forget_given_up(&rules, *number);
            }
            for (number, changed, faults) in computed {
                let attribute = &rules.attributes[number];
                if attribute.is_over(&rules, &self.meter) {
                    continue;
                }
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
    }

    /// No object has an attribute whose rule was given up, whichever were computed before that.
    fn forget_given_up(&mut self, rules: &Rules, number: usize) {
        let attribute = &rules.attributes[number];
        if !attribute.is_over(rules, &self.meter) {
            return;
        }
        let bit = rules.types[attribute.type_id].bit(&attribute.name);
        let nodes = &mut self.nodes[attribute.type_id];
        for object in nodes.in_order() {
            if nodes.record(object).get(attribute.number).is_some_and(|known| !known.is_null()) {
                nodes.set_derived(object, attribute.number, Value::Null, bit);
            }
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
            .map(|touched| touched.object)
            .filter(|object| !self.nodes[attribute.type_id].is_live(*object))
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

    /// Evaluates the keys of what changed, at both ends of some indexes, and says what that affects, by index.
    pub(super) fn update_rows<'a>(
        &mut self,
        rules: &Rules,
        indexes: &[usize],
        watch: &(dyn Fn(usize) -> Watch<'a> + Sync),
        work: &mut Work,
    ) -> Vec<Affected> {
        let by_type = key_ends(rules, indexes, &self.nodes);
        let size = by_type.iter().map(|(type_id, ends)| self.nodes[*type_id].touched.len() * ends.len()).sum();
        let threads = par::threads_for(self.threads, size);
        let mut pieces: Vec<(usize, &[KeyEnd], &[Touched])> = Vec::new();
        for (type_id, ends) in &by_type {
            let touched = &self.nodes[*type_id].touched;
            let ranges = par::ranges(threads, touched.len()).into_iter();
            pieces.extend(ranges.map(|range| (*type_id, ends.as_slice(), &touched[range])));
        }
        let seed = self.seed;
        let nodes = &self.nodes;
        let known_indexes = &self.indexes;
        let drafted = par::run(
            threads,
            pieces,
            || (Evaluator::new(rules, nodes, known_indexes, threads, &self.meter), Bytes::new(seed)),
            |(evaluator, bytes), (type_id, ends, touched)| {
                let mut drafted: Vec<Drafted<'_>> = ends.iter().map(|end| Drafted::new(end, touched.len())).collect();
                for touched in touched {
                    let mask = nodes[type_id].mask(touched.object);
                    for drafted in drafted.iter_mut().filter(|drafted| mask & drafted.end.reads != 0) {
                        let Drafted { end, objects, drafts, problems } = drafted;
                        let before = drafts.keys.len();
                        let wrong = evaluator.rows(end.maker, touched.object, bytes, &end.binds, drafts);
                        problems.extend(wrong.into_iter().map(|message| (touched.object, message)));
                        objects.push((touched.object, (drafts.keys.len() - before) as u32));
                    }
                }
                evaluator.settle();
                for drafted in &drafted {
                    let bytes = drafted.drafts.binds.iter().map(bounds::size).sum::<u64>();
                    self.meter.keep(drafted.end.maker.0, bytes + drafted.drafts.keys.len() as u64 * bounds::KEY_BYTES);
                }
                drafted
            },
        );
        let drafted: Vec<Drafted<'_>> =
            drafted.into_iter().flatten().filter(|drafted| !drafted.objects.is_empty()).collect();
        let mut by_index: Vec<[Vec<(&Drafted<'_>, &Member)>; 2]> =
            indexes.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        for drafted in &drafted {
            // The keys of a rule that was given up are not put into its index: they are many, and are never read.
            let is_over = self.meter.is_over(drafted.end.maker.0);
            if is_over {
                drafted.end.members.iter().for_each(|member| self.meter.give_up(member.join));
            }
            work.keys += drafted.objects.len();
            for member in &drafted.end.members {
                let part = Part::of_side(member.side);
                for (object, _) in &drafted.objects {
                    self.faults.forget(member.join, part, *object);
                }
                let key = |object: u32| FaultKey { rule: member.join, part, a: object, b: NIL };
                let problems = drafted.problems.iter();
                self.faults.add(problems.map(|(object, message)| (key(*object), message.clone())).collect());
                if !is_over {
                    by_index[member.position][member.side].push((drafted, member));
                }
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
        par::run(
            threads,
            tasks,
            || (),
            |(), (join, index, drafts)| {
                let ends = [0, 1].map(|side| &nodes[rules.joins[join].ends[side].type_id]);
                let n_rows = drafts.iter().flatten().map(|(piece, _)| piece.drafts.keys.len()).sum();
                let affected = keep_rows(index, ends, drafts, watch(join));
                index.settle(n_rows);
                affected
            },
        )
    }
}

/// Keys that objects of a type have, at one end of some indexes.
struct KeyEnd {
    /// The join and side by which they are evaluated.
    maker: (usize, usize),
    reads: u64,
    /// Generator values that are kept, as names of the maker, and their positions among the names that generators bind.
    binds: Vec<Slot>,
    positions: Vec<usize>,
    members: Vec<Member>,
}

/// An end of an index that has the keys.
struct Member {
    /// Position of the index among those that are updated.
    position: usize,
    join: usize,
    side: usize,
    /// Positions, among the generator values that are kept, of those that this index keeps; none: it keeps all.
    select: Option<Vec<usize>>,
}

/// The keys to evaluate by type, so that all keys of one object are evaluated while it is at hand; only types of which
/// something is touched.
fn key_ends(rules: &Rules, indexes: &[usize], nodes: &[Nodes]) -> BTreeMap<usize, Vec<KeyEnd>> {
    let mut by_keys: BTreeMap<usize, KeyEnd> = BTreeMap::new();
    for (position, index) in indexes.iter().enumerate() {
        let join = rules.indexes[*index];
        for (side, end) in rules.joins[join].ends.iter().enumerate() {
            if nodes[end.type_id].touched.is_empty() {
                continue;
            }
            let known = by_keys.entry(end.keys).or_insert_with(|| KeyEnd {
                maker: (join, side),
                reads: 0,
                binds: Vec::new(),
                positions: Vec::new(),
                members: Vec::new(),
            });
            known.reads |= end.reads & !TOUCHED;
            known.positions.extend(
                bound_positions(end).filter(|position| !known.positions.contains(position)).collect::<Vec<_>>(),
            );
            known.members.push(Member { position, join, side, select: None });
        }
    }
    let mut by_type: BTreeMap<usize, Vec<KeyEnd>> = BTreeMap::new();
    for mut known in by_keys.into_values() {
        let maker = &rules.joins[known.maker.0].ends[known.maker.1];
        known.binds = known.positions.iter().map(|position| maker.generators[*position]).collect();
        for member in &mut known.members {
            let end = &rules.joins[member.join].ends[member.side];
            let select: Vec<usize> = bound_positions(end)
                .filter_map(|position| known.positions.iter().position(|kept| *kept == position))
                .collect();
            member.select = Some(select).filter(|select| !select.iter().copied().eq(0..known.positions.len()));
        }
        by_type.entry(maker.type_id).or_default().push(known);
    }
    by_type
}

/// Positions of the generator values that an end keeps among the names that its generators bind.
fn bound_positions(end: &End) -> impl Iterator<Item = usize> + '_ {
    end.binds.iter().filter_map(|slot| end.generators.iter().position(|bound| bound == slot))
}

/// Keys of some objects: how many of the drafts each object has, and what failed.
struct Drafted<'a> {
    end: &'a KeyEnd,
    objects: Vec<(u32, u32)>,
    drafts: Drafts,
    problems: Vec<(u32, String)>,
}

impl<'a> Drafted<'a> {
    /// With room for `n_objects`; room that is never written to takes no memory.
    fn new(end: &'a KeyEnd, n_objects: usize) -> Self {
        let drafts = Drafts { keys: Vec::with_capacity(n_objects), binds: Vec::new() };
        Self { end, objects: Vec::with_capacity(n_objects), drafts, problems: Vec::new() }
    }
}

/// Puts the rows of some objects into an index.
fn keep_rows(
    index: &mut Index,
    ends: [&Nodes; 2],
    drafted: [Vec<(&Drafted<'_>, &Member)>; 2],
    watch: Watch<'_>,
) -> Affected {
    let whole = |side: usize, object: u32, full: &[u64; 2]| ends[side].mask(object) & full[side] & !TOUCHED != 0;
    let mut affected = Affected { objects: Vec::new(), pairs: Vec::new() };
    let all_new = matches!(watch, Watch::Objects) && ends[0].all_new();
    for (side, pieces) in drafted.into_iter().enumerate() {
        let across = opposite(side);
        index.reserve(side, ends[side].n_numbers(), pieces.iter().map(|(piece, _)| piece.drafts.keys.len()).sum());
        for (piece, member) in pieces {
            let keys = &piece.drafts.keys;
            let all = piece.end.binds.len();
            let selected: Vec<Value>;
            let (binds, width) = match &member.select {
                None => (&piece.drafts.binds, all),
                Some(select) => {
                    let value = |key: usize, position: &usize| piece.drafts.binds[key * all + position].clone();
                    selected = (0..keys.len())
                        .flat_map(|key| select.iter().map(move |position| value(key, position)))
                        .collect();
                    (&selected, select.len())
                }
            };
            let mut start = 0;
            for (object, count) in &piece.objects {
                let object = *object;
                let end = start + *count as usize;
                let (own, binds) = (&keys[start..end], &binds[start * width..end * width]);
                start = end;
                let changed = match watch {
                    Watch::Objects if side == 0 || all_new => index.replace(side, object, own, binds, &mut |_, _| {}),
                    Watch::Objects => index.replace(side, object, own, binds, &mut |index, key| {
                        let met = index.rows_with(0, key).map(|row| index.row(0, row).object);
                        // What came or went itself is computed anyway.
                        affected.objects.extend(met.filter(|near| ends[0].mask(*near) & EXISTENCE == 0));
                    }),
                    Watch::Pairs(full) if whole(side, object, full) => {
                        index.replace(side, object, own, binds, &mut |_, _| {})
                    }
                    Watch::Pairs(full) => index.replace(side, object, own, binds, &mut |index, key| {
                        let met = index.rows_with(across, key).map(|row| index.row(across, row).object);
                        for other in met.filter(|other| !whole(across, *other, full)) {
                            affected.pairs.push(if side == 0 { (object, other) } else { (other, object) });
                        }
                    }),
                };
                if changed && side == 0 && matches!(watch, Watch::Objects) && ends[0].mask(object) & EXISTENCE == 0 {
                    affected.objects.push(object);
                }
            }
        }
    }
    affected
}
