//! Environments as the interface takes and gives them: checked against the specs, with secrets that come in and never go out.

pub mod body;
pub mod catalogue;
pub mod grants;
pub mod own_specs;
pub mod removal;
pub mod secrets;
pub mod view;

use std::{path::PathBuf, sync::Arc};

use calipso_vault::Keys;

pub use catalogue::Catalogues;
pub use grants::{Grants, NoUsers};

/// What this server allows and knows about environments.
pub struct Environments {
    /// Seals secrets; without, only references are taken.
    pub keys: Option<Arc<Keys>>,
    /// Which references are taken.
    pub references: References,
    /// The rights of users.
    pub grants: Arc<dyn Grants>,
    /// Catalogues with the specs of single environments.
    pub catalogues: Catalogues,
}

impl Default for Environments {
    fn default() -> Self {
        Self {
            keys: None,
            references: References::default(),
            grants: Arc::new(NoUsers),
            catalogues: Catalogues::default(),
        }
    }
}

/// Which references to secrets are taken over REST. A worker follows them with its own rights, so whoever may edit an
/// environment could otherwise read whatever the worker can.
#[derive(Clone, Debug)]
pub struct References {
    /// Names of environment variables must begin with this and the environment's name; empty: none is taken.
    pub env_prefix: String,
    /// Files must lie below this folder, those with secrets in the environment's own folder there; none: no file is taken.
    pub folder: Option<PathBuf>,
}

impl References {
    /// What the names of an environment's variables begin with: `CALIPSO_SECRET_MY_CLOUD__` for `my-cloud`. Two underscores end
    /// the name of the environment, which has none, so that no name is the beginning of another.
    ///
    /// Nothing for a name with letters or digits beyond ASCII, or without any of ASCII: variables have no room for those, and
    /// two such names would have the same.
    #[must_use]
    pub fn variables_of(&self, environment: &str) -> Option<String> {
        if environment.chars().any(|letter| !letter.is_ascii() && letter.is_alphanumeric()) {
            return None;
        }
        let words = environment.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<String> = words.filter(|word| !word.is_empty()).map(str::to_ascii_uppercase).collect();
        (!words.is_empty()).then(|| format!("{}{}__", self.env_prefix, words.join("_")))
    }
}

impl Default for References {
    fn default() -> Self {
        Self { env_prefix: "CALIPSO_SECRET_".to_owned(), folder: None }
    }
}

#[cfg(test)]
mod tests {
    use super::References;

    #[test]
    fn environments_do_not_share_their_variables() {
        let of = |name: &str| References::default().variables_of(name);
        assert_eq!(of("my-cloud.2").as_deref(), Some("CALIPSO_SECRET_MY_CLOUD_2__"));
        for name in ["北京", "上海", "müller", "---", ""] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
