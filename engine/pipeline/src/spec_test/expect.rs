//! Compares what a case came to with what it expects; every difference stands at its own line of the test.

mod difference;
mod joins;
mod objects;

use calipso_model::{Map, Value};
use calipso_spec::{
    checked::At,
    spec_test::{Mend, TestCase, TestOf},
};

use crate::spec_test::{FailedExpectation, Observed};

pub(super) use self::objects::plain;

use self::difference::{Around, differences, shown};

/// The problems of one case.
struct Found<'c> {
    case: &'c TestCase,
    problems: Vec<FailedExpectation>,
}

impl Found<'_> {
    /// A problem at a place inside `expect`, which nothing but the author can mend.
    fn add(&mut self, path: &[String], text: impl Into<String>) {
        let path = inside(path);
        self.problems.push(FailedExpectation {
            at: self.case.place(&path),
            text: text.into(),
            mend: None,
            is_idle: false,
        });
    }

    /// A problem at a place inside `expect`, and what would make it expected.
    fn mendable(&mut self, path: &[String], text: impl Into<String>, mend: &Mend) {
        self.mendable_at(path, path, text, mend);
    }

    fn mendable_at(&mut self, path: &[String], mend_at: &[String], text: impl Into<String>, mend: &Mend) {
        let at = self.case.place(&inside(path));
        let mend = self.case.mend(&inside(mend_at), mend);
        self.problems.push(FailedExpectation { at, text: text.into(), mend, is_idle: false });
    }

    /// What differs, field by field, each at its own place.
    fn differ(&mut self, path: &[String], what: &str, wanted: &Value, found: Option<&Value>, partly: bool) {
        for difference in differences(wanted, found, partly) {
            let place: Vec<String> = path.iter().cloned().chain(difference.path.iter().cloned()).collect();
            let field = difference.shown_path();
            let colon = if field.is_empty() { "" } else { ": " };
            let (around, mend) = &difference.mend;
            let mend_at = match around {
                Around::Here => &place[..],
                Around::Outside => &place[..place.len() - 1],
            };
            self.mendable_at(&place, mend_at, format!("{what}{field}{colon}{}", difference.says), mend);
        }
    }
}

impl Found<'_> {
    fn outcome(&mut self, expect: &Map, text: impl Into<String>, was: &str) {
        let here = path(&["outcome"]);
        if expect.contains_key("outcome") {
            self.mendable(&here, text, &Mend::Replace(Value::text(was)));
        } else {
            self.mendable_at(&here, &[], text, &Mend::Add("outcome".to_owned(), Value::text(was)));
        }
    }
}

