//! Cliques: from each focal point along the path of its clique type.

mod affected;
mod walk;

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Clique, LinkRef, Map, ObjectKey, Str, Value};

use crate::{
    hash::{Bytes, Digest, NOTHING, Seed},
    nodes::Nodes,
    rules::{Plan, Rules},
    store::{Limit, Links},
};

pub(crate) use affected::affected;
pub(crate) use walk::Scratch;

/// Links of one type, explicit or implicit.
pub(crate) struct Store<'a> {
    pub(crate) links: &'a Links,
    pub(crate) ends: [usize; 2],
}

/// All that walks read.
pub(crate) struct View<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) nodes: &'a [Nodes],
    /// Explicit ones first, in the rules' order.
    pub(crate) stores: Vec<Store<'a>>,
    /// By clique plan.
    pub(crate) steps: Vec<Vec<Step>>,
    /// Type ids in the order of the types' names.
    pub(crate) by_name: Vec<usize>,
    seed: Seed,
}

/// One step of a path, as walked.
pub(crate) struct Step {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// Store, and the side at which the walk stands.
    pub(crate) ways: Vec<(usize, usize)>,
    /// Asked when `ways` found nothing: the other direction of links between objects of one type.
    pub(crate) back: Vec<(usize, usize)>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        rules: &'a Rules,
        nodes: &'a [Nodes],
        links: &'a [Links],
        implicit: &'a BTreeMap<(usize, usize), Links>,
        seed: Seed,
    ) -> Self {
        let explicit = links.iter().zip(&rules.link_types);
        let mut stores: Vec<Store<'a>> = explicit.map(|(links, known)| Store { links, ends: known.ends }).collect();
        let mut implicit_ids: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        for ((from, to), links) in implicit {
            implicit_ids.insert((*from, *to), stores.len());
            stores.push(Store { links, ends: [*from, *to] });
        }
        let steps = rules.cliques.iter().map(|plan| steps(plan, &implicit_ids)).collect();
        let mut by_name: Vec<usize> = (0..nodes.len()).collect();
        by_name.sort_by(|a, b| nodes[*a].name.cmp(&nodes[*b].name));
        Self { rules, nodes, stores, steps, by_name, seed }
    }

    /// The values that links of a clique must agree with.
    pub(crate) fn limits(&self, plan: &Plan, focal: u32) -> Vec<Limit> {
        let record = self.nodes[plan.focal].record(focal);
        let limit = |(constraint, number): &(usize, usize)| {
            Limit::new(*constraint, record.get(*number).cloned().unwrap_or_default(), self.seed)
        };
        plan.constraints.iter().map(limit).collect()
    }
}

fn steps(plan: &Plan, implicit: &BTreeMap<(usize, usize), usize>) -> Vec<Step> {
    let chains = |from: usize, to: usize| implicit.get(&(from, to)).copied().filter(|_| plan.implicit);
    let step = |step: &crate::rules::PathStep| {
        let mut ways: Vec<(usize, usize)> =
            step.links.map(|links| (links, usize::from(step.backwards))).into_iter().collect();
        ways.extend(chains(step.from, step.to).map(|store| (store, 0)));
        let mut back = Vec::new();
        if step.from == step.to {
            back.extend(ways.iter().map(|(store, side)| (*store, 1 - *side)));
        } else {
            ways.extend(chains(step.to, step.from).map(|store| (store, 1)));
        }
        Step { from: step.from, to: step.to, ways, back }
    };
    plan.steps.iter().map(step).collect()
}

/// Whether two values of a constraint agree: equal, or, where either is a list, with an element in common.
pub(crate) fn agree(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.iter().any(|item| b.contains(item)),
        (Value::List(items), one) | (one, Value::List(items)) => items.contains(one),
        (a, b) => a == b,
    }
}

/// What one walk found.
pub(crate) struct Found {
    /// Numbers of the objects, by type id.
    pub(crate) members: Vec<Vec<u32>>,
    /// Store and entry, in the order they were found.
    pub(crate) links: Vec<(usize, u32)>,
    pub(crate) limits: Vec<Limit>,
}

impl Found {
    /// Two cliques of one focal point with one fingerprint are the same. Numbers stand for their objects: a clique that an object
    /// leaves is made again before its number is free.
    pub(crate) fn fingerprint(&self, view: &View<'_>, bytes: &mut Bytes) -> Digest {
        if self.links.is_empty() {
            return NOTHING;
        }
        for limit in &self.limits {
            bytes.same_value(&limit.value);
        }
        for (store, entry) in &self.links {
            let store = &view.stores[*store];
            let [source, target] = store.links.step(*entry).ends;
            for number in [store.ends[0] as u32, store.ends[1] as u32, source, target] {
                bytes.number(number);
            }
        }
        bytes.digest()
    }

    /// The clique as others see it.
    pub(crate) fn clique(&mut self, view: &View<'_>, names: &Names, plan: &Plan, focal: u32) -> Clique {
        let key = |type_id: usize, object: u32| ObjectKey {
            object_type: names.types[type_id].clone(),
            id: view.nodes[type_id].id(object).clone(),
        };
        let mut nodes = Vec::with_capacity(self.members.iter().map(Vec::len).sum());
        for type_id in &view.by_name {
            let members = &mut self.members[*type_id];
            if members.len() > 1 {
                members.sort_unstable_by(|a, b| view.nodes[*type_id].order(*a, *b));
            }
            nodes.extend(members.iter().map(|object| key(*type_id, *object)));
        }
        let links = self.links.iter().map(|(store, entry)| {
            let known = &view.stores[*store];
            let [source, target] = known.links.step(*entry).ends;
            LinkRef {
                link_type: names.stores[*store].clone(),
                source: key(known.ends[0], source),
                target: key(known.ends[1], target),
            }
        });
        let name = |constraint: usize| view.rules.constraints[constraint].clone();
        Clique {
            focal_point: key(plan.focal, focal),
            clique_type: plan.name.clone(),
            constraints: Map::from_pairs(
                self.limits.iter().map(|limit| (name(limit.constraint), limit.value.clone())).collect(),
            ),
            nodes,
            links: links.collect(),
        }
    }
}

/// Copies of the names that many links share. Every thread has its own, as counting references to one name from two
/// threads is slow.
pub(crate) struct Names {
    pub(crate) types: Vec<Str>,
    pub(crate) stores: Vec<Str>,
}

impl Names {
    pub(crate) fn new(view: &View<'_>) -> Self {
        let types: Vec<Str> = view.nodes.iter().map(|nodes| Arc::from(&*nodes.name)).collect();
        let stores = view.stores.iter();
        let stores = stores.map(|store| format!("{}-{}", types[store.ends[0]], types[store.ends[1]]).into()).collect();
        Self { types, stores }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_agree_on_a_common_element() {
        let list = |items: &[&str]| Value::list(items.iter().map(|item| Value::text(item)).collect());
        assert!(agree(&Value::text("a"), &list(&["b", "a"])));
        assert!(agree(&list(&["b", "a"]), &Value::text("a")));
        assert!(agree(&list(&["a", "c"]), &list(&["b", "a"])));
        assert!(!agree(&list(&["c"]), &list(&["b", "a"])));
        assert!(!agree(&Value::text("a"), &Value::Null));
        assert!(!agree(&Value::text("a"), &list(&[])));
    }
}
