//! Runs conformance cases, facts about what an inventory must hold and what the HTTP interface answers as data, against the
//! catalogue of specs and against a real server.
//!
//! `conformance DIR [--map FILE] [--api FILE]` prints one line per case (`ID  pass`, `ID  pass by RULES`, `ID  fail WHY`,
//! `ID  not-applicable WHY`) and a closing line with the counts; it fails when a case fails.

mod api;
mod cases;
mod compare;
mod engine;
mod rules;
mod tree;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use calipso_model::{Map, Str, Value};

use crate::{
    api::{Api, Verdict},
    cases::Case,
    compare::{How, compare},
    engine::Engine,
    rules::{Rule, Rules},
};

/// What became of a case.
enum Outcome {
    Pass,
    /// Where these rules say how we differ.
    PassBy(Vec<Str>),
    Fail(String),
    NotApplicable(String),
}

fn main() -> Result<ExitCode> {
    let Arguments { folder, map, api } = arguments()?;
    let text = std::fs::read_to_string(&map).with_context(|| format!("cannot read `{}`", map.display()))?;
    let rules = rules::read(&text)?;
    let cases = cases::read(&folder)?;
    let engine = Engine::new(&map)?;
    let api = cases.iter().any(Api::knows).then(|| Api::new(&api)).transpose()?;
    let (mut passed, mut failed, mut not_applicable) = (0, 0, 0);
    let mut by_rule: BTreeMap<Str, u32> = BTreeMap::new();
    for case in &cases {
        let outcome = match &api {
            Some(api) if Api::knows(case) => asked(api, case),
            _ => outcome(case, &rules, &engine),
        };
        match outcome {
            Outcome::Pass => {
                passed += 1;
                println!("{}  pass", case.id);
            }
            Outcome::PassBy(rules) => {
                passed += 1;
                println!("{}  pass by {}", case.id, rules.join(", "));
                for rule in rules {
                    *by_rule.entry(rule).or_default() += 1;
                }
            }
            Outcome::Fail(why) => {
                failed += 1;
                println!("{}  fail {why}", case.id);
            }
            Outcome::NotApplicable(why) => {
                not_applicable += 1;
                println!("{}  not-applicable {why}", case.id);
            }
        }
    }
    for (rule, because) in api.iter().flat_map(Api::reasons) {
        match by_rule.get(rule) {
            Some(cases) => println!("rule {rule} ({cases} cases): {because}"),
            None => println!("rule {rule}: {because}"),
        }
    }
    println!("{passed} passed, {failed} failed, {not_applicable} not applicable");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was asked for.
struct Arguments {
    folder: PathBuf,
    map: PathBuf,
    api: PathBuf,
}

fn arguments() -> Result<Arguments> {
    let mut folder = None;
    let mut map = PathBuf::from("tests/conformance/map.yaml");
    let mut api = PathBuf::from("tests/conformance/api.yaml");
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        let mut file = || words.next().map(PathBuf::from).context("`--map` and `--api` need a file");
        if word == "--map" {
            map = file()?;
        } else if word == "--api" {
            api = file()?;
        } else if folder.is_none() {
            folder = Some(PathBuf::from(word));
        } else {
            bail!("one folder of cases is enough");
        }
    }
    let folder = folder.context("usage: conformance DIR [--map FILE] [--api FILE]")?;
    Ok(Arguments { folder, map, api })
}

fn asked(api: &Api, case: &Case) -> Outcome {
    match api.run(case) {
        Verdict::Pass(rules) if rules.is_empty() => Outcome::Pass,
        Verdict::Pass(rules) => Outcome::PassBy(rules),
        Verdict::Fail(why) => Outcome::Fail(why),
        Verdict::NotApplicable(why) => Outcome::NotApplicable(why),
    }
}

