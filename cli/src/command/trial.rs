//! `try`: runs one fetcher once under one object, and shows what each step did; nothing is stored.

use std::{path::Path, sync::Arc};

use calipso_model::{Map, Object, Str, Value, chain};
use calipso_pipeline::{
    NoSecrets, Question, ScanMode, SecretSource, Traced, Trial, TrialError, TrialRequest, try_fetcher,
};
use calipso_spec::checked::At;
use calipso_store::{Backend, Expect, Store};
use calipso_transport::{Door, Live, Once, Replay, Scrubber};

use crate::{
    args::{OutputFormat, TryArgs},
    command::scan::{ScanOptions, environment_of, perform, plan_of, recording},
    failure::{Exit, Failure},
    output::printable,
    secrets::SecretReferences,
    session::{Session, environment, store_failure},
    show,
};

/// `try`.
///
/// # Errors
/// The fetcher cannot be run, or something failed.
pub async fn run(session: &Session, args: &TryArgs) -> Result<(), Failure> {
    let (trial, name) = match (&args.environment, &args.replay) {
        (Some(name), _) => {
            let store = session.store().await?;
            (tried(session, args, &store, name).await?, name.clone())
        }
        (None, Some(dir)) => try_recorded(session, args, dir).await?,
        (None, None) => {
            return Err(Failure::usage("say who answers").help(
                "name an environment whose connections are asked, or a recording: `calipso try FETCHER --replay DIR`",
            ));
        }
    };
    match args.out.output {
        OutputFormat::Table | OutputFormat::Tree => print!("{}", text(&trial, &args.fetcher, &name, session.width)),
        shape => print!("{}", show::value(shape, &data(&trial, &args.fetcher, &name))),
    }
    if trial.complete && trial.failures.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Findings, "the run is not complete: in a scan, what was known before would stay"))
}

/// Tries against a recording: the objects known there are found by a scan into a temporary store.
async fn try_recorded(session: &Session, args: &TryArgs, dir: &Path) -> Result<(Trial, String), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::new(Exit::Bug, format!("cannot make a temporary folder: {error}")))?;
    let session = session.with_store(folder.path().join("store.db"));
    let recorded = recording(dir)?;
    let about = environment_of(&recorded, "recorded").ok_or_else(|| {
        Failure::usage(format!("the recording in `{}` does not say of which environment it is", dir.display()))
            .help("name the environment, too: `calipso try FETCHER ENVIRONMENT --replay DIR`")
    })?;
    let specs = Arc::new(session.specs()?.specs);
    if !specs.fetchers.contains_key(args.fetcher.as_str()) {
        return Err(failure(&TrialError::NoFetcher(args.fetcher.clone()), specs.fetchers.keys()));
    }
    let store = session.store().await?;
    store.put_environment(&about, Expect::Anything).await.map_err(store_failure)?;
    let wanted =
        ScanOptions { mode: ScanMode::Inventory, clear: false, record: None, no_secrets: false, replay: Some(dir) };
    perform(&session, &specs, store.clone(), &about, &wanted).await?;
    let name = about.name.to_string();
    Ok((tried(&session, args, &store, &name).await?, name))
}

async fn tried(session: &Session, args: &TryArgs, store: &Arc<dyn Backend>, name: &str) -> Result<Trial, Failure> {
    let specs = Arc::new(session.specs_of(store.as_ref(), name).await?.specs);
    let found = environment(store.as_ref(), name).await?;
    let plan = plan_of(&specs, &found)?;
    let live = Arc::new(Live::new());
    let door: Arc<dyn Door> = match &args.replay {
        Some(dir) => Arc::new(Once::new(Replay::new(recording(dir)?))),
        None => Arc::new(Once::new(Arc::clone(&live))),
    };
    let references = SecretReferences::new(&session.settings);
    let secrets: &dyn SecretSource = if args.replay.is_some() { &NoSecrets } else { &references };
    let request = TrialRequest {
        plan: &plan,
        fetcher: &args.fetcher,
        under: args.at.as_deref(),
        store: store.as_ref() as &dyn Store,
        door,
        secrets,
        scrubber: Arc::new(Scrubber::new()),
        now: jiff::Timestamp::now(),
        is_live: args.replay.is_none(),
    };
    let trial = try_fetcher(&request).await;
    live.close().await;
    trial.map_err(|error| failure(&error, specs.fetchers.keys()))
}

