//! Users: who may log in, and what they may do.

use std::collections::BTreeMap;

use calipso_model::{Secret, Str};
use calipso_store::{Collection, Page, Record, RecordPage, RecordQuery, StoreError, work::Row, work::stamp};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    access::{Caller, Grant},
    account::{Accounts, directory::DirectoryRights, password},
    paging,
    problem::{FieldError, Problem},
};

/// Who knows a user's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// This store, as a hash.
    Local,
    /// A directory service.
    Directory,
}

/// A user as it is stored, under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name, in lower case.
    pub name: Str,
    /// Argon2id, as a PHC string; users of a directory have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Str>,
    /// Who knows the password.
    pub source: Source,
    /// Whether the user administers: may do everything.
    #[serde(default)]
    pub administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    #[serde(default)]
    pub grants: BTreeMap<Str, Grant>,
    /// What the directory gave at the last login, besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryRights>,
    /// Whether the user is kept out.
    #[serde(default)]
    pub disabled: bool,
    /// When it was made.
    pub created: Str,
    /// When it was last changed.
    pub changed: Str,
    /// When its password was last set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_changed: Option<Str>,
}

impl Row for User {
    const COLLECTION: Collection = Collection::Users;
}

impl User {
    /// A user without any right.
    #[must_use]
    pub fn new(name: &str, source: Source, now: Timestamp) -> Self {
        let now = stamp(now.as_millisecond());
        Self {
            name: folded(name),
            password_hash: None,
            source,
            administrator: false,
            grants: BTreeMap::new(),
            directory: None,
            disabled: false,
            created: now.clone(),
            changed: now.clone(),
            password_changed: (source == Source::Local).then_some(now),
        }
    }

    /// What its requests may do: what it was granted here and what the directory gave.
    #[must_use]
    pub fn caller(&self, token_id: Option<Str>) -> Caller {
        let mut grants = self.grants.clone();
        for (environment, grant) in self.directory.iter().flat_map(|rights| &rights.grants) {
            let known = grants.entry(environment.clone()).or_insert(*grant);
            *known = (*known).max(*grant);
        }
        let administrator = self.administrator || self.directory.as_ref().is_some_and(|rights| rights.administrator);
        Caller { user: self.name.clone(), administrator, grants, token_id }
    }

    /// Whether this is an administrator who can log in without a directory. One has to be left.
    fn is_local_administrator(&self) -> bool {
        self.administrator && !self.disabled && self.source == Source::Local
    }
}

/// A user, and the version of its record.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedUser {
    /// The user.
    pub user: User,
    /// Its record's version.
    pub version: u64,
}

impl VersionedUser {
    pub(crate) fn from_record(record: &Record) -> Result<Self, StoreError> {
        Ok(Self { user: User::from_record(record)?, version: record.version })
    }
}

/// A name as it is stored: names that differ in case only are the same.
#[must_use]
pub fn folded(name: &str) -> Str {
    name.to_lowercase().into()
}

/// Whether a text has the form of a user's name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    name.len() <= 64 && name.starts_with(is_plain) && name.chars().all(|c| is_plain(c) || "._@-".contains(c))
}

