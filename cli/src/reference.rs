//! References to secrets outside of any file of ours: `env:NAME` and `file:PATH`.

use calipso_model::Secret;

/// The secret that a reference leads to.
///
/// # Errors
/// A sentence about what is missing, without any secret.
pub fn resolve(reference: &str) -> Result<Secret, String> {
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
