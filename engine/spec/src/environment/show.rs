//! Environments as they are shown and recorded.

use calipso_model::{Environment, Map, Value};

use super::form::{form, is_hidden, walk};
use crate::checked::Specs;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// The data form, as it is stored in recordings and shown: secret fields as `***` unless they are references.
#[must_use]
pub fn to_value(environment: &Environment, specs: &Specs) -> Value {
    let mut shown = environment.selectable();
    shown.insert("connections", Value::Map(connections(environment, specs)));
    for (key, value) in &environment.settings {
        if !shown.contains_key(key) {
            shown.insert(key.clone(), value.clone());
        }
    }
    Value::Map(shown)
}

/// `ROLE: {spec: NAME, FIELD: VALUE …}` without secrets. Unknown fields are hidden, as they might be secret.
#[must_use]
pub fn connections(environment: &Environment, specs: &Specs) -> Map {
    environment
        .connections
        .iter()
        .map(|(role, config)| {
            let declared = specs.connections.get(&config.spec).map(|connection| form(connection));
            let mut fields = declared.map_or_else(Map::new, |declared| {
                walk(&declared, &config.fields, &mut |_, field, value| {
                    Some(if is_hidden(field, value) { Value::text(HIDDEN) } else { value.clone() })
                })
            });
            fields.insert("spec", config.spec.clone());
            (role.clone(), Value::Map(fields))
        })
        .collect()
}
