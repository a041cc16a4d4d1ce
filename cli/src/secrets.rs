//! Where references to secrets lead: environment variables and files.

use std::path::PathBuf;

use calipso_model::Secret;
use calipso_pipeline::SecretSource;

/// `env:NAME` and `file:PATH`.
#[derive(Clone, Copy, Debug, Default)]
pub struct References;

/// The secret that a reference leads to.
///
/// # Errors
/// A sentence about what is missing, without any secret.
pub fn referenced(reference: &str) -> Result<Secret, String> {
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name)
            .ok()
            .filter(|text| !text.is_empty())
            .map(Secret::new)
            .ok_or_else(|| format!("the environment variable {name} is not set; set it and try again"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        return std::fs::read_to_string(path)
            .map(|text| Secret::new(text.trim_end_matches(['\n', '\r'])))
            .map_err(|error| format!("cannot read the secret in {path}: {error}"));
    }
    Err("a secret is written as `env:NAME` or `file:PATH`".to_owned())
}

impl SecretSource for References {
    fn resolve(&self, reference: &str) -> Result<Secret, String> {
        referenced(reference)
    }

    fn known_hosts(&self) -> PathBuf {
        std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".ssh/known_hosts")
    }
}
