//! Passwords that an LDAP directory checks.
//!
//! A name and a password belong together when the directory lets their user bind. Names come into filters and distinguished
//! names escaped; nothing is sent before the connection is encrypted; no referral is followed.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use calipso_model::{Secret, Str};
use ldap3::{
    DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions, dn_escape,
    ldap_escape,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::{
    access::Grant,
    account::directory::{Directory, DirectoryAnswer, DirectoryError, DirectoryRights},
};

/// Answers to a bind that speak of this user, not of the directory.
///
/// # Source
/// RFC 4511 appendix A: constraintViolation, inappropriateAuthentication, invalidCredentials, insufficientAccessRights,
/// unwillingToPerform; noSuchObject and invalidDNSyntax.
const REFUSALS: [u32; 7] = [19, 32, 34, 48, 49, 50, 53];

/// How a directory is asked.
#[derive(Clone, Debug)]
pub struct LdapSettings {
    /// `ldaps://HOST[:PORT]`, or `ldap://HOST[:PORT]`, which is encrypted with StartTLS before anything else.
    pub url: String,
    /// Certificates (PEM) that the directory's is checked against; those of the system where none is given.
    pub ca: Option<PathBuf>,
    /// False: any certificate will do.
    pub verify_tls: bool,
    /// How a user's entry is found.
    pub users: LdapUsers,
    /// Attribute of a user's entry that names groups.
    pub group_attribute: String,
    /// Groups whose members administer.
    pub administrators: Vec<String>,
    /// Groups, and what their members may do with which environment (`*` stands for all).
    pub grants: Vec<(String, Str, Grant)>,
    /// How long a check may take.
    pub timeout: Duration,
}

/// How a user's entry is found.
#[derive(Clone, Debug)]
pub enum LdapUsers {
    /// Its distinguished name follows from the user's name, which takes the place of `{user}`.
    Template(String),
    /// It is looked for.
    Search {
        /// Below this entry.
        base: String,
        /// By this account; anonymously where none is given.
        bind: Option<(String, Secret)>,
        /// The attribute that holds the user's name.
        attribute: String,
        /// What else the entry must be, as a filter in parentheses.
        filter: String,
    },
}

/// An LDAP directory.
#[derive(Debug)]
pub struct LdapDirectory {
    settings: LdapSettings,
    tls: Option<Arc<ClientConfig>>,
}

impl LdapDirectory {
    /// A directory; nothing is asked yet.
    ///
    /// # Errors
    /// The settings cannot be meant, or the certificates cannot be read.
    pub fn new(settings: LdapSettings) -> Result<Self, DirectoryError> {
        let wrong = |what: &str| Err(DirectoryError::Unusable(what.to_owned()));
        if !settings.url.starts_with("ldap://") && !settings.url.starts_with("ldaps://") {
            return wrong("its address begins with ldaps:// or ldap://");
        }
        match &settings.users {
            LdapUsers::Template(template) if template.matches("{user}").count() != 1 => {
                return wrong("the template of its users holds {user} once");
            }
            LdapUsers::Search { filter, attribute, .. } => {
                if !is_attribute(attribute) {
                    return wrong("the attribute of the user's name is a plain word");
                }
                if ldap3::parse_filter(filter).is_err() {
                    return wrong("the filter of its users is not one; write for example (objectClass=person)");
                }
            }
            LdapUsers::Template(_) => {}
        }
        let tls = settings.ca.as_ref().map(trusting).transpose()?.map(Arc::new);
        Ok(Self { settings, tls })
    }

    async fn connect(&self) -> Result<Ldap, DirectoryError> {
        let mut settings = LdapConnSettings::new()
            .set_conn_timeout(self.settings.timeout)
            .set_starttls(self.settings.url.starts_with("ldap://"))
            .set_no_tls_verify(!self.settings.verify_tls);
        if let (Some(tls), true) = (&self.tls, self.settings.verify_tls) {
            settings = settings.set_config(Arc::clone(tls));
        }
        let (connection, ldap) =
            LdapConnAsync::with_settings(settings, &self.settings.url).await.map_err(|error| away(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "A connection to the directory ended.");
            }
        });
        Ok(ldap)
    }

    async fn ask(&self, user: &str, password: &Secret) -> Result<DirectoryAnswer, DirectoryError> {
        let mut ldap = self.connect().await?;
        let answer = match &self.settings.users {
            LdapUsers::Template(template) => self.by_template(&mut ldap, template, user, password).await,
            LdapUsers::Search { base, bind, attribute, filter } => {
                let filter = format!("(&{filter}({attribute}={}))", ldap_escape(user));
                self.by_search(&mut ldap, base, bind.as_ref(), &filter, password).await
            }
        };
        // The answer counts, whatever becomes of the connection.
        let _ = ldap.unbind().await;
        answer
    }

    async fn by_template(
        &self,
        ldap: &mut Ldap,
        template: &str,
        user: &str,
        password: &Secret,
    ) -> Result<DirectoryAnswer, DirectoryError> {
        let dn = template.replace("{user}", &dn_escape(user));
        if !bound(ldap, &dn, password).await? {
            return Ok(DirectoryAnswer::Refused);
        }
        // Looked at as the user, who may see what its groups are.
        let entries = self.entries(ldap, &dn, Scope::Base, "(objectClass=*)").await?;
        Ok(DirectoryAnswer::Known(entries.first().map(|entry| self.rights(entry)).unwrap_or_default()))
    }

    async fn by_search(
        &self,
        ldap: &mut Ldap,
        base: &str,
        bind: Option<&(String, Secret)>,
        filter: &str,
        password: &Secret,
    ) -> Result<DirectoryAnswer, DirectoryError> {
        if let Some((dn, secret)) = bind
            && (secret.reveal().is_empty() || !bound(ldap, dn, secret).await?)
        {
            return Err(DirectoryError::Unusable("it refuses the account that looks for users".to_owned()));
        }
        let entries = self.entries(ldap, base, Scope::Subtree, filter).await?;
        match entries.as_slice() {
            [entry] if bound(ldap, &entry.dn, password).await? => Ok(DirectoryAnswer::Known(self.rights(entry))),
            [_] => Ok(DirectoryAnswer::Refused),
            found => {
                if found.len() > 1 {
                    tracing::warn!("The directory has several entries for one user; the login is refused.");
                }
                // As many questions as for somebody who is there.
                let nobody = format!("cn=nobody,{base}");
                bound(ldap, &nobody, password).await?;
                Ok(DirectoryAnswer::Refused)
            }
        }
    }

    async fn entries(
        &self,
        ldap: &mut Ldap,
        base: &str,
        scope: Scope,
        filter: &str,
    ) -> Result<Vec<SearchEntry>, DirectoryError> {
        let options = SearchOptions::new().deref(DerefAliases::Never).sizelimit(2);
        let attributes = [self.settings.group_attribute.as_str()];
        let result = ldap
            .with_timeout(self.settings.timeout)
            .with_search_options(options)
            .search(base, scope, filter, attributes)
            .await
            .map_err(|error| away(&error))?;
        // 4: there are more than two, which is too many anyway.
        if result.1.rc != 0 && result.1.rc != 4 {
            return Err(DirectoryError::Unusable(format!("it refuses to look for users (result {})", result.1.rc)));
        }
        let is_entry = |entry: &ldap3::ResultEntry| !entry.is_ref() && !entry.is_intermediate();
        Ok(result.0.into_iter().filter(is_entry).map(SearchEntry::construct).collect())
    }

    fn rights(&self, entry: &SearchEntry) -> DirectoryRights {
        let is_attribute = |name: &str| name.eq_ignore_ascii_case(&self.settings.group_attribute);
        let groups: Vec<String> = entry
            .attrs
            .iter()
            .filter(|(name, _)| is_attribute(name))
            .flat_map(|(_, values)| values)
            .map(|value| plain(value))
            .collect();
        let is_member = |group: &str| groups.contains(&plain(group));
        let mut rights = DirectoryRights {
            administrator: self.settings.administrators.iter().any(|group| is_member(group)),
            ..DirectoryRights::default()
        };
        for (group, environment, grant) in &self.settings.grants {
            if is_member(group) {
                let known = rights.grants.entry(environment.clone()).or_insert(*grant);
                *known = (*known).max(*grant);
            }
        }
        rights
    }
}

