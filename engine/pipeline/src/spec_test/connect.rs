//! Tests of connection specs: login, test steps, pages.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use calipso_expr::{Frame, Fuel, Layout, Tree, UrlPath, Words};
use calipso_model::{ConnectionConfig, Map, Secret, SecretLocation, Str, Value};
use calipso_spec::{
    checked::{Connection, Field, FieldType, HttpStep, RunStep},
    spec_test::TestCase,
};
use calipso_transport::{Scrubber, Stage};

use crate::{
    SecretSource,
    answer::Outcome,
    connection::{Access, Sessions, filled_in},
    conntest::lines_of,
    spec_test::{Bench, Observed, observe::Stand},
    world::{HttpAsk, RunAsk, World},
};

/// Secrets of a test stand in the test.
struct Plain;

impl SecretSource for Plain {
    fn resolve(&self, reference: &str, _place: &SecretLocation) -> Result<Secret, String> {
        Ok(Secret::new(reference.strip_prefix("env:").unwrap_or(reference)))
    }

    fn known_hosts(&self) -> PathBuf {
        "known_hosts".into()
    }
}

pub(super) async fn connection(
    bench: &Bench<'_>,
    stand: &Stand,
    name: &Str,
    case: &TestCase,
) -> Result<Observed, String> {
    let spec = bench.specs.connections.get(name).ok_or_else(|| format!("there is no connection {name}"))?;
    let config = ConnectionConfig { spec: name.clone(), fields: referring(&spec.fields, &case.config) };
    let mut observed = Observed { complete: true, ..Observed::default() };
    let config = match filled_in(spec, &config, &SecretLocation::default(), &Plain, &Scrubber::new()) {
        Ok(config) => config,
        Err(problems) => {
            let sentences: Vec<String> = problems.into_iter().map(|problem| problem.sentence).collect();
            observed.complete = false;
            observed.failures.push(sentences.join("; "));
            return Ok(observed);
        }
    };
    let sessions = |stage: Stage| {
        let access = Access::new(spec.role.clone(), Arc::clone(spec), Ok(config));
        Sessions::new(stand.context(bench, stage), vec![access])
    };
    if case.requests.is_empty() {
        let sessions = sessions(Stage::Test);
        let access = sessions.access(&spec.role).map_err(|error| error.sentence)?;
        observed.lines = lines_of(&sessions, access).await;
        observed.complete = observed.lines.iter().all(|line| line.ok);
        observed.failures = observed
            .lines
            .iter()
            .filter(|line| !line.ok)
            .map(|line| format!("{}: {}", line.name, line.sentence))
            .collect();
    } else {
        let sessions = sessions(Stage::Work);
        for request in &case.requests {
            if request.contains_key("run") {
                run(&sessions, spec, request, &case.target, &mut observed).await?;
                continue;
            }
            let (step, path, query, target) = http_step(spec, request, &case.target)?;
            let ask = HttpAsk {
                step: &step,
                target,
                path,
                query,
                headers: Map::new(),
                body: request.get("body").cloned(),
                base: None,
                timeout: None,
                attempt: 0,
            };
            match sessions.http(ask).await.outcome {
                Outcome::Answer(value) => observed.value = Some(value),
                Outcome::Negative(error) | Outcome::NoAnswer(error) => {
                    observed.complete = false;
                    observed.failures.push(error.sentence);
                }
            }
        }
    }
    observed.commands = stand.door.commands();
    Ok(observed)
}

/// The form with its secrets as references that lead to themselves.
fn referring(fields: &BTreeMap<Str, Field>, given: &Map) -> Map {
    let mut form = given.clone();
    for (name, field) in fields {
        match given.get(name) {
            Some(Value::Str(text)) if field.secret => form.insert(name.clone(), format!("env:{text}")),
            Some(Value::Map(entries)) if field.field_type == FieldType::Map => {
                let entries = entries.iter().map(|(entry, value)| match value {
                    Value::Map(inner) => (entry.clone(), Value::Map(referring(&field.of, inner))),
                    other => (entry.clone(), other.clone()),
                });
                form.insert(name.clone(), entries.collect::<Map>());
            }
            _ => {}
        }
    }
    form
}

/// Runs a command where the request, or else the case, says.
async fn run(
    sessions: &Sessions,
    spec: &Connection,
    request: &Map,
    target: &Map,
    observed: &mut Observed,
) -> Result<(), String> {
    let text = request.text("run").ok_or("`run` holds a command")?;
    let parsed = Words::parse(text, &Layout::default())
        .map_err(|errors| errors.first().map_or_else(String::new, |error| error.message.clone()))?;
    let words = parsed.eval(&Frame::new(0), &mut Fuel::default()).map_err(|error| error.to_string())?;
    let step = RunStep { words: parsed, at: None, via: spec.role.clone(), parse: None, ok_exit: vec![0] };
    let host = request.get("target").cloned().unwrap_or_else(|| Value::Map(target.clone()));
    let ask = RunAsk { step: &step, host: Some(host), words, timeout: None, attempt: 0 };
    match sessions.run(ask).await.outcome {
        Outcome::Answer(value) => observed.value = Some(value),
        Outcome::Negative(error) | Outcome::NoAnswer(error) => {
            observed.complete = false;
            observed.failures.push(error.sentence);
        }
    }
    Ok(())
}

/// Method keys of requests.
const METHODS: [&str; 5] = ["get", "post", "put", "delete", "head"];

fn http_step(spec: &Connection, request: &Map, target: &Map) -> Result<(HttpStep, String, Map, Map), String> {
    let mut methods = METHODS.iter().filter_map(|method| Some((*method, request.text(method)?)));
    let (method, path) = methods.next().ok_or("a request needs a method with its path")?;
    let map = |name: &str| request.get(name).and_then(Value::as_map).cloned();
    let step = HttpStep {
        method: method.to_uppercase().into(),
        path: UrlPath::parse(path, &Layout::default())
            .map_err(|errors| errors.first().map_or_else(String::new, |error| error.message.clone()))?,
        via: spec.role.clone(),
        target: Vec::new(),
        query: Vec::<(Str, Tree)>::new(),
        headers: Vec::new(),
        body: None,
        form: Vec::new(),
        basic: None,
        paged: true,
        items: request.text("items").cloned(),
        parse: None,
        accept_status: Vec::new(),
        answer_as: None,
        base: None,
    };
    Ok((step, path.to_string(), map("query").unwrap_or_default(), map("target").unwrap_or_else(|| target.clone())))
}
