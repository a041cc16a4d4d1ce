//! The parser `yaml`: one document of JSON types, without anchors, aliases and tags.

use calipso_model::{Map, Str, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::ParseError;

/// How deep lists and maps may nest.
const MAX_DEPTH: usize = 128;

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Value, ParseError> {
    let mut document = Document { text, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => document.take(event, span.start.line())?,
            Err(error) => {
                return Err(document.error(error.marker().line(), format!("YAML ({})", error.info())));
            }
        }
    }
    document.root.ok_or_else(|| ParseError::of_text("YAML", text))
}

/// A collection whose end was not met yet.
enum Open {
    List(Vec<Value>),
    Map { pairs: Vec<(Str, Value)>, key: Option<Str>, line: usize },
}

struct Document<'t> {
    text: &'t str,
    open: Vec<Open>,
    root: Option<Value>,
}

impl Document<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), ParseError> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(self.error(line, "one YAML document")),
            Event::DocumentStart(_) => Ok(()),
            Event::Alias(_) => Err(self.error(line, "YAML without aliases")),
            Event::Scalar(_, _, anchor, ref tag) if anchor != 0 || tag.is_some() => Err(self.anchored(line)),
            Event::SequenceStart(anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(self.anchored(line))
            }
            Event::Scalar(text, style, ..) => self.scalar(&text, style, line),
            Event::SequenceStart(..) => self.begin(Open::List(Vec::new()), line),
            Event::MappingStart(..) => self.begin(Open::Map { pairs: Vec::new(), key: None, line }, line),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items)) => self.add(Value::list(items), line),
                Some(Open::Map { pairs, line, .. }) => {
                    let map = self.distinct(pairs, line)?;
                    self.add(Value::Map(map), line)
                }
                None => Err(self.error(line, "YAML")),
            },
        }
    }

    fn begin(&mut self, collection: Open, line: usize) -> Result<(), ParseError> {
        if self.key_is_next() {
            return Err(self.error(line, "keys that are text"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(line, format!("YAML that nests at most {MAX_DEPTH} deep")));
        }
        self.open.push(collection);
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, line: usize) -> Result<(), ParseError> {
        let value = if style == ScalarStyle::Plain { plain(text) } else { Some(Value::text(text)) };
        let Some(value) = value else { return Err(self.error(line, "a number that JSON has")) };
        if !self.key_is_next() {
            return self.add(value, line);
        }
        match (self.open.last_mut(), value) {
            (Some(Open::Map { key, .. }), Value::Str(text)) => {
                *key = Some(text);
                Ok(())
            }
            _ => Err(self.error(line, "keys that are text")),
        }
    }

    /// Whether the next node is a key.
    fn key_is_next(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    fn add(&mut self, value: Value, line: usize) -> Result<(), ParseError> {
        match self.open.last_mut() {
            None => self.root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map { pairs, key, .. }) => match key.take() {
                Some(key) => pairs.push((key, value)),
                None => return Err(self.error(line, "keys that are text")),
            },
        }
        Ok(())
    }

    fn distinct(&self, pairs: Vec<(Str, Value)>, line: usize) -> Result<Map, ParseError> {
        Map::from_distinct(pairs)
            .map_err(|key| self.error(line, format!("each key once, `{key}` is repeated in the map here")))
    }

    fn anchored(&self, line: usize) -> ParseError {
        self.error(line, "YAML without anchors and tags")
    }

    fn error(&self, line: usize, expected: impl Into<String>) -> ParseError {
        let found = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        ParseError::at(line.max(1), expected, found)
    }
}

/// A plain scalar by the core schema; `None` for numbers that JSON does not have.
fn plain(text: &str) -> Option<Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
                return None;
            }
            if let Some(based) = based(text) {
                return based;
            }
            if !is_number(unsigned) {
                return Some(Value::text(text));
            }
            if unsigned.bytes().all(|byte| byte.is_ascii_digit())
                && let Ok(whole) = text.parse::<i64>()
            {
                return Some(Value::Int(whole));
            }
            return text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float);
        }
    })
}

/// `0o17` and `0x1f`: the outer option says whether it is one, the inner whether it fits.
fn based(text: &str) -> Option<Option<Value>> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (_, Some(digits)) => (digits, 16),
        _ => return None,
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    Some(i64::from_str_radix(digits, radix).ok().map(Value::Int))
}

/// Digits with at most one point and an exponent, without sign.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_holds = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && (!whole.is_empty() || !part.is_empty()),
        None => digits(mantissa) && !mantissa.is_empty(),
    };
    let exponent_holds = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        digits(exponent) && !exponent.is_empty()
    });
    mantissa_holds && exponent_holds
}
