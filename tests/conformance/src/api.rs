//! Cases of the HTTP interface: a request, what the store holds, and the answer that the original gives.
//!
//! Each case has a server with a store of its own. Where we differ on purpose a rule of `api.yaml` says so, with its reason;
//! a rule speaks about all cases of a kind, never about one.

mod rules;
mod seed;
mod server;

use std::path::Path;

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{Map, Str, Value};

use crate::{
    api::{rules::Rules, server::Server},
    cases::Case,
    compare::{How, compare},
    tree,
};

/// What became of a case.
pub enum Verdict {
    /// As expected, where these rules say how we differ.
    Pass(Vec<Str>),
    Fail(String),
    NotApplicable(String),
}

/// What runs the cases.
pub struct Api {
    rules: Rules,
    server: Server,
}

/// A request on its way from the case's words to ours, and what is expected of it.
struct Question {
    request: Map,
    status: i64,
    body: Option<Value>,
    ignore: Vec<Str>,
    used: Vec<Str>,
}

impl Api {
    /// Reads the rules and the catalogue of specs beside them.
    pub fn new(rules: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(rules).with_context(|| format!("cannot read `{}`", rules.display()))?;
        let specs = rules.parent().unwrap_or(Path::new(".")).join("../../specs");
        Ok(Self { rules: rules::read(&text)?, server: Server::new(&specs)? })
    }

    /// Whether a case is one of these.
    pub fn knows(case: &Case) -> bool {
        case.given.contains_key("request")
    }

    /// Every rule with its reason.
    pub fn reasons(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.rules.rules.iter().map(|rule| (&rule.name, &rule.because))
    }

    /// Runs a case.
    pub fn run(&self, case: &Case) -> Verdict {
        self.tried(case).unwrap_or_else(|error| Verdict::Fail(format!("{error:#}").replace('\n', " ")))
    }

    fn tried(&self, case: &Case) -> Result<Verdict> {
        let expected = case.expect.get("http").and_then(Value::as_map).context("the case expects no answer")?;
        let mut now = Question {
            request: request(case),
            status: expected.get("status").and_then(Value::as_int).context("the case expects no status")?,
            body: expected.get("body").cloned(),
            ignore: texts(case.expect.get("ignore")),
            used: Vec::new(),
        };
        let mut names = names(case);
        for rule in &self.rules.rules {
            names.push(("request", now.request.clone().into()));
            names.push(("body", now.body.clone().unwrap_or_default()));
            if !rule.holds(&names)? {
                continue;
            }
            if rule.not_applicable {
                return Ok(Verdict::NotApplicable(format!("{}: {}", rule.name, rule.because)));
            }
            let before = (now.request.clone(), now.body.clone());
            if let Some(changes) = rule.eval("request", &names)? {
                for (key, value) in changes.as_map().context("`request` is a map")? {
                    now.request.insert(key.clone(), value.clone());
                }
            }
            if !rule.replace.is_empty() {
                now.request = rule.replaced(&now.request.into()).as_map().cloned().unwrap_or_default();
                now.body = now.body.map(|body| rule.replaced(&body));
            }
            if before != (now.request.clone(), now.body.clone()) && !rule.everywhere {
                now.used.push(rule.name.clone());
            }
        }
        names.push(("request", now.request.clone().into()));
        let given = self.rules.rules.iter().fold(Value::from(case.given.clone()), |given, rule| rule.replaced(&given));
        names.push(("given", given));
        let seed = seed::read(&self.rules.seed, &names)?;
        let answer = self.server.answer(&seed, &now.request)?;
        self.judge(case, now, &names, &answer)
    }