/// A fetcher that is called like that: nearly so, or with more words.
fn near<'a>(name: &str, fetchers: impl Iterator<Item = &'a Str>) -> Option<&'a str> {
    let known: Vec<&str> = fetchers.map(|name| &**name).collect();
    let longer = || known.iter().copied().find(|known| name.len() >= 3 && known.contains(name));
    calipso_expr::nearest(name, known.iter().copied()).or_else(longer)
}

fn failure<'a>(error: &TrialError, fetchers: impl Iterator<Item = &'a Str>) -> Failure {
    let help = match error {
        TrialError::Store(_) => return Failure::new(Exit::Store, chain(error)),
        TrialError::NoFetcher(name) => match near(name, fetchers) {
            Some(near) => format!("did you mean `{near}`? A fetcher of yours needs `--specs DIR`"),
            None => "a fetcher of yours needs `--specs DIR`".to_owned(),
        },
        TrialError::NotUsed { environment, .. } => {
            format!("correct `environment` of the fetcher; `calipso explain plan {environment}` tells what is used")
        }
        TrialError::NoParent { known, .. } if known.is_empty() => {
            "scan the environment first, or give a test beside the fetcher a parent of its own".to_owned()
        }
        TrialError::NoParent { known, .. } => {
            let more = if known.len() > MAX_LISTED { ", …" } else { "" };
            let listed: Vec<&str> = known.iter().take(MAX_LISTED).map(|id| &**id).collect();
            format!("say which: `--at ID` with one of {}{more}", listed.join(", "))
        }
    };
    Failure::usage(chain(error)).help(help)
}

/// How many ids a help names.
const MAX_LISTED: usize = 10;
/// How many questions and objects are shown of many.
const MAX_SHOWN: usize = 8;
/// Fields of an object that say where it is rather than what it is like.
const COMMON: &[&str] = &[
    "environment",
    "type",
    "id",
    "name",
    "object_name",
    "parent_type",
    "parent_id",
    "parent_text",
    "id_path",
    "name_path",
    "show_in_tree",
    "display_context",
];

fn text(trial: &Trial, fetcher: &str, environment: &str, width: usize) -> String {
    let width = width.clamp(60, 160);
    let mut text = format!("{fetcher} under {} of {environment} ({})\n", trial.parent, trial.at);
    if !trial.runs {
        text.push_str("\nIts `when` is false for this parent: nothing is asked, and there is nothing.\n");
        return text;
    }
    for (at, step) in &trial.steps {
        text.push('\n');
        step_text(&mut text, at, step, width);
    }
    let n_objects = trial.objects.len();
    text.push_str(&format!("\nIt would write {n_objects} object{}\n", if n_objects == 1 { "" } else { "s" }));
    for object in trial.objects.iter().take(MAX_SHOWN) {
        object_text(&mut text, object, width);
    }
    more(&mut text, n_objects, "  ");
    for remark in &trial.remarks {
        line(&mut text, width, &format!("remark: {remark}"));
    }
    if !trial.failures.is_empty() {
        text.push_str("\nIt failed\n");
        for failure in &trial.failures {
            text.push_str(&format!("  {}\n", printable(failure)));
        }
    }
    text
}

fn step_text(text: &mut String, at: &At, step: &Traced, width: usize) {
    let label = step.name.as_ref().map(|name| format!("  ({name})")).unwrap_or_default();
    let times = if step.n_runs > 1 { format!("  {} times", step.n_runs) } else { String::new() };
    line(text, width, &format!("line {:<4} {}{label}{times}", at.line, step.verb));
    if step.n_skipped > 0 {
        let times = if step.n_skipped > 1 { format!(" {} times", step.n_skipped) } else { String::new() };
        line(text, width, &format!("  not run{times}: its `when` is false"));
    }
    for question in step.questions.iter().take(MAX_SHOWN) {
        question_text(text, question, width);
    }
    more(text, step.questions.len(), "  ");
    for (name, value) in step.bound.iter().take(MAX_SHOWN) {
        line(text, width, &format!("  {name} = {}{}", value.to_json(), size(value)));
    }
    more(text, step.bound.len(), "  ");
    if step.verb == "emit" {
        let n = step.n_emitted;
        line(text, width, &format!("  emits {n} object{}", if n == 1 { "" } else { "s" }));
    }
    if let Some(outcome) = &step.stopped {
        line(text, width, &format!("  stops here: {outcome}"));
    }
    for failure in &step.failures {
        text.push_str(&format!("  failed: {}\n", printable(failure)));
    }
}

