//! How a selector describes an environment, and a distribution supports one.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use calipso_model::{Environment, Map, Str, Value};

use crate::checked::{
    CliqueType, CommandRule, Distribution, Fetcher, LinkType, ListCondition, Selector, Specs, VersionCondition,
};

impl ListCondition {
    /// Whether a set of values fulfils it.
    #[must_use]
    pub fn holds(&self, values: &[Str]) -> bool {
        self.any_of.as_ref().is_none_or(|wanted| wanted.iter().any(|one| values.contains(one)))
            && self.all_of.as_ref().is_none_or(|wanted| wanted.iter().all(|one| values.contains(one)))
            && self.none_of.as_ref().is_none_or(|wanted| !wanted.iter().any(|one| values.contains(one)))
    }
}

impl VersionCondition {
    /// Whether a version of a distribution fulfils it; an unknown version fulfils no range.
    #[must_use]
    pub fn holds(&self, version: &str, versions: &[Str]) -> bool {
        let position = |wanted: &str| versions.iter().position(|known| known.as_ref() == wanted);
        let here = position(version);
        self.any_of.as_ref().is_none_or(|wanted| wanted.iter().any(|one| one.as_ref() == version))
            && self.none_of.as_ref().is_none_or(|wanted| !wanted.iter().any(|one| one.as_ref() == version))
            && self
                .at_least
                .as_ref()
                .is_none_or(|first| matches!((here, position(first)), (Some(here), Some(first)) if here >= first))
            && self
                .below
                .as_ref()
                .is_none_or(|end| matches!((here, position(end)), (Some(here), Some(end)) if here < end))
    }

    /// How exactly it names versions: an exact list before a range, a later start before an earlier one.
    fn exactness(&self, versions: &[Str]) -> (u8, usize) {
        if self.any_of.is_some() {
            return (2, 0);
        }
        let start = self.at_least.as_ref().and_then(|first| versions.iter().position(|known| known == first));
        (1, start.map_or(0, |start| start + 1))
    }
}

/// How specific a selector is, key by key in the order of the language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Specificity([usize; 8]);

impl Selector {
    /// Whether every given key holds for the environment.
    #[must_use]
    pub fn matches(&self, environment: &Environment, distribution: &Distribution) -> bool {
        self.reason_against(environment, distribution).is_none()
    }

    /// The first key that does not hold, with what the environment has there.
    #[must_use]
    pub fn reason_against(&self, environment: &Environment, distribution: &Distribution) -> Option<String> {
        match self.against(environment, distribution, true)? {
            (key, Some(values)) => Some(format!("its `{key}` asks for something else than [{}]", values.join(", "))),
            (key, None) => Some(format!("its `{key}` asks for something else than {}", environment.version)),
        }
    }

    /// Whether every given key but `name` and `flags` holds.
    pub(crate) fn may_match(&self, environment: &Environment, distribution: &Distribution) -> bool {
        self.against(environment, distribution, false).is_none()
    }

    /// The first key that does not hold, with the values that it was compared with; none for the version.
    fn against<'e>(
        &self,
        environment: &'e Environment,
        distribution: &'e Distribution,
        own: bool,
    ) -> Option<(&'static str, Option<&'e [Str]>)> {
        let one = std::slice::from_ref;
        let checks: [(&str, &Option<ListCondition>, &[Str]); 6] = [
            ("name", &self.name, one(&environment.name)),
            ("platform", &self.platform, one(&distribution.platform)),
            ("distribution", &self.distribution, one(&environment.distribution)),
            ("mechanism_drivers", &self.mechanism_drivers, &environment.mechanism_drivers),
            ("type_drivers", &self.type_drivers, &environment.type_drivers),
            ("flags", &self.flags, &environment.flags),
        ];
        for (key, condition, values) in checks {
            if !own && (key == "name" || key == "flags") {
                continue;
            }
            if condition.as_ref().is_some_and(|condition| !condition.holds(values)) {
                return Some((key, Some(values)));
            }
        }
        let versions = &distribution.versions;
        self.version
            .as_ref()
            .is_some_and(|condition| !condition.holds(&environment.version, versions))
            .then_some(("version", None))
    }

    /// How specific it is; greater is more specific.
    #[must_use]
    pub fn specificity(&self, distribution: &Distribution) -> Specificity {
        let given = |condition: &Option<ListCondition>| usize::from(condition.is_some());
        let (version, start) =
            self.version.as_ref().map_or((0, 0), |condition| condition.exactness(&distribution.versions));
        Specificity([
            given(&self.name),
            given(&self.distribution),
            usize::from(version),
            start,
            given(&self.mechanism_drivers),
            given(&self.type_drivers),
            given(&self.platform),
            given(&self.flags),
        ])
    }
}

/// What expressions see of an environment.
#[derive(Clone, Debug, Default)]
pub struct EnvView {
    /// `env`: name, platform, distribution, version, mechanism_drivers, type_drivers, flags.
    pub env: Value,
    /// `dist`: a map with `values` of the distribution.
    pub dist: Value,
}

impl EnvView {
    /// Makes the values of `env` and `dist`.
    #[must_use]
    pub fn new(environment: &Environment, distribution: &Distribution) -> Self {
        let mut env = environment.selectable();
        env.insert("platform", distribution.platform.clone());
        let dist: Map = [("values", Value::Map(distribution.values_for(&environment.version)))].into_iter().collect();
        Self { env: Value::Map(env), dist: Value::Map(dist) }
    }
}

impl CommandRule {
    /// Whether both its `versions` and its `environment` hold.
    #[must_use]
    pub fn applies_to(&self, environment: &Environment, distribution: &Distribution) -> bool {
        self.versions.as_ref().is_none_or(|versions| versions.holds(&environment.version, &distribution.versions))
            && self.environment.matches(environment, distribution)
    }
}

