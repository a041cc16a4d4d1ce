//! Which cliques a change of links can touch: back along the path, from the links that changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Scratch, View};
use crate::store::Allowed;

/// Beyond this many different combinations of constraint attributes among the changed links, one search serves all.
const MAX_SEARCHES: usize = 64;

/// A link that came, went, or has other constraint attributes now.
struct Change {
    store: usize,
    ends: [u32; 2],
}

/// Focal points of a plan whose clique a changed link can be part of; `None`: too many to be worth a search.
///
/// A clique that changes differs first at some step by a link that changed, and up to there it was reached by links
/// that did not; so a search back along today's links finds every such focal point. That link itself has to agree
/// with the focal point; one that only carries other constraint attributes now has to agree before or now, not both.
pub(crate) fn affected(view: &View<'_>, plan_number: usize, scratch: &mut Scratch) -> Option<Vec<u32>> {
    let plan = &view.rules.cliques[plan_number];
    let steps = &view.steps[plan_number];
    let walked: BTreeSet<usize> =
        steps.iter().flat_map(|step| step.ways.iter().chain(&step.back)).map(|(store, _)| *store).collect();
    let focal_points = &view.nodes[plan.focal];
    // By store, profile, and the profile before where the link has another one now.
    let mut groups: BTreeMap<(usize, u32, Option<u32>), Vec<Change>> = BTreeMap::new();
    let changes = walked.iter().map(|store| {
        let changed = &view.stores[*store].links.changed;
        changed.came.len() + changed.other.len() + changed.gone.len()
    });
    let total: usize = changes.sum();
    if total > 256 && total > focal_points.live() / 2 {
        return None;
    }
    for store in walked {
        let links = view.stores[store].links;
        let changed = &links.changed;
        let came = changed.came.iter().map(|number| links.step(*number));
        let came = came.map(|entry| (entry.ends, entry.profile, None));
        let gone = changed.gone.iter().map(|gone| (gone.ends, gone.profile, None));
        let other = changed.other.iter().map(|(number, before)| (links.step(*number), *before));
        let other = other.filter(|(entry, before)| entry.profile != *before);
        let other = other.map(|(entry, before)| (entry.ends, entry.profile, Some(before)));
        for (ends, profile, before) in came.chain(gone).chain(other) {
            groups.entry((store, profile, before)).or_default().push(Change { store, ends });
        }
    }
    let mut found = BTreeSet::new();
    if groups.len() > MAX_SEARCHES {
        let all: Vec<Change> = groups.into_values().flatten().collect();
        found.extend(search(view, plan_number, &all, scratch));
    } else {
        for ((store, profile, before), changes) in groups {
            let profiles = &view.stores[store].links.profiles;
            let mut allowed = Allowed::new();
            for focal in search(view, plan_number, &changes, scratch) {
                profiles.allowed(&view.limits(plan, focal), &mut allowed);
                let passes = profiles.passes(profile, &allowed);
                let matters = match before {
                    None => passes,
                    Some(before) => passes != profiles.passes(before, &allowed),
                };
                if matters {
                    found.insert(focal);
                }
            }
        }
    }
    Some(found.into_iter().collect())
}

fn search(view: &View<'_>, plan_number: usize, changes: &[Change], scratch: &mut Scratch) -> Vec<u32> {
    let plan = &view.rules.cliques[plan_number];
    scratch.begin(view);
    let mut members: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for step in view.steps[plan_number].iter().rev() {
        let ways = || step.ways.iter().chain(&step.back);
        let mut reached = Vec::new();
        for object in members.get(&step.to).map_or(&[][..], Vec::as_slice) {
            for (store, side) in ways() {
                let links = view.stores[*store].links;
                for number in links.of(1 - *side, *object) {
                    let near = links.step(*number).ends[*side];
                    if scratch.enter(view, step.from, near) {
                        reached.push(near);
                    }
                }
            }
        }
        for change in changes {
            for (_, side) in ways().filter(|(store, _)| *store == change.store) {
                let near = change.ends[*side];
                if scratch.enter(view, step.from, near) {
                    reached.push(near);
                }
            }
        }
        if !reached.is_empty() {
            members.entry(step.from).or_default().append(&mut reached);
        }
    }
    let nodes = &view.nodes[plan.focal];
    members.remove(&plan.focal).unwrap_or_default().into_iter().filter(|object| nodes.is_live(*object)).collect()
}
