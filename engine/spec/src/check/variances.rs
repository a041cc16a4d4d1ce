//! The environments that distributions say they support, as far as selectors can tell them apart.

use calipso_model::{Environment, Str};

use super::Catalogue;
use crate::checked::{CommandRule, Distribution, Selector};

/// A supported environment without name and flags.
pub(super) struct Supported<'c> {
    pub environment: Environment,
    pub distribution: &'c Distribution,
}

impl Supported<'_> {
    /// Whether a selector holds here for some name and some flags.
    pub fn fulfils(&self, selector: &Selector) -> bool {
        let selector = Selector { name: None, flags: None, ..selector.clone() };
        selector.matches(&self.environment, self.distribution)
    }

    /// Whether a command rule of the distribution holds here for some name and some flags.
    pub fn meets(&self, rule: &CommandRule) -> bool {
        let versions = &self.distribution.versions;
        rule.versions.as_ref().is_none_or(|asked| asked.holds(&self.environment.version, versions))
            && self.fulfils(&rule.environment)
    }

    /// For messages.
    pub fn says(&self) -> String {
        let environment = &self.environment;
        format!(
            "{} {} ({}; {})",
            environment.distribution,
            environment.version,
            environment.mechanism_drivers.join(", "),
            environment.type_drivers.join(", ")
        )
    }
}

/// All of them: each version with each mechanism driver, with each type driver and with all.
pub(super) fn supported<'c>(catalogue: &Catalogue<'c>) -> Vec<Supported<'c>> {
    let mut found = Vec::new();
    for distribution in catalogue.specs.distributions.values() {
        let mut keys = std::collections::BTreeSet::new();
        for variance in &distribution.variances {
            let versions = distribution.versions.iter().filter(|version| {
                variance.versions.as_ref().is_none_or(|asked| asked.holds(version, &distribution.versions))
            });
            let type_sets = sets(&variance.type_drivers);
            for version in versions {
                for mechanism in sets(&variance.mechanism_drivers) {
                    for types in &type_sets {
                        if keys.insert((version.clone(), mechanism.clone(), types.clone())) {
                            found.push(Supported {
                                environment: Environment {
                                    name: Str::from(""),
                                    distribution: distribution.head.name.clone(),
                                    version: version.clone(),
                                    mechanism_drivers: mechanism.clone(),
                                    type_drivers: types.clone(),
                                    ..Environment::default()
                                },
                                distribution,
                            });
                        }
                    }
                }
            }
        }
    }
    found
}

/// Each alone, and all together.
fn sets(drivers: &[Str]) -> Vec<Vec<Str>> {
    let mut sets: Vec<Vec<Str>> = drivers.iter().map(|one| vec![one.clone()]).collect();
    if drivers.len() != 1 {
        sets.push(drivers.to_vec());
    }
    sets
}
