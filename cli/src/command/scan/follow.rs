//! A scan of an environment that a worker is at: asked of the worker, and followed to its end.

use std::time::Duration;

use calipso_model::{Str, Value};
use calipso_pipeline::work::asked;
use calipso_store::{
    Backend, RecordQuery,
    work::{self, ScanStatus, ScanTask},
};

use crate::{
    args::OutputFormat,
    command::scan::ScanOptions,
    failure::{Exit, Failure},
    output::printable,
    session::{Session, store_failure},
    show,
};

/// How often the request is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// The worker that scans an environment at the moment.
///
/// # Errors
/// The store cannot be read.
pub async fn worker_of(store: &dyn Backend, environment: &str) -> Result<Option<Str>, Failure> {
    let running = RecordQuery::all().equals("environment", environment).equals("status", ScanStatus::Running.as_str());
    let running = work::all::<ScanTask>(store, &running).await.map_err(store_failure)?;
    let held = running.into_iter().find(|task| task.row.is_held(now()));
    Ok(held.and_then(|task| task.row.holder))
}

/// Requests a scan, waits for its end, and shows its report.
///
/// # Errors
/// The scan failed, was cancelled, or parts of it failed.
pub async fn ask(
    session: &Session,
    store: &dyn Backend,
    environment: &Str,
    wanted: &ScanOptions<'_>,
    worker: &str,
    shape: OutputFormat,
) -> Result<(), Failure> {
    let request = asked(environment, &wanted.mode, wanted.clear, "calipso scan");
    let task = work::scan::submit(store, request, now()).await.map_err(store_failure)?;
    let id = task.id.clone();
    eprintln!(
        "{} is at {environment}: it is asked for this scan as well (request {id}); ^C leaves the request",
        printable(worker)
    );
    let mut told = Str::from("");
    let ended = loop {
        let task = work::get::<ScanTask>(store, &id).await.map_err(store_failure)?;
        let Some(task) = task else {
            return Err(Failure::new(Exit::Findings, "the request was removed while it waited"));
        };
        if task.row.status.is_final() {
            break task.row;
        }
        if session.terminal && task.row.progress.phase != told {
            told = task.row.progress.phase.clone();
            eprintln!("{}: {told}", task.row.status.as_str());
        }
        tokio::time::sleep(LOOK).await;
    };
    if let Some(report) = ended.report_id
        && !matches!(shape, OutputFormat::Table | OutputFormat::Tree)
    {
        let report = store.report(environment, report).await.map_err(store_failure)?;
        print!("{}", show::value(shape, &report));
    } else {
        print!("{}", summary(environment, &ended));
    }
    verdict(&ended)
}

fn summary(environment: &str, ended: &ScanTask) -> String {
    let by = ended.holder.as_deref().unwrap_or("a worker");
    let revision = ended.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
    let mut text = format!("scan of {environment} by {}: {}{revision}\n", printable(by), ended.status.as_str());
    for (name, value) in ended.summary.iter().flatten() {
        let value = match value {
            Value::Float(seconds) => format!("{seconds:.1}"),
            other => other.to_json(),
        };
        text.push_str(&format!("{:<16} {value:>7}\n", name.replace('_', " ")));
    }
    text
}

fn verdict(ended: &ScanTask) -> Result<(), Failure> {
    let why = || ended.error.as_deref().unwrap_or("it does not say why").to_owned();
    match ended.status {
        ScanStatus::Completed => Ok(()),
        ScanStatus::CompletedWithErrors => {
            let failure = Failure::new(Exit::Findings, "not everything could be read; what was known of it stays");
            Err(failure.help("`-o json` shows the report with every failed step"))
        }
        ScanStatus::Aborted => Err(Failure::new(Exit::Findings, format!("the scan was cancelled: {}", why()))),
        _ => Err(Failure::new(Exit::Findings, format!("the scan failed: {}", why()))),
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