#[async_trait]
impl Directory for LdapDirectory {
    async fn check(&self, user: &str, password: &Secret) -> Result<DirectoryAnswer, DirectoryError> {
        // A bind without a password succeeds as nobody (RFC 4513 section 5.1.2).
        if user.is_empty() || password.reveal().is_empty() {
            return Ok(DirectoryAnswer::Refused);
        }
        let late = |_| DirectoryError::Away("no answer in time".into());
        tokio::time::timeout(self.settings.timeout, self.ask(user, password)).await.map_err(late)?
    }
}

/// Whether a bind succeeds.
async fn bound(ldap: &mut Ldap, dn: &str, password: &Secret) -> Result<bool, DirectoryError> {
    if dn.is_empty() || password.reveal().is_empty() {
        return Ok(false);
    }
    let result = ldap.simple_bind(dn, password.reveal()).await.map_err(|error| away(&error))?;
    match result.rc {
        0 => Ok(true),
        code if REFUSALS.contains(&code) => Ok(false),
        code => Err(DirectoryError::Unusable(format!("it answers a bind with result {code}"))),
    }
}

/// What a driver says, without what it was told.
fn away(error: &LdapError) -> DirectoryError {
    DirectoryError::Away(error.to_string().into())
}

/// Groups are compared without regard to case and to blanks around the parts of their names.
fn plain(group: &str) -> String {
    group.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>().join(",")
}