fn inside(path: &[String]) -> Vec<&str> {
    std::iter::once("expect").chain(path.iter().map(String::as_str)).collect()
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// What is not as expected.
pub(super) fn compare(of: &TestOf, case: &TestCase, observed: &Observed) -> Vec<FailedExpectation> {
    let mut found = Found { case, problems: Vec::new() };
    let expect = &case.expect;
    if applies(expect, observed, &mut found) {
        return found.problems;
    }
    for (key, value) in expect {
        let here = path(&[key]);
        match &**key {
            "objects" | "objects_exact" => objects::compare(observed, key, value, &mut found),
            "absent" => objects::absent(observed, value, &mut found),
            "links" | "links_exact" => joins::links(observed, key, value, &mut found),
            "cliques" => joins::cliques(observed, value, &mut found),
            "search" => found.differ(&here, "a search for ", value, Some(&objects::found(observed, value)), false),
            "none" => none(of, observed, value, &mut found),
            "applies" | "outcome" => {}
            "failures" => failures(observed, value, &mut found),
            "commands" => {
                let commands = observed.commands.iter().map(|words| texts(words)).collect();
                found.differ(&here, "command ", value, Some(&Value::list(commands)), false);
            }
            "sent" => sent(observed, value, &mut found),
            "value" => match &observed.value {
                Some(known) => found.differ(&here, "value ", value, Some(known), false),
                None => found.add(&here, format!("expected a value, found none: {}", told(&observed.failures))),
            },
            "values" => found.differ(&here, "", value, observed.values.as_ref(), true),
            "settings" => found.differ(&here, "", value, observed.settings.as_ref(), true),
            "supported" => found.differ(&here, "supported", value, observed.supported.map(Value::Bool).as_ref(), false),
            "negative" if (*value == Value::Bool(true)) == observed.value.is_some() => found.add(
                &here,
                match &observed.value {
                    Some(known) => format!("expected a negative answer, found {}", shown(known)),
                    None => format!("expected an answer, found {}", told(&observed.failures)),
                },
            ),
            "negative" => {}
            "lines" => lines(observed, value, &mut found),
            other => found.add(&here, format!("`expect` has no key {other}")),
        }
    }
    outcome(of, expect, observed, &mut found);
    unasked(observed, &mut found);
    found.problems.sort_by_key(|a| (a.at.line, a.at.column));
    found.problems
}

/// Whether the spec is not used here, and with that everything is said.
fn applies(expect: &Map, observed: &Observed, found: &mut Found<'_>) -> bool {
    let wanted = expect.get("applies").is_none_or(|wanted| *wanted == Value::Bool(true));
    match (&observed.unused, wanted) {
        (Some(why), true) => {
            let at = found.case.place(&["environment"]);
            found.problems.push(FailedExpectation { at, text: why.clone(), mend: None, is_idle: false });
            true
        }
        (Some(_), false) => true,
        (None, false) => {
            found.add(&path(&["applies"]), "expected that the environment does not use it, but it does");
            true
        }
        (None, true) => false,
    }
}

fn none(of: &TestOf, observed: &Observed, value: &Value, found: &mut Found<'_>) {
    let known: Vec<String> = match of {
        TestOf::LinkType(_) => observed.links.iter().map(joins::told_link).collect(),
        TestOf::CliqueType(_) => observed.cliques.iter().map(|clique| clique.focal_point.to_string()).collect(),
        _ => objects::inventory(observed).map(|object| object.key.to_string()).collect(),
    };
    if *value == Value::Bool(true) && !known.is_empty() {
        found.add(&path(&["none"]), format!("expected nothing, found {}", known.join(", ")));
    }
}

fn failures(observed: &Observed, value: &Value, found: &mut Found<'_>) {
    for (number, wanted) in value.as_list().unwrap_or_default().iter().enumerate() {
        let wanted = wanted.as_str().unwrap_or_default();
        if !observed.failures.iter().any(|failure| failure.contains(wanted)) {
            let text = format!("no failure says `{wanted}`; failures: {}", told(&observed.failures));
            found.add(&path(&["failures", &number.to_string()]), text);
        }
    }
}

/// Every expected one was sent: the one that comes closest is compared.
fn sent(observed: &Observed, value: &Value, found: &mut Found<'_>) {
    for (number, wanted) in value.as_list().unwrap_or_default().iter().enumerate() {
        let here = path(&["sent", &number.to_string()]);
        let all = observed.sent.iter().map(|sent| (differences(wanted, Some(sent), true).len(), sent));
        match all.min_by_key(|(n_wrong, _)| *n_wrong) {
            Some((_, sent)) => found.differ(&here, "sent ", wanted, Some(sent), true),
            None => found.add(&here, "nothing was sent"),
        }
    }
}

fn lines(observed: &Observed, value: &Value, found: &mut Found<'_>) {
    for (number, wanted) in value.as_list().unwrap_or_default().iter().enumerate() {
        let Some(wanted) = wanted.as_map() else { continue };
        let here = path(&["lines", &number.to_string()]);
        let name = wanted.text("name").map_or("", |name| name);
        let ok = wanted.get("ok").is_none_or(|ok| *ok == Value::Bool(true));
        let says = wanted.text("says").map_or("", |says| says);
        match observed.lines.iter().find(|line| line.name.as_ref() == name) {
            Some(line) if line.ok == ok && line.sentence.contains(says) => {}
            Some(line) => {
                let how = if line.ok { "went well" } else { "did not go well" };
                found.add(&here, format!("the line `{name}` {how} and says: {}", line.sentence));
            }
            None => {
                let names: Vec<&str> = observed.lines.iter().map(|line| &*line.name).collect();
                found.add(&here, format!("there is no line `{name}`; there are {}", names.join(", ")));
            }
        }
    }
}

fn outcome(of: &TestOf, expect: &Map, observed: &Observed, found: &mut Found<'_>) {
    let here = path(&["outcome"]);
    match (of, expect.text("outcome").map(AsRef::as_ref)) {
        (TestOf::Connection(_) | TestOf::Distribution(_) | TestOf::Parser(_), None) => {}
        (_, None | Some("complete" | "ok")) => {
            if !observed.complete {
                let text = format!("expected a complete run; failures: {}", told(&observed.failures));
                found.outcome(expect, text, "incomplete");
            }
        }
        (_, Some("incomplete" | "failed")) => {
            if observed.complete {
                found.outcome(expect, "expected that something is not found out, but the run was complete", "complete");
            }
        }
        (_, Some(other)) => found.add(&here, format!("there is no outcome {other}")),
    }
}

/// Answers that nobody asked for are misspelt, or no longer needed.
fn unasked(observed: &Observed, found: &mut Found<'_>) {
    for (list, number) in &observed.unasked {
        let at: At = found.case.place(&["answers", list, &number.to_string()]);
        let text = "nothing asked for this answer: mend it, or take it out".to_owned();
        found.problems.push(FailedExpectation { at, text, mend: None, is_idle: true });
    }
}

fn texts(words: &[String]) -> Value {
    Value::list(words.iter().map(|word| Value::text(word)).collect())
}

fn told(failures: &[String]) -> String {
    if failures.is_empty() { "none".to_owned() } else { failures.join(" | ") }
}
