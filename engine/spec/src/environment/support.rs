//! Whether specs support an environment, and what a scan of it needs.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Environment, Str};

use super::{Mistake, below};
use crate::{
    checked::{Block, Distribution, Specs, Step, Variance, Verb},
    select,
};

/// A role that a scan asks, and the fetchers that ask it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Names of fetchers that cannot do without it.
    pub by: Vec<Str>,
}

/// The variance of a distribution that covers an environment: its version and all of its drivers.
#[must_use]
pub fn covering<'d>(distribution: &'d Distribution, environment: &Environment) -> Option<&'d Variance> {
    let covers = |wanted: &[Str], covered: &[Str]| wanted.iter().all(|driver| covered.contains(driver));
    of_version(distribution, &environment.version).find(|variance| {
        covers(&environment.mechanism_drivers, &variance.mechanism_drivers)
            && covers(&environment.type_drivers, &variance.type_drivers)
    })
}

fn of_version<'d>(distribution: &'d Distribution, version: &str) -> impl Iterator<Item = &'d Variance> {
    distribution.variances.iter().filter(move |variance| {
        variance.versions.as_ref().is_none_or(|condition| condition.holds(version, &distribution.versions))
    })
}

/// Why nobody vouches for an environment: unknown distribution or version, drivers that no variance covers together,
/// features that it lacks. `features` are those wanted, each with the pointer to whatever wants it.
#[must_use]
pub fn unsupported(specs: &Specs, environment: &Environment, features: &[(&str, &str)]) -> Vec<Mistake> {
    let Some(distribution) = specs.distributions.get(&environment.distribution) else {
        let known = specs.distributions.keys().map(AsRef::as_ref);
        let sentence = format!("no spec describes the distribution `{}`", environment.distribution);
        return vec![Mistake::new("/distribution", sentence).among(&environment.distribution, known)];
    };
    if !distribution.versions.contains(&environment.version) {
        let known = distribution.versions.iter().map(AsRef::as_ref);
        let sentence = format!("{} has no version `{}`", environment.distribution, environment.version);
        return vec![Mistake::new("/version", sentence).among(&environment.version, known)];
    }
    let mut mistakes = Vec::new();
    for (key, given, drivers) in [
        ("mechanism_drivers", &environment.mechanism_drivers, (|v| &v.mechanism_drivers) as fn(&Variance) -> &Vec<Str>),
        ("type_drivers", &environment.type_drivers, |v| &v.type_drivers),
    ] {
        let known: BTreeSet<&str> =
            of_version(distribution, &environment.version).flat_map(drivers).map(AsRef::as_ref).collect();
        if given.is_empty() && !known.is_empty() {
            let sentence = "at least one has to be given";
            let help = format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", "));
            mistakes.push(Mistake::new(format!("/{key}"), sentence).help(help));
        }
        for (index, driver) in given.iter().enumerate().filter(|(_, driver)| !known.contains(driver.as_ref())) {
            let sentence = format!("{} {} has no `{driver}`", environment.distribution, environment.version);
            let at = below(&format!("/{key}"), &index.to_string());
            mistakes.push(Mistake::new(at, sentence).among(driver, known.iter().copied()));
        }
    }
    if !mistakes.is_empty() {
        return mistakes;
    }
    match covering(distribution, environment) {
        None => {
            let sets: Vec<String> = of_version(distribution, &environment.version)
                .map(|variance| {
                    let list = |drivers: &[Str]| drivers.join(", ");
                    format!("[{}] with [{}]", list(&variance.mechanism_drivers), list(&variance.type_drivers))
                })
                .collect();
            let sentence = "nobody vouches for these mechanism drivers together with these type drivers";
            mistakes
                .push(Mistake::new("/mechanism_drivers", sentence).help(format!("supported are {}", sets.join("; "))));
        }
        Some(variance) => {
            for (feature, at) in features {
                if variance.features.get(*feature) != Some(&true) {
                    let sentence = format!(
                        "{} {} with these drivers does not support {feature}",
                        environment.distribution, environment.version
                    );
                    mistakes.push(Mistake::new(*at, sentence));
                }
            }
        }
    }
    mistakes
}

/// Roles that a scan of the environment cannot do without, as the fetchers that apply to it say: asked by a step outside of
/// `first_of`, or by every block of one.
#[must_use]
pub fn needs(specs: &Specs, environment: &Environment) -> BTreeMap<Str, Need> {
    let mut found: BTreeMap<Str, Need> = BTreeMap::new();
    let Some(distribution) = specs.distributions.get(&environment.distribution) else { return found };
    for fetcher in select::fetchers(specs, environment, distribution) {
        for role in roles(&fetcher.steps, &every) {
            found.entry(role).or_default().by.push(fetcher.head.name.clone());
        }
    }
    found
}

/// All roles that steps ask, whatever else they could do.
#[must_use]
pub fn roles_of(steps: &[Step]) -> BTreeSet<Str> {
    roles(steps, &any)
}

type Choose<'c> = &'c dyn Fn(&[Block]) -> BTreeSet<Str>;

fn any(blocks: &[Block]) -> BTreeSet<Str> {
    blocks.iter().flat_map(|block| roles(&block.steps, &any)).collect()
}

fn every(blocks: &[Block]) -> BTreeSet<Str> {
    let mut each = blocks.iter().map(|block| roles(&block.steps, &every));
    let first = each.next().unwrap_or_default();
    each.fold(first, |known, more| known.intersection(&more).cloned().collect())
}

fn roles(steps: &[Step], choose: Choose<'_>) -> BTreeSet<Str> {
    let mut found = BTreeSet::new();
    for step in steps {
        match &step.verb {
            Verb::Run(run) => {
                found.insert(run.via.clone());
            }
            Verb::Http(http) => {
                found.insert(http.via.clone());
            }
            Verb::Sql(sql) => {
                found.insert(sql.via.clone());
            }
            Verb::Do(block) => found.extend(roles(&block.steps, choose)),
            Verb::FirstOf(blocks) => found.extend(choose(blocks)),
            _ => {}
        }
    }
    found
}
