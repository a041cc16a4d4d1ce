//! Clique paths: which way each entry is walked.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;

use crate::checked::Specs;

/// Finds for each path entry the declared link type, and whether it is walked backwards.
pub(crate) fn settle(specs: &mut Specs) {
    let turned: BTreeMap<String, Str> =
        specs.link_types.values().map(|link| (format!("{}-{}", link.to, link.from), link.head.name.clone())).collect();
    for clique in specs.clique_types.values_mut() {
        let mut settled = (**clique).clone();
        for step in &mut settled.path {
            if specs.link_types.contains_key(&step.written) {
                continue;
            }
            if let Some(name) = turned.get(step.written.as_ref()) {
                step.link_type = name.clone();
                step.backwards = true;
            }
        }
        *clique = Arc::new(settled);
    }
}
