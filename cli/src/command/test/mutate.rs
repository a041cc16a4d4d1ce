//! `test --mutate`: which changes of the specs no test notices.

use std::{collections::BTreeMap, path::Path, time::Duration};

use calipso_model::{Map, Value};
use calipso_pipeline::spec_test::mutate::{Fate, MutationReport, Sample, run_mutations};
use calipso_spec::{Loaded, Mutation};

use crate::{
    args,
    failure::{Exit, Failure},
    output::table,
    session::Session,
    show,
};

/// # Errors
/// Too few mutations are noticed, or an exception is out of date.
pub(super) fn mutate(session: &Session, args: &args::TestArgs, loaded: &Loaded) -> Result<(), Failure> {
    let layers = session.layers()?;
    // The built-in specs are mutated only if no specs of the user are loaded.
    let is_changed = |layer: usize| layers.len() == 1 || layer > 0;
    let mut changes = calipso_spec::mutate::changes(&layers, is_changed);
    if let Some(filter) = args.filter.as_deref() {
        changes.retain(|change| change.at.file.contains(filter) || filter.contains(change.at.file.as_ref()));
    }
    if changes.is_empty() {
        return Err(Failure::usage("there is no spec to change").help("name a part of a spec's file, or none"));
    }
    let sample = Sample { seed: args.seed, count: args.count, time: args.seconds.map(Duration::from_secs) };
    let report = run_mutations(&layers, loaded, Some(Path::new("")), changes, &sample).map_err(|problem| {
        Failure::new(Exit::Findings, problem).help("`calipso test` must pass before changes say anything")
    })?;
    let (noticed, counted) = report.score();
    match args.shape() {
        args::OutputFormat::Table | args::OutputFormat::Tree => print!("{}", text(&report)),
        shape => print!("{}", show::value(shape, &data(&report, args.seed))),
    }
    if counted == 0 {
        return Err(Failure::new(Exit::Findings, "no change was tried").help("give it more time with --seconds"));
    }
    if !report.stale.is_empty() {
        return Err(Failure::new(
            Exit::Findings,
            format!("{} entries of `unnoticed` do not apply", report.stale.len()),
        )
        .help("take them out of the tests"));
    }
    if noticed * 100 < counted * usize::from(args.at_least) {
        let message = format!("{noticed} of {counted} changes are noticed, fewer than {} of a hundred", args.at_least);
        return Err(Failure::new(Exit::Findings, message).help(
            "add what the tests should expect; what cannot be noticed is listed as `unnoticed` in the spec's test",
        ));
    }
    Ok(())
}

fn unnoticed(report: &MutationReport) -> impl Iterator<Item = &Mutation> {
    report.tried.iter().filter(|(_, fate)| *fate == Fate::Unnoticed).map(|(change, _)| change)
}

/// Those that need not be noticed and that the sample left out.
fn beside(report: &MutationReport) -> impl Iterator<Item = &Mutation> {
    report.beside.iter().filter(|(_, fate)| *fate == Fate::Unnoticed).map(|(change, _)| change)
}

fn text(report: &MutationReport) -> String {
    let mut text = String::new();
    for change in unnoticed(report).filter(|change| report.reason(change).is_none()) {
        text += &format!("no test notices: {} ({} {}, {})\n", change.what, change.kind, change.spec, change.at);
        text += &format!("    - {}\n", change.before);
        if !change.after.is_empty() {
            text += &format!("    + {}\n", change.after);
        }
        text += &format!("    change: {}\n", quoted(&change.name()));
    }
    for change in unnoticed(report).chain(beside(report)) {
        if let Some(why) = report.reason(change) {
            text += &format!("need not be noticed: {} ({} {}): {why}\n", change.name(), change.kind, change.spec);
        }
    }
    for stale in &report.stale {
        text += &format!("{}: `{}` is listed as unnoticed, but {}\n", stale.at, stale.change, stale.why);
    }
    let rows: Vec<Vec<String>> = kinds(report)
        .into_iter()
        .map(|(what, (noticed, counted))| vec![what, noticed.to_string(), counted.to_string()])
        .collect();
    text += &table(&["CHANGE", "NOTICED", "OF"], &rows);
    let (noticed, counted) = report.score();
    let n_listed = unnoticed(report).filter(|change| report.reason(change).is_some()).count();
    let n_refused = report.tried.len() - counted;
    let share = noticed as f64 * 100.0 / counted.max(1) as f64;
    text += &format!(
        "{noticed} of {counted} changes noticed ({share:.1} %), {n_listed} need not be; {n_refused} more are no valid specs; {} changes in all\n",
        report.n_all
    );
    if report.n_left > 0 {
        text += &format!("{} were not tried: the time was over\n", report.n_left);
    }
    text
}

/// As it can stand in a test's `unnoticed`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Kind of change to how many were noticed, and how many count; those with most unnoticed ones first.
fn kinds(report: &MutationReport) -> Vec<(String, (usize, usize))> {
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (change, fate) in report.tried.iter().filter(|(_, fate)| *fate != Fate::Refused) {
        let (noticed, counted) = kinds.entry(change.what.clone()).or_default();
        *noticed += usize::from(*fate != Fate::Unnoticed);
        *counted += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, (noticed, counted))| std::cmp::Reverse(counted - noticed));
    kinds
}

fn data(report: &MutationReport, seed: u64) -> Value {
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let (noticed, counted) = report.score();
    let change = |change: &Mutation| {
        let mut map: Map = [
            ("kind", Value::text(change.kind)),
            ("spec", Value::Str(change.spec.clone())),
            ("at", Value::text(&change.at.to_string())),
            ("what", Value::text(&change.what)),
            ("before", Value::text(&change.before)),
            ("after", Value::text(&change.after)),
            ("change", Value::text(&change.name())),
        ]
        .into_iter()
        .collect();
        if let Some(why) = report.reason(change) {
            map.insert("because", why.clone());
        }
        Value::Map(map)
    };
    let stale = report.stale.iter().map(|stale| {
        Value::Map(
            [
                ("at", Value::text(&stale.at.to_string())),
                ("change", Value::Str(stale.change.clone())),
                ("why", Value::text(&stale.why)),
            ]
            .into_iter()
            .collect(),
        )
    });
    let kinds = kinds(report).into_iter().map(|(what, (noticed, counted))| {
        Value::Map(
            [("what", Value::text(&what)), ("noticed", number(noticed)), ("of", number(counted))].into_iter().collect(),
        )
    });
    Value::Map(
        [
            ("seed", Value::text(&seed.to_string())),
            ("changes", number(report.n_all)),
            ("counted", number(counted)),
            ("noticed", number(noticed)),
            ("refused", number(report.tried.len() - counted)),
            ("not_tried", number(report.n_left)),
            ("unnoticed", Value::list(unnoticed(report).map(change).collect())),
            ("beside", Value::list(beside(report).map(change).collect())),
            ("stale", Value::list(stale.collect())),
            ("kinds", Value::list(kinds.collect())),
        ]
        .into_iter()
        .collect(),
    )
}
