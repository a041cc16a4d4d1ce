//! Writes of the worker that holds a request; each is refused when another worker holds it by now.

use std::time::Duration;

use calipso_model::{Map, Revision, Str};

use crate::{
    error::StoreError,
    records::Records,
    store::ReportId,
    work::{
        row::{self, Versioned, later, stamp},
        scan::{Progress, ScanStatus, ScanTask, slot},
    },
};

/// Result of a write of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Beat {
    /// It is written; go on.
    Go,
    /// Written; a user wants the scan to end.
    Cancel,
    /// Not written: another worker holds the request by now, or it is gone. Stop, and commit nothing.
    Lost,
}

/// Says that the worker is alive and how far it is; its lease then lasts longer.
///
/// # Shape
/// A lease that ran out, but that nobody took over, is still good, unless another request of the environment runs by now.
/// # Errors
/// Those of the store.
pub async fn beat(
    records: &dyn Records,
    task: &mut Versioned<ScanTask>,
    progress: Progress,
    now_millis: i64,
    ttl: Duration,
) -> Result<Beat, StoreError> {
    let ran_out = !task.row.is_held(now_millis);
    let written = change(records, task, |row| {
        row.progress = progress.clone();
        row.lease_until_millis = later(now_millis, ttl);
        row.updated_millis = now_millis;
    })
    .await?;
    if !written {
        return Ok(Beat::Lost);
    }
    if ran_out && !slot::take(records, task, now_millis).await? {
        let _ = hand_back(records, task, now_millis, "another scan of the environment began", now_millis).await?;
        return Ok(Beat::Lost);
    }
    Ok(if task.row.cancel_requested { Beat::Cancel } else { Beat::Go })
}

/// Writes the end of a request. [`Beat::Lost`]: this worker does not hold it any more, and nothing was written.
///
/// # Errors
/// Those of the store; [`StoreError::Invalid`] when the status is not final.
#[expect(clippy::too_many_arguments, reason = "each is one column of the document")]
pub async fn finish(
    records: &dyn Records,
    task: &mut Versioned<ScanTask>,
    status: ScanStatus,
    error: Option<Str>,
    report_id: Option<ReportId>,
    revision: Option<Revision>,
    summary: Option<Map>,
    now_millis: i64,
) -> Result<Beat, StoreError> {
    if !status.is_final() {
        return Err(StoreError::invalid(format!("a scan does not end as {}", status.as_str())));
    }
    let written = change(records, task, |row| {
        row.status = status;
        row.error = error.clone().or_else(|| row.error.take().filter(|_| status == ScanStatus::Aborted));
        row.report_id = report_id;
        row.revision = revision;
        row.summary = summary.clone();
        row.end_timestamp = Some(stamp(now_millis));
        row.lease_until_millis = 0;
        row.updated_millis = now_millis;
    })
    .await?;
    Ok(if written { Beat::Go } else { Beat::Lost })
}

/// Gives a request back, to be run by anybody from `not_before_millis` on; it does not count as an attempt. A request that is
/// to be cancelled ends instead.
///
/// # Errors
/// Those of the store.
pub async fn hand_back(
    records: &dyn Records,
    task: &mut Versioned<ScanTask>,
    not_before_millis: i64,
    why: &str,
    now_millis: i64,
) -> Result<Beat, StoreError> {
    let written = change(records, task, |row| {
        row.lease_until_millis = 0;
        row.updated_millis = now_millis;
        if row.cancel_requested {
            row.status = ScanStatus::Aborted;
            row.end_timestamp = Some(stamp(now_millis));
            return;
        }
        row.status = ScanStatus::Pending;
        row.holder = None;
        row.attempts = row.attempts.saturating_sub(1);
        row.start_timestamp = None;
        row.progress = Progress::default();
        row.not_before_millis = not_before_millis;
        row.waits_because = Some(why.into());
    })
    .await?;
    Ok(if written { Beat::Go } else { Beat::Lost })
}

/// Changes a request as long as it is still the one that was taken; a wish to cancel it that came in between is kept. Tells
/// whether it was written.
async fn change(
    records: &dyn Records,
    task: &mut Versioned<ScanTask>,
    mut make: impl FnMut(&mut ScanTask),
) -> Result<bool, StoreError> {
    loop {
        let mut next = task.clone();
        make(&mut next.row);
        match next.save(records).await {
            Ok(()) => {
                *task = next;
                return Ok(true);
            }
            Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(error),
        }
        let Some(found) = row::get::<ScanTask>(records, &task.id).await? else { return Ok(false) };
        let same_holder = found.row.holder == task.row.holder && found.row.attempts == task.row.attempts;
        if !same_holder || found.row.status != ScanStatus::Running {
            return Ok(false);
        }
        *task = found;
    }
}
