//! From scopes to the whole state of an environment: objects placed, attributes, links and cliques derived.

use std::{collections::BTreeMap, sync::Arc};

use calipso_derive::{Changes, Graph, Rules};
use calipso_model::{Clique, Link, LinkRef, Map, Object, ObjectKey};

use crate::{
    identity::{Identities, place},
    merge::Inventory,
    plan::Plan,
    report::ScanReport,
    scan::ScanError,
};

/// Everything that is true of an environment.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    pub(crate) links: BTreeMap<LinkRef, Link>,
    pub(crate) cliques: BTreeMap<ObjectKey, Clique>,
}

/// Derives the whole state; tells the report what did not fit.
pub(super) fn derive(plan: &Plan, inventory: &Inventory, report: &mut ScanReport) -> Result<State, ScanError> {
    let ids = Identities::new(&plan.specs, plan.values(), &plan.environment.name);
    let merged: BTreeMap<ObjectKey, Map> = inventory
        .objects()
        .map(|key| (key.clone(), inventory.merged(key, ids.types.get(&key.object_type).map(|known| &**known))))
        .collect();
    let placement = place(&ids, merged, &plan.emitted(), &BTreeMap::new());
    for misplaced in &placement.misplaced {
        report.misplaced.push((misplaced.key.clone(), misplaced.sentence.clone()));
    }
    let rules = Rules::new(&plan.specs, &plan.environment).map_err(|error| ScanError::Rules(error.to_string()))?;
    let mut graph = Graph::new(Arc::new(rules));
    let upsert = placement.objects.into_values().collect();
    let outcome = graph.apply(Changes { upsert, remove: Vec::new() });
    if let Some(why) = graph.crowded() {
        return Err(ScanError::Rules(why));
    }
    report.read_graph(&graph);
    let state = State {
        objects: outcome.delta.objects.into_iter().map(|object| (object.key.clone(), object)).collect(),
        links: outcome.delta.links.into_iter().map(|link| (link_ref(&link), link)).collect(),
        cliques: outcome.delta.cliques.into_iter().map(|clique| (clique.focal_point.clone(), clique)).collect(),
    };
    report.count(&state);
    Ok(state)
}

/// The key of a link.
pub(crate) fn link_ref(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}
