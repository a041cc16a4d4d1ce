//! What was asked of each source, and what it cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use calipso_model::Str;

use crate::{
    door::{Call, Door, Exchange, Execution},
    key::RequestKey,
    reply::Reply,
};

/// What was asked of one role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceStats {
    /// The role of the connection that fetchers name after `via`.
    pub role: Str,
    /// Calls that were really made.
    pub calls: u64,
    /// Round trips for them: requests, queries, or command executions (one execution carries many commands).
    pub executions: u64,
    /// Content received.
    ///
    /// # Units
    /// Bytes.
    pub bytes: u64,
    /// Time spent waiting, added up over all calls.
    ///
    /// # Units
    /// Seconds.
    pub seconds: f64,
    /// Calls answered from an equal call made before.
    pub cached: u64,
    /// Calls without an answer.
    pub failed: u64,
}

/// Passes calls on and counts them. It stands outside of everything that caches, replays or records.
pub struct Counted<D> {
    inner: D,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    roles: BTreeMap<Str, SourceStats>,
    /// Executions that were counted already, by role and host: several calls share one.
    shared: BTreeSet<(Str, Str, u64)>,
}

impl<D: Door> Counted<D> {
    /// Counts what passes from now on.
    #[must_use]
    pub fn new(inner: D) -> Self {
        Self { inner, counters: Mutex::default() }
    }

    /// What was asked so far, by role.
    #[must_use]
    pub fn stats(&self) -> Vec<SourceStats> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).roles.values().cloned().collect()
    }

    fn count(&self, role: Str, host: Option<Str>, exchange: &Exchange) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let Counters { roles, shared } = &mut *counters;
        let stats =
            roles.entry(role.clone()).or_insert_with(|| SourceStats { role: role.clone(), ..SourceStats::default() });
        if exchange.is_cached {
            stats.cached += 1;
            return;
        }
        let bytes = exchange.reply.as_ref().ok().map(Reply::bytes);
        stats.calls += 1;
        stats.bytes += bytes.unwrap_or(0);
        stats.failed += u64::from(bytes.is_none());
        stats.seconds += exchange.took.as_secs_f64();
        stats.executions += u64::from(match exchange.execution {
            Execution::None => false,
            Execution::Own => true,
            Execution::Shared(number) => shared.insert((role, host.unwrap_or_default(), number)),
        });
    }
}

#[async_trait]
impl<D: Door> Door for Counted<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        let role = call.role.clone();
        let host = match &call.key {
            RequestKey::Exec(key) => Some(key.host.clone()),
            _ => None,
        };
        let exchange = self.inner.exchange(call).await;
        self.count(role, host, &exchange);
        exchange
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
