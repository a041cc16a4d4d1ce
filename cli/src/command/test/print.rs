//! How the results of tests are printed: for people, as data, as annotations, as JUnit's XML.

use std::fmt::Write as _;

use calipso_model::{Map, Value};
use calipso_pipeline::{
    TestReport,
    spec_test::{CaseResult, FailedExpectation, Unreached},
};
use calipso_spec::{Diagnostic, Severity};

use crate::{args::OutputFormat, show};

fn failed(report: &TestReport) -> impl Iterator<Item = &CaseResult> {
    report.cases.iter().filter(|case| case.failed())
}

/// Answers of cases that hold, which nothing asked for.
pub(super) fn idle(report: &TestReport) -> impl Iterator<Item = &FailedExpectation> {
    report.cases.iter().filter(|case| !case.failed()).flat_map(|case| &case.problems)
}

pub(super) fn text(report: &TestReport, unreached: &[Unreached], left_out: &[String]) -> String {
    let mut text = String::new();
    for case in failed(report) {
        let _ = writeln!(text, "FAILED {} {}: {} ({})", case.kind, case.spec, case.case, case.at);
        for problem in &case.problems {
            let _ = writeln!(text, "    {}: {}", problem.at, problem.text);
        }
    }
    for problem in idle(report) {
        let _ = writeln!(text, "{}: {}", problem.at, problem.text);
    }
    for branch in unreached {
        let _ = writeln!(text, "no test reaches {} {}: {} ({})", branch.kind, branch.spec, branch.branch, branch.at);
    }
    for sentence in left_out {
        let _ = writeln!(text, "{sentence}");
    }
    let took: std::time::Duration = report.cases.iter().map(|case| case.took).sum();
    let n_reached = report.n_branches - report.unreached.len();
    let millis = took.as_secs_f64() * 1000.0;
    let _ = writeln!(text, "{n_reached} of {} branches reached, {millis:.0} ms", report.n_branches);
    let n_failed = failed(report).count();
    let _ = writeln!(text, "{} passed, {n_failed} failed", report.cases.len() - n_failed);
    text
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

fn number(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn data(report: &TestReport, unreached: &[Unreached], left_out: &[String], shape: OutputFormat) -> String {
    let problem = |problem: &FailedExpectation| Value::text(&format!("{}: {}", problem.at, problem.text));
    let case = |case: &CaseResult| {
        map([
            ("kind", Value::text(case.kind)),
            ("spec", Value::Str(case.spec.clone())),
            ("case", Value::Str(case.case.clone())),
            ("at", Value::text(&case.at.to_string())),
            ("problems", Value::list(case.problems.iter().map(problem).collect())),
        ])
    };
    let branch = |branch: &Unreached| {
        map([
            ("kind", Value::text(branch.kind)),
            ("spec", Value::Str(branch.spec.clone())),
            ("branch", Value::text(&branch.branch)),
            ("at", Value::text(&branch.at.to_string())),
        ])
    };
    let whole = map([
        ("passed", number(report.cases.len() - failed(report).count())),
        ("failed", Value::list(failed(report).map(case).collect())),
        ("unasked", Value::list(idle(report).map(problem).collect())),
        ("branches", number(report.n_branches)),
        ("unreached", Value::list(unreached.iter().map(branch).collect())),
        ("left_out", Value::list(left_out.iter().map(|left| Value::text(left)).collect())),
        ("errors", Value::list(Vec::new())),
    ]);
    show::value(shape, &whole)
}

/// The mistakes of the specs, where there were any and nothing was run.
pub(super) fn errors(diagnostics: &str, shape: OutputFormat) -> String {
    let list = Value::from_json(diagnostics).unwrap_or_default();
    let whole = map([
        ("passed", number(0)),
        ("failed", Value::list(Vec::new())),
        ("unasked", Value::list(Vec::new())),
        ("branches", number(0)),
        ("unreached", Value::list(Vec::new())),
        ("errors", list),
    ]);
    show::value(shape, &whole)
}

/// As annotations of GitHub Actions.
pub(super) fn github(report: &TestReport, unreached: &[Unreached]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    let mut line = |at: &calipso_spec::checked::At, title: &str, text: &str| {
        let _ = writeln!(
            out,
            "::error file={},line={},col={},title={}::{}",
            property(&at.file),
            at.line,
            at.column,
            property(title),
            data(text)
        );
    };
    for case in failed(report) {
        let title = format!("{} {}: {}", case.kind, case.spec, case.case);
        for problem in &case.problems {
            line(&problem.at, &title, &problem.text);
        }
    }
    for problem in idle(report) {
        line(&problem.at, "an answer", &problem.text);
    }
    for branch in unreached {
        let title = format!("{} {}", branch.kind, branch.spec);
        line(&branch.at, &title, &format!("no test reaches this: {}", branch.branch));
    }
    out
}

/// As JUnit's XML: a suite for each spec.
pub(super) fn junit(report: &TestReport) -> String {
    let mut suites: Vec<(String, Vec<&CaseResult>)> = Vec::new();
    for case in &report.cases {
        let name = format!("{} {}", case.kind, case.spec);
        match suites.last_mut() {
            Some((last, cases)) if *last == name => cases.push(case),
            _ => suites.push((name, vec![case])),
        }
    }
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        report.cases.len(),
        failed(report).count()
    );
    for (name, cases) in suites {
        let n_failed = cases.iter().filter(|case| case.failed()).count();
        let seconds: f64 = cases.iter().map(|case| case.took.as_secs_f64()).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{n_failed}\" errors=\"0\" time=\"{seconds:.3}\">",
            xml(&name),
            cases.len()
        );
        for case in cases {
            let _ = write!(
                out,
                "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
                xml(&case.case),
                xml(&name),
                xml(&case.at.file),
                case.at.line,
                case.took.as_secs_f64()
            );
            let Some(first) = case.problems.first().filter(|_| case.failed()) else {
                out.push_str("/>\n");
                continue;
            };
            let all: Vec<String> =
                case.problems.iter().map(|problem| format!("{}: {}", problem.at, problem.text)).collect();
            let _ = writeln!(
                out,
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                xml(&first.text),
                xml(&all.join("\n"))
            );
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// As JUnit's XML, where the specs have errors and nothing was run.
pub(super) fn junit_errors(diagnostics: &[Diagnostic]) -> String {
    let errors: Vec<&Diagnostic> =
        diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
    let n_errors = errors.len();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{n_errors}\" errors=\"{n_errors}\">\n  \
         <testsuite name=\"check\" tests=\"{n_errors}\" failures=\"0\" errors=\"{n_errors}\">\n"
    );
    for error in errors {
        let file = xml(&error.primary.file);
        let message = xml(&error.message);
        let _ = writeln!(
            out,
            "    <testcase name=\"{}\" classname=\"check\" file=\"{file}\">\n      <error message=\"{message}\"/>\n    </testcase>",
            xml(error.code)
        );
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// A text in XML. Characters that XML cannot hold are left out.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            letter if letter.is_control() || letter == '\u{fffe}' || letter == '\u{ffff}' => {}
            letter => out.push(letter),
        }
    }
    out
}
