//! How a worker gets a request.

use std::{collections::BTreeSet, time::Duration};

use calipso_model::{Str, Value};

use crate::{
    error::StoreError,
    query::Page,
    records::{Backend, FieldTest, RecordQuery, Records},
    work::{
        row::{self, Versioned, later, stamp},
        scan::{Progress, ScanStatus, ScanTask, slot},
    },
};

/// Maximum number of workers that may take a request and not come back; then it is given up.
const MOST_ATTEMPTS: u64 = 3;
/// Number of requests that are looked at together.
const PIECE: usize = 100;

/// Takes the oldest request that can run: one that waits and whose time has come, or one whose worker has not been heard of
/// for longer than its lease. None of an environment at which another worker is; beside what this worker does itself, one of a
/// part of the environment, or a whole one beside parts.
///
/// # Shape
/// A request whose worker was lost three times becomes `failed`; one that was to be cancelled when its worker was lost
/// becomes `aborted`.
/// # Units
/// `now_millis` in milliseconds since 1970 UTC.
/// # Errors
/// Those of the store.
pub async fn claim(
    backend: &dyn Backend,
    worker: &str,
    now_millis: i64,
    ttl: Duration,
) -> Result<Option<Versioned<ScanTask>>, StoreError> {
    let running = row::all::<ScanTask>(backend, &of_status(ScanStatus::Running)).await?;
    let mut busy = Busy { worker, others: BTreeSet::new(), wholes: BTreeSet::new() };
    running.iter().filter(|task| task.row.is_held(now_millis)).for_each(|task| busy.add(&task.row));
    let mut lost: Vec<Versioned<ScanTask>> = Vec::new();
    for task in running.into_iter().filter(|task| !task.row.is_held(now_millis)) {
        if !give_up(backend, &task, now_millis).await? {
            lost.push(task);
        }
    }
    let mut lost = lost.into_iter().peekable();
    let mut page = Page::first(PIECE);
    loop {
        let (waiting, next) = row::list::<ScanTask>(backend, &of_status(ScanStatus::Pending), &page).await?;
        for task in waiting {
            while let Some(older) = lost.next_if(|lost| lost.row.submit_timestamp <= task.row.submit_timestamp) {
                if let Some(taken) = take(backend, older, worker, now_millis, ttl, &mut busy).await? {
                    return Ok(Some(taken));
                }
            }
            if task.row.not_before_millis <= now_millis
                && let Some(taken) = take(backend, task, worker, now_millis, ttl, &mut busy).await?
            {
                return Ok(Some(taken));
            }
        }
        match next {
            Some(cursor) => page = Page::after(cursor, PIECE),
            None => break,
        }
    }
    for task in lost {
        if let Some(taken) = take(backend, task, worker, now_millis, ttl, &mut busy).await? {
            return Ok(Some(taken));
        }
    }
    Ok(None)
}

fn of_status(status: ScanStatus) -> RecordQuery {
    RecordQuery::all().equals("status", status.as_str()).ordered("submit_timestamp")
}

/// Ends a request that lost its worker and need not be tried again. Tells whether it did.
async fn give_up(records: &dyn Records, task: &Versioned<ScanTask>, now_millis: i64) -> Result<bool, StoreError> {
    let worker = task.row.holder.as_deref().unwrap_or_default();
    let (status, why) = if task.row.cancel_requested {
        let why = task.row.error.clone().unwrap_or_else(|| "cancelled".into());
        (ScanStatus::Aborted, why)
    } else if task.row.attempts >= MOST_ATTEMPTS {
        let why = format!(
            "given up after {} workers began it and were not heard of again, the last of them `{worker}`; \
             see what ended them, then ask for the scan again",
            task.row.attempts
        );
        (ScanStatus::Failed, why.into())
    } else {
        return Ok(false);
    };
    let mut ended = task.clone();
    ended.row.status = status;
    ended.row.error = Some(why);
    ended.row.end_timestamp = Some(stamp(now_millis));
    ended.row.lease_until_millis = 0;
    ended.row.updated_millis = now_millis;
    match ended.save(records).await {
        // Somebody else was faster, with whatever it was.
        Ok(()) | Err(StoreError::Changed { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Writes the worker's name into one request, unless its environment is busy or another worker is faster.
async fn take(
    records: &dyn Records,
    mut task: Versioned<ScanTask>,
    worker: &str,
    now_millis: i64,
    ttl: Duration,
    busy: &mut Busy<'_>,
) -> Result<Option<Versioned<ScanTask>>, StoreError> {
    if busy.forbids(&task.row) {
        return Ok(None);
    }
    let before = task.row.clone();
    let row = &mut task.row;
    row.status = ScanStatus::Running;
    row.holder = Some(worker.into());
    row.attempts += 1;
    row.lease_until_millis = later(now_millis, ttl);
    row.start_timestamp = Some(stamp(now_millis));
    row.progress = Progress::default();
    row.waits_because = None;
    row.updated_millis = now_millis;
    match task.save(records).await {
        Ok(()) => {}
        Err(StoreError::Changed { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    if slot::take(records, &task, now_millis).await? {
        return Ok(Some(task));
    }
    busy.others.insert(before.environment.clone());
    task.row = before;
    match task.save(records).await {
        // Changed: it was cancelled in this moment; its lease runs out, and then it ends.
        Ok(()) | Err(StoreError::Changed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The environments that are being scanned.
struct Busy<'a> {
    worker: &'a str,
    /// By other workers.
    others: BTreeSet<Str>,
    /// As a whole, by this one.
    wholes: BTreeSet<Str>,
}

impl Busy<'_> {
    fn add(&mut self, running: &ScanTask) {
        if running.holder.as_deref() != Some(self.worker) {
            self.others.insert(running.environment.clone());
        } else if !running.is_of_part() {
            self.wholes.insert(running.environment.clone());
        }
    }

    fn forbids(&self, wanted: &ScanTask) -> bool {
        self.others.contains(&wanted.environment) || !wanted.is_of_part() && self.wholes.contains(&wanted.environment)
    }
}

/// Whether any request of an environment waits or runs.
pub(in crate::work) fn unfinished(environment: &str) -> RecordQuery {
    let open = [ScanStatus::Pending, ScanStatus::Running].map(|status| Value::text(status.as_str()));
    RecordQuery::all().equals("environment", environment).and("status", FieldTest::AnyOf(open.into()))
}
