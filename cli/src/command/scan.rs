//! `scan`: live, recorded or replayed, with progress and a readable summary.

mod failures;
mod follow;

use std::{path::Path, sync::Arc};

use calipso_model::{Environment, Map, ObjectKey, Str, Value, chain};
use calipso_pipeline::{
    NoSecrets, Observer, Phase, Plan, PlanError, ScanError, ScanMode, ScanReport, ScanRequest, SecretSource, plan,
    report::Blind, scan, test_connections, work,
};
use calipso_spec::{
    Specs,
    environment::{from_value, to_value},
};
use calipso_store::{Backend, Expect, StoreError};
use calipso_transport::{Door, Live, Meta, Once, Recorder, Recording, Replay, Scrubber};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    args::{self, OutputFormat},
    command::changes,
    environment::may_be_made,
    failure::{Exit, Failure},
    output::{fitted, printable},
    secrets::SecretReferences,
    session::{Session, environment, find_object, store_failure},
    show,
};

/// `scan`.
///
/// # Errors
/// The scan could not be made, or parts of it failed.
pub async fn run(session: &Session, args: &args::ScanArgs) -> Result<(), Failure> {
    let store = session.store().await?;
    let specs = Arc::new(session.specs_of(store.as_ref(), &args.environment).await?.specs);
    let found = match (&args.replay, store.environment(&args.environment).await) {
        (_, Ok(found)) => found,
        (Some(_), Err(StoreError::NotFound { .. })) if args.object.is_some() => {
            return Err(Failure::usage(format!("nothing is known of `{}` yet", args.environment))
                .help("replay the whole recording first, without `--object`"));
        }
        (Some(dir), Err(StoreError::NotFound { .. })) => {
            let found = recorded_environment(dir, &args.environment)?;
            may_be_made(store.as_ref(), &found.name).await?;
            store.put_environment(&found, Expect::Anything).await.map_err(store_failure)?;
            found
        }
        (_, Err(error)) => return Err(store_failure(error)),
    };
    let mode = if let Some(text) = &args.object {
        let object = find_object(store.as_ref(), &args.environment, None, text).await?.key;
        if args.inventory_only { ScanMode::PartialInventory(object) } else { ScanMode::Partial(object) }
    } else if args.inventory_only {
        ScanMode::Inventory
    } else if args.links_only {
        ScanMode::Links
    } else if args.cliques_only {
        ScanMode::Cliques
    } else {
        ScanMode::Full
    };
    let wanted = ScanOptions {
        mode,
        clear: args.clear,
        record: args.record.as_deref(),
        no_secrets: args.no_secrets,
        replay: args.replay.as_deref(),
    };
    if args.record.is_none()
        && args.replay.is_none()
        && let Some(worker) = follow::worker_of(store.as_ref(), &found.name).await?
    {
        return follow::ask(session, store.as_ref(), &found.name, &wanted, &worker, args.output).await;
    }
    let Scanned { report, recorded } = perform(session, &specs, store, &found, &wanted).await?;
    print!(
        "{}",
        match args.output {
            OutputFormat::Table | OutputFormat::Tree => summary(&report, session.table_width, args.all),
            shape => show::value(shape, &report.to_value()),
        }
    );
    // The scan is committed even if its recording failed: its report comes first.
    recorded?;
    verdict(&report)
}

/// A scan that was made.
pub struct Scanned {
    /// What came of it.
    pub report: ScanReport,
    /// Whether it was recorded, where that was asked for.
    pub recorded: Result<(), Failure>,
}

/// A scan to be made.
pub struct ScanOptions<'a> {
    /// What is scanned.
    pub mode: ScanMode,
    /// Forget what was known.
    pub clear: bool,
    /// Record into this folder.
    pub record: Option<&'a Path>,
    /// Nothing that is recorded is secret.
    pub no_secrets: bool,
    /// Replay from this folder.
    pub replay: Option<&'a Path>,
}

