//! What a scan of one environment will do: fetchers in stages, connections, rules; and why these.

mod explain;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{Environment, Map, Str};
use calipso_spec::{
    checked::{CommandRule, Connection, Distribution, Fetcher, Specs, Variance},
    environment::{covering, roles_of},
    schedule::{Because, Circle, schedule},
    select,
};

use crate::{identity::ROOT, scope_values::ScopeValues};

pub use self::explain::Choice;

/// Why an environment cannot be planned at all.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// No spec describes its distribution.
    #[error("the environment {environment} is a {distribution}, which no spec describes; there are {known}")]
    UnknownDistribution {
        environment: Str,
        distribution: Str,
        /// The distributions that are described.
        known: String,
    },
    /// The distribution has no such version.
    #[error("{distribution} has no version {version}; there are {known}")]
    UnknownVersion { distribution: Str, version: Str, known: String },
    /// Fetchers wait for each other; a check of the specs refuses that.
    #[error(transparent)]
    Circle(#[from] Circle),
    /// A connection names a spec that does not exist or serves another role.
    #[error("{sentence}")]
    BadConnection {
        /// What is wrong with it.
        sentence: String,
    },
}

/// A fetcher as one environment uses it.
#[derive(Clone, Debug)]
pub struct PlannedFetcher {
    pub fetcher: Arc<Fetcher>,
    /// Its settings here.
    pub settings: Map,
    /// Its place among the contributions to one object: later ones win.
    pub order: u32,
    /// The stage it runs in, from 0.
    pub stage: usize,
    /// Roles that it asks.
    pub roles: BTreeSet<Str>,
    /// The fetchers that it waits for, and why.
    pub after: BTreeMap<Str, Because>,
}

/// How one role is served.
#[derive(Clone, Debug)]
pub struct PlannedConnection {
    /// The connection spec.
    pub spec: Arc<Connection>,
    /// What the environment says of it: references to secrets, never secrets.
    pub config: calipso_model::ConnectionConfig,
}

/// What a scan of one environment will do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub environment: Environment,
    pub specs: Arc<Specs>,
    pub distribution: Arc<Distribution>,
    /// The variance that covers it; none: nobody vouches for this combination.
    pub variance: Option<Variance>,
    /// Fetchers by stage, then name.
    pub fetchers: Vec<PlannedFetcher>,
    /// How many stages there are.
    pub n_stages: usize,
    /// Connections by role.
    pub connections: BTreeMap<Str, PlannedConnection>,
    /// Rules for commands, in the order in which they are tried.
    pub commands: Arc<Vec<CommandRule>>,
    /// Names of the link types that apply.
    pub link_types: Vec<Str>,
    /// Names of the clique types that match, the chosen one of each focal point first.
    pub clique_types: Vec<Str>,
    /// What was chosen or not, and what decided it.
    pub choices: Vec<Choice>,
    /// What will not work as wished, in sentences: roles without connection, a combination that nobody vouches for.
    pub warnings: Vec<String>,
}

