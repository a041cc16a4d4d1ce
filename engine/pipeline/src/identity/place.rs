//! Places everything that is known at once: for trials and spec tests, which keep nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{Map, Object, ObjectKey, Str};

use crate::{
    identity::{Identities, Places},
    known::Known,
};

/// An object that could not be placed where its type says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Misplaced {
    pub(crate) key: ObjectKey,
    pub(crate) sentence: String,
}

/// All objects with their common fields, folders included, by key.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    pub(crate) misplaced: Vec<Misplaced>,
}

/// Places everything that is known.
///
/// # Shape
/// `emitted` names the types that this environment has fetchers for: only their folders are there when empty. `given` are
/// documents that are there already and may be parents; they are not placed again.
pub(crate) fn place(
    ids: &Identities,
    merged: BTreeMap<ObjectKey, Map>,
    emitted: &BTreeSet<Str>,
    given: &BTreeMap<ObjectKey, Map>,
) -> Placement {
    let mut known = Known::new(Arc::new(ids.clone()), Arc::default());
    for (key, document) in given {
        known.give(key, document);
    }
    for (key, attributes) in &merged {
        known.put(key, attributes);
    }
    let changed = known.keys().collect();
    let mut places = Places::new(emitted.clone(), known.tables());
    let changes = places.apply(ids, &known, &changed);
    let objects = changes.upsert.into_iter().map(|object| (object.key.clone(), object)).collect();
    Placement { objects, misplaced: places.misplaced() }
}