/// Plans an environment.
///
/// # Errors
/// The specs have no plan for it.
pub fn plan_of(specs: &Arc<Specs>, environment: &Environment) -> Result<Arc<Plan>, Failure> {
    plan(specs, environment).map(Arc::new).map_err(|error| {
        let correct = format!("correct the environment: `calipso env add {} …`", environment.name);
        let help = match &error {
            // A layer that was not named may have it.
            PlanError::UnknownDistribution { .. }
            | PlanError::UnknownVersion { .. }
            | PlanError::BadConnection { .. } => {
                format!("if a folder of specs of yours describes it, name it: `--specs DIR`; else {correct}")
            }
            PlanError::Circle(_) => "`calipso check` shows the circle".to_owned(),
        };
        Failure::usage(chain(&error)).help(help)
    })
}

/// Makes one scan.
///
/// # Errors
/// It could not be made; failed steps are in the report.
pub async fn perform(
    session: &Session,
    specs: &Arc<Specs>,
    store: Arc<dyn Backend>,
    environment: &Environment,
    wanted: &ScanOptions<'_>,
) -> Result<Scanned, Failure> {
    let plan = plan_of(specs, environment)?;
    let scrubber = Arc::new(Scrubber::new());
    let now = jiff::Timestamp::now();
    let mut recorder = None;
    let live = Arc::new(Live::new());
    let door: Arc<dyn Door> = match (wanted.replay, wanted.record) {
        (Some(dir), _) => Arc::new(Once::new(Replay::new(recording(dir)?))),
        (None, Some(dir)) => {
            let meta = Meta {
                tool: format!("calipso {}", env!("CARGO_PKG_VERSION")),
                started_at: now.to_string(),
                about: [("environment", to_value(environment, specs))].into_iter().collect::<Map>(),
            };
            let inner = Recorder::new(Arc::clone(&live), dir, meta, Arc::clone(&scrubber))
                .map_err(|error| Failure::usage(chain(&error)))?;
            let inner = Arc::new(if wanted.no_secrets { inner.without_secrets() } else { inner });
            recorder = Some(Arc::clone(&inner));
            Arc::new(Once::new(inner))
        }
        (None, None) => Arc::new(Once::new(Arc::clone(&live))),
    };
    let references = SecretReferences::new(&session.settings);
    let secrets: &dyn SecretSource = if wanted.replay.is_some() { &NoSecrets } else { &references };
    if recorder.is_some() {
        // So that a replay can try the connections too. What does not work is not a failure of the scan, which says it itself.
        test_connections(&plan, None, Arc::clone(&door), secrets, Arc::clone(&scrubber), now).await;
        // Before anything is scanned: no connection has a secret, and nobody said that this is meant.
        if !wanted.no_secrets && !scrubber.knows_any() {
            live.close().await;
            return Err(Failure::usage(
                "nothing is scanned or recorded: no connection of the environment has a secret, so nothing shows that scrubbing would work",
            )
            .help("give the connections their secrets; where no interface needs a login, add `--no-secrets`"));
        }
    }
    let request = ScanRequest {
        plan,
        door,
        store: Arc::clone(&store),
        residents: Arc::default(),
        secrets,
        scrubber,
        mode: wanted.mode.clone(),
        clear: wanted.clear,
        now,
        holder: Str::from(format!("calipso scan, process {}", std::process::id())),
        is_live: wanted.replay.is_none(),
        max_tasks: 0,
        lease: calipso_pipeline::scan::LEASE,
        cancel: calipso_pipeline::CancellationToken::new(),
    };
    let progress = Progress::new(session.terminal);
    let scanned = scan(&request, &progress).await;
    progress.finish();
    live.close().await;
    let report = scanned.map_err(|error| match error {
        ScanError::Store(error) => store_failure(error),
        other => Failure::usage(chain(&other)),
    })?;
    let ended = work::ended(&report, &wanted.mode, wanted.clear, "calipso scan");
    calipso_store::work::scan::record(store.as_ref(), ended, jiff::Timestamp::now().as_millisecond())
        .await
        .map_err(store_failure)?;
    let recorded = match recorder {
        None => Ok(()),
        Some(recorder) => recorder
            .finish()
            .map(|()| eprintln!("recorded into {}", wanted.record.unwrap_or(Path::new(".")).display()))
            .map_err(|error| {
                let sentence = format!("the scan is made and kept, but {}", chain(&error));
                Failure::new(Exit::Findings, sentence).help("see its report above, mend the cause and scan again")
            }),
    };
    Ok(Scanned { report, recorded })
}

