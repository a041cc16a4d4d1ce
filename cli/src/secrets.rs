//! Where references to secrets lead: environment variables, files, and sealed text.

use std::{path::PathBuf, sync::Arc};

use calipso_model::{Place, Secret};
use calipso_pipeline::SecretSource;
use calipso_vault::{Keys, VaultError, is_sealed};

/// `env:NAME`, `file:PATH` and `sealed:…`.
#[derive(Clone, Debug, Default)]
pub struct References {
    keys: Option<Arc<Keys>>,
}

impl References {
    /// With keys that are open already; without, they are looked for when a sealed text is met.
    #[must_use]
    pub fn with(keys: Arc<Keys>) -> Self {
        Self { keys: Some(keys) }
    }

    fn open(&self, place: &Place, text: &str) -> Result<Secret, VaultError> {
        match &self.keys {
            Some(keys) => keys.open(place, text),
            None => keys(false)?.open(place, text),
        }
    }
}

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
    fn resolve(&self, reference: &str, place: &Place) -> Result<Secret, String> {
        if is_sealed(reference) {
            return self.open(place, reference).map_err(|error| error.to_string());
        }
        referenced(reference)
    }

    fn known_hosts(&self) -> PathBuf {
        std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".ssh/known_hosts")
    }
}

/// The keys that seal secrets: those in CALIPSO_KEYS, else those in the file that CALIPSO_KEY_FILE names or that lies in the
/// user's configuration. A file that is not there is made only for those who mean to seal.
///
/// # Errors
/// There are none, or others may read them.
pub fn keys(make: bool) -> Result<Keys, VaultError> {
    if let Some(text) = std::env::var("CALIPSO_KEYS").ok().filter(|text| !text.is_empty()) {
        return Keys::from_text(&Secret::new(text));
    }
    let path = key_file();
    if make { Keys::open_or_create(&path) } else { Keys::open_file(&path) }
}

/// The file of the keys.
#[must_use]
pub fn key_file() -> PathBuf {
    if let Some(path) = std::env::var_os("CALIPSO_KEY_FILE").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    folder.unwrap_or_default().join("calipso/keys")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use calipso_model::{Place, Secret};
    use calipso_pipeline::SecretSource as _;
    use calipso_vault::Keys;

    use super::References;

    #[test]
    fn sealed_text_opens_in_its_place() {
        let keys = Arc::new(Keys::from_text(&Keys::generate().unwrap()).unwrap());
        let place = Place::role("cloud", "hosts").field("password");
        let text = keys.seal(&place, &Secret::new("s3cret")).unwrap();
        let references = References::with(keys);
        assert_eq!(references.resolve(&text, &place).unwrap().reveal(), "s3cret");
        let told = references.resolve(&text, &place.field("key")).unwrap_err();
        assert!(told.contains("another place") && !told.contains("s3cret") && !told.contains(&text), "{told}");
    }
}
