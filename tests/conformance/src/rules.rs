//! The map: which case is run against what, as data.

use anyhow::{Context, Result, bail};
use calipso_model::{Map, Str, Value};
use calipso_parse::{Parser, ParserSpec};

use crate::{cases::Case, tree};

/// One entry of the map. Of several that speak about a case, the first counts.
///
/// # Shape
/// `subjects` (what cases test, `*` for any characters), `when` (an expression: which of them; all where none is given)
/// and either `not_applicable` (the reason), or what is run:
/// - `let`: list of `{name: value}`, evaluated in order;
/// - `specs`: path to spec, written here and laid over the catalogue, or `alone: true` used without it;
/// - `run`: `{fetcher: NAME}` and so on as in a spec test, `{selection: NAME}`: which clique types apply,
///   most specific first, or `{value: …}`: a value that only expressions make;
/// - `test`: the case of the spec test;
/// - `complete`: false when the run cannot be complete, so that nothing known would be removed (default true);
/// - `got`: what came out, in the words of the expectation; it may read `result`;
/// - `expect`, `mode`, `any_order`, `ignore`: over what the case says;
/// - `differs`: deliberate differences, each `{defect, what}`; they explain `ignore` and `expect`.
///
/// Values may read `given`, `expect`, `subject`, `distributions` (those that the catalogue has) and, but for `when`,
/// all of `let`. A rule never names a case: whoever writes one more has it run.
pub struct Rule {
    subjects: Vec<Str>,
    /// Why its cases cannot run.
    pub not_applicable: Option<Str>,
    /// The keys above, as written.
    pub keys: Map,
}

const KEYS: &[&str] = &[
    "subjects",
    "when",
    "complete",
    "not_applicable",
    "alone",
    "let",
    "specs",
    "run",
    "test",
    "got",
    "expect",
    "mode",
    "any_order",
    "ignore",
    "differs",
    "note",
];

/// A whole map.
pub struct Rules {
    /// Laid under the `test` of every rule, key by key.
    pub test: Map,
    /// In order.
    pub rules: Vec<Rule>,
}

/// Reads a map.
pub fn read(text: &str) -> Result<Rules> {
    let yaml = Parser::new(&ParserSpec::Yaml).map_err(|_| anyhow::anyhow!("the YAML parser does not compile"))?;
    let map = yaml.parse(text)?;
    let map = map.as_map().context("the map has `test` and `rules`")?;
    let rules = map.get("rules").and_then(Value::as_list).context("`rules` is a list")?;
    Ok(Rules {
        test: map.get("test").and_then(Value::as_map).cloned().unwrap_or_default(),
        rules: rules.iter().map(rule).collect::<Result<_>>()?,
    })
}

fn rule(written: &Value) -> Result<Rule> {
    let keys = written.as_map().context("a rule is a map")?.clone();
    if let Some(unknown) = keys.keys().find(|key| !KEYS.contains(&&***key)) {
        bail!("`{unknown}` is no key of a rule: {written}");
    }
    let subjects = keys.get("subjects").and_then(Value::as_list).context("a rule needs `subjects`")?;
    let subjects = subjects
        .iter()
        .map(|text| text.as_str().map(Str::from))
        .collect::<Option<_>>()
        .context("`subjects` are text")?;
    if keys.contains_key("not_applicable") == keys.contains_key("run") {
        bail!("a rule needs either `not_applicable` or `run`: {written}");
    }
    Ok(Rule { subjects, not_applicable: keys.text("not_applicable").cloned(), keys })
}

impl Rule {
    /// Whether it speaks about this case.
    pub fn holds(&self, case: &Case, names: &[(&str, Value)]) -> Result<bool> {
        if !self.subjects.iter().any(|pattern| matches(pattern, &case.subject)) {
            return Ok(false);
        }
        let Some(when) = self.keys.get("when") else { return Ok(true) };
        let when = when.as_str().context("`when` is an expression")?;
        Ok(tree::eval(&Value::text(&format!("{{{{ true if ({when}) else false }}}}")), names).context("`when`")?
            == Value::Bool(true))
    }
}

/// `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("a-b", "a-b", true),
            ("a-b", "a-bc", false),
            ("a-*", "a-", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_are_closed() {
        assert!(read("rules: [{subjects: [a], not_applicable: x}]").is_ok());
        for wrong in [
            "{subjects: [a]}",
            "{subjects: [a], run: {}, not_applicable: x}",
            "{run: {}}",
            "{subjects: [a], run: {}, x: 1}",
            "{subjects: [a], run: {}, cases: [b]}",
        ] {
            assert!(read(&format!("rules: [{wrong}]")).is_err(), "{wrong}");
        }
    }
}