/// A recording.
///
/// # Errors
/// It cannot be read.
pub fn recording(dir: &Path) -> Result<Recording, Failure> {
    if dir.join("meta.json").is_file() {
        return Recording::read(dir).map_err(|error| Failure::usage(chain(&error)));
    }
    let failure = Failure::usage(format!("`{}` is no recording: there is no meta.json in it", dir.display()));
    let mut below: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("meta.json").is_file())
        .map(|path| path.display().to_string())
        .collect();
    below.sort();
    Err(failure.help(if below.is_empty() {
        "a recording is a folder that `calipso scan ENVIRONMENT --record DIR` has written".to_owned()
    } else {
        format!("recordings in it are {}", below.join(", "))
    }))
}

/// The recorded environment under another name.
fn recorded_environment(dir: &Path, name: &str) -> Result<Environment, Failure> {
    environment_of(&recording(dir)?, name).ok_or_else(|| {
        Failure::usage(format!("the recording in `{}` does not say of which environment it is", dir.display()))
            .help(format!("add the environment first: `calipso env add {name} …`"))
    })
}

/// The recorded environment under a given name.
#[must_use]
pub fn environment_of(recording: &Recording, name: &str) -> Option<Environment> {
    let about = recording.meta();
    let value = about.get("environment").or_else(|| about.get("about")?.as_map()?.get("environment"))?;
    let (written, mistakes) = from_value(value, &Specs::default());
    let mut environment = mistakes.is_empty().then_some(written.environment)?;
    environment.name = Str::from(name);
    for config in environment.connections.values_mut() {
        config.fields = referring(&config.fields);
    }
    Some(environment)
}

/// Where a secret was scrubbed stands a reference instead: a replay asks for none, and a live scan says what to set.
fn referring(fields: &Map) -> Map {
    fields
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::Str(text) if text.as_ref() == "***" => Value::text("env:CALIPSO_SECRET"),
                Value::Map(inner) => Value::Map(referring(inner)),
                other => other.clone(),
            };
            (name.clone(), value)
        })
        .collect()
}

