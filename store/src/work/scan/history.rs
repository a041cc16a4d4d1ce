//! What earlier scans say of an environment, and how long they are remembered.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use calipso_model::{Str, Value};

use crate::{
    error::StoreError,
    query::Page,
    records::{Collection, FieldTest, RecordQuery, Records},
    work::{
        row::{self, earlier, stamp},
        scan::{ScanStatus, ScanTask},
    },
};

/// Number of requests that are read at once.
const PIECE: usize = 100;

/// What the scans of an environment say of it.
///
/// # Shape
/// A *full* scan is one of the whole environment with objects, links and cliques; scans of one object or of one part do not
/// make an environment `scanned`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentState {
    /// Whether a full scan was completed, with or without errors.
    pub scanned: bool,
    /// When the newest full scan that was completed ended.
    pub last_scanned: Option<Str>,
    /// How the newest full scan that ended did so.
    pub last_scan_status: Option<ScanStatus>,
    /// When the newest scan of one object or one part that was completed ended.
    pub last_partial_scanned: Option<Str>,
    /// Whether a scan of it, of whatever kind, is with a worker.
    pub running: bool,
    /// How many wait.
    pub pending: u64,
}

/// What the scans of an environment say of it.
///
/// # Errors
/// Those of the store.
pub async fn state(records: &dyn Records, environment: &str) -> Result<EnvironmentState, StoreError> {
    let of =
        |status: ScanStatus| RecordQuery::all().equals("environment", environment).equals("status", status.as_str());
    let mut state = EnvironmentState {
        running: records.count(Collection::Scans, &of(ScanStatus::Running)).await? > 0,
        pending: records.count(Collection::Scans, &of(ScanStatus::Pending)).await?,
        ..EnvironmentState::default()
    };
    let query = RecordQuery::all()
        .equals("environment", environment)
        .and("status", FieldTest::AnyOf(final_statuses()))
        .newest_first("end_timestamp");
    let mut page = Page::first(PIECE);
    loop {
        let (tasks, next) = row::list::<ScanTask>(records, &query, &page).await?;
        for task in tasks {
            let completed = matches!(task.row.status, ScanStatus::Completed | ScanStatus::CompletedWithErrors);
            if !task.row.is_full() {
                if completed && state.last_partial_scanned.is_none() {
                    state.last_partial_scanned = task.row.end_timestamp;
                }
                continue;
            }
            state.last_scan_status.get_or_insert(task.row.status);
            if completed {
                state.scanned = true;
                state.last_scanned = task.row.end_timestamp;
                return Ok(state);
            }
        }
        match next {
            Some(cursor) => page = Page::after(cursor, PIECE),
            None => return Ok(state),
        }
    }
}

fn final_statuses() -> Vec<Value> {
    ScanStatus::ALL.iter().filter(|status| status.is_final()).map(|status| Value::text(status.as_str())).collect()
}

/// Forgets requests that ended longer ago than `older_than`, and of each environment all but the newest
/// `keep_per_environment`. Returns how many.
///
/// # Shape
/// The newest full scan of an environment that ended, and the newest one that was completed, stay in any case: [`state`]
/// follows from them.
/// # Errors
/// Those of the store.
pub async fn forget_old(
    records: &dyn Records,
    keep_per_environment: u64,
    older_than: Duration,
    now_millis: i64,
) -> Result<u64, StoreError> {
    let oldest = stamp(earlier(now_millis, older_than));
    let query = RecordQuery::all().and("status", FieldTest::AnyOf(final_statuses())).newest_first("end_timestamp");
    let mut seen: BTreeMap<Str, u64> = BTreeMap::new();
    let mut ended: BTreeSet<Str> = BTreeSet::new();
    let mut completed: BTreeSet<Str> = BTreeSet::new();
    let mut doomed = Vec::new();
    let mut page = Page::first(PIECE);
    loop {
        let (tasks, next) = row::list::<ScanTask>(records, &query, &page).await?;
        for task in tasks {
            let environment = &task.row.environment;
            let number = seen.entry(environment.clone()).or_default();
            *number += 1;
            let mut says_state = false;
            if task.row.is_full() {
                says_state |= ended.insert(environment.clone());
                if matches!(task.row.status, ScanStatus::Completed | ScanStatus::CompletedWithErrors) {
                    says_state |= completed.insert(environment.clone());
                }
            }
            let is_old = task.row.end_timestamp.as_ref().is_none_or(|end| *end < oldest);
            if !says_state && (is_old || *number > keep_per_environment) {
                doomed.push(task.id);
            }
        }
        match next {
            Some(cursor) => page = Page::after(cursor, PIECE),
            None => break,
        }
    }
    let mut forgotten = 0;
    for id in doomed {
        forgotten += u64::from(records.remove(Collection::Scans, &id, None).await?);
    }
    Ok(forgotten)
}
