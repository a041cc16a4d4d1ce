//! What was asked of each source, and what it cost.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use calipso_model::Str;

use crate::door::Call;

/// What was asked of one role.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceStats {
    /// The role.
    pub role: Str,
    /// Logical calls that were really made.
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

/// Statistics that grow.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    roles: Mutex<BTreeMap<Str, SourceStats>>,
    /// By command: the execution that carried it last.
    carried: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(crate) fn change(&self, role: &Str, change: impl FnOnce(&mut SourceStats)) {
        let mut roles = self.roles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entry =
            roles.entry(role.clone()).or_insert_with(|| SourceStats { role: role.clone(), ..SourceStats::default() });
        change(entry);
    }

    /// Counts an execution that will carry commands, and gives its number.
    pub(crate) fn executes(&self, role: &Str) -> u64 {
        let mut number = 0;
        self.change(role, |stats| {
            stats.executions += 1;
            number = stats.executions;
        });
        number
    }

    /// Notes which execution carries a command.
    pub(crate) fn carries(&self, execution: u64, call: &Call) {
        self.carried.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name(call), execution);
    }

    /// Which execution carried a command.
    pub(crate) fn execution(&self, call: &Call) -> Option<u64> {
        self.carried.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&name(call)).copied()
    }

    pub(crate) fn called(&self, role: &Str, bytes: Option<u64>, took: Duration) {
        self.change(role, |stats| {
            stats.calls += 1;
            stats.bytes += bytes.unwrap_or(0);
            stats.failed += u64::from(bytes.is_none());
            stats.seconds += took.as_secs_f64();
        });
    }

    pub(crate) fn list(&self) -> Vec<SourceStats> {
        let roles = self.roles.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        roles.values().cloned().collect()
    }
}

fn name(call: &Call) -> String {
    format!("{} {} {} {}", call.role, call.stage.as_str(), call.attempt, call.request.key_text())
}

/// Adds what a wrapper counted to what the door inside counted.
pub(crate) fn merge(inner: Vec<SourceStats>, outer: Vec<SourceStats>) -> Vec<SourceStats> {
    let mut roles: BTreeMap<Str, SourceStats> = BTreeMap::new();
    for stats in inner.into_iter().chain(outer) {
        let entry = roles
            .entry(stats.role.clone())
            .or_insert_with(|| SourceStats { role: stats.role.clone(), ..SourceStats::default() });
        entry.calls += stats.calls;
        entry.executions += stats.executions;
        entry.bytes += stats.bytes;
        entry.seconds += stats.seconds;
        entry.cached += stats.cached;
        entry.failed += stats.failed;
    }
    roles.into_values().collect()
}