impl Distribution {
    /// A distribution that supports everything, for tests that name none.
    #[must_use]
    pub fn none(name: &str) -> Self {
        let head = crate::checked::Head {
            name: Str::from(name),
            description: Str::from(""),
            source: Str::from(""),
            at: crate::checked::At::default(),
        };
        Self {
            head,
            platform: Str::from(""),
            versions: Vec::new(),
            variances: Vec::new(),
            values: Vec::new(),
            commands: Vec::new(),
            settings: Vec::new(),
            replaces: Vec::new(),
        }
    }

    /// The values of a version: later entries win.
    #[must_use]
    pub fn values_for(&self, version: &str) -> Map {
        let mut values = Map::new();
        for (condition, set) in &self.values {
            if condition.as_ref().is_none_or(|condition| condition.holds(version, &self.versions)) {
                for (key, value) in set {
                    values.insert(key.clone(), value.clone());
                }
            }
        }
        values
    }

    /// Whether a variance covers the environment, and the feature is on in it.
    #[must_use]
    pub fn supports(&self, environment: &Environment, feature: &str) -> bool {
        self.variances.iter().any(|variance| {
            variance.versions.as_ref().is_none_or(|condition| condition.holds(&environment.version, &self.versions))
                && (variance.mechanism_drivers.is_empty()
                    || environment.mechanism_drivers.iter().any(|driver| variance.mechanism_drivers.contains(driver)))
                && (variance.type_drivers.is_empty()
                    || environment.type_drivers.iter().any(|driver| variance.type_drivers.contains(driver)))
                && variance.features.get(feature).copied().unwrap_or(true)
        })
    }

    /// The command rules of an environment, in the order in which they are tried.
    pub fn rules_for<'d>(&'d self, environment: &'d Environment) -> impl Iterator<Item = &'d CommandRule> {
        self.commands.iter().filter(|rule| rule.applies_to(environment, self))
    }

    /// The spec that takes another's place for a version.
    #[must_use]
    pub fn replacement(&self, kind: &str, name: &str, version: &str) -> Option<&Str> {
        self.replaces
            .iter()
            .rev()
            .find(|replace| {
                replace.kind.as_ref() == kind
                    && replace.name.as_ref() == name
                    && replace.versions.as_ref().is_none_or(|condition| condition.holds(version, &self.versions))
            })
            .map(|replace| &replace.with)
    }
}

/// The settings of a fetcher: its defaults, then the distribution's for all versions, then those for the version.
#[must_use]
pub fn settings(specs: &Specs, environment: &Environment, fetcher: &Fetcher) -> Map {
    let mut settings: Map =
        fetcher.settings.iter().map(|(name, setting)| (name.clone(), setting.default.clone())).collect();
    let Some(distribution) = specs.distributions.get(&environment.distribution) else { return settings };
    for bound in [false, true] {
        for (condition, name, setting, value) in &distribution.settings {
            if *name == fetcher.head.name
                && condition.is_some() == bound
                && condition
                    .as_ref()
                    .is_none_or(|condition| condition.holds(&environment.version, &distribution.versions))
            {
                settings.insert(setting.clone(), value.clone());
            }
        }
    }
    settings
}

fn pick<T>(
    all: &BTreeMap<Str, Arc<T>>,
    kind: &str,
    environment: &Environment,
    distribution: &Distribution,
    selector: impl Fn(&T) -> &Selector,
) -> Vec<Arc<T>> {
    let stand_ins: Vec<&Str> = distribution
        .replaces
        .iter()
        .filter(|replace| replace.kind.as_ref() == kind)
        .map(|replace| &replace.with)
        .collect();
    let mut chosen: Vec<Arc<T>> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (name, spec) in all {
        let (spec, replaced) = match distribution.replacement(kind, name, &environment.version) {
            Some(with) => match all.get(with) {
                Some(other) => (other, true),
                None => continue,
            },
            None => (spec, false),
        };
        // A stand-in does nothing where it replaces nothing.
        if !replaced && stand_ins.contains(&name) {
            continue;
        }
        if selector(spec).matches(environment, distribution) && seen.insert(Arc::as_ptr(spec)) {
            chosen.push(Arc::clone(spec));
        }
    }
    chosen
}

/// The fetchers that an environment uses, replacements in place.
#[must_use]
pub fn fetchers(specs: &Specs, environment: &Environment, distribution: &Distribution) -> Vec<Arc<Fetcher>> {
    pick(&specs.fetchers, "fetcher", environment, distribution, |fetcher| &fetcher.environment)
}

/// The link types that an environment uses, replacements in place.
#[must_use]
pub fn link_types(specs: &Specs, environment: &Environment, distribution: &Distribution) -> Vec<Arc<LinkType>> {
    pick(&specs.link_types, "link_type", environment, distribution, |link_type| &link_type.environment)
}

/// The clique types that match, most specific first for each focal point.
#[must_use]
pub fn clique_types(specs: &Specs, environment: &Environment, distribution: &Distribution) -> Vec<Arc<CliqueType>> {
    let mut found = pick(&specs.clique_types, "clique_type", environment, distribution, |clique| &clique.environment);
    found.sort_by(|a, b| {
        a.focal_point.cmp(&b.focal_point).then_with(|| {
            match b.environment.specificity(distribution).cmp(&a.environment.specificity(distribution)) {
                Ordering::Equal => a.head.name.cmp(&b.head.name),
                other => other,
            }
        })
    });
    found
}

/// Whether a word fits a pattern in which `*` stands for any characters.
#[must_use]
pub fn glob(pattern: &str, word: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = word.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(start) = rest.find(part) else { return false };
        rest = rest.get(start + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}
