//! The rights of users to an environment, as far as changes of environments touch them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use calipso_model::Str;

use crate::{access::Grant, problem::Problem};

/// Where the rights of users are kept.
#[async_trait]
pub trait Grants: Send + Sync {
    /// Users with a right to this very environment; rights to all environments are not listed.
    ///
    /// # Errors
    /// The store cannot be used.
    async fn of(&self, environment: &str) -> Result<BTreeMap<Str, Grant>, Problem>;

    /// Those of these names that are no users.
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
