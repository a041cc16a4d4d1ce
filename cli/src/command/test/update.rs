//! `test --update`: what failing cases expect becomes what was found.

use std::{collections::BTreeMap, fs, path::Path};

use calipso_model::Str;
use calipso_pipeline::TestReport;
use calipso_spec::{
    diag,
    spec_test::{Edit, edited},
};

use super::write;
use crate::{
    failure::{Exit, Failure},
    session::Session,
    show,
};

/// Maximum number of rounds; each makes all edits that do not touch each other.
const MOST_ROUNDS: usize = 1_000;

/// Runs the tests and mends them, again and again: an edit is thought of for the text as it is, and what two of them
/// change together is seen in the next round.
///
/// # Errors
/// A file cannot be written, or something failed that no expectation can mend.
pub(super) fn update(session: &Session, filter: Option<&str>) -> Result<(), Failure> {
    let mut rewritten: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..MOST_ROUNDS {
        let loaded = session.load()?;
        if loaded.has_errors() {
            eprint!("{}", diag::text(&loaded.diagnostics, &loaded.files, session.colour));
            return Err(Failure::new(Exit::Findings, "the specs have errors").help("mend what is shown above"));
        }
        let report = super::run(&loaded, filter)?;
        let edits = edits(&report);
        if edits.is_empty() {
            return print_result(&report, &rewritten);
        }
        for (file, edits) in edits {
            let path = Path::new(file.as_ref());
            let text = loaded.files.get(file.as_ref()).map_or("", |text| text.as_ref());
            // The built-in tests are part of the program, and a file that has changed meanwhile is not ours to overwrite.
            if fs::read_to_string(path).ok().as_deref() != Some(text) {
                return Err(Failure::usage(format!("`{file}` is no file that could be rewritten"))
                    .help("tests of the built-in specs are rewritten with `--specs specs` in a clone of the project"));
            }
            let new = edited(text, &edits);
            if new == text {
                return print_result(&report, &rewritten);
            }
            write(path, &new)?;
            *rewritten.entry(file.to_string()).or_default() += 1;
        }
    }
    Err(Failure::new(Exit::Findings, format!("the tests still differ after {MOST_ROUNDS} rounds")))
}

fn edits(report: &TestReport) -> BTreeMap<&Str, Vec<Edit>> {
    let mut files: BTreeMap<&Str, Vec<Edit>> = BTreeMap::new();
    for problem in report.cases.iter().flat_map(|case| &case.problems) {
        if let Some(edit) = &problem.mend {
            files.entry(&problem.at.file).or_default().push(edit.clone());
        }
    }
    files
}

/// What was done, and what only the author can mend.
fn print_result(report: &TestReport, rewritten: &BTreeMap<String, usize>) -> Result<(), Failure> {
    for file in rewritten.keys() {
        println!("{file}: rewritten");
    }
    let left: Vec<_> = report.cases.iter().flat_map(|case| &case.problems).collect();
    for problem in &left {
        println!("{}: {}", problem.at, problem.text);
    }
    if !rewritten.is_empty() {
        println!("read the difference before you keep it");
    } else if left.is_empty() {
        println!("nothing to rewrite: every test passes");
    }
    if !left.is_empty() {
        let message =
            format!("{} cannot be mended by what a test expects", show::count(left.len(), "failure", "failures"));
        return Err(Failure::new(Exit::Findings, message));
    }
    Ok(())
}
