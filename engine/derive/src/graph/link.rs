//! Links: the pairs that meet, compared with the links that are there.

use super::{Graph, Work, attributes::Watch};
use crate::{
    eval::Evaluator,
    faults::{FaultKey, Part},
    nodes::TOUCHED,
    par,
    rules::{LinkRules, Rules},
    store::{Body, Links},
};

/// What has to be looked at again in one link type.
struct Dirty {
    /// Objects of each side all links of which are looked at, in id order.
    full: [Vec<u32>; 2],
    /// Single pairs besides; sorted.
    pairs: Vec<(u32, u32)>,
}

/// What one piece of work found.
enum Found {
    /// All links of objects at one side: of each object, how many of the links are its.
    Of { side: usize, objects: Vec<(u32, u32)>, links: Vec<(u32, Body)> },
    /// The links of single pairs.
    Pairs(Vec<([u32; 2], Option<Body>)>),
}

impl Found {
    /// How many links were compared.
    fn len(&self) -> usize {
        match self {
            Self::Of { links, .. } => links.len(),
            Self::Pairs(pairs) => pairs.len(),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Of { objects, .. } => objects.is_empty(),
            Self::Pairs(pairs) => pairs.is_empty(),
        }
    }
}

type Faulty = Vec<(FaultKey, String)>;

impl Graph {
    pub(super) fn derive_links(&mut self, work: &mut Work) {
        let rules = self.rules.clone();
        let joins = rules.link_types.iter().flat_map(|links| &links.joins);
        let indexes: Vec<usize> = joins.map(|join| rules.joins[*join].index).collect();
        let full: Vec<Option<&[u64; 2]>> = {
            let mut full = vec![None; rules.joins.len()];
            for links in &rules.link_types {
                for join in &links.joins {
                    full[*join] = Some(&links.pair_reads);
                }
            }
            full
        };
        let watch = |join: usize| full.get(join).copied().flatten().map_or(Watch::Objects, Watch::Pairs);
        let affected = self.update_rows(&rules, &indexes, &watch, work);
        let mut affected = affected.into_iter();
        let mut dirty: Vec<Dirty> = Vec::new();
        for (number, links) in rules.link_types.iter().enumerate() {
            let pairs =
                links.joins.iter().filter_map(|_| affected.next()).flat_map(|affected| affected.pairs).collect();
            dirty.push(self.dirty_links(&rules, number, pairs));
        }
        for (number, dirty) in dirty.iter().enumerate() {
            self.forget_link_faults(&rules, number, dirty);
        }
        let (found, faults) = self.find_links(&rules, &dirty);
        self.faults.add(faults);
        work.links += found.iter().flatten().map(Found::len).sum::<usize>();
        self.keep_links(&rules, found);
    }

    fn dirty_links(&self, rules: &Rules, number: usize, mut pairs: Vec<(u32, u32)>) -> Dirty {
        let links = &rules.link_types[number];
        let [from, to] = links.ends.map(|type_id| &self.nodes[type_id]);
        pairs.sort_unstable();
        pairs.dedup();
        let mut sources = from.touched_by(links.pair_reads[0]);
        let targets = to.touched_by(links.pair_reads[1]);
        if !links.first {
            return Dirty { full: [sources, targets], pairs };
        }
        // Which rule finds something first is a question about the source and all that it meets.
        let known = &self.links[number];
        let fresh = |source: &u32| from.mask(*source) & links.pair_reads[0] & !TOUCHED == 0;
        let mut more: Vec<u32> = pairs.into_iter().map(|(source, _)| source).filter(fresh).collect();
        for target in targets {
            more.extend(known.of(1, target).iter().map(|entry| known.step(*entry).ends[0]).filter(fresh));
            for join in &links.joins {
                let index = self.index(*join);
                for row in index.rows_of(1, target) {
                    let met = index.rows_with(0, index.row(1, row).key).map(|row| index.row(0, row).object);
                    more.extend(met.filter(fresh));
                }
            }
        }
        if !more.is_empty() {
            sources.extend(more);
            sources.sort_unstable();
            sources.dedup();
            sources.sort_by(|a, b| from.order(*a, *b));
        }
        Dirty { full: [sources, Vec::new()], pairs: Vec::new() }
    }

    /// Whether all links of a source are looked at anyway.
    fn is_full(&self, links: &LinkRules, source: u32) -> bool {
        self.nodes[links.ends[0]].mask(source) & links.pair_reads[0] & !TOUCHED != 0
    }

    fn forget_link_faults(&mut self, rules: &Rules, number: usize, dirty: &Dirty) {
        let mut faults = std::mem::take(&mut self.faults);
        for join in &rules.link_types[number].joins {
            for source in &dirty.full[0] {
                faults.forget(*join, Part::Pair, *source);
            }
            for target in &dirty.full[1] {
                faults.forget_second(*join, *target, &|source| self.is_full(&rules.link_types[number], source));
            }
            for (source, target) in &dirty.pairs {
                faults.forget_pair(*join, *source, *target);
            }
        }
        self.faults = faults;
    }

