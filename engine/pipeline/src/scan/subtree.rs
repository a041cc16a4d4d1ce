//! A partial scan: one object and what is under it, without its neighbours.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, ObjectKey, Str, Value};

use crate::{
    fetch::Fetched,
    identity::Identities,
    merge::Inventory,
    plan::{Plan, is_root},
    scan::run::{Job, document, parents},
};

/// How many parents up an object is looked for.
const MAX_DEPTH: usize = 64;

/// The object of a partial scan, with what lies below it.
pub(super) struct Subtree {
    object: ObjectKey,
    attributes: Map,
    /// Types whose objects can lie below it, its own included.
    types: BTreeSet<Str>,
    /// Objects above it, by type.
    above: BTreeMap<Str, ObjectKey>,
    /// Objects known to lie below it, itself included.
    below: BTreeSet<ObjectKey>,
    /// Parents of the fetcher runs that knew something of it.
    askers: BTreeSet<(Str, ObjectKey)>,
}

impl Subtree {
    pub(super) fn new(object: ObjectKey, ids: &Identities, inventory: &Inventory) -> Self {
        let mut types = BTreeSet::from([object.object_type.clone()]);
        loop {
            let more: Vec<Str> = ids
                .types
                .iter()
                .filter(|(name, known)| {
                    !types.contains(*name) && known.forms.iter().any(|form| types.contains(&form.parent_type))
                })
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            types.extend(more);
        }
        let parent_of: BTreeMap<ObjectKey, ObjectKey> =
            inventory.objects().filter_map(|key| Some((key.clone(), parent(ids, inventory, key)?))).collect();
        let mut above = BTreeMap::new();
        let mut at = object.clone();
        for _ in 0..MAX_DEPTH {
            let Some(up) = parent_of.get(&at) else { break };
            above.entry(up.object_type.clone()).or_insert_with(|| up.clone());
            at = up.clone();
        }
        let leads_here = |key: &ObjectKey| {
            let mut at = key;
            for _ in 0..MAX_DEPTH {
                if *at == object {
                    return true;
                }
                let Some(up) = parent_of.get(at) else { return false };
                at = up;
            }
            false
        };
        let mut below: BTreeSet<ObjectKey> = parent_of.keys().filter(|key| leads_here(key)).cloned().collect();
        below.insert(object.clone());
        let askers = below
            .iter()
            .flat_map(|key| inventory.scopes_of(key))
            .map(|scope| (scope.fetcher.clone(), scope.parent.clone()))
            .collect();
        let attributes = document(ids, inventory, &object).as_map().cloned().unwrap_or_default();
        Self { object, attributes, types, above, below, askers }
    }

    /// Whether an object lies below.
    pub(super) fn holds(&self, key: &ObjectKey) -> bool {
        self.below.contains(key)
    }

    /// Finds out which of the objects just fetched lie below.
    pub(super) fn learn(&mut self, ids: &Identities, inventory: &Inventory, fetched: &Fetched) {
        let found: BTreeMap<&ObjectKey, ObjectKey> = fetched
            .members
            .values()
            .flatten()
            .filter_map(|(key, contribution)| {
                let identity = ids.identity(key, &contribution.attributes).ok()?;
                Some((key, identity.parent))
            })
            .collect();
        for key in found.keys() {
            let mut at = (*key).clone();
            for _ in 0..MAX_DEPTH {
                if self.below.contains(&at) {
                    self.below.insert((*key).clone());
                    break;
                }
                match found.get(&at).cloned().or_else(|| parent(ids, inventory, &at)) {
                    Some(up) => at = up,
                    None => break,
                }
            }
        }
    }

    /// The runs of a stage that can say something about it or about what is below.
    pub(super) fn jobs(&self, plan: &Plan, stage: usize, inventory: &Inventory, ids: &Identities) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (place, planned) in plan.fetchers.iter().enumerate().filter(|(_, planned)| planned.stage == stage) {
            let fetcher = &planned.fetcher;
            if self.types.contains(&fetcher.under) {
                let own = parents(&fetcher.under, inventory, ids)
                    .into_iter()
                    .filter(|key| self.is_below(ids, inventory, key));
                jobs.extend(own.map(|parent| Job { fetcher: place, parent, below_only: false }));
                continue;
            }
            if !fetcher.emits.iter().chain(&fetcher.extends).any(|name| self.types.contains(name)) {
                continue;
            }
            let askers = self.askers.iter().filter(|(name, _)| *name == fetcher.head.name);
            let mut from: BTreeSet<ObjectKey> = askers.map(|(_, parent)| parent.clone()).collect();
            if is_root(&fetcher.under) {
                from.insert(ids.root());
            } else if let Some(above) = self.above.get(&fetcher.under) {
                from.insert(above.clone());
            } else if from.is_empty() {
                from.extend(parents(&fetcher.under, inventory, ids));
            }
            jobs.extend(from.into_iter().map(|parent| Job { fetcher: place, parent, below_only: true }));
        }
        jobs
    }

    /// What a run can be narrowed to: the object itself, where the fetcher can ask for it.
    pub(super) fn narrowing(&self, plan: &Plan, job: &Job) -> Map {
        let mut narrow = Map::new();
        if !job.below_only {
            return narrow;
        }
        let by = plan
            .fetchers
            .get(job.fetcher)
            .and_then(|planned| planned.fetcher.narrow_by.get(&self.object.object_type))
            .into_iter()
            .flatten();
        let found = by
            .filter_map(|name| Some((name, self.attributes.get(name)?)))
            .find(|(_, value)| matches!(value, Value::Str(_) | Value::Int(_)));
        if let Some((name, value)) = found {
            narrow.insert(name.clone(), value.clone());
        }
        narrow
    }

    fn is_below(&self, ids: &Identities, inventory: &Inventory, key: &ObjectKey) -> bool {
        let mut at = key.clone();
        for _ in 0..MAX_DEPTH {
            if self.below.contains(&at) {
                return true;
            }
            match parent(ids, inventory, &at) {
                Some(up) => at = up,
                None => return false,
            }
        }
        false
    }
}

/// The parent that an object's type gives it, folders aside.
fn parent(ids: &Identities, inventory: &Inventory, key: &ObjectKey) -> Option<ObjectKey> {
    let attributes = inventory.merged(key, ids.types.get(&key.object_type).map(|known| &**known));
    if attributes.is_empty() {
        return None;
    }
    ids.identity(key, &attributes).ok().map(|identity| identity.parent)
}
