//! What steps come to, case by case: the test files beside the specs in `tests/specs`.

use std::path::Path;

use calipso_pipeline::run_spec_tests;
use calipso_spec::{Loaded, Severity};

fn loaded() -> Loaded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs");
    let layer = calipso_spec::read_layer(&folder).expect("the specs can be read");
    let loaded = calipso_spec::load(&[layer]);
    let errors: Vec<&str> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| found.message.as_str())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    loaded
}

#[test]
fn every_case_comes_out_as_written() {
    let loaded = loaded();
    let report = run_spec_tests(&loaded.specs, &loaded.parsers, &loaded.tests, None, None).unwrap();
    let wrong: Vec<String> = report
        .cases
        .iter()
        .filter(|case| case.failed())
        .map(|case| {
            format!(
                "{} / {}: {}",
                case.spec,
                case.case,
                case.problems
                    .iter()
                    .filter(|problem| !problem.is_idle)
                    .map(|problem| format!("{}: {}", problem.at, problem.text))
                    .collect::<Vec<_>>()
                    .join("; ")
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(report.cases.len() >= 25 && report.cases.iter().all(|case| !case.failed()));
}

#[test]
fn a_wrong_expectation_fails_and_says_what_was_found() {
    let mut loaded = loaded();
    for test in &mut loaded.tests {
        test.cases.retain(|case| &*case.name == "everything answers");
        for case in &mut test.cases {
            let text =
                calipso_model::Value::Map(case.expect.clone()).to_json().replace(r#""text":"A""#, r#""text":"Z""#);
            case.expect = calipso_model::Value::from_json(&text).unwrap().as_map().unwrap().clone();
        }
    }
    let report = run_spec_tests(&loaded.specs, &loaded.parsers, &loaded.tests, None, None).unwrap();
    assert_eq!(report.cases.len(), 1);
    assert!(!report.passed());
    assert!(
        report.cases[0].problems.iter().any(|problem| problem.text.contains(r#"text expected "Z", found "A""#)),
        "{:?}",
        report.cases[0].problems
    );
    let unreached =
        |branch: &str| report.unreached.iter().any(|found| &*found.spec == "asks" && found.branch == branch);
    assert!(unreached("alternative 2") && !unreached("alternative 1"));
}

#[test]
fn nothing_run_is_not_passed() {
    let loaded = loaded();
    let report = run_spec_tests(&loaded.specs, &loaded.parsers, &[], None, None).unwrap();
    assert!(!report.passed());
}
