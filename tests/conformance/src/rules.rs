//! The map: which case is run against what, as data.

use anyhow::{Context, Result, bail};
use calipso_model::{Map, Str, Value};
use calipso_parse::{Parser, ParserSpec};

use crate::cases::Case;

/// One entry of the map. Of several that name a case, the first counts.
///
/// # Shape
/// `cases` (ids, `*` for any characters) and either `not_applicable` (the reason), or what is run:
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
/// Values may read `given`, `expect`, `id` and all of `let`.
pub struct Rule {
    cases: Vec<Str>,
    /// Why its cases cannot run.
    pub not_applicable: Option<Str>,
    /// The keys above, as written.
    pub keys: Map,
}

const KEYS: &[&str] = &[
    "cases",
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
    let cases = keys.get("cases").and_then(Value::as_list).context("a rule needs `cases`")?;
    let cases = cases.iter().map(|id| id.as_str().map(Str::from)).collect::<Option<_>>().context("`cases` are text")?;
    if keys.contains_key("not_applicable") == keys.contains_key("run") {
        bail!("a rule needs either `not_applicable` or `run`: {written}");
    }
    Ok(Rule { cases, not_applicable: keys.text("not_applicable").cloned(), keys })
}

impl Rule {
    /// Whether it speaks about this case.
    pub fn names(&self, case: &Case) -> bool {
        self.cases.iter().any(|pattern| matches(pattern, &case.id))
    }

    /// Its patterns that no case has.
    pub fn idle<'r>(&'r self, cases: &'r [Case]) -> impl Iterator<Item = &'r Str> {
        self.cases.iter().filter(|pattern| !cases.iter().any(|case| matches(pattern, &case.id)))
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
        assert!(read("rules: [{cases: [a], not_applicable: x}]").is_ok());
        for wrong in
            ["{cases: [a]}", "{cases: [a], run: {}, not_applicable: x}", "{run: {}}", "{cases: [a], run: {}, x: 1}"]
        {
            assert!(read(&format!("rules: [{wrong}]")).is_err(), "{wrong}");
        }
    }
}
