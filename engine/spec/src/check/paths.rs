//! Clique paths: which way each entry is walked, and whether the path connects.

use std::sync::Arc;

use super::Catalogue;
use crate::{checked::Specs, diag::Diagnostic};

/// Finds for each path entry the declared link type, and whether it is walked backwards.
pub(crate) fn settle(specs: &mut Specs) {
    let declared: Vec<(calipso_model::Str, calipso_model::Str, calipso_model::Str)> =
        specs.link_types.values().map(|link| (link.head.name.clone(), link.from.clone(), link.to.clone())).collect();
    for clique in specs.clique_types.values_mut() {
        let mut settled = (**clique).clone();
        for step in &mut settled.path {
            if declared.iter().any(|(name, ..)| *name == step.written) {
                continue;
            }
            let turned = declared.iter().find(|(_, from, to)| format!("{to}-{from}") == step.written.as_ref());
            if let Some((name, ..)) = turned {
                step.link_type = name.clone();
                step.backwards = true;
            }
        }
        *clique = Arc::new(settled);
    }
}

/// Reports entries that no link type declares, and entries whose start is not reached.
#[expect(dead_code)]
pub(super) fn check(_catalogue: &Catalogue<'_>, _diagnostics: &mut Vec<Diagnostic>) {}