fn is_attribute(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

fn trusting(path: &PathBuf) -> Result<ClientConfig, DirectoryError> {
    let wrong = |what: &str| DirectoryError::Unusable(format!("{what} in {}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(&format!("cannot read the certificates ({error})")))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| wrong("there is something else than certificates"))?;
        roots.add(certificate).map_err(|_| wrong("there is a certificate that cannot be used"))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DirectoryError::Away(error.into()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ldap3::{dn_escape, ldap_escape};

    use super::{LdapDirectory, LdapSettings, LdapUsers, plain};
    use crate::account::directory::DirectoryError;

    fn settings(users: LdapUsers) -> LdapSettings {
        LdapSettings {
            url: "ldap://127.0.0.1:1".into(),
            ca: None,
            verify_tls: true,
            users,
            group_attribute: "memberOf".into(),
            administrators: Vec::new(),
            grants: Vec::new(),
            timeout: Duration::from_secs(1),
        }
    }

    fn search(attribute: &str, filter: &str) -> LdapUsers {
        LdapUsers::Search { base: "dc=x".into(), bind: None, attribute: attribute.into(), filter: filter.into() }
    }

    #[test]
    fn settings_that_cannot_be_meant_are_refused() {
        let wrong = |settings| match LdapDirectory::new(settings) {
            Err(DirectoryError::Unusable(what)) => what,
            other => panic!("{other:?}"),
        };
        assert!(wrong(settings(LdapUsers::Template("uid=anna,dc=x".into()))).contains("{user}"));
        assert!(wrong(settings(search("uid)(x", "(a=b)"))).contains("plain word"));
        assert!(wrong(settings(search("uid", "a=b)("))).contains("filter"));
        assert!(
            wrong(LdapSettings { url: "http://x".into(), ..settings(search("uid", "(a=b)")) }).contains("ldaps://")
        );
        let ca = Some("/nowhere/ca.pem".into());
        assert!(wrong(LdapSettings { ca, ..settings(search("uid", "(a=b)")) }).contains("/nowhere/ca.pem"));
        assert!(LdapDirectory::new(settings(search("uid", "(objectClass=person)"))).is_ok());
    }

    #[test]
    fn names_stay_one_value_in_filters_and_distinguished_names() {
        // RFC 4515 section 3 and RFC 4514 section 2.4.
        assert_eq!(ldap_escape("*)(uid=*"), "\\2a\\29\\28uid=\\2a");
        assert_eq!(ldap_escape("a\\b\0"), "a\\5cb\\00");
        assert_eq!(dn_escape("anna,ou=admins"), "anna\\2cou\\3dadmins");
        assert_eq!(dn_escape(" #a+b\"c\\<>; "), "\\20#a\\2bb\\22c\\5c\\3c\\3e\\3b\\20");
        assert_eq!(plain("CN=Ops, OU=Groups,dc=x"), plain("cn=ops,ou=groups,DC=X"));
        assert_ne!(plain("cn=ops,ou=x"), plain("cn=ops"));
    }
}
