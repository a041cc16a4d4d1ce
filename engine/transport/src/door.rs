//! The trait of everything that answers calls, and what a call and its outcome are.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use calipso_model::Str;

use crate::{error::FetchError, key::RequestKey, means::Means, reply::Reply};

/// Answers calls: the live world, a recording, or a wrapper around another door.
#[async_trait]
pub trait Door: Send + Sync {
    /// Makes one call and waits until it has ended. An HTTP status or an exit status is an answer, not an error.
    async fn exchange(&self, call: Call) -> Exchange;

    /// Closes every connection; later calls open them again.
    async fn close(&self) {}

    /// The reply alone.
    ///
    /// # Errors
    /// There is no answer: see [`FetchError`].
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        self.exchange(call).await.reply
    }
}

#[async_trait]
impl<D: Door + ?Sized> Door for Arc<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        (**self).exchange(call).await
    }

    async fn close(&self) {
        (**self).close().await;
    }
}

/// One request: what is asked, for whom, and how a live door makes it.
#[derive(Clone, Debug)]
pub struct Call {
    /// What fetchers say after `via`.
    pub role: Str,
    /// What it is asked for.
    pub stage: Stage,
    /// 0 the first time; one more each time that the same request is made again on purpose (a retry, a repetition after a new
    /// login, that new login itself). Equal requests with equal attempts are one call.
    pub attempt: u32,
    /// What is asked. Recordings know nothing else of a call.
    pub key: RequestKey,
    /// How a live door makes the call; none where only recorded answers can answer it.
    pub means: Option<Means>,
}

impl Call {
    /// Who is asked, for messages: the role and the host, never a secret.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let address = self.means.as_ref().and_then(Means::address);
        match (&self.key, address) {
            (RequestKey::Exec(key), _) => format!("{} ({})", key.host, self.role),
            (_, Some(address)) => format!("{} ({address})", self.role),
            (_, None) => self.role.to_string(),
        }
    }
}

/// What a call is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// To open a session.
    Login,
    /// For a fetcher.
    Work,
    /// To test a connection.
    Test,
}

impl Stage {
    /// `login`, `work` or `test`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Work => "work",
            Self::Test => "test",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Login, Self::Work, Self::Test].into_iter().find(|stage| stage.as_str() == name)
    }
}

/// How a call ended, and what it cost.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The reply, or why there is none.
    pub reply: Result<Reply, FetchError>,
    /// How long it took; in a replay, how long it took when it was recorded.
    pub took: Duration,
    /// The round trip that it needed.
    pub execution: Execution,
    /// Whether this is the reply of an equal call made before.
    pub is_cached: bool,
}

impl From<Result<Reply, FetchError>> for Exchange {
    /// With a round trip of its own that took no time worth telling.
    fn from(reply: Result<Reply, FetchError>) -> Self {
        Self { reply, took: Duration::ZERO, execution: Execution::Own, is_cached: false }
    }
}

/// The round trip that carried a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Nothing was sent.
    None,
    /// One of its own.
    Own,
    /// One that several commands share: its number among those of the door.
    Shared(u64),
}
