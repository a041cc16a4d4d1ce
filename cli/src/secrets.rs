//! Where references to secrets lead: environment variables, files, and sealed text.

use std::{path::PathBuf, sync::Arc};

use calipso_model::{Place, Secret};
use calipso_pipeline::SecretSource;
use calipso_vault::{Keys, VaultError, is_sealed};

use crate::{failure::Failure, settings::Settings};

/// `env:NAME`, `file:PATH` and `sealed:…`.
#[derive(Clone, Debug)]
pub struct References {
    keys: KeyPlace,
}

/// Where the keys are; they are opened when a sealed text is met.
#[derive(Clone, Debug)]
enum KeyPlace {
    Open(Arc<Keys>),
    Text(Secret),
    File(PathBuf),
}

impl References {
    /// With keys that are open already.
    #[must_use]
    pub fn with(keys: Arc<Keys>) -> Self {
        Self { keys: KeyPlace::Open(keys) }
    }

    /// With the keys that the settings name.
    ///
    /// # Errors
    /// The setting `key` leads nowhere.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        let keys = settings.secret("key")?.map_or_else(|| KeyPlace::File(key_file(settings)), KeyPlace::Text);
        Ok(Self { keys })
    }

    fn open(&self, place: &Place, text: &str) -> Result<Secret, VaultError> {
        match &self.keys {
            KeyPlace::Open(keys) => keys.open(place, text),
            KeyPlace::Text(keys) => Keys::from_text(keys)?.open(place, text),
            KeyPlace::File(path) => Keys::open_file(path)?.open(place, text),
        }
    }
}

/// The keys that the settings name; a file that is not there is made with a new key.
///
/// # Errors
/// Others may use the file, or it holds no keys.
pub fn keys(settings: &Settings) -> Result<Keys, Failure> {
    let keys = match settings.secret("key")? {
        Some(text) => Keys::from_text(&text),
        None => Keys::open_or_create(&key_file(settings)),
    };
    keys.map_err(|error| Failure::usage(error.to_string()))
}

/// The file of the keys.
fn key_file(settings: &Settings) -> PathBuf {
    settings.path("key_file").unwrap_or_else(|| crate::session::data_folder().join("secrets.key"))
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
