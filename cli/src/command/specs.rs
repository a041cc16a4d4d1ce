//! `test`, `explain CODE`, `schema`, `reference`: about specs only; no store, no network.

use std::{fs, path::Path};

use calipso_model::{Map, Value};
use calipso_pipeline::run_spec_tests;
use calipso_spec::diag;

use crate::{
    args,
    failure::{Exit, Failure},
    output::table,
    session::Session,
    show,
};

/// `explain CODE`.
///
/// # Errors
/// There is no such code.
pub fn explain_code(code: &str) -> Result<(), Failure> {
    if code == "codes" {
        let rows: Vec<Vec<String>> = diag::CODES
            .iter()
            .map(|code| vec![code.code.to_owned(), code.severity.as_str().to_owned(), code.title.to_owned()])
            .collect();
        print!("{}", table(&["CODE", "SEVERITY", "WHAT IT FINDS"], &rows));
        return Ok(());
    }
    match diag::explain(code) {
        Some(text) => {
            print!("{text}");
            Ok(())
        }
        None => {
            let near = calipso_expr::nearest(code, diag::CODES.iter().map(|known| known.code));
            let failure = Failure::usage(format!("no diagnostic has the code `{code}`"));
            Err(match near {
                Some(near) => failure.help(format!("did you mean `{near}`?")),
                None => failure.help("`calipso explain codes` lists all of them"),
            })
        }
    }
}

/// `schema`.
///
/// # Errors
/// Unknown kind, or the folder cannot be written.
pub fn schema(session: &Session, args: &args::Schema) -> Result<(), Failure> {
    let schemas = calipso_spec::schema::schemas();
    let kinds: Vec<&str> = schemas.iter().map(|(kind, _)| *kind).collect();
    match (&args.kind, &args.out) {
        (Some(kind), None) => match schemas.iter().find(|(known, _)| known == kind) {
            Some((_, text)) => print!("{text}"),
            None => {
                return Err(Failure::usage(format!("there is no kind `{kind}`"))
                    .help(format!("kinds are {}", kinds.join(", "))));
            }
        },
        (None, Some(dir)) => {
            fs::create_dir_all(dir).map_err(|error| cannot_write(dir, &error))?;
            for (kind, text) in &schemas {
                let file = dir.join(format!("{kind}.schema.json"));
                fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
            }
            println!("{} schemas written to {}", schemas.len(), dir.display());
            let (place, way) = way_to(dir, session.settings.list("specs"));
            println!("an editor finds them by the first line of a spec; in a file in {place} this is");
            println!("# yaml-language-server: $schema={way}/fetcher.schema.json");
        }
        _ => {
            return Err(Failure::usage("say which kind, or `--out DIR` for all of them")
                .help(format!("kinds are {}", kinds.join(", "))));
        }
    }
    Ok(())
}

/// From the folder of a kind to the folder of the schemas: an editor looks from the file in which the line stands.
fn way_to(schemas: &Path, layers: &[String]) -> (String, String) {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let schemas = whole(schemas);
    let around = schemas.parent().unwrap_or(Path::new("/"));
    let holds_kinds = |folder: &Path| calipso_spec::load::KINDS.iter().any(|(kind, _)| folder.join(kind).is_dir());
    let (shown, layer) = match layers.first() {
        Some(layer) => (layer.clone(), whole(Path::new(layer))),
        // Inside of a layer, or beside one.
        None if holds_kinds(around) => (around.to_string_lossy().into_owned(), around.to_path_buf()),
        None => ("a folder of specs beside it, FOLDER".to_owned(), around.join("FOLDER")),
    };
    let common = layer.components().zip(schemas.components()).take_while(|(a, b)| a == b).count();
    // One step more out of the folder of the kind.
    let mut way = vec![".."; layer.components().count() - common + 1];
    let rest: Vec<String> =
        schemas.components().skip(common).map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    way.extend(rest.iter().map(String::as_str));
    (format!("{}/fetchers/", shown.trim_end_matches('/')), way.join("/"))
}

/// `reference`.
///
/// # Errors
/// A page differs (with `--check`), or cannot be written.
pub fn reference(args: &args::Reference) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (name, text) in calipso_spec::reference::pages() {
        let file = args.dir.join(name);
        if args.check {
            if fs::read_to_string(&file).ok().as_deref() != Some(text.as_str()) {
                wrong.push(file.display().to_string());
            }
            continue;
        }
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
        }
        fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Findings, format!("these pages are not up to date: {}", wrong.join(", ")))
        .help("write them again: `just reference`"))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {error}", path.display()))
}

/// `test`.
///
/// # Errors
/// A test failed, or something is not reached by any.
pub fn test(session: &Session, args: &args::Test) -> Result<(), Failure> {
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
    match args.output {
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
            for left in &loaded.left_out {
                println!("left out {}: {} stands for what it tests, and has tests of its own", left.test, left.by);
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
                ("left_out", Value::list(loaded.left_out.iter().map(|left| Value::text(&left.test)).collect())),
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