/// Exit code and sentence of a scan that was made.
fn verdict(report: &ScanReport) -> Result<(), Failure> {
    if report.failures.is_empty() && !report.given_up.is_empty() {
        let sentence = format!("{} rules were given up: they take more than the objects allow", report.given_up.len());
        return Err(Failure::new(Exit::Findings, sentence).help("the report above says which and where"));
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    let exit = match report.blind() {
        Some(Blind::Denied) => Exit::Denied,
        Some(Blind::Unreachable | Blind::Mixed) => Exit::Unreachable,
        Some(Blind::Setup) => Exit::Usage,
        None => Exit::Findings,
    };
    if report.blind().is_some() {
        let sentence = format!("none of {} questions was answered: the scan saw nothing", report.n_silent);
        return Err(Failure::new(exit, sentence).help("the report above says where and who must act"));
    }
    Err(Failure::new(exit, format!("{} steps failed; what is known of their scopes stays", report.failures.len()))
        .help("the report above says where and who must act"))
}

/// The summary of a report for people.
#[must_use]
pub fn summary(report: &ScanReport, width: usize, all: bool) -> String {
    let mut text = String::new();
    let revision = if let Some(blind) = report.blind() {
        let why = match blind {
            Blind::Denied => "every login was refused",
            Blind::Unreachable => "nobody could be reached",
            Blind::Setup => "no connection can be used as it is configured",
            Blind::Mixed => "nobody answered",
        };
        format!("it could not look, {why}; what follows is revision {} as it was", report.revision_after)
    } else if report.revision_after == report.revision_before {
        format!("revision {} stays: nothing changed", report.revision_after)
    } else {
        format!("revision {} → {}", report.revision_before, report.revision_after)
    };
    text.push_str(&format!("{} scan of {}: {revision}, {:.1} s\n\n", report.mode, report.environment, report.seconds));
    let total = |counts: &std::collections::BTreeMap<Str, usize>| counts.values().sum::<usize>();
    let listed = |counts: &std::collections::BTreeMap<Str, usize>| {
        counts
            .iter()
            .filter(|(name, _)| !name.ends_with("_folder"))
            .map(|(name, count)| format!("{name} {count}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let changed = |changed: calipso_pipeline::report::Changed| {
        format!("{} written, {} removed", changed.written, changed.removed)
    };
    let rows = [
        ("objects", total(&report.objects), changed(report.changed_objects), listed(&report.objects)),
        ("links", total(&report.links), changed(report.changed_links), listed(&report.links)),
        ("cliques", total(&report.cliques), changed(report.changed_cliques), listed(&report.cliques)),
    ];
    for (what, count, changed, listed) in rows {
        text.push_str(&format!("{what:8} {count:>7}   ({changed})\n"));
        if !listed.is_empty() {
            changes::listed(&mut text, width, "         ", &printable(&listed));
        }
    }
    if !report.sources.is_empty() {
        text.push('\n');
        let rows: Vec<Vec<String>> = report
            .sources
            .iter()
            .map(|source| {
                vec![
                    source.role.to_string(),
                    source.calls.to_string(),
                    source.executions.to_string(),
                    source.cached.to_string(),
                    source.bytes.to_string(),
                    format!("{:.2}", source.seconds),
                ]
            })
            .collect();
        text.push_str(&fitted(&["SOURCE", "CALLS", "EXECUTIONS", "SHARED", "BYTES", "SECONDS"], &rows, width));
    }
    for warning in &report.warnings {
        text.push('\n');
        changes::line(&mut text, width, "warning: ", &printable(warning));
    }
    text.push_str(&failures::failures_text(report, width, all));
    text
}

/// A bar on the terminal.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(terminal: bool) -> Self {
        Self(terminal.then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{prefix:>10} [{bar:30}] {pos}/{len} {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        }))
    }

    fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn phase(&self, phase: Phase) {
        if let Some(bar) = &self.0 {
            bar.set_prefix(match phase {
                Phase::Load => "reading",
                Phase::Fetch => "fetching",
                Phase::Derive => "deriving",
                Phase::Commit => "writing",
            });
            bar.set_message("");
            bar.tick();
        }
    }

    fn stage(&self, stage: usize, n_stages: usize, n_runs: usize) {
        if let Some(bar) = &self.0 {
            bar.inc_length(n_runs as u64);
            bar.set_prefix(format!("stage {}/{n_stages}", stage + 1));
        }
    }

    fn run(&self, fetcher: &str, parent: &ObjectKey, n_objects: usize, n_failures: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
            let failed = if n_failures > 0 { format!(", {n_failures} failed") } else { String::new() };
            bar.set_message(printable(&format!("{fetcher} under {parent}: {n_objects} objects{failed}")));
        }
    }
}

/// `explain plan`.
///
/// # Errors
/// Unknown environment, or no plan for it.
pub async fn explain_plan(session: &Session, name: &str) -> Result<(), Failure> {
    let store = session.store().await?;
    let found = environment(store.as_ref(), name).await?;
    let loaded = session.specs_of(store.as_ref(), name).await?;
    let plan = plan_of(&Arc::new(loaded.specs), &found)?;
    println!("{} is a {} {} ({} stages)", found.name, found.distribution, found.version, plan.n_stages);
    for warning in &plan.warnings {
        let mut text = String::new();
        changes::line(&mut text, session.table_width, "warning: ", &printable(warning));
        print!("{text}");
    }
    let rows: Vec<Vec<String>> = plan
        .choices
        .iter()
        .map(|choice| {
            let stage = plan
                .fetcher(&choice.name)
                .filter(|_| choice.kind == "fetcher")
                .map(|known| (known.stage + 1).to_string());
            vec![
                choice.kind.to_owned(),
                choice.name.to_string(),
                if choice.chosen { "yes" } else { "no" }.to_owned(),
                stage.unwrap_or_default(),
                choice.why.clone(),
            ]
        })
        .collect();
    print!("{}", fitted(&["KIND", "NAME", "CHOSEN", "STAGE", "WHY"], &rows, session.table_width));
    Ok(())
}
