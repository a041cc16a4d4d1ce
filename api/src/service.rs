//! What all handlers share.

use std::sync::Arc;

use axum::http::request::Parts;
use calipso_spec::Loaded;
use calipso_store::Backend;

use crate::{
    access::{Access, Caller},
    account::Accounts,
    environments::Environments,
    in_force::Catalogues,
    limits::Limits,
    problem::Problem,
};

/// What all handlers share.
pub struct Service {
    /// The store.
    pub backend: Arc<dyn Backend>,
    /// The specs in force.
    pub catalogues: Catalogues,
    /// Users and tokens. A server that lets everybody in has them, too: what is administered there counts when logins are on.
    pub accounts: Arc<Accounts>,
    /// Who may come in.
    pub access: Access,
    /// How secrets of environments are taken.
    pub environments: Environments,
    /// What requests may cost.
    pub limits: Limits,
    /// Version of the program.
    pub version: &'static str,
    /// Tells the time.
    pub clock: fn() -> jiff::Timestamp,
}

impl Service {
    /// Who sends a request; nothing when no credentials came with it.
    ///
    /// # Errors
    /// Wrong credentials, too many attempts, no store.
    pub async fn caller(&self, request: &Parts) -> Result<Option<Caller>, Problem> {
        match self.access {
            Access::Open => Ok(Some(Caller::anybody())),
            Access::Login => self.accounts.caller(request, (self.clock)()).await,
        }
    }

    /// The specs in force for an environment.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn catalogue(&self, environment: &str) -> Result<Arc<Loaded>, Problem> {
        self.catalogues.of(self.backend.as_ref(), environment).await
    }

    /// The time in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        (self.clock)().as_millisecond()
    }
}
