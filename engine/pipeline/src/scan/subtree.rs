//! A partial scan: one object and what is under it, without its neighbours.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, ObjectKey, Str, Value};

use crate::{
    environment::View,
    fetch::Fetched,
    identity::Identities,
    known::{Known, MAX_DEPTH},
    merge::Extent,
    plan::{Plan, is_root},
    scan::run::{Job, parents},
};

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
    pub(super) fn new(object: ObjectKey, ids: &Identities, view: &View) -> Self {
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
        let mut above = BTreeMap::new();
        for up in view.known.ancestors(&object) {
            above.entry(up.object_type.clone()).or_insert_with(|| up.clone());
        }
        let leads_here = |key: &ObjectKey| view.known.ancestors(key).any(|up| up == object);
        let of_types = types.iter().flat_map(|name| view.inventory.of_type(name));
        let mut below: BTreeSet<ObjectKey> = of_types.filter(|key| leads_here(key)).collect();
        below.insert(object.clone());
        let askers = below
            .iter()
            .flat_map(|key| view.inventory.scopes_of(key))
            .map(|scope| (scope.fetcher.clone(), scope.parent.clone()))
            .collect();
        let attributes = view.known.document(&object).unwrap_or_default();
        Self { object, attributes, types, above, below, askers }
    }

    /// The part of a scope of which a partial scan speaks.
    pub(super) fn extent(&self) -> Extent {
        Extent::Below(self.object.clone())
    }

    /// Whether an object lies below.
    pub(super) fn holds(&self, key: &ObjectKey) -> bool {
        self.below.contains(key)
    }

    /// Finds out which of the objects just fetched lie below.
    pub(super) fn learn(&mut self, ids: &Identities, known: &Known, fetched: &Fetched) {
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
                match found.get(&at).cloned().or_else(|| known.parent(&at)) {
                    Some(up) => at = up,
                    None => break,
                }
            }
        }
    }

    /// The runs of a stage that can say something about it or about what is below.
    pub(super) fn jobs(&self, plan: &Plan, stage: usize, view: &View, ids: &Identities) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (place, planned) in plan.fetchers.iter().enumerate().filter(|(_, planned)| planned.stage == stage) {
            let fetcher = &planned.fetcher;
            if self.types.contains(&fetcher.under) {
                let own = parents(&fetcher.under, &view.inventory, ids)
                    .into_iter()
                    .filter(|key| self.is_below(&view.known, key));
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
                from.extend(parents(&fetcher.under, &view.inventory, ids));
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

    fn is_below(&self, known: &Known, key: &ObjectKey) -> bool {
        self.below.contains(key) || known.ancestors(key).any(|up| self.below.contains(&up))
    }
}