    fn judge(
        &self,
        case: &Case,
        mut now: Question,
        names: &[(&str, Value)],
        answer: &calipso_it::Answer,
    ) -> Result<Verdict> {
        let mut names = names.to_vec();
        let got = Value::from_json(&answer.text()).unwrap_or_else(|_| Value::from(answer.text()));
        names.push(("answer", got.clone()));
        names.push(("body", now.body.clone().unwrap_or_default()));
        let status = i64::from(answer.status);
        if status == 404 && answer.text().contains("no operation has this path") {
            return Ok(Verdict::Fail("there is no such operation".to_owned()));
        }
        if status != now.status {
            let mut other = None;
            for rule in self.rules.rules.iter().filter(|rule| rule.keys.contains_key("status")) {
                if rule.holds(&names)? && rule.eval("status", &names)?.and_then(|value| value.as_int()) == Some(status)
                {
                    other = Some(rule);
                    break;
                }
            }
            let Some(rule) = other else {
                let body: String = answer.text().chars().take(300).collect();
                return Ok(Verdict::Fail(format!("status {} expected, {status} found: {body}", now.status)));
            };
            now.used.push(rule.name.clone());
            // What a rule says of the answer's body takes the place of what the case says.
            now.body = rule.eval("instead", &names)?;
        }
        if status >= 400
            && let Some(wrong) = problem(answer, &got, status)
        {
            return Ok(Verdict::Fail(wrong));
        }
        let described = case.expect.text("mode").is_some_and(|mode| &**mode == "status");
        let (Some(expected), false) = (now.body, described && !now.used.iter().any(|name| self.rules.says_body(name)))
        else {
            return Ok(Verdict::Pass(now.used));
        };
        self.bodies(expected, got, &now.ignore, now.used, &mut names)
    }

    /// Compares bodies, and where they differ goes on under the rules about bodies, one by one.
    fn bodies(
        &self,
        mut expected: Value,
        mut got: Value,
        ignore: &[Str],
        mut used: Vec<Str>,
        names: &mut Vec<(&str, Value)>,
    ) -> Result<Verdict> {
        let mut how = Manner::default();
        let mut difference = differs(&expected, &got, &how, ignore);
        for rule in &self.rules.rules {
            if difference.is_none() {
                break;
            }
            names.push(("body", expected.clone()));
            names.push(("answer", got.clone()));
            if !rule.speaks_of_bodies() || !rule.holds(names)? {
                continue;
            }
            let before = (expected.clone(), got.clone(), how.clone());
            if let Some(value) = rule.eval("body", names)? {
                expected = value;
            }
            if rule.keys.contains_key("item") {
                expected = each_item(&expected, &mut |item| {
                    names.push(("item", item.clone()));
                    Ok(rule.eval("item", names)?.unwrap_or_else(|| item.clone()))
                })?;
            }
            if let Some(value) = rule.eval("answer", names)? {
                got = value;
            }
            for manner in texts(rule.keys.get("compare")) {
                match &*manner {
                    "any-order" => how.any_order = true,
                    "more" => how.more = true,
                    other => anyhow::bail!("`{other}` is no way of comparing"),
                }
            }
            if before != (expected.clone(), got.clone(), how.clone()) {
                used.push(rule.name.clone());
            }
            difference = differs(&expected, &got, &how, ignore);
        }
        Ok(match difference {
            None => Verdict::Pass(used),
            Some(why) => Verdict::Fail(format!("{why}; the answer is {}", short(&got))),
        })
    }
}

/// How bodies are compared.
#[derive(Clone, Debug, Default, PartialEq)]
struct Manner {
    any_order: bool,
    more: bool,
}

fn differs(expected: &Value, got: &Value, how: &Manner, ignore: &[Str]) -> Option<String> {
    let mode = Str::from(if how.more { "count+subset" } else { "exact" });
    let how = How { mode, any_order: how.any_order, ignore: ignore.to_vec() };
    // A list stands under one key of the body; beside it there may be where to go on.
    let (Some(wanted), Some(found)) = (expected.as_map(), got.as_map()) else {
        return compare(expected, got, &how);
    };
    if let Some((key, list @ Value::List(_))) = wanted.iter().next()
        && wanted.len() == 1
    {
        let Some(items) = found.get(key) else { return Some(format!("`{key}` expected")) };
        if let (Some((extra, _)), true) = (found.iter().find(|(name, _)| name != key), &*how.mode == "exact") {
            return Some(format!("`{extra}` is not expected"));
        }
        return compare(list, items, &how);
    }
    compare(expected, got, &how)
}

/// A body with its items changed: those of its list, or the one document that it is.
fn each_item(body: &Value, change: &mut dyn FnMut(&Value) -> Result<Value>) -> Result<Value> {
    let Some(map) = body.as_map() else { return Ok(body.clone()) };
    match map.iter().next() {
        Some((key, Value::List(items))) if map.len() == 1 => {
            let items = items.iter().map(change).collect::<Result<Vec<_>>>()?;
            Ok(Value::Map([(key.clone(), Value::list(items))].into_iter().collect()))
        }
        _ => change(body),
    }
}

