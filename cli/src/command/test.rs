//! `test`: runs the tests beside specs; no store, no network.

mod extended;
mod mutate;
mod print;
mod recorded;
mod update;
mod watch;

use std::{fs, path::Path};

use calipso_pipeline::{TestReport, run_spec_tests};
use calipso_spec::{Loaded, SpecTest, diag};

use crate::{
    args::{self, OutputFormat, TestFormat},
    failure::{Exit, Failure},
    session::Session,
    show,
};

pub use recorded::from_recording;

/// `test`.
///
/// # Errors
/// A test failed, or something is not reached by any.
pub fn test(session: &Session, args: &args::TestArgs) -> Result<(), Failure> {
    if args.watch {
        return watch::watch(session, || run_once(session, args));
    }
    run_once(session, args)
}

fn run_once(session: &Session, args: &args::TestArgs) -> Result<(), Failure> {
    if args.update {
        return update::update(session, args.filter.as_deref());
    }
    let loaded = session.load()?;
    if loaded.has_errors() {
        return Err(print_broken(session, args, &loaded));
    }
    let mut loaded = loaded;
    if args.mutate {
        if !loaded.extended.is_empty() {
            let outgrown = extended::take_outgrown(&loaded.extended, &mut run(&loaded, None)?);
            extended::leave_out(&mut loaded.tests, &outgrown);
        }
        return mutate::mutate(session, args, &loaded);
    }
    let mut report = run(&loaded, args.filter.as_deref())?;
    let outgrown = extended::take_outgrown(&loaded.extended, &mut report);
    let left_out = extended::left_out_sentences(&loaded.left_out, &outgrown, args.filter.as_deref());
    // Coverage is only meaningful for all tests together.
    let is_whole = !args.no_coverage && args.filter.is_none();
    let unreached = if is_whole { &report.unreached[..] } else { &[][..] };
    if let Some(file) = &args.junit {
        write(file, &print::junit(&report))?;
    }
    match (args.format, args.shape()) {
        (TestFormat::Github, _) => print!("{}", print::github(&report, unreached)),
        (TestFormat::Text, OutputFormat::Table | OutputFormat::Tree) => {
            print!("{}", print::text(&report, unreached, &left_out));
            print!("{}", extended::advice(&loaded.extended, &report));
        }
        (TestFormat::Text, shape) => {
            let files = extended::files(&loaded.left_out, &outgrown);
            print!("{}", print::data(&report, unreached, &files, shape))
        }
    }
    verdict(&report, unreached.len())
}

fn run(loaded: &Loaded, filter: Option<&str>) -> Result<TestReport, Failure> {
    let tests = select(&loaded.tests, filter);
    run_spec_tests(&loaded.specs, &loaded.parsers, &tests, Some(Path::new("")), None)
        .map_err(|problem| Failure::new(Exit::Bug, problem))
}

/// Prints the errors of specs in the requested form, as no test could be run.
fn print_broken(session: &Session, args: &args::TestArgs, loaded: &Loaded) -> Failure {
    match (args.format, args.shape()) {
        (TestFormat::Github, _) => print!("{}", diag::github(&loaded.diagnostics, &loaded.files)),
        (TestFormat::Text, OutputFormat::Table | OutputFormat::Tree) => {
            eprint!("{}", diag::text(&loaded.diagnostics, &loaded.files, session.colour));
        }
        (TestFormat::Text, shape) => {
            print!("{}", print::errors(&diag::json(&loaded.diagnostics, &loaded.files), shape))
        }
    }
    if let Some(Err(failure)) = args.junit.as_ref().map(|file| write(file, &print::junit_errors(&loaded.diagnostics))) {
        return failure;
    }
    Failure::new(Exit::Findings, "the specs have errors").help("mend what is shown; `calipso check` shows it again")
}

/// The selected tests: all, those of a file (a test or its spec), or those whose file or case contains the filter.
fn select(tests: &[SpecTest], filter: Option<&str>) -> Vec<SpecTest> {
    let Some(filter) = filter else { return tests.to_vec() };
    let file = filter.trim_start_matches("./");
    let of_spec = file.strip_suffix(".yaml").filter(|stem| !stem.ends_with(".test"));
    let of_spec = of_spec.map(|stem| format!("{stem}.test.yaml"));
    let is_file = |test: &SpecTest| {
        let known = test.at.file.trim_start_matches("./");
        known.contains(file)
            || file.ends_with(known)
            || of_spec.as_deref().is_some_and(|file| file.ends_with(known) || known.ends_with(file))
    };
    tests
        .iter()
        .filter_map(|test| {
            if is_file(test) {
                return Some(test.clone());
            }
            let cases: Vec<_> = test.cases.iter().filter(|case| case.name.contains(filter)).cloned().collect();
            (!cases.is_empty()).then(|| SpecTest { cases, ..test.clone() })
        })
        .collect()
}

fn verdict(report: &TestReport, n_unreached: usize) -> Result<(), Failure> {
    let n_failed = report.cases.iter().filter(|case| case.failed()).count();
    let n_idle = print::idle(report).count();
    if report.cases.is_empty() {
        return Err(Failure::new(Exit::Findings, "no test was run").help("tests lie beside specs, as NAME.test.yaml"));
    }
    if n_failed > 0 || n_unreached > 0 || n_idle > 0 {
        let parts = [
            (n_failed, format!("{} failed", show::count(n_failed, "test", "tests"))),
            (n_unreached, format!("{} not reached", show::count(n_unreached, "branch is", "branches are"))),
            (n_idle, format!("nothing asked for {}", show::count(n_idle, "answer", "answers"))),
        ];
        let said: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, text)| text).collect();
        let message = said.join(", ");
        return Err(Failure::new(Exit::Findings, message));
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::usage(format!("cannot write `{}`: {error}", file.display())))
}
