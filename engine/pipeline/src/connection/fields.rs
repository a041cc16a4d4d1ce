//! The form of a connection with its secrets: references are resolved, and the scrubber learns the secrets.

use calipso_model::{ConnectionConfig, Map, SecretLocation, Value};
use calipso_spec::{
    checked::{Connection, Field},
    environment::{self, SecretText, Secrets, is_reference, is_sealed},
};
use calipso_transport::Scrubber;

use crate::connection::SecretSource;

/// What is wrong with the form of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The field, with a dot between a map's field, its entry and the field within.
    pub field: String,
    /// What is wrong with it and what it needs, in one sentence without secrets.
    pub sentence: String,
}

/// Fills in the form of the connection of a role.
///
/// # Errors
/// Everything that is wrong with it.
pub fn filled_in(
    spec: &Connection,
    config: &ConnectionConfig,
    role: &SecretLocation,
    secrets: &dyn SecretSource,
    scrubber: &Scrubber,
) -> Result<Map, Vec<ConfigProblem>> {
    let mut fetched = Fetched { role, secrets, scrubber };
    environment::fill(spec, &config.fields, &mut fetched).map_err(|mistakes| {
        let problem = |mistake: environment::Mistake| {
            let parts = environment::parts(&mistake.path);
            let field = if parts.is_empty() { spec.require_any.join(", ") } else { parts.join(".") };
            ConfigProblem { field, sentence: mistake.sentence }
        };
        mistakes.into_iter().map(problem).collect()
    })
}

struct Fetched<'a> {
    role: &'a SecretLocation,
    secrets: &'a dyn SecretSource,
    scrubber: &'a Scrubber,
}

impl Secrets for Fetched<'_> {
    fn take(&mut self, field: &Field, name: &str, pointer: &str, text: &str) -> Result<SecretText, String> {
        if is_reference(text) || is_sealed(text) {
            let place = self.role.field(environment::parts(pointer).join("."));
            let secret = self.secrets.resolve(text, &place).map_err(|sentence| format!("{name}: {sentence}"))?;
            if field.secret {
                self.scrubber.register(secret.reveal());
            }
            return Ok(SecretText::Open(Value::text(secret.reveal())));
        }
        if field.secret {
            return Err(format!("{name} is a secret: give a reference to it, env:NAME or file:PATH, or seal it"));
        }
        Ok(SecretText::Open(Value::text(text)))
    }
}
