//! A directory service that knows users and their passwords, as a second source of logins.

use std::collections::BTreeMap;

use async_trait::async_trait;
use calipso_model::{Secret, Str};
use serde::{Deserialize, Serialize};

use crate::access::Grant;

/// What the directory gives to a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRights {
    /// Whether the user administers: may do everything.
    #[serde(default)]
    pub administrator: bool,
    /// What the user may do, by environment.
    #[serde(default)]
    pub grants: BTreeMap<Str, Grant>,
}

/// What a directory says of a name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryAnswer {
    /// They belong together.
    Known(DirectoryRights),
    /// No such user, or not this password. Which of the two is not told.
    Refused,
}

/// Why a directory gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be reached, or not in time.
    #[error("the directory does not answer")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It answers something that nobody can use: the configuration is wrong.
    #[error("the directory cannot be used: {0}")]
    Unusable(String),
}

/// Checks passwords elsewhere.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Whether this is the user's password, and what the directory gives to the user.
    ///
    /// # Errors
    /// It gave no answer, which is none about the password.
    async fn check(&self, user: &str, password: &Secret) -> Result<DirectoryAnswer, DirectoryError>;
}
