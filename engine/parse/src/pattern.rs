//! Compiled regular expressions and their named groups.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

use crate::{
    Conversion, ParseError, ParseSpecError, ParseSpecErrorKind, ParsedField, ParsedShape,
    convert::{convert, converted_shape},
};

/// The largest compiled form of one expression, in bytes.
const MAX_REGEX_BYTES: usize = 2 << 20;

/// Where in a spec the compiler is, and what it found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    path: Vec<String>,
    found: Vec<ParseSpecError>,
}

impl Faults {
    /// Runs a part of the compilation one key further down.
    pub(crate) fn below<T>(&mut self, key: &str, part: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(key.to_owned());
        let result = part(self);
        self.path.pop();
        result
    }

    pub(crate) fn add(&mut self, kind: ParseSpecErrorKind, message: impl Into<String>) {
        self.found.push(ParseSpecError { key_path: self.path.clone(), kind, message: message.into() });
    }

    pub(crate) fn into_found(self) -> Vec<ParseSpecError> {
        self.found
    }
}

/// Compiles the expression under a key that needs no groups.
pub(crate) fn compile_regex(key: &str, source: &str, multi_line: bool, faults: &mut Faults) -> Option<Regex> {
    let built = RegexBuilder::new(source)
        .multi_line(multi_line)
        .crlf(multi_line)
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build();
    match built {
        Ok(regex) => Some(regex),
        Err(error) => {
            let message = match error {
                regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
                other => last_line(&other.to_string()),
            };
            faults.below(key, |faults| faults.add(ParseSpecErrorKind::BadRegex, message));
            None
        }
    }
}

/// As [`compile_regex`], for a key that may be absent.
pub(crate) fn compile_optional(key: &str, source: Option<&String>, faults: &mut Faults) -> Option<Regex> {
    source.and_then(|source| compile_regex(key, source, false, faults))
}

/// The sentence at the end of a message that also draws the expression.
fn last_line(message: &str) -> String {
    let line = message.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).trim().to_owned()
}

/// A regular expression whose named groups become keys.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    groups: Vec<Group>,
}

#[derive(Clone, Debug)]
struct Group {
    index: usize,
    name: Str,
    convert: Option<Conversion>,
    optional: bool,
}

impl Pattern {
    /// Compiles the expression under a key. `types` names conversions; which of them are known is checked by the
    /// caller, who may have several patterns.
    pub(crate) fn compile(
        key: &str,
        source: &str,
        multi_line: bool,
        types: &BTreeMap<Str, Conversion>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let regex = compile_regex(key, source, multi_line, faults)?;
        let always = always_taken(source);
        let groups = regex
            .capture_names()
            .enumerate()
            .filter_map(|(index, name)| {
                let name = Str::from(name?);
                Some(Group {
                    index,
                    convert: types.get(&name).copied(),
                    optional: !always.iter().any(|taken| **taken == *name),
                    name,
                })
            })
            .collect();
        let pattern = Self { regex, groups };
        if pattern.groups.is_empty() && pattern.regex.captures_len() > 1 {
            let message = "a group without a name finds nothing: name it `(?<name>…)`, or write `(?:…)` to group only";
            faults.below(key, |faults| faults.add(ParseSpecErrorKind::NoNamedGroup, message));
            return None;
        }
        Some(pattern)
    }

    /// As [`Pattern::compile`], for keys that have no meaning without a named group.
    pub(crate) fn compile_with_groups(
        key: &str,
        source: &str,
        types: &BTreeMap<Str, Conversion>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let pattern = Self::compile(key, source, false, types, faults)?;
        if pattern.groups.is_empty() {
            faults.below(key, |faults| {
                faults.add(ParseSpecErrorKind::NoNamedGroup, "a named group `(?<name>…)` is needed here");
            });
        }
        Some(pattern)
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Str> {
        self.groups.iter().map(|group| &group.name)
    }

    /// The groups that took part in the first match, converted; `None` when nothing matches.
    pub(crate) fn read(&self, text: &str, line: Option<usize>) -> Result<Option<Vec<(Str, Value)>>, ParseError> {
        if !self.regex.is_match(text) {
            return Ok(None);
        }
        let Some(captures) = self.regex.captures(text) else { return Ok(None) };
        let mut pairs = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            if let Some(found) = captures.get(group.index) {
                let value = convert(found.as_str(), group.convert, &group.name, line)?;
                pairs.push((group.name.clone(), value));
            }
        }
        Ok(Some(pairs))
    }

    /// What [`Pattern::read`] yields, by group.
    pub(crate) fn fields(&self) -> BTreeMap<Str, ParsedField> {
        self.groups
            .iter()
            .map(|group| {
                let shape = group.convert.map_or(ParsedShape::Text, converted_shape);
                (group.name.clone(), ParsedField { shape, optional: group.optional })
            })
            .collect()
    }

    /// The same, as a map.
    pub(crate) fn shape(&self) -> ParsedShape {
        ParsedShape::Map { known: self.fields(), others: None }
    }
}

/// Reports names in `types` that are not known.
pub(crate) fn check_types<'a>(
    types: &BTreeMap<Str, Conversion>,
    known: impl Iterator<Item = &'a Str>,
    what: &str,
    faults: &mut Faults,
) {
    let known: Vec<&Str> = known.collect();
    for name in types.keys().filter(|name| !known.contains(name)) {
        faults.below("types", |faults| {
            faults.below(name, |faults| {
                faults.add(ParseSpecErrorKind::UnknownGroup, format!("there is no {what} `{name}`"));
            });
        });
    }
}

/// Names of the groups that take part in every match: those outside alternatives and optional repetitions.
fn always_taken(source: &str) -> Vec<String> {
    fn walk(hir: &Hir, taken: &mut Vec<String>) {
        match hir.kind() {
            HirKind::Capture(capture) => {
                if let Some(name) = &capture.name {
                    taken.push(name.to_string());
                }
                walk(&capture.sub, taken);
            }
            HirKind::Concat(parts) => parts.iter().for_each(|part| walk(part, taken)),
            HirKind::Repetition(repetition) if repetition.min > 0 => walk(&repetition.sub, taken),
            _ => {}
        }
    }
    let mut taken = Vec::new();
    if let Ok(hir) = regex_syntax::parse(source) {
        walk(&hir, &mut taken);
    }
    taken
}
