//! References to secrets outside the store, and how this server takes secrets at all.

use std::{path::PathBuf, sync::Arc};

use calipso_vault::Keys;

/// How secrets of environments are taken.
#[derive(Default)]
pub struct Environments {
    /// Seals secrets; without keys, only references are taken.
    pub keys: Option<Arc<Keys>>,
    /// Which references are taken.
    pub references: References,
}

/// Which references to secrets are taken over REST. A worker follows them with its own rights, so an editor of an
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
    /// # Shape
    /// Letters in capitals, digits, and an underscore for each hyphen between two of these; every other character is `x` and
    /// its two hexadecimal digits in small letters (`MYx5fCLOUD` for `my_cloud`). As no letter of a name stays small, two names
    /// that differ in more than case never have the same; environments that differ in case only are not made.
    ///
    /// Nothing for a name with characters beyond ASCII, or without any letter or digit: variables have no room for those.
    #[must_use]
    pub fn variables_of(&self, environment: &str) -> Option<String> {
        if !environment.is_ascii() || !environment.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let bytes = environment.as_bytes();
        let is_word =
            |index: Option<usize>| index.and_then(|index| bytes.get(index)).is_some_and(u8::is_ascii_alphanumeric);
        let mut name = self.env_prefix.clone();
        for (index, byte) in bytes.iter().enumerate() {
            if byte.is_ascii_alphanumeric() {
                name.push(char::from(byte.to_ascii_uppercase()));
            } else if *byte == b'-' && is_word(index.checked_sub(1)) && is_word(index.checked_add(1)) {
                name.push('_');
            } else {
                name.push_str(&format!("x{byte:02x}"));
            }
        }
        Some(format!("{name}__"))
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
        assert_eq!(of("my-cloud2").as_deref(), Some("CALIPSO_SECRET_MY_CLOUD2__"));
        assert_eq!(of("my_cloud.2").as_deref(), Some("CALIPSO_SECRET_MYx5fCLOUDx2e2__"));
        for name in ["北京", "上海", "müller", "cloud-北京", "---", ""] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    /// Every name of up to five characters out of those that could meet: none has another's variables, or some of them.
    #[test]
    fn no_name_is_mapped_to_the_variables_of_another() {
        let mut names = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..5 {
            names = names.iter().flat_map(|name| "ax5-_. ".chars().map(move |c| format!("{name}{c}"))).collect();
            all.extend(names.iter().cloned());
        }
        let mut found: Vec<(String, String)> =
            all.into_iter().filter_map(|name| Some((References::default().variables_of(&name)?, name))).collect();
        found.sort();
        assert!(found.len() > 10_000, "{}", found.len());
        for pair in found.windows(2) {
            // In sorted order, what begins with another stands right behind it or behind others that do.
            assert!(!pair[1].0.starts_with(&pair[0].0), "`{}` and `{}`: {}", pair[0].1, pair[1].1, pair[1].0);
        }
    }
}
