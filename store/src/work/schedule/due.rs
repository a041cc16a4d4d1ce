//! Requests the scans whose time has come.

use calipso_model::Str;

use crate::{
    error::StoreError,
    records::{Backend, Collection, FieldTest, RecordQuery},
    work::{
        row::{self, Versioned, stamp, unstamp},
        scan::{self, ScanTask},
        schedule::{FieldProblem, Recurrence, Schedule, ScheduleStatus, plan::Plan},
    },
};

/// More planned times that passed are not counted.
const MOST_MISSED: u64 = 100_000;

/// Requests one scan for each schedule that is due, and plans its next time. Returns the number of requests.
///
/// # Shape
/// The id of a scan follows from the schedule and the planned time: two workers that do this at once, or one that is ended
/// between asking and planning, ask once. While any scan of the environment waits or runs, a time is passed over and counted as
/// missed; a schedule that runs once waits instead. A schedule whose environment is gone, or that cannot be planned any more, is finished
/// and says why.
/// # Errors
/// Those of the store.
pub async fn due(backend: &dyn Backend, now_millis: i64) -> Result<usize, StoreError> {
    let query = RecordQuery::all()
        .and("scheduled_timestamp", FieldTest::Below(stamp(now_millis.saturating_add(1)).into()))
        .ordered("scheduled_timestamp");
    let mut asked = 0;
    for task in row::all::<Schedule>(backend, &query).await? {
        asked += usize::from(run(backend, task, now_millis).await?);
    }
    Ok(asked)
}

async fn run(backend: &dyn Backend, mut task: Versioned<Schedule>, now_millis: i64) -> Result<bool, StoreError> {
    let Some(planned) = task.row.scheduled_timestamp.as_deref().and_then(unstamp) else {
        return end(backend, task, "its planned time cannot be read".into()).await;
    };
    let plan = match Plan::of(&task.row) {
        Ok(plan) => plan,
        Err(problems) => {
            let sentences: Vec<String> = problems.iter().map(FieldProblem::to_string).collect();
            return end(backend, task, sentences.join("; ").into()).await;
        }
    };
    match backend.current(&task.row.environment).await {
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => {
            let why = format!("there is no environment named `{}` any more", task.row.environment);
            return end(backend, task, why.into()).await;
        }
        Err(error) => return Err(error),
    }
    let id = scan_id(&task.id, planned);
    // In this order: what makes the environment busy may be the very scan that another worker asked for just now.
    let busy = backend.count(Collection::Scans, &scan::unfinished(&task.row.environment)).await? > 0;
    let mut ran = row::get::<ScanTask>(backend, &id).await?.is_some();
    if !ran && busy && task.row.recurrence == Recurrence::Once {
        return Ok(false);
    }
    let mut asked = false;
    if !ran && !busy {
        asked = ask(backend, &id, &task, now_millis).await?;
        ran = true;
    }
    let row = &mut task.row;
    if ran {
        row.status = ScheduleStatus::Ongoing;
        row.last_timestamp = Some(stamp(planned));
    } else {
        row.missed = row.missed.saturating_add(1);
    }
    let mut next = plan.next_after(planned);
    let mut passed = 0;
    while let Some(at) = next.filter(|at| *at <= now_millis) {
        passed += 1;
        next = if passed >= MOST_MISSED { plan.next_after(now_millis) } else { plan.next_after(at) };
    }
    row.missed = row.missed.saturating_add(passed);
    row.scheduled_timestamp = next.map(stamp);
    if next.is_none() {
        row.status = ScheduleStatus::Finished;
    }
    save(backend, &mut task).await?;
    Ok(asked)
}

/// Requests the scan of a planned time. Returns whether it is the first request for it.
async fn ask(
    backend: &dyn Backend,
    id: &str,
    schedule: &Versioned<Schedule>,
    now_millis: i64,
) -> Result<bool, StoreError> {
    let row = &schedule.row;
    let scan = ScanTask {
        environment: row.environment.clone(),
        only: row.only,
        clear: row.clear,
        log_level: row.log_level.clone(),
        submitted_by: row.submitted_by.clone(),
        schedule_id: Some(schedule.id.clone()),
        ..ScanTask::default()
    };
    match scan::submit_as(backend, id, scan, now_millis).await {
        Ok(_) => Ok(true),
        Err(StoreError::Exists { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The id of the scan of a planned time: of the same form as every other, and always the same.
fn scan_id(schedule: &str, planned: i64) -> Str {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{schedule}\n{planned}").as_bytes());
    let seconds = u32::try_from(planned.div_euclid(1000)).unwrap_or(u32::MAX);
    let mut id = format!("{seconds:08x}");
    for byte in digest.as_ref().iter().take(8) {
        id.push_str(&format!("{byte:02x}"));
    }
    id.into()
}

/// Finishes a schedule that can run no more.
async fn end(backend: &dyn Backend, mut task: Versioned<Schedule>, why: Str) -> Result<bool, StoreError> {
    task.row.status = ScheduleStatus::Finished;
    task.row.scheduled_timestamp = None;
    task.row.problem = Some(why);
    save(backend, &mut task).await?;
    Ok(false)
}

/// Writes a schedule, unless another worker was faster: it then wrote the same.
async fn save(backend: &dyn Backend, task: &mut Versioned<Schedule>) -> Result<(), StoreError> {
    match task.save(backend).await {
        Ok(()) | Err(StoreError::Changed { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