impl Accounts {
    /// Users by name.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn users(&self, page: &Page) -> Result<RecordPage, Problem> {
        let found = self.backend.records(Collection::Users, &RecordQuery::all(), page).await;
        found.map_err(|error| paging::problem(error, page))
    }

    /// A user as the store has it now.
    ///
    /// # Errors
    /// 404 when there is none.
    pub async fn read_user(&self, name: &str) -> Result<VersionedUser, Problem> {
        let name = folded(name);
        let record = self.backend.record(Collection::Users, &name).await?;
        let record = record.ok_or_else(|| Problem::not_found("there is no user of this name"))?;
        Ok(VersionedUser::from_record(&record)?)
    }

    /// Adds a user with a password that it chose or was given; a user of a directory has none.
    ///
    /// # Errors
    /// 409 when there is one of the name; 422 when the password will not do.
    pub async fn add_user(&self, mut user: User, password: Option<Secret>) -> Result<VersionedUser, Problem> {
        match (user.source, password) {
            (Source::Local, Some(password)) => {
                password::acceptable(&password, &user.name, "/password")?;
                user.password_hash = Some(self.passwords.hash(password).await?);
            }
            (Source::Directory, None) => {}
            (Source::Local, None) => {
                let error = FieldError::body("/password", "is needed for a user that is not of the directory");
                return Err(Problem::rejected(vec![error]));
            }
            (Source::Directory, Some(_)) => {
                let error = FieldError::body("/password", "of a user of the directory is kept there");
                return Err(Problem::rejected(vec![error]));
            }
        }
        self.insert_user(&user).await
    }

    pub(crate) async fn insert_user(&self, user: &User) -> Result<VersionedUser, Problem> {
        let inserted = self.backend.insert(Collection::Users, &user.name, &user.to_doc()?).await;
        self.forget_user(&user.name);
        match inserted {
            Ok(record) => Ok(VersionedUser { user: user.clone(), version: record.version }),
            Err(StoreError::Exists { .. }) => Err(Problem::conflict("there is a user of this name already")),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a user, if its record is still of this version where one is given.
    ///
    /// # Errors
    /// 404; 412 when it was changed meanwhile; 409 when no administrator would be left.
    pub async fn change_user(
        &self,
        name: &str,
        version: Option<u64>,
        now: Timestamp,
        change: impl FnOnce(&mut User) + Send,
    ) -> Result<VersionedUser, Problem> {
        let turn = self.administrators.lock().await;
        let before = self.read_user(name).await?;
        expect(&before, version)?;
        let mut user = before.user.clone();
        change(&mut user);
        user.changed = stamp(now.as_millisecond());
        if before.user.is_local_administrator() && !user.is_local_administrator() {
            self.require_other_administrator(&before.user.name).await?;
        }
        let record = self.backend.replace(Collection::Users, &user.name, before.version, &user.to_doc()?).await?;
        self.forget_user(&user.name);
        let after = VersionedUser { user, version: record.version };
        if before.user.is_local_administrator() && !after.user.is_local_administrator() {
            // Another process may have done the same to the last other one.
            if let Err(problem) = self.require_other_administrator(&before.user.name).await {
                self.backend
                    .replace(Collection::Users, &after.user.name, after.version, &before.user.to_doc()?)
                    .await?;
                self.forget_user(&after.user.name);
                return Err(problem);
            }
        }
        drop(turn);
        if after.user.disabled {
            self.revoke_all(&after.user.name).await?;
        }
        Ok(after)
    }

    /// Removes a user and its tokens.
    ///
    /// # Errors
    /// As [`Accounts::change_user`].
    pub async fn remove_user(&self, name: &str, version: Option<u64>) -> Result<(), Problem> {
        let turn = self.administrators.lock().await;
        let before = self.read_user(name).await?;
        expect(&before, version)?;
        let name = &before.user.name;
        if before.user.is_local_administrator() {
            self.require_other_administrator(name).await?;
        }
        self.backend.remove(Collection::Users, name, Some(before.version)).await?;
        self.forget_user(name);
        if before.user.is_local_administrator()
            && let Err(problem) = self.require_other_administrator(name).await
        {
            self.insert_user(&before.user).await?;
            return Err(problem);
        }
        drop(turn);
        self.revoke_all(name).await?;
        Ok(())
    }

    /// Sets a password, and ends every login that was made with the old one.
    ///
    /// # Errors
    /// 409 for users of the directory; 422 when the password will not do; as [`Accounts::change_user`].
    pub async fn set_password(&self, name: &str, password: Secret, now: Timestamp) -> Result<VersionedUser, Problem> {
        let before = self.read_user(name).await?;
        if before.user.source == Source::Directory {
            return Err(Problem::conflict("the password of this user is kept in the directory"));
        }
        password::acceptable(&password, &before.user.name, "/new")?;
        let hash = self.passwords.hash(password).await?;
        let after = self
            .change_user(name, None, now, |user| {
                user.password_hash = Some(hash);
                user.password_changed = Some(stamp(now.as_millisecond()));
            })
            .await?;
        self.revoke_all(&after.user.name).await?;
        Ok(after)
    }

    async fn require_other_administrator(&self, but: &str) -> Result<(), Problem> {
        let mut page = Page::first(500);
        loop {
            let found = self.users(&page).await?;
            for record in &found.items {
                if record.id.as_ref() != but && User::from_record(record)?.is_local_administrator() {
                    return Ok(());
                }
            }
            match found.next {
                Some(next) => page = Page::after(next, 500),
                None => return Err(Problem::conflict("this is the last administrator; make another one first")),
            }
        }
    }
}

fn expect(found: &VersionedUser, version: Option<u64>) -> Result<(), Problem> {
    match version {
        Some(version) if version != found.version => {
            Err(Problem::changed("the user was changed since you read it; read it again"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, User, is_name};
    use crate::{access::Grant, account::directory::DirectoryRights};

    #[test]
    fn names_have_a_form_and_rights_add_up() {
        for (name, good) in
            [("anna", true), ("Anna.B@example.org", true), ("", false), ("-a", false), ("a b", false), ("a*", false)]
        {
            assert_eq!(is_name(name), good, "{name}");
        }
        let mut user = User::new("Anna", Source::Directory, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!((user.name.as_ref(), user.caller(None).grant("a")), ("anna", None));
        user.grants.insert("a".into(), Grant::Edit);
        let grants = [("a".into(), Grant::View), ("b".into(), Grant::View)].into_iter().collect();
        user.directory = Some(DirectoryRights { administrator: false, grants });
        let caller = user.caller(None);
        assert_eq!(
            (caller.grant("a"), caller.grant("b"), caller.grant("c")),
            (Some(Grant::Edit), Some(Grant::View), None)
        );
    }
}
