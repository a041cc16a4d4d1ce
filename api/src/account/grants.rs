//! The rights of users to an environment, as far as changes of environments touch them.

use std::collections::BTreeMap;

use calipso_model::Str;
use calipso_store::{Collection, Page, work::Row as _};
use jiff::Timestamp;

use crate::{
    access::Grant,
    account::{
        Accounts,
        user::{User, folded},
    },
    problem::Problem,
};

/// Number of users that are read at once.
const PIECE: usize = 500;

/// Up to this number, names are looked up one by one; for more, all users are read.
const FEW: usize = 20;

/// How often a right is written before others are let go first.
const TRIES: usize = 5;

impl Accounts {
    /// Users with a right to this very environment; rights to all environments are not listed.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn grants_of(&self, environment: &str) -> Result<BTreeMap<Str, Grant>, Problem> {
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

    /// Those of these names that are no users, each once, however it was written.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn unknown_users(&self, names: &[Str]) -> Result<Vec<Str>, Problem> {
        let mut unknown: BTreeMap<Str, Str> = names.iter().map(|name| (folded(name), name.clone())).collect();
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

    /// Gives a user a right to an environment, or takes it away. A name that is no user's is passed over.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn set_grant(
        &self,
        user: &str,
        environment: &str,
        grant: Option<Grant>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let name = folded(user);
        let environment = Str::from(environment);
        for _ in 0..TRIES {
            let environment = environment.clone();
            let change = move |user: &mut User| match grant {
                Some(grant) => drop(user.grants.insert(environment, grant)),
                None => drop(user.grants.remove(&environment)),
            };
            // Whatever else of the user changes at the same time stays: it is read and changed again.
            match self.change_user(&name, None, now, change).await {
                Err(problem) if problem.status() == 412 => {}
                Err(problem) if problem.status() == 404 => return Ok(()),
                done => return done.map(|_| ()),
            }
        }
        Err(Problem::changed("the rights of a user are being changed by others; try again"))
    }

    /// Makes the rights to an environment those that are wished; what is right already is left alone.
    ///
    /// # Errors
    /// The store cannot be used.
    pub async fn settle_grants(
        &self,
        environment: &str,
        wanted: &BTreeMap<Str, Grant>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let known = self.grants_of(environment).await?;
        for (user, grant) in wanted {
            if known.get(user) != Some(grant) {
                self.set_grant(user, environment, Some(*grant), now).await?;
            }
        }
        for user in known.keys().filter(|user| !wanted.contains_key(*user)) {
            self.set_grant(user, environment, None, now).await?;
        }
        Ok(())
    }
}
