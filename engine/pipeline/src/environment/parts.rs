//! An environment in memory, made part by part: for the bench that says what each part costs.

use std::{collections::BTreeSet, sync::Arc};

use calipso_derive::{Graph, NoDocuments, Rules};
use calipso_model::{ObjectKey, Str, Value};
use calipso_store::ScopeRecord;

use crate::{environment::View, identity::Identities, identity::Places, plan::Plan, scan::ScanError};

/// Makes everything that stays in memory between two scans from what a store keeps. After each part `made` is told its name and
/// how many objects there are.
///
/// # Errors
/// The rules of the plan cannot be followed.
pub fn parts(
    plan: &Plan,
    records: Vec<ScopeRecord>,
    look_ups: &[(&str, &str)],
    made: &mut dyn FnMut(&str, usize),
) -> Result<(), ScanError> {
    let ids = Identities::new(&plan.specs, plan.values(), &plan.environment.name);
    let mut view = View::unread(&ids, records);
    made("scopes", 0);
    view.refresh(&ids);
    // Whoever takes over a change lets go of what it was.
    drop(view.take_changed());
    let n_objects = view.known.len();
    made("objects", n_objects);
    for (object_type, attribute) in look_ups {
        if let Some(table) = view.known.table(object_type) {
            table.with(&Str::from(*attribute), &Value::text("none"));
        }
    }
    made("indexes for look-ups", n_objects);
    let mut places = Places::new(plan.emitted(), view.known.tables());
    let all = || -> BTreeSet<ObjectKey> { view.known.keys().collect() };
    drop(places.apply(&ids, &view.known, &all()));
    made("places", n_objects);
    let misplaced = places.misplaced();
    if let Some(first) = misplaced.first() {
        made(&format!("{} misplaced, as {}: {}", misplaced.len(), first.key, first.sentence), n_objects);
    }
    let one: BTreeSet<ObjectKey> = view.known.keys().take(1).collect();
    drop(places.apply(&ids, &view.known, &one));
    made("one object placed again", n_objects);
    drop(misplaced);
    let changes = places.apply(&ids, &view.known, &all());
    made("everything placed again, with what is handed over", n_objects);
    let rules = Rules::new(&plan.specs, &plan.environment).map_err(ScanError::Rules)?;
    let mut graph = Graph::new(Arc::new(rules));
    drop(graph.apply(changes, &NoDocuments)?);
    made("graph, without what was handed over", n_objects);
    Ok(())
}
