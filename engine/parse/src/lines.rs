//! The parsers `lines` and `regex`.

use std::collections::BTreeMap;

use calipso_model::{Map, Str, Value};

use crate::{
    Conversion, LineOptions, ParseError, ParseSpecErrorKind, ParsedShape,
    pattern::{Faults, Pattern, check_types},
    text::LineReader,
};

/// `lines`: a list of text; blank lines are dropped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinesSpec {
    pub options: LineOptions,
}

/// `regex`: named groups of the whole text, or of each line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegexSpec {
    pub options: LineOptions,
    /// Key `match`. Over the whole text `^` and `$` match at line breaks; `\A` and `\z` mean the whole text.
    pub pattern: String,
    /// Whether each line is matched by itself.
    pub each_line: bool,
    /// `others: refused`: with `each_line`, a line that does not match makes the input wrong instead of being dropped.
    pub others_refused: bool,
    pub types: BTreeMap<Str, Conversion>,
}

#[derive(Clone, Debug)]
pub(crate) struct Lines {
    reader: LineReader,
}

impl Lines {
    pub(crate) fn compile(spec: &LinesSpec, faults: &mut Faults) -> Option<Self> {
        Some(Self { reader: LineReader::compile(&spec.options, faults) })
    }

    pub(crate) fn parse(&self, text: &str) -> Value {
        let lines = self.reader.read(text);
        let filled = lines.iter().filter(|line| !line.text.trim().is_empty());
        filled.map(|line| Value::text(&line.text)).collect::<Vec<_>>().into()
    }

    pub(crate) fn shape() -> ParsedShape {
        ParsedShape::List(Box::new(ParsedShape::Text))
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Matches {
    reader: LineReader,
    pattern: Pattern,
    each_line: bool,
    others_refused: bool,
}

impl Matches {
    pub(crate) fn compile(spec: &RegexSpec, faults: &mut Faults) -> Option<Self> {
        let reader = LineReader::compile(&spec.options, faults);
        let pattern = Pattern::compile("match", &spec.pattern, !spec.each_line, &spec.types, faults)?;
        check_types(&spec.types, pattern.names(), "group", faults);
        if spec.each_line && pattern.names().next().is_none() {
            faults.below("match", |faults| {
                faults.add(ParseSpecErrorKind::NoNamedGroup, "a named group `(?<name>…)` is needed here");
            });
        }
        Some(Self { reader, pattern, each_line: spec.each_line, others_refused: spec.others_refused })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, ParseError> {
        if self.each_line {
            let mut found = Vec::new();
            for line in self.reader.read(text) {
                if let Some(pairs) = self.pattern.read(&line.text, Some(line.number))? {
                    found.push(Value::Map(Map::from_pairs(pairs)));
                } else if self.others_refused && !line.text.trim().is_empty() {
                    return Err(ParseError::at(line.number, "a line that matches the regular expression", &line.text));
                }
            }
            return Ok(found.into());
        }
        let expected = "text that matches the regular expression";
        if text.trim().is_empty() {
            return Err(ParseError::of_text(expected, text));
        }
        let pairs = if self.reader.is_plain() {
            self.pattern.read(text, None)?
        } else {
            let lines = self.reader.read(text);
            let lines: Vec<&str> = lines.iter().map(|line| &*line.text).collect();
            self.pattern.read(&lines.join("\n"), None)?
        };
        let pairs = pairs.ok_or_else(|| ParseError::of_text(expected, text))?;
        Ok(Value::Map(Map::from_pairs(pairs)))
    }

    pub(crate) fn shape(&self) -> ParsedShape {
        let map = self.pattern.shape();
        if self.each_line { ParsedShape::List(Box::new(map)) } else { map }
    }
}
