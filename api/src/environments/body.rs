//! A configuration that somebody sent, checked as a whole: every mistake with its place in the body.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Environment, Str, Value};
use calipso_spec::{
    Specs,
    environment::{self, Mistake, Written, below},
};

use crate::{
    access::Grant,
    account::{Accounts, folded},
    environments::{name::wrong_environment_name, references::Environments, secrets},
    problem::{FieldError, Problem},
};

/// Maximum number of users that are given a right at once. An editor of an environment is told which names are no users, and so
/// could try names; each request leaves an entry in the audit trail.
const MOST_USERS: usize = 1_000;

/// A configuration that may be stored.
#[derive(Debug)]
pub struct CheckedEnvironment {
    /// The environment, its secrets sealed.
    pub environment: Environment,
    /// Rights that were given with it.
    pub rights: Option<BTreeMap<Str, Grant>>,
}

/// Checks a configuration, which may keep what it does not say of secrets from the former one.
///
/// # Errors
/// 422 with everything that is wrong with it.
pub async fn check(
    environments: &Environments,
    accounts: &Accounts,
    specs: &Specs,
    body: &serde_json::Value,
    name: Option<&str>,
    former: Option<&Environment>,
) -> Result<CheckedEnvironment, Problem> {
    let value = Value::from_json(&body.to_string()).map_err(Problem::bug)?;
    let (mut written, mut mistakes) = environment::from_value(&value, specs);
    check_name(&mut written, name, &mut mistakes);
    let required = ["distribution", "mechanism_drivers", "type_drivers"];
    for key in required.into_iter().filter(|key| !has(&written, key)) {
        mistakes.push(Mistake::new(below("", key), format!("`{key}` has to be given")));
    }
    if !has(&written, "version") && !has(&written, "distribution_version") {
        mistakes.push(Mistake::new("/distribution_version", "`distribution_version` has to be given"));
    }
    let by_list = has(&written, "configuration");
    if !has(&written, "connections") && !by_list {
        mistakes.push(
            Mistake::new("/connections", "`connections` has to be given")
                .help("a map from role to `{spec: NAME, FIELD: VALUE …}`; GET /connection_types shows the forms"),
        );
    }
    let drivers_known = required.iter().all(|key| has(&written, key));
    if drivers_known && !written.environment.distribution.is_empty() && !written.environment.version.is_empty() {
        platform(specs, &written, &value, &mut mistakes);
        let mut features = vec![("scanning", "/distribution")];
        let wants = |key: &str| written.environment.settings.get(key) == Some(&Value::Bool(true));
        if wants("listen") {
            features.push(("listening", "/listen"));
        }
        if wants("enable_monitoring") {
            features.push(("monitoring", "/enable_monitoring"));
        }
        mistakes.extend(written.placed(environment::unsupported(specs, &written.environment, &features)));
    }
    connections(environments, specs, &mut written, former, &mut mistakes);
    missing_roles(specs, &written, by_list, &mut mistakes);
    let rights = rights(accounts, &written, &mut mistakes).await?;
    if mistakes.is_empty() {
        return Ok(CheckedEnvironment { environment: written.environment, rights });
    }
    Err(rejected(mistakes))
}

/// 422 with mistakes, each once, by place.
#[must_use]
pub fn rejected(mut mistakes: Vec<Mistake>) -> Problem {
    mistakes.sort();
    mistakes.dedup();
    Problem::rejected(mistakes.into_iter().map(field_error).collect())
}

/// A mistake in a body.
#[must_use]
pub fn field_error(mistake: Mistake) -> FieldError {
    let error = FieldError::body(mistake.path, mistake.sentence);
    match mistake.help {
        Some(help) => error.help(help),
        None => error,
    }
}

fn has(written: &Written, key: &str) -> bool {
    written.given.iter().any(|given| given.as_ref() == key)
}

fn check_name(written: &mut Written, kept: Option<&str>, mistakes: &mut Vec<Mistake>) {
    let given = has(written, "name");
    // An environment that is there keeps a name that no new one may have.
    if let Some(kept) = kept {
        if given && written.environment.name.as_ref() != kept {
            mistakes.push(Mistake::new("/name", format!("the path names `{kept}`; an environment keeps its name")));
        }
        written.environment.name = kept.into();
        return;
    }
    let written_name = written.environment.name.as_ref();
    if !given {
        mistakes.push(Mistake::new("/name", "`name` has to be given"));
    } else if let Some(wrong) = wrong_environment_name(written_name) {
        mistakes.push(Mistake::new("/name", format!("a name {wrong}")));
    }
}

