//! The environments that distributions say they support, as far as selectors can tell them apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{Environment, Str};

use super::Catalogue;
use crate::{
    checked::{CommandRule, Distribution, Fetcher, ListCondition, Selector},
    select,
};

/// Names of environments and flags that must be distinguished.
const MOST_ASKED: usize = 20;

/// A supported environment without name and flags.
pub(super) struct Supported<'c> {
    pub environment: Environment,
    pub distribution: &'c Distribution,
}

impl Supported<'_> {
    /// Whether a selector holds here for some name and some flags.
    pub fn fulfils(&self, selector: &Selector) -> bool {
        selector.may_match(&self.environment, self.distribution)
    }

    /// Whether a command rule of the distribution holds here for some name and some flags.
    pub fn meets(&self, rule: &CommandRule) -> bool {
        let versions = &self.distribution.versions;
        rule.versions.as_ref().is_none_or(|asked| asked.holds(&self.environment.version, versions))
            && self.fulfils(&rule.environment)
    }

    /// One line for messages.
    pub fn describe(&self) -> String {
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

/// Supported environments that use the same fetchers, by their places among all.
pub(super) struct Alike {
    pub fetchers: Vec<Arc<Fetcher>>,
    pub members: Vec<usize>,
}

/// All supported environments, and which fetchers they use. There are many environments and few sets of fetchers:
/// what depends on fetchers alone is asked once for each set.
pub(super) struct World<'c> {
    pub supported: Vec<Supported<'c>>,
    pub alike: Vec<Alike>,
}

impl<'c> World<'c> {
    pub fn new(catalogue: &Catalogue<'c>) -> Self {
        let supported = supported(catalogue);
        let selectors: BTreeSet<&Selector> =
            catalogue.specs.fetchers.values().map(|fetcher| &fetcher.environment).collect();
        type Own<'o> = (&'o Str, &'o Vec<Str>);
        let mut groups: BTreeMap<(Vec<bool>, Vec<(&Str, &Str)>), (Own<'_>, Vec<usize>)> = BTreeMap::new();
        // An environment has a name and flags of its own: each name that is asked for, without flags and with all of them.
        let asked = |part: fn(&Selector) -> &Option<ListCondition>| -> Vec<Str> {
            let conditions = selectors.iter().filter_map(|selector| part(selector).as_ref());
            let values = conditions.flat_map(|one| one.any_of.iter().chain(&one.all_of).flatten().cloned());
            values.collect::<BTreeSet<Str>>().into_iter().take(MOST_ASKED).collect()
        };
        let names: Vec<Str> = std::iter::once(Str::from("")).chain(asked(|selector| &selector.name)).collect();
        let mut flags = vec![Vec::new()];
        flags.extend(Some(asked(|selector| &selector.flags)).filter(|flags| !flags.is_empty()));
        let own: Vec<(&Str, &Vec<Str>)> =
            names.iter().flat_map(|name| flags.iter().map(move |flags| (name, flags))).collect();
        let like = |one: &Supported<'_>, (name, flags): (&Str, &Vec<Str>)| Environment {
            name: name.clone(),
            flags: flags.clone(),
            ..one.environment.clone()
        };
        for (number, own, one) in
            supported.iter().enumerate().flat_map(|(number, one)| own.iter().map(move |own| (number, *own, one)))
        {
            let environment = like(one, own);
            let matching = selectors.iter().map(|selector| selector.matches(&environment, one.distribution)).collect();
            let stand_ins = one
                .distribution
                .replaces
                .iter()
                .filter(|replace| replace.kind.as_ref() == "fetcher")
                .map(|replace| {
                    let with = one.distribution.replacement("fetcher", &replace.name, &one.environment.version);
                    // A replacement that applies to no environment here is left out of the plan, which is a difference.
                    (&replace.with, with.unwrap_or(&replace.name))
                })
                .collect();
            groups.entry((matching, stand_ins)).or_insert((own, Vec::new())).1.push(number);
        }
        let alike = groups
            .into_values()
            .filter_map(|(own, members)| {
                let one = supported.get(*members.first()?)?;
                let fetchers = select::fetchers(catalogue.specs, &like(one, own), one.distribution);
                Some(Alike { fetchers, members })
            })
            .collect();
        Self { supported, alike }
    }

    /// Whether all of these selectors hold in some supported environment; true if none restricts anything.
    pub fn applies(&self, selectors: &[&Selector]) -> bool {
        self.supported.is_empty()
            || self.supported.iter().any(|one| selectors.iter().all(|selector| one.fulfils(selector)))
    }
}

/// All of them: each version with each mechanism driver, with each type driver and with all.
fn supported<'c>(catalogue: &Catalogue<'c>) -> Vec<Supported<'c>> {
    let mut found = Vec::new();
    for distribution in catalogue.specs.distributions.values() {
        let mut keys = BTreeSet::new();
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
