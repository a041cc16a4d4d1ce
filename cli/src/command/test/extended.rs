//! Tests that do not count: their spec was replaced, or a later layer adds to it and has tests of its own.

use std::{collections::BTreeMap, fmt::Write as _};

use calipso_pipeline::{TestReport, spec_test::CaseResult};
use calipso_spec::{
    SpecTest,
    load::{Extended, LeftOut},
};

use crate::show;

/// Maximum number of files that are named one by one.
const MOST_SAID: usize = 5;

/// Cases that fail because a later layer adds to what they test.
pub(super) struct Outgrown {
    by: Extended,
    cases: Vec<CaseResult>,
}

/// Takes the cases out of a report that fail where an extension with tests of its own adds to their spec: an extension
/// never changes what is there, so that they can only miss what it adds.
pub(super) fn take_outgrown(extended: &[Extended], report: &mut TestReport) -> Vec<Outgrown> {
    let mut found = Vec::new();
    for by in extended.iter().filter(|by| by.has_own_tests) {
        let is_outgrown = |case: &CaseResult| case.failed() && *case.at.file == *by.test;
        let cases: Vec<CaseResult> = report.cases.iter().filter(|case| is_outgrown(case)).cloned().collect();
        report.cases.retain(|case| !is_outgrown(case));
        if !cases.is_empty() {
            found.push(Outgrown { by: by.clone(), cases });
        }
    }
    found
}

/// The tests without those cases.
pub(super) fn leave_out(tests: &mut [SpecTest], outgrown: &[Outgrown]) {
    for test in tests {
        let gone = |name: &str| {
            outgrown.iter().any(|one| *one.by.test == *test.at.file && one.cases.iter().any(|case| *case.case == *name))
        };
        test.cases.retain(|case| !gone(&case.name));
    }
}

/// What is left out, in sentences: of many files only how many there are.
pub(super) fn left_out_sentences(left_out: &[LeftOut], outgrown: &[Outgrown], filter: Option<&str>) -> Vec<String> {
    let wanted: Vec<&LeftOut> =
        left_out.iter().filter(|left| filter.is_none_or(|filter| left.test.contains(filter))).collect();
    let mut said: Vec<String> = Vec::new();
    if wanted.len() <= MOST_SAID {
        said.extend(wanted.iter().map(|left| {
            format!("left out {}: {} stands for what it tests, and has tests of its own", left.test, left.by)
        }));
    } else {
        said.push(format!(
            "left out {} test files of earlier layers: other specs stand for what they test, and have tests of their own; \
             --output json lists them",
            wanted.len()
        ));
    }
    said.extend(outgrown.iter().map(|one| {
        format!(
            "left out {} of {}: {} adds to what they test, and has tests of its own",
            show::count(one.cases.len(), "case", "cases"),
            one.by.test,
            one.by.by
        )
    }));
    said
}

/// The files that are left out, and of others the cases.
pub(super) fn files(left_out: &[LeftOut], outgrown: &[Outgrown]) -> Vec<String> {
    let whole = left_out.iter().map(|left| left.test.to_string());
    let cases = outgrown.iter().flat_map(|one| one.cases.iter().map(|case| format!("{}: {}", case.at, case.case)));
    whole.chain(cases).collect()
}

/// What to do about cases that fail since a later layer adds to their spec, and has no tests.
pub(super) fn advice(extended: &[Extended], report: &TestReport) -> String {
    let mut failed: BTreeMap<&str, &str> = BTreeMap::new();
    for case in report.cases.iter().filter(|case| case.failed()) {
        if let Some(by) = extended.iter().find(|by| *by.test == *case.at.file) {
            failed.insert(&by.by, &by.test);
        }
    }
    let mut text = String::new();
    for (by, test) in failed {
        let _ = writeln!(
            text,
            "{by} adds to what {test} tests: give it a test of its own, and those cases are left out where they miss what it adds"
        );
    }
    text
}