/// The platform follows from the distribution; if it is given, it must be that one.
fn platform(specs: &Specs, written: &Written, value: &Value, mistakes: &mut Vec<Mistake>) {
    let given = value.as_map().and_then(|map| map.text("environment_type")).filter(|text| !text.is_empty());
    let distribution = specs.distributions.get(&written.environment.distribution);
    if let (Some(given), Some(distribution)) = (given, distribution)
        && !given.eq_ignore_ascii_case(&distribution.platform)
    {
        let sentence = format!("{} is of the type {}", distribution.head.name, distribution.platform);
        mistakes.push(Mistake::new("/environment_type", sentence));
    }
}

fn connections(
    environments: &Environments,
    specs: &Specs,
    written: &mut Written,
    former: Option<&Environment>,
    mistakes: &mut Vec<Mistake>,
) {
    if let Err(found) = environment::choose_specs(&mut written.environment, specs) {
        mistakes.extend(written.placed(found));
    }
    let none = BTreeMap::new();
    let former = former.map_or(&none, |former| &former.connections);
    let given = &written.environment;
    let (settled, found) = secrets::settle(environments, specs, &given.name, &given.connections, former);
    written.environment.connections.extend(settled);
    mistakes.extend(written.placed(found));
}

/// Roles without which the fetchers of this environment cannot do.
fn missing_roles(specs: &Specs, written: &Written, by_list: bool, mistakes: &mut Vec<Mistake>) {
    let known = &written.environment.connections;
    for (role, need) in environment::needs(specs, &written.environment) {
        if known.contains_key(&role) || written.unread.contains(&role) {
            continue;
        }
        let serving: Vec<&str> =
            specs.connections.values().filter(|spec| spec.role == role).map(|spec| spec.head.name.as_ref()).collect();
        let by: Vec<&str> = need.by.iter().take(5).map(AsRef::as_ref).collect();
        let more = if need.by.len() > by.len() { " and others" } else { "" };
        let sentence = format!("there is no connection of the role {role}, which {}{more} need", by.join(", "));
        let help = match (by_list, serving.is_empty()) {
            (_, true) => "no spec serves this role".to_owned(),
            (true, _) => format!("add a section named {}", serving.join(" or ")),
            (false, _) => format!("add `{role}: {{spec: {}, …}}`", serving.join(" or ")),
        };
        mistakes.push(Mistake::new(if by_list { "/configuration" } else { "/connections" }, sentence).help(help));
    }
}

/// Who may view and who may edit, as far as there are such users.
async fn rights(
    accounts: &Accounts,
    written: &Written,
    mistakes: &mut Vec<Mistake>,
) -> Result<Option<BTreeMap<Str, Grant>>, Problem> {
    let Some(auth) = &written.auth else { return Ok(None) };
    let mut rights = BTreeMap::new();
    for (key, users) in [("view-env", &auth.view), ("edit-env", &auth.edit)] {
        if users.len() > MOST_USERS {
            let sentence = format!("at most {MOST_USERS} users are named here, not {}", users.len());
            mistakes
                .push(Mistake::new(format!("/auth/{key}"), sentence).help("grant the rest on each user, or to `*`"));
            return Ok(None);
        }
    }
    for (key, users, grant) in [("view-env", &auth.view, Grant::View), ("edit-env", &auth.edit, Grant::Edit)] {
        let unknown = if users.is_empty() { Vec::new() } else { accounts.unknown_users(users).await? };
        let unknown: BTreeSet<Str> = unknown.iter().map(|user| folded(user)).collect();
        for (index, user) in users.iter().enumerate() {
            if unknown.contains(&folded(user)) {
                mistakes.push(Mistake::new(format!("/auth/{key}/{index}"), format!("there is no user `{user}`")));
            }
            rights.insert(folded(user), grant);
        }
    }
    Ok(Some(rights))
}
