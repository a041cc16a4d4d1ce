//! `test`: runs the tests beside specs; no store, no network.

mod mutate;

use calipso_model::{Map, Value};
use calipso_pipeline::run_spec_tests;

use crate::{
    args,
    failure::{Exit, Failure},
    session::Session,
    show,
};

/// `test`.
///
/// # Errors
/// A test failed, or something is not reached by any.
pub fn test(session: &Session, args: &args::Test) -> Result<(), Failure> {
    if args.mutate {
        return mutate::mutate(session, args);
    }
    let loaded = session.specs()?;
    let wanted = |test: &calipso_spec::SpecTest, case: &str| {
        args.filter.as_deref().is_none_or(|filter| test.at.file.contains(filter) || case.contains(filter))
    };
    let tests: Vec<calipso_spec::SpecTest> = loaded
        .tests
        .iter()
        .filter_map(|test| {
            let cases: Vec<_> = test.cases.iter().filter(|case| wanted(test, &case.name)).cloned().collect();
            (!cases.is_empty()).then(|| calipso_spec::SpecTest { cases, ..test.clone() })
        })
        .collect();
    let report = run_spec_tests(&loaded.specs, &loaded.parsers, &tests, None, None)
        .map_err(|problem| Failure::new(Exit::Bug, problem))?;
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.problems.is_empty()).collect();
    // Coverage says something of the whole only.
    let unreached = if args.no_coverage || args.filter.is_some() { &[][..] } else { &report.unreached[..] };
    match args.shape() {
        args::Shape::Table | args::Shape::Tree => {
            for case in &failed {
                println!("FAILED {} {}: {} ({})", case.kind, case.spec, case.case, case.at);
                for problem in &case.problems {
                    println!("    {problem}");
                }
            }
            for branch in unreached {
                println!("no test reaches {} {}: {} ({})", branch.kind, branch.spec, branch.branch, branch.at);
            }
            let took: std::time::Duration = report.cases.iter().map(|case| case.took).sum();
            println!(
                "{} of {} branches reached, {:.0} ms",
                report.n_branches - report.unreached.len(),
                report.n_branches,
                took.as_secs_f64() * 1000.0
            );
            println!("{} passed, {} failed", report.cases.len() - failed.len(), failed.len());
        }
        shape => {
            let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
            let case = |case: &&calipso_pipeline::spec_test::CaseResult| {
                Value::Map(
                    [
                        ("kind", Value::text(case.kind)),
                        ("spec", Value::Str(case.spec.clone())),
                        ("case", Value::Str(case.case.clone())),
                        ("at", Value::text(&case.at.to_string())),
                        ("problems", Value::list(case.problems.iter().map(|problem| Value::text(problem)).collect())),
                    ]
                    .into_iter()
                    .collect(),
                )
            };
            let branch = |branch: &calipso_pipeline::spec_test::Unreached| {
                Value::Map(
                    [
                        ("kind", Value::text(branch.kind)),
                        ("spec", Value::Str(branch.spec.clone())),
                        ("branch", Value::text(&branch.branch)),
                        ("at", Value::text(&branch.at.to_string())),
                    ]
                    .into_iter()
                    .collect(),
                )
            };
            let whole: Map = [
                ("passed", number(report.cases.len() - failed.len())),
                ("failed", Value::list(failed.iter().map(case).collect())),
                ("branches", number(report.n_branches)),
                ("unreached", Value::list(unreached.iter().map(branch).collect())),
            ]
            .into_iter()
            .collect();
            print!("{}", show::value(shape, &Value::Map(whole)));
        }
    }
    if report.cases.is_empty() {
        return Err(Failure::new(Exit::Findings, "no test was run").help("tests lie beside specs, as NAME.test.yaml"));
    }
    if !failed.is_empty() || !unreached.is_empty() {
        return Err(Failure::new(
            Exit::Findings,
            format!("{} tests failed, {} branches are not reached", failed.len(), unreached.len()),
        ));
    }
    Ok(())
}
