//! Runs one request for a scan, from taking it over to writing how it ended.

use std::sync::Arc;

use calipso_model::{Map, ObjectKey, Str, Value, chain};
use calipso_store::{
    StoreError,
    work::{
        Beat, Level, ScanOnly, ScanStatus, ScanTask, Versioned,
        scan::{finish, hand_back},
        stamp,
    },
};
use calipso_transport::{Once, Scrubber};
use tokio_util::sync::CancellationToken;

use crate::{
    plan::{PlanError, plan},
    report::{FailureReport, ScanReport},
    scan::{ScanError, ScanMode, ScanRequest, scan},
    work::{
        Shared, SpecsError,
        hold::{Hold, Why},
        meter::{self, Metered},
        progress::Board,
        say::Voice,
    },
};

/// More failed steps are not told one by one: the report has them all.
const MOST_STEPS_TOLD: usize = 200;
/// While somebody else writes an environment, a request for it is looked at so often.
const LOOK_AGAIN_MILLIS: (i64, i64) = (1_000, 15_000);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Specs(#[from] SpecsError),
    #[error("the environment cannot be scanned")]
    Plan(#[from] PlanError),
    #[error("the scan met a fault of its own")]
    Fault(#[from] tokio::task::JoinError),
}

/// Runs a request that was just taken.
pub(super) async fn run(shared: Arc<Shared>, task: Versioned<ScanTask>, hurry: CancellationToken) {
    let (board, cancel) = (Arc::new(Board::default()), CancellationToken::new());
    let scrubber = Arc::new(Scrubber::new());
    let wanted = task.row.clone();
    let id = task.id.clone();
    tracing::info!(scan = %id, environment = %wanted.environment, "A scan begins.");
    let voice = Voice {
        shared: &shared,
        scrubber: &scrubber,
        environment: wanted.environment.clone(),
        least: wanted.level(),
        origin_id: id.clone(),
        origin_type: if wanted.schedule_id.is_some() { "scheduled scan" } else { "manual scan" },
    };
    voice.say(Level::Info, &format!("A scan of {} begins", about(&wanted)), None, Map::default()).await;
    let hold = Hold::begin(Arc::clone(&shared), task, Arc::clone(&board), cancel.clone(), hurry);
    // In a task of its own, so that a fault of ours in it ends the scan and not the worker.
    let outcome =
        tokio::spawn(perform(Arc::clone(&shared), wanted, Arc::clone(&board), Arc::clone(&scrubber), cancel)).await;
    let outcome = outcome.unwrap_or_else(|error| Err(Failed::Fault(error)));
    let Some((mut task, why)) = hold.end().await else {
        tracing::error!(scan = %id, "How far a scan is could not be written any more; another worker will take it.");
        return;
    };
    task.row.progress = board.read();
    if let Err(error) = conclude(&shared, &voice, task, why, outcome).await {
        tracing::warn!(%error, scan = %id, "How a scan ended could not be written; another worker will take it.");
    }
}

/// Makes the scan.
async fn perform(
    shared: Arc<Shared>,
    wanted: ScanTask,
    board: Arc<Board>,
    scrubber: Arc<Scrubber>,
    cancel: CancellationToken,
) -> Result<ScanReport, Failed> {
    let (settings, parts) = (&shared.settings, &shared.parts);
    let environment = parts.store.environment(&wanted.environment).await.map_err(ScanError::Store)?;
    let specs = parts.specs.specs(shared.store(), &wanted.environment).await?;
    let plan = Arc::new(plan(&specs, &environment)?);
    let door = Arc::new(Once::new(Metered((parts.doors)(&environment))));
    let request = ScanRequest {
        plan,
        door: Arc::clone(&door) as Arc<dyn calipso_transport::Door>,
        store: Arc::clone(&parts.store),
        residents: Arc::clone(&shared.residents),
        secrets: &*parts.secrets,
        scrubber,
        mode: mode(&wanted),
        clear: wanted.clear,
        now: (parts.clock)(),
        holder: settings.name.clone(),
        is_live: settings.is_live,
        max_tasks: settings.max_tasks,
        lease: settings.lease,
        cancel,
    };
    let scanned = scan(&request, &*board).await;
    calipso_transport::Door::close(&*door).await;
    Ok(scanned?)
}

fn mode(wanted: &ScanTask) -> ScanMode {
    match (&wanted.object_type, &wanted.object_id, wanted.only) {
        (Some(object_type), Some(id), only) => {
            let object = ObjectKey::new(object_type.clone(), id.clone());
            if only == Some(ScanOnly::Inventory) {
                ScanMode::PartialInventory(object)
            } else {
                ScanMode::Partial(object)
            }
        }
        (_, _, Some(ScanOnly::Inventory)) => ScanMode::Inventory,
        (_, _, Some(ScanOnly::Links)) => ScanMode::Links,
        (_, _, Some(ScanOnly::Cliques)) => ScanMode::Cliques,
        (_, _, None) => ScanMode::Full,
    }
}

/// What is scanned, for messages.
fn about(wanted: &ScanTask) -> String {
    match mode(wanted) {
        ScanMode::Full => wanted.environment.to_string(),
        ScanMode::Partial(object) => format!("{object} in {}", wanted.environment),
        ScanMode::PartialInventory(object) => format!("{object} in {} (inventory only)", wanted.environment),
        only => format!("{} ({} only)", wanted.environment, only.as_str()),
    }
}

/// Writes how a request ended, or gives it back, and tells it.
async fn conclude(
    shared: &Shared,
    voice: &Voice<'_>,
    mut task: Versioned<ScanTask>,
    why: Why,
    outcome: Result<ScanReport, Failed>,
) -> Result<(), StoreError> {
    let store = shared.store();
    let now = shared.now();
    let failed = match outcome {
        Ok(report) => return keep(shared, voice, task, why, &report).await,
        Err(failed) => failed,
    };
    let (status, sentence, details) = match (why, failed) {
        (Why::Lost, failed) => {
            tracing::warn!(scan = %task.id, %failed, "A scan was taken over by another worker; what this one found is not kept.");
            return Ok(());
        }
        (Why::Cancelled, Failed::Scan(ScanError::Cancelled)) => {
            let sentence = task.row.error.clone().unwrap_or_else(|| "cancelled".into());
            (ScanStatus::Aborted, sentence, Map::default())
        }
        (Why::TooLong, Failed::Scan(ScanError::Cancelled)) => {
            let limit = shared.settings.scan_timeout.unwrap_or_default().as_secs_f64();
            let sentence = format!(
                "the scan did not end within {limit} s, which is as long as a scan may take here; nothing of it was kept. \
                 See in the reports of earlier scans which source is slow, scan it by parts, or allow more time"
            );
            (ScanStatus::Failed, sentence.into(), Map::default())
        }
        (Why::Stopping, Failed::Scan(ScanError::Cancelled)) => {
            return given_back(shared, &mut task, now, "the worker that had begun it was stopped").await;
        }
        (_, Failed::Scan(ScanError::Store(error @ StoreError::LeaseHeld { until_millis, .. }))) => {
            let (soonest, latest) = LOOK_AGAIN_MILLIS;
            let not_before = until_millis.clamp(now.saturating_add(soonest), now.saturating_add(latest));
            return given_back(shared, &mut task, not_before, &error.to_string()).await;
        }
        // Somebody else wrote the environment while this worker slept; nothing of ours was kept.
        (_, Failed::Scan(ScanError::Store(error @ (StoreError::LeaseLost { .. } | StoreError::Conflict { .. })))) => {
            return given_back(shared, &mut task, now.saturating_add(LOOK_AGAIN_MILLIS.0), &error.to_string()).await;
        }
        (_, Failed::Scan(error @ ScanError::Forgotten)) => {
            return given_back(shared, &mut task, now.saturating_add(LOOK_AGAIN_MILLIS.0), &error.to_string()).await;
        }
        (_, Failed::Scan(ScanError::Store(error @ StoreError::Busy))) => {
            return given_back(shared, &mut task, now.saturating_add(LOOK_AGAIN_MILLIS.0), &error.to_string()).await;
        }
        (_, failed) => {
            let details = match &failed {
                Failed::Specs(SpecsError::Wrong(mistakes)) => {
                    Map::from_pairs(vec![("diagnostics".into(), mistakes.text().into())])
                }
                _ => Map::default(),
            };
            (ScanStatus::Failed, chain(&failed).into(), details)
        }
    };
    let sentence: Str = voice.scrubber.text(&sentence).into();
    if finish(store, &mut task, status, Some(sentence.clone()), None, None, None, now).await? == Beat::Lost {
        return Ok(());
    }
    meter::scan_ended(status);
    let level = if status == ScanStatus::Aborted { Level::Warning } else { Level::Error };
    let end = if status == ScanStatus::Aborted { "was cancelled" } else { "failed" };
    let told = format!("The scan of {} {end}: {sentence}", about(&task.row));
    tracing::info!(scan = %task.id, status = status.as_str(), %sentence, "A scan ended.");
    voice.say(level, &told, None, details).await;
    Ok(())
}

/// Gives a request back to whoever takes it next.
async fn given_back(
    shared: &Shared,
    task: &mut Versioned<ScanTask>,
    not_before: i64,
    why: &str,
) -> Result<(), StoreError> {
    tracing::info!(scan = %task.id, why, "A scan is handed back.");
    let told = hand_back(shared.store(), task, not_before, why, shared.now()).await?;
    if told == Beat::Go && task.row.status == ScanStatus::Aborted {
        meter::scan_ended(ScanStatus::Aborted);
    }
    Ok(())
}

/// Writes that a scan was kept.
async fn keep(
    shared: &Shared,
    voice: &Voice<'_>,
    mut task: Versioned<ScanTask>,
    why: Why,
    report: &ScanReport,
) -> Result<(), StoreError> {
    let status = status(report);
    let summary = summary(report);
    let (revision, now) = (Some(report.revision_after), shared.now());
    if finish(shared.store(), &mut task, status, None, report.id, revision, Some(summary.clone()), now).await?
        == Beat::Lost
    {
        tracing::warn!(scan = %task.id, ?why, "A scan was kept, but its request is another worker's by now, who scans again.");
        return Ok(());
    }
    meter::scan_ended(status);
    meter::scan_took(report.seconds);
    tracing::info!(scan = %task.id, status = status.as_str(), revision = report.revision_after, "A scan ended.");
    for failure in report.failures.iter().take(MOST_STEPS_TOLD) {
        voice.say(Level::Warning, &step(failure), Some(&failure.parent), step_details(voice.scrubber, failure)).await;
    }
    let more = report.failures.len().saturating_sub(MOST_STEPS_TOLD);
    if more > 0 {
        let told = format!("{more} more steps failed; the report of the scan has them all");
        voice.say(Level::Warning, &told, None, Map::default()).await;
    }
    let level = if status == ScanStatus::Completed { Level::Info } else { Level::Warning };
    let failures = match report.failures.len() {
        0 => "every source answered".to_owned(),
        n => format!("{n} steps failed, and what was known of their scopes stays"),
    };
    let revision = if report.revision_after == report.revision_before {
        format!("nothing changed since revision {}", report.revision_after)
    } else {
        format!("revision {}", report.revision_after)
    };
    let told = format!("The scan of {} is done in {:.1} s: {revision}; {failures}", about(&task.row), report.seconds);
    voice.say(level, &told, None, summary).await;
    Ok(())
}

fn status(report: &ScanReport) -> ScanStatus {
    if report.is_complete() && report.failures.is_empty() {
        ScanStatus::Completed
    } else {
        ScanStatus::CompletedWithErrors
    }
}

/// A request for a scan.
#[must_use]
pub fn asked(environment: &Str, mode: &ScanMode, clear: bool, by: &str) -> ScanTask {
    let (object, only) = match mode {
        ScanMode::Full => (None, None),
        ScanMode::Partial(object) => (Some(object), None),
        ScanMode::PartialInventory(object) => (Some(object), Some(ScanOnly::Inventory)),
        ScanMode::Inventory => (None, Some(ScanOnly::Inventory)),
        ScanMode::Links => (None, Some(ScanOnly::Links)),
        ScanMode::Cliques => (None, Some(ScanOnly::Cliques)),
    };
    ScanTask {
        environment: environment.clone(),
        only,
        clear,
        object_type: object.map(|object| object.object_type.clone()),
        object_id: object.map(|object| object.id.clone()),
        submitted_by: by.into(),
        ..ScanTask::default()
    }
}

/// A scan that nobody asked a worker for, as the history keeps it: [`calipso_store::work::scan::record`].
#[must_use]
pub fn ended(report: &ScanReport, mode: &ScanMode, clear: bool, by: &str) -> ScanTask {
    let started = report.at.parse::<jiff::Timestamp>().ok();
    ScanTask {
        status: status(report),
        start_timestamp: started.map(|time| stamp(time.as_millisecond())),
        report_id: report.id,
        revision: Some(report.revision_after),
        summary: Some(summary(report)),
        ..asked(&report.environment, mode, clear, by)
    }
}

/// Figures of a report.
fn summary(report: &ScanReport) -> Map {
    let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let total = |counts: &std::collections::BTreeMap<Str, usize>| number(counts.values().sum());
    Map::from_pairs(vec![
        ("objects".into(), total(&report.objects)),
        ("links".into(), total(&report.links)),
        ("cliques".into(), total(&report.cliques)),
        ("failures".into(), number(report.failures.len())),
        ("stale_scopes".into(), number(report.stale_scopes().len())),
        ("objects_written".into(), number(report.changed_objects.written)),
        ("objects_removed".into(), number(report.changed_objects.removed)),
        ("seconds".into(), Value::Float((report.seconds * 1000.0).round() / 1000.0)),
    ])
}

/// A failed step as a sentence.
fn step(failure: &FailureReport) -> String {
    let host = failure.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    let times = if failure.times > 1 { format!(" ({} times)", failure.times) } else { String::new() };
    format!("{}{host}{times}: {}; {}", failure.fetcher, failure.sentence, failure.kind.act())
}

fn step_details(scrubber: &Scrubber, failure: &FailureReport) -> Map {
    let mut details = Map::default();
    details.insert("fetcher", failure.fetcher.clone());
    details.insert("at", failure.at.clone());
    details.insert("kind", Value::text(failure.kind.as_str()));
    details.insert("sentence", Value::text(&scrubber.text(&failure.sentence)));
    details.insert("times", Value::Int(i64::try_from(failure.times).unwrap_or(i64::MAX)));
    if let Some(step) = &failure.step {
        details.insert("step", step.clone());
    }
    if let Some(host) = &failure.host {
        details.insert("host", host.clone());
    }
    details
}
