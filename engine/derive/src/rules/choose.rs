//! What of the specs applies to an environment, and which clique type is chosen for a focal point.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Environment, Str, Value};
use calipso_spec::{
    EnvView, Specs,
    checked::{At, CliqueType, Distribution, LinkType, Selector},
    select,
};

use super::RulesError;

/// A clique type of a focal point type, and why it is or is not the one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Name of the clique type.
    pub name: Str,
    /// Where it stands.
    pub at: At,
    /// Whether it is the chosen one.
    pub chosen: bool,
    pub because: String,
}

/// The environment that rules are chosen for.
pub(super) struct Here {
    environment: Environment,
    distribution: Arc<Distribution>,
    pub(super) env: Value,
    pub(super) dist: Value,
}

impl Here {
    /// An environment without a distribution (`""`) is one that no distribution says anything of.
    pub(super) fn new(specs: &Specs, environment: &Environment) -> Result<Self, RulesError> {
        let name = &environment.distribution;
        let distribution = match specs.distributions.get(name) {
            Some(distribution) => Arc::clone(distribution),
            None if name.is_empty() => Arc::new(Distribution::none("")),
            None => return Err(RulesError::UnknownDistribution(name.clone())),
        };
        let view = EnvView::new(environment, &distribution);
        Ok(Self { environment: environment.clone(), distribution, env: view.env, dist: view.dist })
    }

    pub(super) fn applies(&self, selector: &Selector) -> bool {
        selector.matches(&self.environment, &self.distribution)
    }

    /// In the order of their names.
    pub(super) fn link_types(&self, specs: &Specs) -> Vec<Arc<LinkType>> {
        let mut link_types = select::link_types(specs, &self.environment, &self.distribution);
        link_types.sort_by(|a, b| a.head.name.cmp(&b.head.name));
        link_types
    }
}

/// The most specific clique type of every focal point type that matches, with all candidates of that focal point.
/// Equally specific ones are a mistake that `check` reports; of those the first name counts, so that the order is total.
pub(super) fn cliques(specs: &Specs, here: &Here) -> Vec<(Arc<CliqueType>, Vec<Candidate>)> {
    let mut chosen: BTreeMap<Str, (Arc<CliqueType>, Vec<Candidate>)> = BTreeMap::new();
    for clique_type in select::clique_types(specs, &here.environment, &here.distribution) {
        let candidate = |chosen: bool, because: String| Candidate {
            name: clique_type.head.name.clone(),
            at: clique_type.head.at.clone(),
            chosen,
            because,
        };
        match chosen.get_mut(&clique_type.focal_point) {
            None => {
                let best = candidate(true, "it is the most specific one that fits the environment".into());
                chosen.insert(clique_type.focal_point.clone(), (clique_type, vec![best]));
            }
            Some((best, candidates)) => {
                candidates.push(candidate(false, format!("it fits, but `{}` is more specific", best.head.name)));
            }
        }
    }
    for clique_type in specs.clique_types.values() {
        let Some((_, candidates)) = chosen.get_mut(&clique_type.focal_point) else { continue };
        if candidates.iter().any(|candidate| candidate.name == clique_type.head.name) {
            continue;
        }
        let against = clique_type.environment.reason_against(&here.environment, &here.distribution);
        candidates.push(Candidate {
            name: clique_type.head.name.clone(),
            at: clique_type.head.at.clone(),
            chosen: false,
            because: against.map_or_else(
                || "it stands in for another one, or another one stands in for it".into(),
                |against| format!("it does not fit: {against}"),
            ),
        });
    }
    chosen.into_values().collect()
}
