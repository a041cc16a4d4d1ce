//! Logins: a name and a password, or a token, become a token.

use std::{net::IpAddr, time::Duration};

use calipso_model::{Secret, Str};
use calipso_store::{Collection, StoreError, work::Row as _, work::stamp};
use jiff::{SignedDuration, Timestamp};

use crate::{
    access::Caller,
    account::{
        Accounts,
        directory::{DirectoryAnswer, DirectoryRights},
        password,
        token::{self, Token, digest},
        user::{Source, User, VersionedUser, folded, is_name},
    },
    problem::Problem,
};

/// What a token should be like.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What its owner calls it.
    pub name: Option<Str>,
    /// How long it should be good.
    pub lifetime: Option<Duration>,
    /// Where it was asked for from.
    pub address: Option<IpAddr>,
}

/// A new token. It is shown this once.
#[derive(Clone, Debug)]
pub struct Login {
    /// The token.
    pub secret: Secret,
    /// Its id.
    pub id: Str,
    /// What is stored of it.
    pub token: Token,
    /// Whom it speaks for.
    pub caller: Caller,
}

/// One text for every reason: nobody learns which names there are.
fn refused() -> Problem {
    Problem::unauthenticated("the user's name or password is wrong")
}

impl Accounts {
    /// A new token for a name and a password.
    ///
    /// # Errors
    /// 401 when they are wrong; 429 when they were tried too often.
    pub async fn log_in(
        &self,
        name: &str,
        password: &Secret,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Login, Problem> {
        let found = self.check(name, password, wanted.address, now).await?;
        self.issue(&found.user, "credentials", now, wanted, now).await
    }

    /// A new token for an old one. It ends no later than the login that the old one descends from allows.
    ///
    /// # Errors
    /// 401 when the old one is no longer good, or the login is too long ago.
    pub async fn renew(&self, old: &Secret, wanted: &Wanted, now: Timestamp) -> Result<Login, Problem> {
        let (caller, token) = self.by_token(old, now).await?;
        let too_old = || Problem::unauthenticated("the login is too long ago; log in with a password");
        let login_at: Timestamp = token.login_at.parse().map_err(|_| too_old())?;
        let found = self.user(&caller.user, now).await?.ok_or_else(too_old)?;
        self.issue(&found.user, "token", login_at, wanted, now).await
    }

    async fn issue(
        &self,
        user: &User,
        method: &str,
        login_at: Timestamp,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Login, Problem> {
        let after = |from: Timestamp, lifetime: Duration| {
            from.checked_add(SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX))
                .unwrap_or(Timestamp::MAX)
        };
        let lifetime = wanted.lifetime.unwrap_or(self.settings.token_lifetime);
        let longest = match user.source {
            Source::Local => self.settings.login_lifetime,
            Source::Directory => self.settings.login_lifetime.min(self.settings.directory_lifetime),
        };
        let expires_at = after(now, lifetime).min(after(login_at, longest));
        if expires_at <= now {
            return Err(Problem::unauthenticated("the login is too long ago; log in with a password"));
        }
        let secret = token::random()?;
        let id = digest(&secret);
        let token = Token {
            user: user.name.clone(),
            user_created: user.created.clone(),
            password_changed: user.password_changed.clone(),
            name: wanted.name.clone(),
            method: method.into(),
            issued_at: stamp(now.as_millisecond()),
            expires_at: stamp(expires_at.as_millisecond()),
            login_at: stamp(login_at.as_millisecond()),
            address: wanted.address.map(|address| address.to_string().into()),
        };
        self.backend.insert(Collection::ApiTokens, &id, &token.to_doc()?).await?;
        let caller = user.caller(Some(id.clone()));
        Ok(Login { secret, id, token, caller })
    }

    /// The user that a name and a password belong to: local users first, then the directory for those who are not local.
    ///
    /// # Errors
    /// 401 when they are wrong; 429 when they were tried too often; 503 when the directory does not answer.
    pub async fn check(
        &self,
        name: &str,
        password: &Secret,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<VersionedUser, Problem> {
        let name = folded(name);
        // Names that nobody can have share one bucket, so that they fill no memory.
        let counted = if is_name(&name) { name.as_ref() } else { "" };
        self.limiter
            .take(counted, address, now)
            .map_err(|seconds| Problem::too_many("too many logins failed; wait before the next one", seconds))?;
        let checked = self.checked(&name, password, now).await;
        let status = checked.as_ref().map_or_else(Problem::status, |_| 200);
        // What was not the password's fault costs no attempt either.
        if status != 401 {
            self.limiter.give_back(counted, address, now);
        }
        if checked.is_ok() {
            self.limiter.welcome(counted, address, now);
        }
        metrics::counter!("calipso_logins", "status" => status.to_string()).increment(1);
        checked
    }

    async fn checked(&self, name: &Str, password: &Secret, now: Timestamp) -> Result<VersionedUser, Problem> {
        let known = if is_name(name) {
            let record = self.backend.record(Collection::Users, name).await?;
            record.map(|record| VersionedUser::from_record(&record)).transpose()?
        } else {
            None
        };
        let is_elsewhere = known.as_ref().is_none_or(|found| found.user.source == Source::Directory);
        let usable = !password.reveal().is_empty() && password.reveal().len() <= password::LONGEST && is_name(name);
        if let (true, true, Some(directory)) = (is_elsewhere, usable, &self.directory) {
            return match directory.check(name, password).await {
                Ok(DirectoryAnswer::Known(rights)) => self.welcome(name, known, rights, now).await,
                Ok(DirectoryAnswer::Refused) => Err(refused()),
                Err(error) => Err(Problem::directory_away(error)),
            };
        }
        let hash = known.as_ref().and_then(|found| found.user.password_hash.clone()).filter(|_| usable);
        let password = if usable { password.clone() } else { Secret::default() };
        match known {
            found if !self.passwords.check(password, hash).await? => {
                drop(found);
                Err(refused())
            }
            Some(found) if !found.user.disabled => Ok(found),
            _ => Err(refused()),
        }
    }

    /// The row of a user whom the directory knows; made at the first login, its rights brought up to date at every other.
    async fn welcome(
        &self,
        name: &Str,
        known: Option<VersionedUser>,
        rights: DirectoryRights,
        now: Timestamp,
    ) -> Result<VersionedUser, Problem> {
        match known {
            Some(found) if found.user.disabled => Err(refused()),
            Some(found) if found.user.directory.as_ref() == Some(&rights) => Ok(found),
            Some(found) => {
                let mut user = found.user;
                user.directory = Some(rights);
                user.changed = stamp(now.as_millisecond());
                let replaced = self.backend.replace(Collection::Users, name, found.version, &user.to_doc()?).await;
                self.forget_user(name);
                match replaced {
                    Ok(record) => Ok(VersionedUser { user, version: record.version }),
                    // Somebody changed or removed it just now.
                    Err(StoreError::Changed { .. }) => {
                        Err(Problem::conflict("the user was changed just now; try again"))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            None => {
                let user = User { directory: Some(rights), ..User::new(name, Source::Directory, now) };
                self.insert_user(&user).await
            }
        }
    }
}
