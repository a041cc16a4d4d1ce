//! The door to the live world.

mod http;
mod sql;
mod ssh;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use crate::{
    door::{Call, Door, Exchange, Execution},
    error::{ErrorKind, FetchError},
    key::RequestKey,
    means::{Means, Route},
    reply::Reply,
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
}

impl Live {
    /// A door without any open connection; connections are made when they are needed.
    #[must_use]
    pub fn new() -> Self {
        Self::with_sockets(true)
    }

    /// The same; `sockets`: whether socket files of this machine may be opened. A server whose users write URLs must not let
    /// them reach the other services of its machine.
    #[must_use]
    pub fn with_sockets(sockets: bool) -> Self {
        // Another part of the program may have installed a provider before; any one will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { http: http::Http::new(sockets), sql: sql::Sql::default(), ssh: ssh::Ssh::default() }
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
    async fn exchange(&self, call: Call) -> Exchange {
        let role = call.role.clone();
        let began = Instant::now();
        let (reply, execution) = self.make(call).await;
        if let Err(error) = &reply {
            tracing::debug!(%role, error = calipso_model::chain(error), "A call got no answer.");
        }
        Exchange { reply, took: began.elapsed(), execution, is_cached: false }
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

impl Live {
    async fn make(&self, call: Call) -> (Result<Reply, FetchError>, Execution) {
        let endpoint = call.endpoint();
        let Some(means) = call.means else {
            let why = "the call does not say how to reach a server";
            return (Err(FetchError::new(ErrorKind::Setup, endpoint, why)), Execution::None);
        };
        match (&call.key, &means.route) {
            (RequestKey::Http(key), Route::Http(route)) => {
                let _permit = means.budget.acquire().await;
                (within(&endpoint, &means, self.http.ask(&endpoint, key, route, means.max_bytes)).await, Execution::Own)
            }
            (RequestKey::Sql(key), Route::Sql(server)) => {
                let _permit = means.budget.acquire().await;
                (within(&endpoint, &means, self.sql.ask(&endpoint, key, server, &means)).await, Execution::Own)
            }
            (RequestKey::Exec(_), Route::Ssh(route)) => {
                self.ssh.ask(ssh::Command::new(endpoint, call.attempt, route, &means)).await
            }
            _ => {
                let why = "what is asked and the server that is asked speak different protocols";
                (Err(FetchError::new(ErrorKind::Setup, endpoint, why)), Execution::None)
            }
        }
    }
}

/// Gives up when the time of the call is over.
async fn within(
    endpoint: &str,
    means: &Means,
    work: impl Future<Output = Result<Reply, FetchError>>,
) -> Result<Reply, FetchError> {
    tokio::time::timeout(means.timeout, work).await.unwrap_or_else(|_| Err(timed_out(endpoint, means.timeout)))
}

fn timed_out(endpoint: &str, timeout: Duration) -> FetchError {
    let why = format!("no answer within {} s", timeout.as_secs_f64());
    FetchError::new(ErrorKind::Timeout, endpoint, why)
}

fn too_large(endpoint: &str, max_bytes: u64) -> FetchError {
    let why = format!("more than {max_bytes} bytes; the connection's limit `max_bytes` can be raised");
    FetchError::new(ErrorKind::TooLarge, endpoint, why)
}
