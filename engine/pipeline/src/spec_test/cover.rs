//! Which branches the specs have, and which of the derived ones a test reached.

use std::collections::BTreeSet;

use calipso_model::{Delta, Str};
use calipso_spec::checked::{At, Specs, Step, Verb};

use crate::spec_test::{Bench, Unreached};

/// Every branch of the catalogue that a test can reach.
pub(super) fn branches(specs: &Specs) -> Vec<Unreached> {
    let mut found = Branches(BTreeSet::new());
    for (name, fetcher) in &specs.fetchers {
        if fetcher.when.is_some() {
            found.add("fetcher", name, &fetcher.head.at, "when true");
            found.add("fetcher", name, &fetcher.head.at, "when false");
        }
        found.steps("fetcher", name, &fetcher.steps);
    }
    for (name, connection) in &specs.connections {
        found.steps("connection", name, &connection.login);
        found.steps("connection", name, &connection.test);
        for rule in &connection.pages {
            found.add("connection", name, &rule.at, "page rule");
            found.add("connection", name, &rule.at, "page rule goes on");
        }
    }
    for (name, object_type) in &specs.object_types {
        for form in &object_type.forms {
            found.add("object_type", name, &form.at, "form");
        }
        for rule in &object_type.derive {
            found.add("object_type", name, &rule.at, "derived attribute");
        }
    }
    for (name, link_type) in &specs.link_types {
        for rule in &link_type.rules {
            found.add("link_type", name, &rule.at, "link rule");
        }
    }
    for (name, clique_type) in &specs.clique_types {
        found.add("clique_type", name, &clique_type.head.at, "clique");
    }
    for (name, distribution) in &specs.distributions {
        for rule in &distribution.commands {
            found.add("distribution", name, &rule.at, "command rule");
        }
    }
    found.0.into_iter().collect()
}

struct Branches(BTreeSet<Unreached>);

impl Branches {
    fn add(&mut self, kind: &'static str, spec: &Str, at: &At, branch: &str) {
        self.0.insert(Unreached { kind, spec: spec.clone(), at: at.clone(), branch: branch.to_owned() });
    }

    fn steps(&mut self, kind: &'static str, spec: &Str, steps: &[Step]) {
        for step in steps {
            if matches!(step.verb, Verb::Fetch(_) | Verb::Patch(_) | Verb::Delete(_)) {
                continue;
            }
            self.add(kind, spec, &step.at, "step");
            if step.when.is_some() {
                self.add(kind, spec, &step.at, "when false");
            }
            if step.none_if.is_some() {
                self.add(kind, spec, &step.at, "none");
            }
            match &step.verb {
                Verb::Do(block) => self.steps(kind, spec, &block.steps),
                Verb::FirstOf(blocks) => {
                    for (place, block) in blocks.iter().enumerate() {
                        self.add(kind, spec, &step.at, &format!("alternative {}", place + 1));
                        self.steps(kind, spec, &block.steps);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Notes what deriving reached: attributes that got a value, rules that made a link, clique types that were walked.
pub(super) fn reach_derived(bench: &Bench<'_>, delta: &Delta) {
    for object in &delta.objects {
        let Some(object_type) = bench.specs.object_types.get(&object.key.object_type) else { continue };
        for rule in &object_type.derive {
            let empty = object
                .doc
                .get(&rule.attribute)
                .is_none_or(|value| value.is_null() || value.as_list().is_some_and(<[calipso_model::Value]>::is_empty));
            if !empty {
                bench.coverage.reach(&rule.at, "derived attribute");
            }
        }
    }
    for link in &delta.links {
        let Some(link_type) = bench.specs.link_types.get(&link.link_type) else { continue };
        for rule in link_type.rules.iter().filter(|rule| rule.name == link.rule) {
            bench.coverage.reach(&rule.at, "link rule");
        }
    }
    for clique in &delta.cliques {
        if let Some(clique_type) = bench.specs.clique_types.get(&clique.clique_type) {
            bench.coverage.reach(&clique_type.head.at, "clique");
        }
    }
}
