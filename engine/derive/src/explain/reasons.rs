//! Why the path of a clique goes on no further from an object.

use std::collections::BTreeSet;

use calipso_model::{ObjectKey, Str, Value};

use super::opposite;
use crate::{
    cliques::{Found, Scratch, View},
    graph::Graph,
    rules::PathStep,
};

/// Maximum number of objects that are named where a step found no link.
const NAMED: usize = 5;

/// Why a step of a path takes no link from an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// There are links, but these constraints of the clique refuse them.
    Refused(Vec<Str>),
    /// The object gives the rule no key: its condition does not hold, or a part of the key is not there.
    NoKey {
        /// Name of the rule.
        rule: Str,
        /// Attributes that the key or the condition reads, and that the object lacks.
        lacks: Vec<Str>,
    },
    /// A key of the object meets nothing.
    Unmet {
        /// Name of the rule.
        rule: Str,
        /// The values of its key, in order.
        key: Vec<Value>,
        /// Type of what it should have met.
        wanted: Str,
    },
    /// Keys meet, but the rule's condition on the pair does not hold.
    Unfit {
        /// Name of the rule.
        rule: Str,
    },
}

/// An object from which a step took no link, with what each of its rules says.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The object at which the path ends.
    pub object: ObjectKey,
    /// The step, as written in the spec.
    pub step: Str,
    /// Why; empty when the step has no rule here.
    pub reasons: Vec<Reason>,
}

impl Graph {
    /// The objects of a clique from which its path could go on, and does not: with each step that could be taken there.
    /// The focal point itself when it has no clique.
    #[must_use]
    pub fn dead_ends(&self, focal_point: &ObjectKey) -> Vec<Stop> {
        let Some((number, object)) = self.plan_of(focal_point) else { return Vec::new() };
        let view = self.view();
        let found = Scratch::default().walk(&view, number, object, None);
        let plan = &self.rules().cliques[number];
        let mut stops = Vec::new();
        for (type_id, members) in found.members.iter().enumerate() {
            let ways = || plan.steps.iter().filter(|step| step.from == type_id && step.links.is_some());
            for member in members {
                let went_on = ways().any(|step| took(&found, &view, step, *member));
                if !went_on {
                    stops.extend(ways().map(|step| self.stop(step, *member, &found)));
                }
            }
        }
        stops
    }

    pub(super) fn plan_of(&self, focal_point: &ObjectKey) -> Option<(usize, u32)> {
        let rules = self.rules();
        let type_id = *rules.type_ids.get(&focal_point.object_type)?;
        let object = self.nodes_of(type_id).find(&focal_point.id)?;
        let number = rules.cliques.iter().position(|plan| plan.focal == type_id)?;
        Some((number, object))
    }

    /// Why a step that took nothing did so, for the first of the objects that it started from.
    pub(super) fn stops(&self, step: &PathStep, started: usize, found: &Found) -> Vec<Stop> {
        let members = found.members.get(step.from).map_or(&[][..], Vec::as_slice);
        members.iter().take(started.min(NAMED)).map(|member| self.stop(step, *member, found)).collect()
    }

    fn stop(&self, step: &PathStep, object: u32, found: &Found) -> Stop {
        Stop {
            object: self.nodes_of(step.from).key(object),
            step: step.written.clone(),
            reasons: step.links.map(|links| self.reasons(links, step, object, found)).unwrap_or_default(),
        }
    }

    fn reasons(&self, links: usize, step: &PathStep, object: u32, found: &Found) -> Vec<Reason> {
        let side = usize::from(step.backwards);
        let rules = self.rules();
        if !self.links_at(links).of(side, object).is_empty() {
            let names = found.limits.iter().map(|limit| rules.constraints[limit.constraint].clone());
            return vec![Reason::Refused(names.collect())];
        }
        let evaluator = self.evaluator();
        let mut reasons = Vec::new();
        for join in &rules.link_types[links].joins {
            let rule = &rules.joins[*join];
            let index = self.index(*join);
            let rows: Vec<u32> = index.rows_of(side, object).collect();
            let keys = evaluator.keys(*join, side, object);
            let unmet: Vec<u32> = rows.iter().copied().filter(|row| !index.meets(side, *row)).collect();
            if rows.is_empty() {
                let end = &rule.ends[side];
                let (numbers, record) = (&rules.types[step.from].numbers, self.nodes_of(step.from).record(object));
                let uses = std::iter::once(&end.key).chain(&end.when).flat_map(|expr| expr.uses());
                let reads = uses.filter(|used| used.slot == end.slot).filter_map(|used| used.path.into_iter().next());
                let value = |name: &Str| numbers.get(name).and_then(|number| record.get(*number));
                let absent = |name: &Str| value(name).is_none_or(Value::is_null);
                let lacks: BTreeSet<Str> = reads.filter(absent).collect();
                reasons.push(Reason::NoKey { rule: rule.name.clone(), lacks: lacks.into_iter().collect() });
            } else if unmet.len() < rows.len() {
                reasons.push(Reason::Unfit { rule: rule.name.clone() });
            } else {
                let wanted = &self.nodes_of(rule.ends[opposite(side)].type_id).name;
                let key = unmet.first().and_then(|row| keys.get(index.row(side, *row).order as usize));
                reasons.push(Reason::Unmet {
                    rule: rule.name.clone(),
                    key: key.cloned().unwrap_or_default(),
                    wanted: wanted.clone(),
                });
            }
        }
        reasons
    }
}

/// Whether a walk took a link from an object by a step.
fn took(found: &Found, view: &View<'_>, step: &PathStep, object: u32) -> bool {
    let side = usize::from(step.backwards);
    found.links.iter().any(|(store, entry)| {
        let known = &view.stores[*store];
        let leads =
            Some(*store) == step.links || known.ends[side] == step.from && known.ends[opposite(side)] == step.to;
        leads && known.links.step(*entry).ends[side] == object
    })
}
