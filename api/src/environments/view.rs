//! Environments as answers: what is configured, what is known of it, and no secret.

use std::collections::BTreeMap;

use calipso_model::{Environment, Str, Value};
use calipso_spec::{Specs, environment::show};
use calipso_store::Store;
use serde::Serialize;
use serde_json::json;

use crate::{access::Grant, problem::Problem};

/// What stands in `settings` of an environment whose configuration was removed while its inventory stays.
pub const ARCHIVED: &str = "archived";

/// Whether only the inventory of an environment is left.
#[must_use]
pub fn is_archived(environment: &Environment) -> bool {
    environment.settings.get(ARCHIVED) == Some(&Value::Bool(true))
}

/// What is known of an environment besides its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InventoryState {
    /// Whether there is an inventory.
    pub scanned: bool,
    /// When it last changed, RFC 3339.
    pub last_scanned: Option<Str>,
}

impl InventoryState {
    /// Of an environment in a store.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn of(store: &dyn Store, name: &str) -> Result<Self, Problem> {
        let newest = store.revisions(name).await?.pop();
        Ok(Self { scanned: newest.is_some(), last_scanned: newest.map(|newest| newest.at) })
    }
}

/// One of a list of environments.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct EnvironmentSummary {
    /// Same as `name`.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// The platform, which follows from the distribution.
    pub environment_type: String,
    /// Name of a distribution.
    pub distribution: String,
    /// One of its versions.
    pub distribution_version: String,
    /// Mechanism drivers.
    pub mechanism_drivers: Vec<String>,
    /// Type drivers.
    pub type_drivers: Vec<String>,
    /// Whether changes are listened to.
    pub listen: bool,
    /// Whether there is an inventory.
    pub scanned: bool,
    /// When the inventory last changed.
    pub last_scanned: Option<String>,
    /// `stopped`, `running` or `error`: the listener to changes.
    pub operational: String,
    /// What it is, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only the inventory is left.
    pub archived: bool,
}

/// One environment in a list.
#[must_use]
pub fn summary(environment: &Environment, specs: &Specs, state: InventoryState) -> EnvironmentSummary {
    let texts = |items: &[Str]| items.iter().map(ToString::to_string).collect();
    let text = |key: &str| environment.settings.text(key).map(ToString::to_string);
    let platform = specs.distributions.get(&environment.distribution).map(|found| found.platform.to_string());
    EnvironmentSummary {
        id: environment.name.to_string(),
        name: environment.name.to_string(),
        environment_type: platform.unwrap_or_default(),
        distribution: environment.distribution.to_string(),
        distribution_version: environment.version.to_string(),
        mechanism_drivers: texts(&environment.mechanism_drivers),
        type_drivers: texts(&environment.type_drivers),
        listen: environment.settings.get("listen") == Some(&Value::Bool(true)),
        scanned: state.scanned,
        last_scanned: state.last_scanned.map(|at| at.to_string()),
        operational: text("operational").unwrap_or_else(|| "stopped".to_owned()),
        description: text("description"),
        user: text("user"),
        archived: is_archived(environment),
    }
}

/// The parts of a configuration that can be sent again: what a patch is laid over.
#[must_use]
pub fn configuration(environment: &Environment, specs: &Specs) -> serde_json::Value {
    let mut shown = json!({
        "name": environment.name,
        "distribution": environment.distribution,
        "distribution_version": environment.version,
        "mechanism_drivers": environment.mechanism_drivers,
        "type_drivers": environment.type_drivers,
        "flags": environment.flags,
        "connections": show::connections(environment, specs),
    });
    for (key, value) in &environment.settings {
        if ["description", "user", "listen", "enable_monitoring"].contains(&key.as_ref()) {
            shown[key.as_ref()] = json!(value);
        }
    }
    shown
}

/// Who may view an environment and who may edit it.
#[must_use]
pub fn auth(rights: &BTreeMap<Str, Grant>) -> serde_json::Value {
    let of = |wanted: Grant| -> Vec<&Str> {
        rights.iter().filter(|(_, grant)| **grant == wanted).map(|(user, _)| user).collect()
    };
    json!({"view-env": of(Grant::View), "edit-env": of(Grant::Edit)})
}

/// One environment with its whole configuration; rights are shown to those who may edit it.
#[must_use]
pub fn whole(
    environment: &Environment,
    specs: &Specs,
    state: InventoryState,
    rights: Option<&BTreeMap<Str, Grant>>,
) -> serde_json::Value {
    let mut shown = configuration(environment, specs);
    let summary = json!(summary(environment, specs, state));
    if let (Some(shown), Some(summary)) = (shown.as_object_mut(), summary.as_object()) {
        for (key, value) in summary {
            shown.entry(key.clone()).or_insert_with(|| value.clone());
        }
        shown.insert("type".to_owned(), json!("environment"));
        if let Some(rights) = rights {
            shown.insert("auth".to_owned(), auth(rights));
        }
    }
    shown
}
