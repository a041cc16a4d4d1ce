//! One walk along a path.

use super::{Found, View};
use crate::store::{Allowed, Limit};

/// What a step of a walk did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepCount {
    /// Objects that it started from.
    pub(crate) from: usize,
    /// Links that it took.
    pub(crate) taken: usize,
    /// Links that the constraints refused.
    pub(crate) refused: usize,
}

/// Marks of what a walk has seen; kept from walk to walk, as a number of the walk makes clearing needless.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    walk: u32,
    nodes: Vec<Vec<u32>>,
    links: Vec<Vec<u32>>,
    passes: Vec<Vec<u64>>,
    /// By store: the walk, and what its focal point allows in the store's numbers.
    allowed: Vec<(u32, Allowed)>,
    /// Room for what a walk finds.
    members: Vec<Vec<u32>>,
    reached: Vec<u32>,
    found: Vec<(usize, u32)>,
}

impl Scratch {
    /// Makes it fit a view, and begins a walk.
    pub(super) fn begin(&mut self, view: &View<'_>) {
        if self.walk == u32::MAX {
            *self = Self::default();
        }
        if self.walk == 0 || self.nodes.len() < view.nodes.len() || self.links.len() != view.stores.len() {
            self.nodes.resize_with(view.nodes.len(), Vec::new);
            self.links.resize_with(view.stores.len(), Vec::new);
            self.passes.resize_with(view.stores.len(), Vec::new);
            self.allowed.resize_with(view.stores.len(), Default::default);
        }
        self.walk += 1;
    }

    /// Marks an object; whether it was not yet.
    pub(super) fn enter(&mut self, view: &View<'_>, type_id: usize, object: u32) -> bool {
        mark(&mut self.nodes[type_id], view.nodes[type_id].n_numbers(), object, self.walk)
    }

    fn take(&mut self, view: &View<'_>, store: usize, entry: u32) -> bool {
        mark(&mut self.links[store], view.stores[store].links.n_entries(), entry, self.walk)
    }

    fn passes(&mut self, view: &View<'_>, store: usize, profile: u32, limits: &[Limit]) -> bool {
        if profile == 0 || limits.is_empty() {
            return true;
        }
        let known = &mut self.passes[store];
        if known.len() <= profile as usize {
            known.resize(view.stores[store].links.profiles.len(), 0);
        }
        let mark = &mut known[profile as usize];
        if *mark >> 1 == u64::from(self.walk) {
            return *mark & 1 == 1;
        }
        let profiles = &view.stores[store].links.profiles;
        let allowed = &mut self.allowed[store];
        if allowed.0 != self.walk {
            allowed.0 = self.walk;
            profiles.allowed(limits, &mut allowed.1);
        }
        let passes = profiles.passes(profile, &allowed.1);
        *mark = (u64::from(self.walk) << 1) | u64::from(passes);
        passes
    }

    /// Gives the room of a walk back.
    pub(crate) fn reuse(&mut self, found: Found) {
        self.members = found.members;
        self.found = found.links;
    }

    /// Walks the path of a plan from one focal point.
    pub(crate) fn walk(
        &mut self,
        view: &View<'_>,
        plan_number: usize,
        focal: u32,
        mut count: Option<&mut Vec<StepCount>>,
    ) -> Found {
        let plan = &view.rules.cliques[plan_number];
        self.begin(view);
        let limits = view.limits(plan, focal);
        let mut members = std::mem::take(&mut self.members);
        members.resize_with(view.nodes.len(), Vec::new);
        members.iter_mut().for_each(Vec::clear);
        let mut links = std::mem::take(&mut self.found);
        links.clear();
        let mut reached = std::mem::take(&mut self.reached);
        self.enter(view, plan.focal, focal);
        members[plan.focal].push(focal);
        for step in &view.steps[plan_number] {
            let from = members[step.from].len();
            let mut counted = StepCount { from, ..StepCount::default() };
            let before = links.len();
            for ways in [&step.ways, &step.back] {
                if links.len() > before || ways.is_empty() {
                    continue;
                }
                // What this step reaches is not walked on from in this step.
                for object in &members[step.from][..from] {
                    for (store, side) in ways {
                        let known = view.stores[*store].links;
                        for number in known.of(*side, *object) {
                            let link = known.step(*number);
                            if !self.passes(view, *store, link.profile, &limits) {
                                counted.refused += 1;
                            } else if self.take(view, *store, *number) {
                                counted.taken += 1;
                                links.push((*store, *number));
                                let other = link.ends[1 - *side];
                                if self.enter(view, step.to, other) {
                                    reached.push(other);
                                }
                            }
                        }
                    }
                }
                members[step.to].append(&mut reached);
            }
            if let Some(count) = count.as_deref_mut() {
                count.push(counted);
            }
        }
        self.reached = reached;
        Found { members, links, limits }
    }
}

fn mark(marks: &mut Vec<u32>, room: usize, number: u32, walk: u32) -> bool {
    if marks.len() <= number as usize {
        marks.resize(room.max(number as usize + 1), 0);
    }
    let mark = &mut marks[number as usize];
    let fresh = *mark != walk;
    *mark = walk;
    fresh
}