fn outcome(case: &Case, rules: &Rules, engine: &Engine) -> Outcome {
    let names = facts(case, engine);
    let mut found = None;
    for rule in &rules.rules {
        match rule.holds(case, &names) {
            Ok(true) => {
                found = Some(rule);
                break;
            }
            Ok(false) => {}
            Err(error) => return Outcome::Fail(format!("{error:#}").replace('\n', " ")),
        }
    }
    let Some(rule) = found else {
        return Outcome::Fail(format!("the map says nothing about it ({})", case.subject));
    };
    if let Some(reason) = &rule.not_applicable {
        return Outcome::NotApplicable(reason.to_string());
    }
    match run(case, names, rule, &rules.test, engine) {
        Ok(None) => Outcome::Pass,
        Ok(Some(difference)) => Outcome::Fail(difference),
        Err(error) => Outcome::Fail(format!("{error:#}").replace('\n', " ")),
    }
}

/// What values of a rule may read from the start.
fn facts(case: &Case, engine: &Engine) -> Vec<(&'static str, Value)> {
    vec![
        ("given", case.given.clone().into()),
        ("expect", case.expect.clone().into()),
        ("subject", Value::from(case.subject.clone())),
        ("distributions", engine.distributions()),
    ]
}

/// Runs a case; says what differs.
fn run<'r>(
    case: &Case,
    mut names: Vec<(&'r str, Value)>,
    rule: &'r Rule,
    defaults: &Map,
    engine: &Engine,
) -> Result<Option<String>> {
    for entry in rule.keys.get("let").and_then(Value::as_list).unwrap_or_default() {
        for (name, written) in entry.as_map().context("`let` is a list of maps")? {
            let value = tree::eval(written, &names).with_context(|| format!("`let` of `{name}`"))?;
            names.push((name, value));
        }
    }
    let at = |key: &str, names: &[(&str, Value)]| -> Result<Option<Value>> {
        rule.keys.get(key).map(|written| tree::eval(written, names).with_context(|| format!("`{key}`"))).transpose()
    };
    let what = at("run", &names)?.unwrap_or_default();
    let (kind, name) = what.as_map().and_then(|what| what.iter().next()).context("`run` says what is run")?;
    let result = if &**kind == "value" {
        name.clone()
    } else {
        let specs = at("specs", &names)?.unwrap_or_default();
        let test = at("test", &names)?.unwrap_or_default();
        let test = defaults.iter().chain(test.as_map().into_iter().flatten()).cloned().collect();
        let alone = rule.keys.get("alone") == Some(&Value::Bool(true));
        engine.observe(kind, name.as_str().context("`run` names a spec")?, alone, specs.as_map(), &test)?
    };
    let failures = result.as_map().and_then(|result| result.get("failures")).cloned().unwrap_or_default();
    let complete = result.as_map().and_then(|result| result.get("complete")).cloned();
    let wanted = at("complete", &names)?.unwrap_or(Value::Bool(true));
    if complete.is_some_and(|complete| complete != wanted) {
        let what = if wanted == Value::Bool(true) { "complete" } else { "incomplete" };
        return Ok(Some(format!("a run that is {what} expected; failed steps: {failures}")));
    }
    names.push(("result", result.clone()));
    let got = at("got", &names)?.unwrap_or(result);
    let expected = match at("expect", &names)? {
        Some(expected) => expected,
        None => ["objects", "document", "value", "links"]
            .iter()
            .find_map(|key| case.expect.get(key).cloned())
            .context("the case expects nothing that the map could compare")?,
    };
    let mut ignore: Vec<Str> = Vec::new();
    for list in [rule.keys.get("ignore"), case.expect.get("ignore")] {
        ignore.extend(
            list.and_then(Value::as_list).unwrap_or_default().iter().filter_map(|name| name.as_str().map(Str::from)),
        );
    }
    let any_order = rule.keys.get("any_order").is_some_and(|flag| *flag == Value::Bool(true))
        || case.expect.text("order").is_none_or(|order| &**order == "any");
    let mode = at("mode", &names)?.or_else(|| case.expect.get("mode").cloned());
    let mode = mode.as_ref().and_then(Value::as_str).map(Str::from).context("no way of comparing is named")?;
    let difference = compare(&expected, &got, &How { mode, any_order, ignore });
    let failed = failures.as_list().is_some_and(|failures| !failures.is_empty());
    Ok(difference.map(|difference| if failed { format!("{difference}; failed steps: {failures}") } else { difference }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expect: &str, rule: &str, expected: Result<(), &str>) {
        let map = |text: &str| Value::from_json(text).unwrap().as_map().unwrap().clone();
        let case = Case {
            id: "one".into(),
            subject: "a subject".into(),
            given: map(r#"{"input": {"line": "a b", "host": "h"}}"#),
            expect: map(expect),
        };
        let rules = rules::read(&format!("rules: [{rule}]")).unwrap();
        let engine = Engine::new(concat!(env!("CARGO_MANIFEST_DIR"), "/map.yaml").as_ref()).unwrap();
        match (outcome(&case, &rules, &engine), expected) {
            (Outcome::Pass | Outcome::PassBy(_), Ok(())) => {}
            (Outcome::Fail(why) | Outcome::NotApplicable(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (Outcome::Pass | Outcome::PassBy(_), Err(part)) => panic!("{rule} passes; expected {part}"),
            (Outcome::Fail(why) | Outcome::NotApplicable(why), Ok(())) => panic!("{rule}: {why}"),
        }
    }

    #[test]
    fn rules_run_cases() {
        let exact = r#"{"value": "h-1", "mode": "exact"}"#;
        check(exact, "{subjects: [a subject], run: {value: '{{ given.input.host }}-1'}}", Ok(()));
        check(
            exact,
            "{subjects: [a *], run: {value: '{{ given.input.host }}-2'}}",
            Err("\"h-1\" expected, \"h-2\" found"),
        );
        check(exact, "{subjects: [b], run: {value: 1}}", Err("the map says nothing about it (a subject)"));
        check(exact, "{subjects: [a *], not_applicable: another thing}", Err("another thing"));
        let host = |host: &str| {
            format!(
                "{{subjects: ['*'], when: given.input.host == '{host}', run: {{value: '{{{{ given.input.host }}}}-1'}}}}"
            )
        };
        check(exact, &host("h"), Ok(()));
        check(exact, &host("i"), Err("the map says nothing about it (a subject)"));
        check(exact, "{subjects: ['*'], when: given.no.such, run: {value: 1}}", Err("`when`"));
        check(exact, "{subjects: [a *], run: {value: '{{ given.x }}'}}", Err("`run`"));
        check(exact, "{subjects: [a *], run: {fetcher: no_such_fetcher}}", Err("no_such_fetcher"));
    }

    #[test]
    fn rules_bring_specs_of_their_own() {
        let rule = |name: &str| {
            format!(
                "{{subjects: [a *], alone: true, run: {{parser: words}}, got: '{{{{ result.value }}}}', test: {{input: '{{{{ given.input.line }}}}'}}, \
                 specs: {{parsers/words.yaml: {{schema: parser/v1, name: {name}, description: Words., source: test, \
                 parse: {{regex: {{match: '(?<first>\\S+)'}}}}}}}}}}"
            )
        };
        check(r#"{"value": {"first": "a"}, "mode": "exact"}"#, &rule("words"), Ok(()));
        check(
            r#"{"value": {"first": "b"}, "mode": "subset"}"#,
            &rule("words"),
            Err("`first`: \"b\" expected, \"a\" found"),
        );
        check(r#"{"value": {}, "mode": "exact"}"#, &rule("other"), Err("spec/name-is-not-file-name"));
    }

    #[test]
    fn the_map_can_be_read() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/map.yaml")).unwrap();
        assert!(rules::read(&text).unwrap().rules.len() > 50);
    }
}