    /// By link type.
    fn find_links(&self, rules: &Rules, dirty: &[Dirty]) -> (Vec<Vec<Found>>, Faulty) {
        enum Piece<'a> {
            Of(usize, usize, &'a [u32]),
            Pairs(usize, &'a [(u32, u32)]),
        }
        let size: usize = dirty.iter().map(|dirty| dirty.full[0].len() + dirty.full[1].len() + dirty.pairs.len()).sum();
        let threads = par::threads_for(self.threads, size);
        let mut pieces = Vec::new();
        for (number, dirty) in dirty.iter().enumerate() {
            for (side, full) in dirty.full.iter().enumerate() {
                pieces.extend(
                    par::ranges(threads, full.len()).into_iter().map(|range| Piece::Of(number, side, &full[range])),
                );
            }
            pieces.extend(
                par::ranges(threads, dirty.pairs.len())
                    .into_iter()
                    .map(|range| Piece::Pairs(number, &dirty.pairs[range])),
            );
        }
        let done = par::run(
            threads,
            pieces,
            || Evaluator::new(rules, &self.nodes, &self.indexes, threads, &self.meter),
            |evaluator, piece| {
                let (number, found) = match piece {
                    Piece::Of(number, side, all) => {
                        let rules = &rules.link_types[number];
                        let skip = |other: u32| side == 1 && self.is_full(rules, other);
                        let (mut objects, mut links) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
                        for object in all {
                            let before = links.len();
                            evaluator.links(rules, side, *object, &skip, &mut links);
                            let count = (links.len() - before) as u32;
                            if count > 0 || !self.links[number].of(side, *object).is_empty() {
                                objects.push((*object, count));
                            }
                        }
                        (number, Found::Of { side, objects, links })
                    }
                    Piece::Pairs(number, pairs) => {
                        let links = &rules.link_types[number];
                        let pair = |(from, to): &(u32, u32)| ([*from, *to], evaluator.link(links, *from, *to));
                        (number, Found::Pairs(pairs.iter().map(pair).collect()))
                    }
                };
                evaluator.settle();
                (number, found, std::mem::take(&mut evaluator.faults))
            },
        );
        let mut by_type: Vec<Vec<Found>> = dirty.iter().map(|_| Vec::new()).collect();
        let mut faults = Vec::new();
        for (number, found, mut faulty) in done {
            if !found.is_empty() {
                by_type[number].push(found);
            }
            faults.append(&mut faulty);
        }
        // No link is left of a type whose rule was given up, whichever were found before that.
        for (number, links) in rules.link_types.iter().enumerate().filter(|(_, links)| links.is_over(&self.meter)) {
            let known = &self.links[number];
            let numbers = 0..self.nodes[links.ends[0]].n_numbers() as u32;
            let objects: Vec<(u32, u32)> =
                numbers.filter(|object| !known.of(0, *object).is_empty()).map(|object| (object, 0)).collect();
            by_type[number].clear();
            if !objects.is_empty() {
                by_type[number].push(Found::Of { side: 0, objects, links: Vec::new() });
            }
            faults.retain(|(key, _)| !links.joins.contains(&key.rule));
        }
        (by_type, faults)
    }

    fn keep_links(&mut self, rules: &Rules, found: Vec<Vec<Found>>) {
        let size = found.iter().flatten().map(Found::len).sum();
        let nodes = &self.nodes;
        let tasks: Vec<(usize, &mut Links, Vec<Found>)> = self
            .links
            .iter_mut()
            .zip(found)
            .enumerate()
            .filter(|(_, (_, found))| !found.is_empty())
            .map(|(number, (links, found))| (number, links, found))
            .collect();
        par::run(
            par::threads_for(self.threads, size),
            tasks,
            || (),
            |(), (number, links, found)| {
                let known = &rules.link_types[number];
                let ends = known.ends.map(|type_id| &nodes[type_id]);
                let fully = |source: u32| ends[0].mask(source) & known.pair_reads[0] & !TOUCHED != 0;
                links.reserve(found.iter().map(Found::len).sum());
                for found in found {
                    match found {
                        Found::Of { side, objects, links: wanted } => {
                            let skip = |other: u32| side == 1 && fully(other);
                            let mut wanted = wanted.into_iter();
                            for (object, count) in objects {
                                let of = wanted.by_ref().take(count as usize);
                                links.replace(ends, &rules.constraints, side, object, of, &skip);
                            }
                        }
                        Found::Pairs(pairs) => {
                            for (pair, body) in pairs {
                                links.set(ends, &rules.constraints, pair, body);
                            }
                        }
                    }
                }
            },
        );
    }
}
