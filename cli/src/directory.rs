//! The directory that checks passwords of users who are not local, as the settings describe it.

use std::{sync::Arc, time::Duration};

use calipso_api::{Directory, EVERY, Grant, LdapDirectory, LdapSettings, LdapUsers};

use crate::{failure::Failure, settings::Settings};

/// How long the directory may take for one login.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The directory, if there is one.
///
/// # Errors
/// A setting is wrong, or a reference leads nowhere.
pub fn directory(settings: &Settings) -> Result<Option<Arc<dyn Directory>>, Failure> {
    let Some(url) = settings.text("ldap.url") else { return Ok(None) };
    let text = |key: &str| settings.text(key).unwrap_or_default().to_owned();
    let base = text("ldap.base");
    if base.is_empty() {
        return Err(Failure::usage("`ldap.url` is set and `ldap.base` is not")
            .help("say where users are looked for, for example ou=people,dc=example,dc=org"));
    }
    let bind = match (settings.text("ldap.bind_dn"), settings.secret("ldap.bind_password")?) {
        (None, None) => None,
        (Some(dn), Some(password)) => Some((dn.to_owned(), password)),
        _ => {
            return Err(Failure::usage("of `ldap.bind_dn` and `ldap.bind_password` only one is set")
                .help("set both, or none to look for users anonymously"));
        }
    };
    let grants = [("ldap.viewers", Grant::View), ("ldap.editors", Grant::Edit)];
    let ldap = LdapSettings {
        url: url.to_owned(),
        ca: settings.path("ldap.ca"),
        verify_tls: true,
        users: LdapUsers::Search {
            base,
            bind,
            attribute: text("ldap.user_attribute"),
            filter: text("ldap.user_filter"),
        },
        group_attribute: text("ldap.group_attribute"),
        administrators: settings.text("ldap.administrators").map(str::to_owned).into_iter().collect(),
        grants: grants
            .into_iter()
            .filter_map(|(key, grant)| Some((settings.text(key)?.to_owned(), EVERY.into(), grant)))
            .collect(),
        timeout: TIMEOUT,
    };
    let directory =
        LdapDirectory::new(ldap).map_err(|error| Failure::usage(format!("the settings `ldap.*`: {error}")))?;
    Ok(Some(Arc::new(directory)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::directory;
    use crate::settings::Settings;

    fn made(pairs: &[(&'static str, &str)]) -> Result<bool, String> {
        let flags: BTreeMap<&'static str, Vec<String>> =
            pairs.iter().map(|(key, value)| (*key, vec![(*value).to_owned()])).collect();
        let settings = Settings::resolve(&flags, &|_| None, None).unwrap();
        directory(&settings).map(|found| found.is_some()).map_err(|failure| failure.message)
    }

    #[test]
    fn half_a_directory_is_refused() {
        assert_eq!(made(&[]), Ok(false));
        let url = ("ldap.url", "ldaps://directory.example");
        assert!(made(&[url]).unwrap_err().contains("ldap.base"));
        let base = ("ldap.base", "dc=example");
        assert_eq!(made(&[url, base]), Ok(true));
        assert!(made(&[url, base, ("ldap.bind_dn", "cn=finder")]).unwrap_err().contains("only one"));
        assert!(made(&[("ldap.url", "http://x"), base]).unwrap_err().contains("ldaps://"));
        assert!(made(&[url, base, ("ldap.ca", "/nowhere/ca.pem")]).unwrap_err().contains("/nowhere/ca.pem"));
    }
}