/// Plans an environment.
///
/// # Errors
/// [`PlanError`]: nothing can be scanned.
pub fn plan(specs: &Arc<Specs>, environment: &Environment) -> Result<Plan, PlanError> {
    let distribution = distribution(specs, environment)?;
    let mut warnings = Vec::new();
    let variance = covering(&distribution, environment).cloned();
    if variance.is_none() {
        warnings.push(format!(
            "no variance of {} {} covers mechanism drivers [{}] with type drivers [{}]; it has {}",
            distribution.head.name,
            environment.version,
            environment.mechanism_drivers.join(", "),
            environment.type_drivers.join(", "),
            variances(&distribution, &environment.version),
        ));
    }
    let mut connections = BTreeMap::new();
    for (role, config) in &environment.connections {
        let sentence = match specs.connections.get(&config.spec) {
            None => format!("the role {role} uses the connection {}, which no spec describes", config.spec),
            Some(spec) if spec.role != *role => {
                format!("the role {role} uses the connection {}, which serves the role {}", config.spec, spec.role)
            }
            Some(spec) => {
                let planned = PlannedConnection { spec: Arc::clone(spec), config: config.clone() };
                connections.insert(role.clone(), planned);
                continue;
            }
        };
        return Err(PlanError::BadConnection { sentence });
    }
    let chosen = select::fetchers(specs, environment, &distribution);
    let schedule = schedule(&chosen)?;
    let n_stages = schedule.stages.len();
    let by_name: BTreeMap<&Str, &Arc<Fetcher>> = chosen.iter().map(|fetcher| (&fetcher.head.name, fetcher)).collect();
    let staged =
        schedule.stages.iter().enumerate().flat_map(|(stage, names)| names.iter().map(move |name| (stage, name)));
    let reached = reached(&chosen);
    let mut fetchers = Vec::new();
    // Roles without a connection, and the fetchers that need them.
    let mut needed: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
    for (stage, name) in staged {
        let Some(fetcher) = by_name.get(name).map(|fetcher| Arc::clone(fetcher)) else { continue };
        let roles = roles_of(&fetcher.steps);
        let missing = roles.iter().filter(|role| !connections.contains_key(*role));
        // Whatever never gets a parent here needs nothing.
        for role in missing.filter(|_| reached.contains(&fetcher.under)) {
            needed.entry(role.clone()).or_default().push(fetcher.head.name.clone());
        }
        fetchers.push(PlannedFetcher {
            settings: select::settings(specs, environment, &fetcher),
            order: u32::try_from(fetchers.len()).unwrap_or(u32::MAX),
            stage,
            roles,
            after: schedule.after.get(name).cloned().unwrap_or_default(),
            fetcher,
        });
    }
    for (role, fetchers) in needed {
        let them = if fetchers.len() == 1 { "fetcher" } else { "fetchers" };
        let verb = if fetchers.len() == 1 { "needs" } else { "need" };
        warnings.push(format!(
            "the environment has no connection for the role {role}, which the {them} {} {verb}",
            fetchers.join(", ")
        ));
    }
    let choices = explain::choices(specs, environment, &distribution, &connections);
    let commands: Vec<CommandRule> = distribution.rules_for(environment).cloned().collect();

    Ok(Plan {
        environment: environment.clone(),
        specs: Arc::clone(specs),
        variance,
        fetchers,
        n_stages,
        connections,
        commands: Arc::new(commands),
        link_types: select::link_types(specs, environment, &distribution)
            .iter()
            .map(|spec| spec.head.name.clone())
            .collect(),
        clique_types: select::clique_types(specs, environment, &distribution)
            .iter()
            .map(|spec| spec.head.name.clone())
            .collect(),
        choices,
        warnings,
        distribution,
    })
}

/// What a distribution says to have been scanned of a version.
fn variances(distribution: &Distribution, version: &str) -> String {
    let said: BTreeSet<String> = distribution
        .variances
        .iter()
        .filter(|known| known.versions.as_ref().is_none_or(|wanted| wanted.holds(version, &distribution.versions)))
        .map(|known| format!("[{}] with [{}]", known.mechanism_drivers.join(", "), known.type_drivers.join(", ")))
        .collect();
    if said.is_empty() { "none".to_owned() } else { said.into_iter().collect::<Vec<_>>().join(" or ") }
}

impl Plan {
    /// The fetcher of that name.
    #[must_use]
    pub fn fetcher(&self, name: &str) -> Option<&PlannedFetcher> {
        self.fetchers.iter().find(|planned| planned.fetcher.head.name.as_ref() == name)
    }

    pub(crate) fn values(&self) -> ScopeValues {
        ScopeValues::new(&self.environment, &self.distribution)
    }

    /// Types that some fetcher emits here.
    pub(crate) fn emitted(&self) -> BTreeSet<Str> {
        self.fetchers.iter().flat_map(|planned| planned.fetcher.emits.iter().cloned()).collect()
    }
}

fn distribution(specs: &Specs, environment: &Environment) -> Result<Arc<Distribution>, PlanError> {
    let list = |names: &mut dyn Iterator<Item = &Str>| names.map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
    let Some(distribution) = specs.distributions.get(&environment.distribution) else {
        return Err(PlanError::UnknownDistribution {
            environment: environment.name.clone(),
            distribution: environment.distribution.clone(),
            known: list(&mut specs.distributions.keys()),
        });
    };
    if !distribution.versions.contains(&environment.version) {
        return Err(PlanError::UnknownVersion {
            distribution: environment.distribution.clone(),
            version: environment.version.clone(),
            known: list(&mut distribution.versions.iter()),
        });
    }
    Ok(Arc::clone(distribution))
}

/// Types of which there can be objects here: those that a fetcher emits which can run, from the root on.
fn reached(fetchers: &[Arc<Fetcher>]) -> BTreeSet<Str> {
    let mut reached = BTreeSet::from([Str::from(ROOT)]);
    loop {
        let running = fetchers.iter().filter(|fetcher| reached.contains(&fetcher.under));
        let more: Vec<Str> =
            running.flat_map(|fetcher| &fetcher.emits).filter(|name| !reached.contains(*name)).cloned().collect();
        if more.is_empty() {
            return reached;
        }
        reached.extend(more);
    }
}

/// Whether a type is the root of all objects.
pub(crate) fn is_root(object_type: &str) -> bool {
    object_type == ROOT
}
