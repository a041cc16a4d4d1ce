//! Where we differ from the original on purpose, as data.

use anyhow::{Context, Result, bail};
use calipso_model::{Map, Str, Value};
use calipso_parse::{Parser, ParserSpec};
use regex::Regex;

use super::eval;

/// One deliberate difference.
///
/// # Shape
/// `name`, `because`, and
/// - `when`: an expression that says which cases it speaks about; all where none is given;
/// - `everywhere: true`: it holds for every case, and is not named at each;
/// - `not_applicable: true`: its cases cannot run;
/// - `request`: parts of the request in our words: `path`, `query`, `headers`, `body`;
/// - `replace`: pattern of a whole text to text, wherever it stands: in the request, in what is given, in what is expected;
///   `${1}` is the pattern's first group;
/// - `status`: a status that is as good as the expected one; `instead`: the body that is then expected;
/// - `body`, `answer`: the expected and the given body in words that can be compared; `item`: the same of each expected `item`
///   of a list, or of the one document;
/// - `compare`: `any-order`, `more` (fields that are not expected do not count).
///
/// Expressions may read `given`, `expect`, `original` (the request as the case has it), `request`, `status`, `body`,
/// `answer`; `asked` (what the case's store is asked first), its `filter` and its `fields`; `single` (one document is asked
/// for), `environments` (those that are there), `unknown_environment` (one is asked for that is not). `{opaque: [TEXT, …]}` is an id that stands for these texts.
pub struct Rule {
    pub name: Str,
    /// The reason.
    pub because: Str,
    pub everywhere: bool,
    pub not_applicable: bool,
    /// Whole texts to text.
    pub replace: Vec<(Regex, Str)>,
    /// The keys above, as written.
    pub keys: Map,
}

const KEYS: &[&str] = &[
    "name",
    "because",
    "when",
    "everywhere",
    "not_applicable",
    "request",
    "replace",
    "status",
    "instead",
    "body",
    "answer",
    "item",
    "compare",
];

/// All of them.
pub struct Rules {
    /// Collection to what is put in the store.
    pub seed: Map,
    /// In order.
    pub rules: Vec<Rule>,
}

/// Reads them.
pub fn read(text: &str) -> Result<Rules> {
    let yaml = Parser::new(&ParserSpec::Yaml).map_err(|_| anyhow::anyhow!("the YAML parser does not compile"))?;
    let written = yaml.parse(text)?;
    let written = written.as_map().context("the file has `rules` and `seed`")?;
    let rules = written.get("rules").and_then(Value::as_list).context("`rules` is a list")?;
    Ok(Rules {
        seed: written.get("seed").and_then(Value::as_map).cloned().unwrap_or_default(),
        rules: rules.iter().map(rule).collect::<Result<_>>()?,
    })
}

fn rule(written: &Value) -> Result<Rule> {
    let keys = written.as_map().context("a rule is a map")?.clone();
    if let Some(unknown) = keys.keys().find(|key| !KEYS.contains(&&***key)) {
        bail!("`{unknown}` is no key of a rule: {written}");
    }
    let text = |key: &str| keys.text(key).cloned().with_context(|| format!("a rule needs `{key}`: {written}"));
    let flag = |key: &str| keys.get(key) == Some(&Value::Bool(true));
    let replace = keys.get("replace").and_then(Value::as_map).into_iter().flatten();
    let replace = replace.map(|(pattern, with)| {
        let with = with.as_str().with_context(|| format!("`{pattern}` is replaced by a text: {written}"))?;
        Ok((Regex::new(&format!("^(?:{pattern})$"))?, with.into()))
    });
    Ok(Rule {
        name: text("name")?,
        because: text("because")?,
        everywhere: flag("everywhere"),
        not_applicable: flag("not_applicable"),
        replace: replace.collect::<Result<_>>()?,
        keys,
    })
}

impl Rules {
    /// Whether a rule says what body is expected instead.
    pub fn says_body(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| &*rule.name == name && rule.keys.contains_key("instead"))
    }
}

impl Rule {
    /// Whether it speaks about the case.
    pub fn holds(&self, names: &[(&str, Value)]) -> Result<bool> {
        Ok(self.eval("when", names)?.is_none_or(|value| value == Value::Bool(true)))
    }

    /// One of its keys; an expression that yields nothing counts as a key that is not there.
    pub fn eval(&self, key: &str, names: &[(&str, Value)]) -> Result<Option<Value>> {
        let Some(written) = self.keys.get(key) else { return Ok(None) };
        let value = eval(written, names).with_context(|| format!("`{key}` of the rule `{}`", self.name))?;
        Ok((!value.is_null()).then_some(value))
    }

    /// Whether it can change how bodies are compared.
    pub fn speaks_of_bodies(&self) -> bool {
        ["body", "answer", "item", "compare"].iter().any(|key| self.keys.contains_key(key))
    }

    /// A value with every text that it replaces replaced.
    pub fn replaced(&self, value: &Value) -> Value {
        if self.replace.is_empty() {
            return value.clone();
        }
        match value {
            Value::Str(text) => {
                let found = self.replace.iter().find(|(pattern, _)| pattern.is_match(text));
                found.map_or_else(|| value.clone(), |(pattern, with)| Value::text(&pattern.replace(text, &**with)))
            }
            Value::List(items) => Value::list(items.iter().map(|item| self.replaced(item)).collect()),
            Value::Map(map) => Value::Map(map.iter().map(|(key, value)| (key.clone(), self.replaced(value))).collect()),
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_closed_and_have_reasons() {
        assert!(read("rules: [{name: a, because: b}]").is_ok());
        for wrong in ["{name: a}", "{because: b}", "{name: a, because: b, x: 1}"] {
            assert!(read(&format!("rules: [{wrong}]")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whole_texts_are_replaced() {
        let rules = read("rules: [{name: a, because: b, replace: {agent: network_agent}}]").unwrap();
        let value = Value::from_json(r#"{"agent": ["agent", {"x": "agent"}, "agents"]}"#).unwrap();
        let expected = r#"{"agent":["network_agent",{"x":"network_agent"},"agents"]}"#;
        assert_eq!(rules.rules[0].replaced(&value).to_json(), expected);
    }

    #[test]
    fn groups_of_a_pattern_stay() {
        let rules = read("rules: [{name: a, because: b, replace: {'/k/(.+)-(id_[a-z]+)': '/k/${1}/${2}'}}]").unwrap();
        let value = Value::from_json(r#"["/k/my-cloud-id_rsa", "/k/id_rsa", "x/k/a-id_rsa"]"#).unwrap();
        assert_eq!(rules.rules[0].replaced(&value).to_json(), r#"["/k/my-cloud/id_rsa","/k/id_rsa","x/k/a-id_rsa"]"#);
        assert!(read("rules: [{name: a, because: b, replace: {'(': x}}]").is_err());
    }
}