/// What is wrong with an answer that tells of a problem.
fn problem(answer: &calipso_it::Answer, body: &Value, status: i64) -> Option<String> {
    let kind = answer.header("content-type").unwrap_or_default();
    if kind != "application/problem+json" {
        return Some(format!("an error is of the type `{kind}`"));
    }
    let body = body.as_map()?;
    let said = body.get("status").and_then(Value::as_int);
    let complete = ["type", "title", "detail"].iter().all(|key| body.text(key).is_some_and(|text| !text.is_empty()));
    (said != Some(status) || !complete).then(|| "an error that is no complete problem".to_owned())
}

fn names(case: &Case) -> Vec<(&'static str, Value)> {
    let map = |value: Option<&Value>| value.and_then(Value::as_map).cloned().unwrap_or_default();
    let request = request(case);
    let status = map(case.expect.get("http")).get("status").cloned();
    let store = case.given.get("store").and_then(Value::as_list).unwrap_or_default();
    let asked = map(store.first());
    let (query, body) = (map(request.get("query")), map(request.get("body")));
    // Single documents are asked for by id; environments by name.
    let by_name = request.text("path").is_some_and(|path| ["/environment_configs", "/constants"].contains(&&**path));
    let single = query.contains_key("id") || by_name && query.contains_key("name");
    // Those that the request names are there, unless the case says that they are not.
    let known = map(case.given.get("environments_known"));
    let mut environments: Vec<Str> = [query.text("env_name"), query.text("environment"), body.text("environment")]
        .into_iter()
        .flatten()
        .chain(known.keys())
        .filter(|name| known.get(name) != Some(&Value::Bool(false)))
        .cloned()
        .collect();
    environments.sort();
    environments.dedup();
    let list = |texts: Vec<Str>| Value::list(texts.into_iter().map(Value::from).collect());
    vec![
        ("given", case.given.clone().into()),
        ("expect", case.expect.clone().into()),
        ("original", request.into()),
        ("status", status.unwrap_or_default()),
        ("answer", Value::Null),
        ("filter", map(asked.get("filter")).into()),
        ("fields", list(map(asked.get("fields")).keys().cloned().collect())),
        ("asked", asked.into()),
        ("single", Value::Bool(single)),
        ("environments", list(environments)),
        ("unknown_environment", Value::Bool(known.iter().any(|(_, known)| *known == Value::Bool(false)))),
    ]
}

/// The request of a case, with every part.
fn request(case: &Case) -> Map {
    let mut request = case.given.get("request").and_then(Value::as_map).cloned().unwrap_or_default();
    for key in ["query", "headers"] {
        if request.get(key).is_none_or(Value::is_null) {
            request.insert(key, Map::new());
        }
    }
    if !request.contains_key("body") {
        request.insert("body", Value::Null);
    }
    request
}

fn texts(value: Option<&Value>) -> Vec<Str> {
    let items = value.and_then(Value::as_list).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(Str::from)).collect()
}

fn short(value: &Value) -> String {
    value.to_json().chars().take(300).collect()
}

/// Evaluates a written value.
fn eval(written: &Value, names: &[(&str, Value)]) -> Result<Value> {
    // Of equal names the last one counts.
    let mut last: Vec<(&str, Value)> = Vec::new();
    for (name, value) in names {
        match last.iter_mut().find(|(known, _)| known == name) {
            Some(place) => place.1 = value.clone(),
            None => last.push((name, value.clone())),
        }
    }
    Ok(opaque(&tree::eval(written, &last)?))
}

/// `{opaque: [TEXT, …]}` becomes the id that stands for these texts.
fn opaque(value: &Value) -> Value {
    match value {
        Value::Map(map) if map.len() == 1 && map.contains_key("opaque") => {
            let parts = map.get("opaque").map(Value::to_json).unwrap_or_default();
            Value::from(URL_SAFE_NO_PAD.encode(parts))
        }
        Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), opaque(value))).collect()),
        Value::List(items) => Value::list(items.iter().map(opaque).collect()),
        other => other.clone(),
    }
}
