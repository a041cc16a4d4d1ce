//! The door to the live world.

mod http;
mod sql;
mod ssh;

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use crate::{
    door::{Call, Door, Reply, Request},
    error::{ErrorKind, FetchError},
    stats::{Counters, SourceStats},
};

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks real servers.
///
/// # Shape
/// Make one for each scan: it keeps its connections, and what it learned of hosts that do not answer, until it is
/// dropped or closed.
pub struct Live {
    http: http::Http,
    sql: sql::Sql,
    ssh: ssh::Ssh,
    counters: Arc<Counters>,
}

impl Live {
    /// A door without any open connection; connections are made when they are needed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_sockets(true)
    }

    /// The same; `sockets` says whether socket files of this machine may be asked. A server whose users write URLs must not
    /// let them reach whatever listens beside it.
    #[must_use]
    pub fn with_sockets(sockets: bool) -> Self {
        // Another part of the program may have installed a provider before; any one will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let counters = Arc::new(Counters::default());
        Self {
            http: http::Http::new(sockets),
            sql: sql::Sql::default(),
            ssh: ssh::Ssh::new(Arc::clone(&counters)),
            counters,
        }
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.sql.close().await;
        self.ssh.close().await;
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Door for Live {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        let role = call.role.clone();
        let began = Instant::now();
        let outcome = match &call.request {
            Request::Http { .. } => {
                let _permit = call.budget.acquire().await;
                self.counters.change(&role, |stats| stats.executions += 1);
                within(&call, self.http.ask(&call)).await
            }
            Request::Sql { .. } => {
                let _permit = call.budget.acquire().await;
                self.counters.change(&role, |stats| stats.executions += 1);
                within(&call, self.sql.ask(&call)).await
            }
            Request::Exec { .. } => self.ssh.ask(call).await,
        };
        let bytes = outcome.as_ref().ok().map(Reply::bytes);
        self.counters.called(&role, bytes, began.elapsed());
        if let Err(error) = &outcome {
            tracing::debug!(%role, %error, "no answer");
        }
        outcome
    }

    fn execution(&self, call: &Call) -> Option<u64> {
        self.counters.execution(call)
    }

    fn stats(&self) -> Vec<SourceStats> {
        self.counters.list()
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

/// Gives up when the time of the call is over.
async fn within(call: &Call, work: impl Future<Output = Result<Reply, FetchError>>) -> Result<Reply, FetchError> {
    match tokio::time::timeout(call.timeout, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(timed_out(&call.place(), call.timeout)),
    }
}

fn timed_out(place: &str, timeout: Duration) -> FetchError {
    let why = format!("no answer within {} s", timeout.as_secs_f64());
    FetchError::new(ErrorKind::Timeout, place, why)
}

fn too_large(place: &str, max_bytes: u64) -> FetchError {
    let why = format!("more than {max_bytes} bytes; the connection's limit `max_bytes` can be raised");
    FetchError::new(ErrorKind::TooLarge, place, why)
}