fn question_text(text: &mut String, question: &Question, width: usize) {
    line(text, width, &format!("  {}", question.asked));
    match (&question.value, &question.why) {
        (Some(value), _) => line(text, width, &format!("    {}: {}", question.outcome, value.to_json())),
        (None, Some(why)) => text.push_str(&format!("    {}: {}\n", question.outcome, printable(why))),
        (None, None) => line(text, width, &format!("    {}", question.outcome)),
    }
}

fn object_text(text: &mut String, object: &Object, width: usize) {
    let field = |name: &str| object.text(name).unwrap_or_default();
    line(text, width, &format!("  {}", object.key));
    line(text, width, &format!("    name {}, under {}/{}", object.name(), field("parent_type"), field("parent_id")));
    for (name, value) in object.doc.iter().filter(|(name, _)| !COMMON.contains(&&**name)) {
        line(text, width, &format!("    {name}: {}", value.to_json()));
    }
}

/// How many elements a value has, where it is shown cut.
fn size(value: &Value) -> String {
    match value {
        Value::List(items) if items.len() > 1 => format!("   ({} elements)", items.len()),
        Value::Map(map) if map.iter().count() > 1 => format!("   ({} keys)", map.iter().count()),
        _ => String::new(),
    }
}

/// One line, cut in its middle to the width, so that what stands at its end stays.
fn line(text: &mut String, width: usize, line: &str) {
    let line = printable(line);
    let length = line.chars().count();
    if length <= width {
        text.push_str(&line);
    } else {
        const KEPT: usize = 18;
        let end: String = line.chars().skip(length - KEPT).collect();
        let begin: String = line.chars().take(width.saturating_sub(KEPT + 3)).collect();
        text.push_str(&format!("{begin} … {end}"));
    }
    text.push('\n');
}

fn more(text: &mut String, n: usize, indent: &str) {
    if n > MAX_SHOWN {
        text.push_str(&format!("{indent}… and {} more; `-o json` shows all\n", n - MAX_SHOWN));
    }
}

/// For programs: everything, nothing cut.
fn data(trial: &Trial, fetcher: &str, environment: &str) -> Value {
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let texts = |texts: &[String]| Value::list(texts.iter().map(|text| Value::text(text)).collect());
    let map = |pairs: Vec<(&str, Value)>| {
        Value::Map(pairs.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map>())
    };
    let question = |question: &Question| {
        map(vec![
            ("asked", Value::text(&question.asked)),
            ("outcome", Value::text(question.outcome)),
            ("why", Value::from(question.why.as_deref())),
            ("value", question.value.clone().unwrap_or_default()),
        ])
    };
    let step = |(at, step): &(At, Traced)| {
        map(vec![
            ("at", Value::text(&at.to_string())),
            ("verb", Value::text(step.verb)),
            ("name", Value::from(step.name.as_deref())),
            ("runs", number(step.n_runs)),
            ("skipped", number(step.n_skipped)),
            ("questions", Value::list(step.questions.iter().map(question).collect())),
            (
                "bound",
                Value::list(
                    step.bound
                        .iter()
                        .map(|(name, value)| {
                            let pairs = [("name", Value::Str(name.clone())), ("value", value.clone())];
                            Value::Map(pairs.into_iter().collect())
                        })
                        .collect(),
                ),
            ),
            ("emitted", number(step.n_emitted)),
            ("stopped", Value::from(step.stopped.as_deref())),
            ("failures", texts(&step.failures)),
        ])
    };
    map(vec![
        ("fetcher", Value::text(fetcher)),
        ("environment", Value::text(environment)),
        ("parent", show::key_data(&trial.parent)),
        ("runs", Value::Bool(trial.runs)),
        ("steps", Value::list(trial.steps.iter().map(step).collect())),
        ("objects", Value::list(trial.objects.iter().map(|object| Value::Map(object.doc.clone())).collect())),
        ("remarks", texts(&trial.remarks)),
        ("failures", texts(&trial.failures)),
        ("complete", Value::Bool(trial.complete)),
    ])
}
