//! What all handlers share.

use std::{sync::Arc, time::Duration};

use calipso_spec::{Layer, Loaded};
use calipso_store::Backend;

use crate::{
    access::Access,
    account::{Accounts, Settings},
    environments::Environments,
};

/// What requests may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Items of a page.
    pub page_size: usize,
    /// Bytes of a query string.
    pub query_bytes: usize,
    /// How long an answer may take to begin.
    pub time: Duration,
    /// Streams of events.
    pub events: Pace,
}

/// How often streams of events do what they do again and again.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The store is asked what is new: once for each environment, however many listen.
    pub poll: Duration,
    /// A silent stream says that it lives.
    pub heartbeat: Duration,
    /// The login is checked again: a stream ends with the token that opened it.
    pub recheck: Duration,
    /// So many streams may be open.
    pub streams: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(15),
            streams: 2_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            page_size: 1_000,
            query_bytes: 16 << 10,
            time: Duration::from_secs(60),
            events: Pace::default(),
        }
    }
}

/// What all handlers share.
pub struct Service {
    /// Where everything is kept.
    pub backend: Arc<dyn Backend>,
    /// The layers of the catalogue: built-in specs first.
    pub layers: Vec<Layer>,
    /// The catalogue of these layers, without errors.
    pub loaded: Arc<Loaded>,
    /// Who may come in.
    pub access: Access,
    /// What is allowed and known about environments.
    pub environments: Environments,
    /// What requests may cost.
    pub limits: Limits,
    /// Version of the program.
    pub version: &'static str,
    /// The time.
    pub clock: fn() -> jiff::Timestamp,
}

impl Service {
    /// The accounts. A server that lets everybody in has them, too: what is administered there counts when logins are on.
    #[must_use]
    pub fn accounts(&self) -> Arc<Accounts> {
        let kept = match &self.access {
            Access::Open => None,
            Access::Checked(authenticate) => Arc::clone(authenticate).accounts(),
        };
        kept.unwrap_or_else(|| Arc::new(Accounts::new(Arc::clone(&self.backend), Settings::default())))
    }

    /// The time in milliseconds since 1970 UTC.
    #[must_use]
    pub fn now_millis(&self) -> i64 {
        (self.clock)().as_millisecond()
    }
}
