//! The rights of users to an environment, as far as changes of environments touch them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use calipso_model::Str;
use calipso_store::{Collection, Page, work::Row as _};

use crate::{
    access::Grant,
    account::{
        Accounts,
        user::{User, folded},
    },
    problem::Problem,
};

/// Users that are read at once.
const PIECE: usize = 500;

/// So many names are looked up one by one; for more, all users are read.
const FEW: usize = 20;

/// Where the rights of users are kept.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Users with a right to this very environment; rights to all environments are not listed.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn of(&self, environment: &str) -> Result<BTreeMap<Str, Grant>, Problem>;

    /// Those of these names that are no users, each once, however it was written.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn unknown(&self, users: &[Str]) -> Result<Vec<Str>, Problem>;

    /// Gives a user a right to an environment, or takes it away. Who is no user is passed over.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn set(&self, user: &str, environment: &str, grant: Option<Grant>) -> Result<(), Problem>;
}

/// There are no users: the server lets everybody in.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUsers;

#[async_trait]
impl Grants for NoUsers {
    async fn of(&self, _environment: &str) -> Result<BTreeMap<Str, Grant>, Problem> {
        Ok(BTreeMap::new())
    }

    async fn unknown(&self, users: &[Str]) -> Result<Vec<Str>, Problem> {
        Ok(users.to_vec())
    }

    async fn set(&self, _user: &str, _environment: &str, _grant: Option<Grant>) -> Result<(), Problem> {
        Ok(())
    }
}

#[async_trait]
impl Grants for Accounts {
    async fn of(&self, environment: &str) -> Result<BTreeMap<Str, Grant>, Problem> {
        let (mut found, mut page) = (BTreeMap::new(), Page::first(PIECE));
        loop {
            let users = self.users(&page).await?;
            for record in &users.items {
                let user = User::from_record(record)?;
                if let Some(grant) = user.grants.get(environment) {
                    found.insert(user.name.clone(), *grant);
                }
            }
            match users.next {
                Some(next) => page = Page::after(next, PIECE),
                None => return Ok(found),
            }
        }
    }

    async fn unknown(&self, users: &[Str]) -> Result<Vec<Str>, Problem> {
        let mut unknown: BTreeMap<Str, Str> = users.iter().map(|user| (folded(user), user.clone())).collect();
        if unknown.len() <= FEW {
            let names: Vec<Str> = unknown.keys().cloned().collect();
            for name in names {
                if self.backend.record(Collection::Users, &name).await?.is_some() {
                    unknown.remove(&name);
                }
            }
            return Ok(unknown.into_values().collect());
        }
        let mut page = Page::first(PIECE);
        loop {
            let known = self.users(&page).await?;
            for record in &known.items {
                unknown.remove(&record.id);
            }
            match known.next {
                Some(next) => page = Page::after(next, PIECE),
                None => return Ok(unknown.into_values().collect()),
            }
        }
    }

    async fn set(&self, user: &str, environment: &str, grant: Option<Grant>) -> Result<(), Problem> {
        let name = folded(user);
        let environment = Str::from(environment);
        for _ in 0..TRIES {
            let environment = environment.clone();
            let change = move |user: &mut User| match grant {
                Some(grant) => drop(user.grants.insert(environment, grant)),
                None => drop(user.grants.remove(&environment)),
            };
            // Whatever else of the user changes at the same time stays: it is read and changed again.
            match self.change_user(&name, None, jiff::Timestamp::now(), change).await {
                Err(problem) if problem.status() == 412 => {}
                Err(problem) if problem.status() == 404 => return Ok(()),
                done => return done.map(|_| ()),
            }
        }
        Err(Problem::changed("the rights of a user are being changed by others; try again"))
    }
}

/// How often a right is written before others are let go first.
const TRIES: usize = 5;

/// Makes the rights to an environment those that are wished. Returns nothing: what is right already is left alone.
///
/// # Errors
/// The store cannot be used.
pub async fn settle(grants: &dyn Grants, environment: &str, wanted: &BTreeMap<Str, Grant>) -> Result<(), Problem> {
    let known = grants.of(environment).await?;
    for (user, grant) in wanted {
        if known.get(user) != Some(grant) {
            grants.set(user, environment, Some(*grant)).await?;
        }
    }
    for user in known.keys().filter(|user| !wanted.contains_key(*user)) {
        grants.set(user, environment, None).await?;
    }
    Ok(())
}
