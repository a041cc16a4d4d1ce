//! Which cliques are built again after a change, and which of them are different.

use calipso_model::{Clique, ObjectKey};

use super::{Graph, Work};
use crate::{
    bounds::{CLIQUE_LINK, Meter, clique_rule},
    cliques::{Names, Scratch, View, affected},
    hash::{Bytes, Digest, NOTHING, Seed},
    nodes::TOUCHED,
    par,
};

/// Cliques that are different now.
#[derive(Default)]
pub(super) struct CliqueChanges {
    pub(super) changed: Vec<Clique>,
    pub(super) removed: Vec<ObjectKey>,
}

impl Graph {
    pub(super) fn derive_cliques(&mut self, work: &mut Work) -> CliqueChanges {
        let rules = self.rules.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut prints = std::mem::take(&mut self.fingerprints);
        let view = View::new(&rules, &self.nodes, &self.links, &self.implicit, self.seed);
        let mut all = CliqueChanges::default();
        for (number, plan) in rules.cliques.iter().enumerate() {
            let nodes = &self.nodes[plan.focal];
            let prints = &mut prints[number];
            prints.resize(nodes.n_numbers(), NOTHING);
            let mut dirty = Vec::new();
            for touched in &nodes.touched {
                let object = touched.object;
                if nodes.is_live(object) {
                    if nodes.mask(object) & plan.reads & !TOUCHED != 0 {
                        dirty.push(object);
                    }
                } else if std::mem::replace(&mut prints[object as usize], NOTHING) != NOTHING {
                    all.removed.push(nodes.key(object));
                }
            }
            let mut own = scratch.pop().unwrap_or_default();
            match affected(&view, number, &mut own) {
                None => dirty = nodes.in_order(),
                Some(more) => {
                    if !more.is_empty() {
                        dirty.extend(more);
                        dirty.sort_unstable();
                        dirty.dedup();
                        dirty.sort_by(|a, b| nodes.order(*a, *b));
                    }
                }
            }
            scratch.push(own);
            work.cliques += dirty.len();
            let bound = (&self.meter, clique_rule(&rules, number));
            let mut built = Vec::new();
            if !self.meter.is_over(bound.1) {
                built = build(&view, number, &dirty, prints, self.threads, self.seed, &mut scratch, bound);
            }
            if self.meter.is_over(bound.1) {
                // Some of them would tell less than none.
                built = (0..prints.len() as u32)
                    .filter(|object| nodes.is_live(*object) && prints[*object as usize] != NOTHING)
                    .map(|object| (object, NOTHING, None))
                    .collect();
                in_order(&view, plan.focal, &mut built);
            }
            all.changed.reserve(built.len());
            for (object, print, clique) in built {
                prints[object as usize] = print;
                match clique {
                    Some(clique) => all.changed.push(clique),
                    None => all.removed.push(nodes.key(object)),
                }
            }
        }
        self.scratch = scratch;
        self.fingerprints = prints;
        all
    }
}

type Built = Vec<(u32, Digest, Option<Clique>)>;

#[expect(clippy::too_many_arguments, reason = "all that a walk needs")]
/// Builds cliques; gives back those that are different from before.
fn build(
    view: &View<'_>,
    number: usize,
    dirty: &[u32],
    prints: &[Digest],
    threads: usize,
    seed: Seed,
    scratch: &mut Vec<Scratch>,
    (meter, rule): (&Meter, usize),
) -> Built {
    let plan = &view.rules.cliques[number];
    let near = by_neighbours(view, number, dirty);
    let one = |scratch: &mut Scratch, names: &Names, bytes: &mut Bytes, object: u32| {
        if meter.is_over(rule) {
            return None;
        }
        let mut found = scratch.walk(view, number, object, None);
        meter.work(rule, found.links.len() as u64 * CLIQUE_LINK);
        let print = found.fingerprint(view, bytes);
        let known = prints.get(object as usize).copied().unwrap_or(NOTHING);
        let built = (print != known).then(|| {
            let clique = (print != NOTHING).then(|| found.clique(view, names, plan, object));
            (object, print, clique)
        });
        scratch.reuse(found);
        built
    };
    // A walk visits many objects, so that fewer focal points deserve a second thread.
    let threads = par::threads_for(threads, dirty.len() * 32);
    if threads <= 1 {
        let mut own = scratch.pop().unwrap_or_default();
        let (names, mut bytes) = (Names::new(view), Bytes::new(seed));
        let mut built: Built = near.iter().filter_map(|object| one(&mut own, &names, &mut bytes, *object)).collect();
        scratch.push(own);
        in_order(view, plan.focal, &mut built);
        return built;
    }
    let step = dirty.len().div_ceil(threads * 16).max(1);
    let pieces: Vec<&[u32]> = near.chunks(step).collect();
    let state = || (Scratch::default(), Names::new(view), Bytes::new(seed));
    let built = par::run(threads, pieces, state, |(scratch, names, bytes), piece| {
        piece.iter().filter_map(|object| one(scratch, names, bytes, *object)).collect::<Built>()
    });
    let mut built: Built = built.into_iter().flatten().collect();
    in_order(view, plan.focal, &mut built);
    built
}

/// Focal points in the order of what their first links lead to: neighbours lie beside each other in the store, and often
/// belong together, so that walks from them pass the same objects while those are at hand.
fn by_neighbours(view: &View<'_>, number: usize, focal_points: &[u32]) -> Vec<u32> {
    let mut ways = view.steps[number].iter().flat_map(|step| &step.ways);
    let Some((store, side)) = ways.next() else { return focal_points.to_vec() };
    let links = view.stores[*store].links;
    let neighbour = |object: &u32| links.of(*side, *object).first().map(|link| links.step(*link).ends[1 - *side]);
    let mut near: Vec<(Option<u32>, u32)> = focal_points.iter().map(|object| (neighbour(object), *object)).collect();
    near.sort_unstable();
    near.into_iter().map(|(_, object)| object).collect()
}

fn in_order(view: &View<'_>, focal: usize, built: &mut Built) {
    let nodes = &view.nodes[focal];
    built.sort_unstable_by(|a, b| nodes.order(a.0, b.0));
}
