//! Where references to secrets lead: environment variables, files, and sealed text.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use calipso_model::{Secret, SecretLocation};
use calipso_pipeline::SecretSource;
use calipso_vault::{Keys, VaultError, is_sealed};

use crate::{
    failure::Failure,
    folders::{data_folder, make_folder},
    reference,
    settings::Settings,
};

/// `env:NAME`, `file:PATH` and `sealed:…`. The keys are read when the first sealed text is met.
#[derive(Debug)]
pub struct SecretReferences {
    /// A reference to the keys themselves.
    key: Option<String>,
    /// Their file, where they are not given.
    file: PathBuf,
    open: OnceLock<Arc<Keys>>,
}

impl SecretReferences {
    /// With the keys that the settings name.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            key: settings.text("key").map(str::to_owned),
            file: settings.path("key_file").unwrap_or_else(|| data_folder().join("secrets.key")),
            open: OnceLock::new(),
        }
    }

    /// The keys that seal secrets. A file that is not there is made only for those who mean to seal.
    ///
    /// # Errors
    /// There are none, others may read them, or they are none.
    pub fn keys(&self, make: bool) -> Result<Arc<Keys>, Failure> {
        let refused = |error: VaultError| Failure::usage(error.to_string());
        if let Some(keys) = self.open.get() {
            return Ok(Arc::clone(keys));
        }
        let keys = match &self.key {
            Some(text) => {
                let text = reference::resolve(text)
                    .map_err(|sentence| Failure::usage(format!("the setting `key`: {sentence}")))?;
                Keys::from_text(&text).map_err(refused)?
            }
            None if make => {
                if let Some(folder) = self.file.parent() {
                    make_folder(folder)?;
                }
                Keys::open_or_create(&self.file).map_err(refused)?
            }
            None => Keys::open_file(&self.file).map_err(refused)?,
        };
        Ok(Arc::clone(self.open.get_or_init(|| Arc::new(keys))))
    }
}

impl SecretSource for SecretReferences {
    fn resolve(&self, reference: &str, location: &SecretLocation) -> Result<Secret, String> {
        if is_sealed(reference) {
            let keys = self.keys(false).map_err(|failure| failure.message)?;
            return keys.open(location, reference).map_err(|error| error.to_string());
        }
        reference::resolve(reference)
    }

    fn known_hosts(&self) -> PathBuf {
        std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(".ssh/known_hosts")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use calipso_model::{Secret, SecretLocation};
    use calipso_pipeline::SecretSource as _;

    use super::SecretReferences;
    use crate::settings::Settings;

    #[test]
    fn sealed_text_opens_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys").to_string_lossy().into_owned();
        let settings = Settings::resolve(&BTreeMap::from([("key_file", vec![file])]), &|_| None, None).unwrap();
        let location = SecretLocation::role("cloud", "hosts").field("password");
        assert!(SecretReferences::new(&settings).keys(false).is_err(), "who only reads makes no keys");
        let keys = SecretReferences::new(&settings).keys(true).unwrap();
        let text = keys.seal(&location, &Secret::new("s3cret")).unwrap();
        let references = SecretReferences::new(&settings);
        assert_eq!(references.resolve(&text, &location).unwrap().reveal(), "s3cret");
        let told = references.resolve(&text, &location.field("key")).unwrap_err();
        assert!(told.contains("another place") && !told.contains("s3cret") && !told.contains(&text), "{told}");
    }
}
