//! The parser `key_values`, and the pairs inside `blocks`.

use std::collections::BTreeMap;

use calipso_model::{Map, Str, Value};

use crate::{
    Conversion, LineOptions, ParseError, ParseSpecErrorKind, ParsedField, ParsedShape,
    convert::{convert, converted_shape},
    pattern::{Faults, compile_regex},
    text::{Line, LineReader},
};

/// `key_values`: one map.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyValuesSpec {
    pub options: LineOptions,
    /// Groups `key` and `value`.
    pub pair: String,
    /// Group `value`: a line without a key that adds to the value before.
    pub more: Option<String>,
    /// `repeat: list`: a key that comes again makes a list; without it, such input is wrong.
    pub repeat_makes_list: bool,
    /// By key of the result.
    pub types: BTreeMap<Str, Conversion>,
}

#[derive(Clone, Debug)]
pub(crate) struct KeyValues {
    reader: LineReader,
    pair: PairPattern,
    more: Option<PairPattern>,
    repeat_makes_list: bool,
    types: BTreeMap<Str, Conversion>,
}

impl KeyValues {
    pub(crate) fn compile(spec: &KeyValuesSpec, faults: &mut Faults) -> Option<Self> {
        let reader = LineReader::compile(&spec.options, faults);
        let pair = PairPattern::compile("pair", &spec.pair, &["key", "value"], faults);
        let more = spec.more.as_ref().and_then(|more| PairPattern::compile("more", more, &["value"], faults));
        Some(Self { reader, pair: pair?, more, repeat_makes_list: spec.repeat_makes_list, types: spec.types.clone() })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let mut pairs = Pairs::default();
        for line in self.reader.read(text) {
            if let Some((key, value)) = self.pair.read(&line.text) {
                pairs.add(key, value, self.repeat_makes_list, &line)?;
            } else if let Some((_, value)) = self.more.as_ref().and_then(|more| more.read(&line.text)) {
                pairs.add_more(value, &line)?;
            }
        }
        if pairs.entries.is_empty() {
            return Err(ParseError::of_text("keys with values", text));
        }
        Ok(Value::Map(Map::from_pairs(pairs.into_values(&self.types)?)))
    }

    pub(crate) fn shape(&self) -> ParsedShape {
        let may_be_list = self.more.is_some() || self.repeat_makes_list;
        let maybe_list = |shape: ParsedShape| {
            if may_be_list {
                ParsedShape::OneOf(vec![shape.clone(), ParsedShape::List(Box::new(shape))])
            } else {
                shape
            }
        };
        ParsedShape::Map {
            known: typed_fields(&self.types, maybe_list),
            others: Some(Box::new(maybe_list(ParsedShape::Text))),
        }
    }
}

/// Keys that `types` names: known, though any of them may be absent.
pub(crate) fn typed_fields(
    types: &BTreeMap<Str, Conversion>,
    wrap: impl Fn(ParsedShape) -> ParsedShape,
) -> BTreeMap<Str, ParsedField> {
    let field = |conversion: &Conversion| ParsedField { shape: wrap(converted_shape(*conversion)), optional: true };
    types.iter().map(|(name, conversion)| (name.clone(), field(conversion))).collect()
}

/// A regular expression with the groups `key` and `value`.
#[derive(Clone, Debug)]
pub(crate) struct PairPattern(regex::Regex);

impl PairPattern {
    pub(crate) fn compile(key: &str, source: &str, needed: &[&str], faults: &mut Faults) -> Option<Self> {
        let regex = compile_regex(key, source, false, faults)?;
        for group in needed {
            if !regex.capture_names().flatten().any(|name| name == *group) {
                faults.below(key, |faults| {
                    faults.add(ParseSpecErrorKind::UnknownGroup, format!("the group `(?<{group}>…)` is needed here"));
                });
            }
        }
        Some(Self(regex))
    }

    /// Key and value, without blanks around them; a group that took no part is empty.
    pub(crate) fn read<'l>(&self, line: &'l str) -> Option<(&'l str, &'l str)> {
        if !self.0.is_match(line) {
            return None;
        }
        let captures = self.0.captures(line)?;
        let group = |name| captures.name(name).map_or("", |found| found.as_str().trim());
        Some((group("key"), group("value")))
    }
}

/// Keys with their values, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    entries: Vec<Entry>,
    index: BTreeMap<Str, usize>,
    current: Option<usize>,
}

#[derive(Debug)]
struct Entry {
    key: Str,
    line: usize,
    values: Vec<Str>,
    is_list: bool,
}

impl Pairs {
    pub(crate) fn add(
        &mut self,
        key: &str,
        value: &str,
        repeat_makes_list: bool,
        line: &Line<'_>,
    ) -> Result<(), ParseError> {
        if let Some(known) = self.index.get(key).copied() {
            let Some(entry) = self.entries.get_mut(known).filter(|_| repeat_makes_list) else {
                return Err(ParseError::at(
                    line.number,
                    format!("each key once, `{key}` is there already"),
                    &line.text,
                ));
            };
            entry.values.push(value.into());
            entry.is_list = true;
            self.current = Some(known);
            return Ok(());
        }
        let key = Str::from(key);
        self.index.insert(key.clone(), self.entries.len());
        self.current = Some(self.entries.len());
        self.entries.push(Entry { key, line: line.number, values: vec![value.into()], is_list: false });
        Ok(())
    }

    /// Adds to the value before, which becomes a list; an empty value before does not count.
    fn add_more(&mut self, value: &str, line: &Line<'_>) -> Result<(), ParseError> {
        let Some(entry) = self.current.and_then(|current| self.entries.get_mut(current)) else {
            return Err(ParseError::at(line.number, "a key before the first value", &line.text));
        };
        if !entry.is_list {
            entry.values.retain(|first| !first.is_empty());
            entry.is_list = true;
        }
        entry.values.push(value.into());
        Ok(())
    }

    pub(crate) fn into_values(self, types: &BTreeMap<Str, Conversion>) -> Result<Vec<(Str, Value)>, ParseError> {
        let converted = |entry: Entry| {
            let conversion = types.get(&entry.key).copied();
            let mut values = Vec::with_capacity(entry.values.len());
            for value in entry.values {
                values.push(match conversion {
                    None => Value::Str(value),
                    some => convert(&value, some, &entry.key, Some(entry.line))?,
                });
            }
            let value = if entry.is_list { Value::list(values) } else { values.pop().unwrap_or_default() };
            Ok((entry.key, value))
        };
        self.entries.into_iter().map(converted).collect()
    }
}
