//! Accounts: users and their rights, passwords, tokens; finds out who sends a request.
//!
//! Users and tokens are documents of the store. What a request needs of them is remembered for at most [`REMEMBERED`], and
//! forgotten at once when this process changes it; other processes learn of a change after that time.

mod cache;
mod credentials;
mod directory;
mod grants;
#[cfg(feature = "ldap")]
mod ldap;
mod limiter;
mod login;
mod password;
mod settings;
mod token;
mod user;

use std::{sync::Arc, time::Duration};

use axum::http::request::Parts;
use calipso_model::{Secret, Str};
use calipso_store::{Backend, Collection, FieldTest, RecordQuery, work::Row as _, work::stamp};
use jiff::Timestamp;

use crate::{
    access::Caller,
    account::{cache::Cache, credentials::Credentials, limiter::Limiter, password::Passwords, token::digest},
    problem::Problem,
};

#[cfg(feature = "ldap")]
pub use self::ldap::{LdapDirectory, LdapSettings, LdapUsers};
pub(crate) use self::{
    credentials::{address, token_in},
    token::Token,
    user::{VersionedUser, folded},
};
pub use self::{
    directory::{Directory, DirectoryAnswer, DirectoryError, DirectoryRights},
    login::{Login, Wanted},
    settings::{AccountSettings, Attempts, PasswordCost},
    user::{Source, User},
};

/// How long a user or a token is taken for what the store said.
const REMEMBERED: Duration = Duration::from_secs(2);

/// How long a name and password that came with a request are known to be right.
const REMEMBERED_BASIC: Duration = Duration::from_secs(60);

/// Name of the first administrator.
const FIRST_ADMINISTRATOR: &str = "admin";

/// A random password that nobody else knows.
///
/// # Errors
/// The system has no random numbers.
pub fn random_password() -> Result<Secret, Problem> {
    password::random()
}

/// The accounts of one store.
pub struct Accounts {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) settings: AccountSettings,
    directory: Option<Arc<dyn Directory>>,
    passwords: Passwords,
    limiter: Limiter,
    users: Cache<Str, Option<VersionedUser>>,
    tokens: Cache<Str, Option<Token>>,
    basics: Cache<[u8; 32], Basic>,
    /// Held while it is decided whether an administrator may go.
    pub(crate) administrators: tokio::sync::Mutex<()>,
}

/// A name and password that were right.
#[derive(Clone, Debug)]
struct Basic {
    user: Str,
    /// When the password was set that they matched.
    password_changed: Option<Str>,
}

impl Accounts {
    /// The accounts in a store.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, settings: AccountSettings) -> Self {
        Self {
            backend,
            directory: None,
            passwords: Passwords::new(settings.password_cost),
            limiter: Limiter::new(settings.attempts),
            users: Cache::new(REMEMBERED),
            tokens: Cache::new(REMEMBERED),
            basics: Cache::new(REMEMBERED_BASIC),
            administrators: tokio::sync::Mutex::default(),
            settings,
        }
    }

    /// Also asks a directory service about users that are not local.
    #[must_use]
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Makes an administrator where there are no users at all. The password is returned this once and kept nowhere in clear.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn first_administrator(&self, now: Timestamp) -> Result<Option<(Str, Secret)>, Problem> {
        if self.backend.count(Collection::Users, &RecordQuery::all()).await? > 0 {
            return Ok(None);
        }
        let password = password::random()?;
        let user = User {
            administrator: true,
            password_hash: Some(self.passwords.hash(password.clone()).await?),
            ..User::new(FIRST_ADMINISTRATOR, Source::Local, now)
        };
        match self.insert_user(&user).await {
            Ok(_) => Ok(Some((FIRST_ADMINISTRATOR.into(), password))),
            // Another process was faster, and showed its password.
            Err(problem) if problem.status() == 409 => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Removes tokens that have expired. Returns how many.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn purge(&self, now: Timestamp) -> Result<u64, Problem> {
        let expired = RecordQuery::all().and("expires_at", FieldTest::Below(stamp(now.as_millisecond()).into()));
        Ok(self.backend.remove_all(Collection::ApiTokens, &expired).await?)
    }

    /// Who sends a request; nothing when no credentials came with it.
    ///
    /// # Errors
    /// Wrong credentials, too many attempts, no store.
    pub async fn caller(&self, request: &Parts, now: Timestamp) -> Result<Option<Caller>, Problem> {
        match credentials::of(&request.headers)? {
            Credentials::None => Ok(None),
            Credentials::Token(token) => self.by_token(&token, now).await.map(|(caller, _)| Some(caller)),
            Credentials::Basic { user, password } => self.by_basic(&user, &password, request, now).await.map(Some),
        }
    }

    /// The caller that a token speaks for, and the token.
    pub(crate) async fn by_token(&self, secret: &Secret, now: Timestamp) -> Result<(Caller, Token), Problem> {
        // One text for all reasons: it tells nobody whether there was such a token.
        let refused = || Problem::unauthenticated("the token is unknown, was revoked or has expired; log in again");
        let id = digest(secret);
        let token = self
            .tokens
            .get_or(&id, now, async || {
                let record = self.backend.record(Collection::ApiTokens, &id).await?;
                record.map(|record| Token::from_record(&record)).transpose()
            })
            .await?
            .filter(|token| !token.is_expired(now))
            .ok_or_else(refused)?;
        let found = self.user(&token.user, now).await?.filter(|found| token.is_of(&found.user)).ok_or_else(refused)?;
        Ok((found.user.caller(Some(id)), token))
    }

    /// A user as it was in the store a moment ago.
    pub(crate) async fn user(&self, name: &str, now: Timestamp) -> Result<Option<VersionedUser>, Problem> {
        let name = folded(name);
        let found = self
            .users
            .get_or(&name, now, async || {
                let record = self.backend.record(Collection::Users, &name).await?;
                record.map(|record| VersionedUser::from_record(&record)).transpose()
            })
            .await?;
        Ok(found)
    }

    async fn by_basic(
        &self,
        name: &str,
        password: &Secret,
        request: &Parts,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let name = folded(name);
        let tag = self.passwords.tag(&name, password);
        if let Some(basic) = self.basics.get(&tag, now)
            && let Some(found) = self.user(&basic.user, now).await?
            && !found.user.disabled
            && found.user.password_changed == basic.password_changed
        {
            return Ok(found.user.caller(None));
        }
        let generation = self.basics.generation();
        let address = address(request, &self.settings);
        let checked = self.check(&name, password, address, now).await;
        if checked.as_ref().err().is_none_or(|problem| problem.status() != 429) {
            let outcome = checked.as_ref().map_or_else(Problem::status, |_| 200);
            crate::audit::login(self.backend.as_ref(), &name, "basic", outcome, request, address, now).await;
        }
        let found = checked?;
        let basic = Basic { user: name, password_changed: found.user.password_changed.clone() };
        self.basics.put(tag, basic, now, generation);
        Ok(found.user.caller(None))
    }

    /// Forgets what is remembered of a user.
    fn forget_user(&self, name: &Str) {
        self.users.forget(name);
        self.basics.clear();
    }
}
