//! Which specs were chosen for an environment, and what decided it.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Environment, Str};
use calipso_spec::{
    checked::{Distribution, Selector, Specs},
    select,
};

use crate::plan::PlannedConnection;

/// One spec that was chosen, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `fetcher`, `link_type`, `clique_type`, `connection`, `command`.
    pub kind: &'static str,
    pub name: Str,
    /// Whether it is used.
    pub chosen: bool,
    /// What decided it, in one sentence.
    pub why: String,
}

pub(super) fn choices(
    specs: &Specs,
    environment: &Environment,
    distribution: &Distribution,
    connections: &BTreeMap<Str, PlannedConnection>,
) -> Vec<Choice> {
    let chooser = Chooser { environment, distribution };
    let mut choices = Vec::new();
    let chosen: BTreeSet<Str> =
        select::fetchers(specs, environment, distribution).iter().map(|spec| spec.head.name.clone()).collect();
    for (name, spec) in &specs.fetchers {
        choices.push(chooser.choice("fetcher", name, &spec.environment, &chosen));
    }
    let chosen: BTreeSet<Str> =
        select::link_types(specs, environment, distribution).iter().map(|spec| spec.head.name.clone()).collect();
    for (name, spec) in &specs.link_types {
        choices.push(chooser.choice("link_type", name, &spec.environment, &chosen));
    }
    let matching = select::clique_types(specs, environment, distribution);
    let mut best: BTreeMap<&Str, &Str> = BTreeMap::new();
    for spec in &matching {
        best.entry(&spec.focal_point).or_insert(&spec.head.name);
    }
    let chosen: BTreeSet<Str> = best.values().map(|name| (*name).clone()).collect();
    for (name, spec) in &specs.clique_types {
        let mut choice = chooser.choice("clique_type", name, &spec.environment, &chosen);
        if !choice.chosen
            && let Some(better) = best.get(&spec.focal_point)
            && spec.environment.matches(environment, distribution)
        {
            choice.why = format!("{better} says more exactly for which environments it is");
        }
        choices.push(choice);
    }
    for (name, spec) in &specs.connections {
        let used = connections.get(&spec.role).is_some_and(|planned| planned.spec.head.name == *name);
        let why = match (used, connections.get(&spec.role)) {
            (true, _) => format!("the environment names it for the role {}", spec.role),
            (false, Some(other)) => {
                format!("the environment names {} for the role {}", other.spec.head.name, spec.role)
            }
            (false, None) => format!("the environment has no connection for the role {}", spec.role),
        };
        choices.push(Choice { kind: "connection", name: name.clone(), chosen: used, why });
    }
    for rule in &distribution.commands {
        let against = rule.environment.reason_against(environment, distribution);
        choices.push(Choice {
            kind: "command",
            name: rule.name.clone(),
            chosen: against.is_none(),
            why: against.unwrap_or_else(|| format!("{} says so for this environment", distribution.head.name)),
        });
    }
    choices
}

struct Chooser<'a> {
    environment: &'a Environment,
    distribution: &'a Distribution,
}

impl Chooser<'_> {
    fn choice(&self, kind: &'static str, name: &Str, selector: &Selector, chosen: &BTreeSet<Str>) -> Choice {
        let Self { environment, distribution } = self;
        let is_chosen = chosen.contains(name);
        let replaced = distribution.replacement(kind, name, &environment.version);
        let stands_in = distribution.replaces.iter().find(|replace| &*replace.kind == kind && replace.with == *name);
        let why = match (is_chosen, replaced, stands_in) {
            (_, Some(with), _) if !is_chosen => {
                format!("{} replaces it by {with} for version {}", distribution.head.name, environment.version)
            }
            (true, _, Some(replace)) => {
                format!("it stands in for {} at {}", replace.name, replace.at)
            }
            (true, ..) if *selector == Selector::default() => "it is for every environment".to_owned(),
            (true, ..) => "all keys of its `environment` hold".to_owned(),
            (false, ..) => selector
                .reason_against(environment, distribution)
                .unwrap_or_else(|| "it only stands in for another spec, which is used here".to_owned()),
        };
        Choice { kind, name: name.clone(), chosen: is_chosen, why }
    }
}
