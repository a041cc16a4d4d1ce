//! The parser `json`: strict JSON, tagged arrays, rows with columns.

use std::collections::BTreeMap;

use calipso_model::{DistinctKeys, Map, Str, Value};

use crate::{ParseError, ParseSpecErrorKind, ParsedShape, pattern::Faults};

/// `json`: a value, or a list of maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonSpec {
    /// Path (`a.b`) to the list of rows.
    pub rows: Option<Str>,
    /// Path to the list of column names, when rows are lists.
    pub columns: Option<Str>,
    /// Two-element arrays that begin with this name, and what they become.
    pub tagged: BTreeMap<Str, Tagged>,
    /// `must_be`: another shape makes the input wrong.
    pub must_be: MustBe,
}

/// What a JSON text has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MustBe {
    #[default]
    Anything,
    Map,
    List,
    /// A list whose elements are maps.
    ListOfMaps,
}

/// What a tagged array becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged {
    /// Its second element, a list.
    List,
    /// Its second element, a list of pairs, as a map.
    Map,
    /// Its second element, a scalar, as text.
    Text,
}

#[derive(Clone, Debug)]
pub(crate) struct Json {
    rows: Option<Rows>,
    tagged: BTreeMap<Str, Tagged>,
    must_be: MustBe,
}

/// Where the rows are, and their column names when they are lists.
#[derive(Clone, Debug)]
struct Rows {
    rows: Str,
    columns: Option<Str>,
}

impl Json {
    pub(crate) fn compile(spec: &JsonSpec, faults: &mut Faults) -> Option<Self> {
        for (key, path) in [("rows", &spec.rows), ("columns", &spec.columns)] {
            if path.as_ref().is_some_and(|path| path.split('.').any(str::is_empty)) {
                faults.below(key, |faults| faults.add(ParseSpecErrorKind::BadKeys, "a path such as `a.b` is needed"));
            }
        }
        if spec.rows.is_none() && spec.columns.is_some() {
            faults.add(ParseSpecErrorKind::BadKeys, "`columns` needs `rows`");
        }
        let rows = spec.rows.clone().map(|rows| Rows { rows, columns: spec.columns.clone() });
        Some(Self { rows, tagged: spec.tagged.clone(), must_be: spec.must_be })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, ParseError> {
        if text.trim().is_empty() {
            return Err(ParseError::of_text("JSON", text));
        }
        let DistinctKeys(mut value) = serde_json::from_str(text).map_err(|error| syntax(text, &error))?;
        if !self.tagged.is_empty() {
            value = self.untag(value, text)?;
        }
        let (fits, wanted) = match (self.must_be, &value) {
            (MustBe::Anything, _) => (true, ""),
            (MustBe::Map, value) => (matches!(value, Value::Map(_)), "a JSON map"),
            (MustBe::List, value) => (matches!(value, Value::List(_)), "a JSON list"),
            (MustBe::ListOfMaps, Value::List(items)) => {
                (items.iter().all(|item| matches!(item, Value::Map(_))), "a JSON list of maps")
            }
            (MustBe::ListOfMaps, _) => (false, "a JSON list of maps"),
        };
        if !fits {
            return Err(ParseError::of_text(wanted, text));
        }
        match &self.rows {
            None => Ok(value),
            Some(rows) => rows.read(&value, text),
        }
    }

    /// Whether the result is made of copies of what was read.
    pub(crate) fn copies(&self) -> bool {
        self.rows.is_some() || !self.tagged.is_empty()
    }

    pub(crate) fn shape(&self) -> ParsedShape {
        match &self.rows {
            None if self.must_be == MustBe::ListOfMaps => ParsedShape::List(Box::new(ParsedShape::Map {
                known: BTreeMap::new(),
                others: Some(Box::new(ParsedShape::Any)),
            })),
            None => ParsedShape::Any,
            Some(_) => {
                let row = ParsedShape::Map { known: BTreeMap::new(), others: Some(Box::new(ParsedShape::Any)) };
                ParsedShape::List(Box::new(row))
            }
        }
    }

    /// Replaces tagged arrays, from the inside out. Depth is bounded by the JSON reader.
    fn untag(&self, value: Value, text: &str) -> Result<Value, ParseError> {
        match value {
            Value::List(items) => {
                if let [Value::Str(tag), inner] = items.as_slice()
                    && let Some(tagged) = self.tagged.get(tag)
                {
                    let wrong = |what: &str| ParseError::of_text(format!("{what} behind the tag `{tag}`"), text);
                    return match (tagged, inner) {
                        (Tagged::List, Value::List(_)) => self.untag_items(inner, text),
                        (Tagged::List, _) => Err(wrong("a list")),
                        (Tagged::Map, Value::List(pairs)) => self.tagged_map(pairs, tag, text),
                        (Tagged::Map, _) => Err(wrong("a list of pairs")),
                        (Tagged::Text, scalar) => scalar_text(scalar).map(Value::Str).ok_or_else(|| wrong("a scalar")),
                    };
                }
                self.untag_items(&Value::List(items), text)
            }
            Value::Map(map) => {
                let mut pairs = Vec::with_capacity(map.len());
                for (key, value) in &map {
                    pairs.push((key.clone(), self.untag(value.clone(), text)?));
                }
                Ok(Value::Map(Map::from_pairs(pairs)))
            }
            scalar => Ok(scalar),
        }
    }

    fn untag_items(&self, list: &Value, text: &str) -> Result<Value, ParseError> {
        let items = list.as_list().unwrap_or_default();
        let items: Result<Vec<Value>, ParseError> = items.iter().map(|item| self.untag(item.clone(), text)).collect();
        items.map(Value::list)
    }

    fn tagged_map(&self, pairs: &[Value], tag: &Str, text: &str) -> Result<Value, ParseError> {
        let mut found = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let key = match pair.as_list() {
                Some([key, _]) => scalar_text(&self.untag(key.clone(), text)?),
                _ => None,
            };
            let (Some(key), Some([_, value])) = (key, pair.as_list()) else {
                return Err(ParseError::of_text(format!("pairs of a scalar and a value behind the tag `{tag}`"), text));
            };
            found.push((key, self.untag(value.clone(), text)?));
        }
        Map::from_distinct(found).map(Value::Map).map_err(|key| {
            ParseError::of_text(format!("each key once behind the tag `{tag}`, `{key}` is repeated"), text)
        })
    }
}

impl Rows {
    fn read(&self, value: &Value, text: &str) -> Result<Value, ParseError> {
        let wrong = |what: String| ParseError::of_text(what, text);
        let rows = list_at(value, &self.rows).ok_or_else(|| wrong(format!("a list under `{}`", self.rows)))?;
        let Some(path) = &self.columns else {
            if rows.iter().all(|row| row.as_map().is_some()) {
                return Ok(Value::list(rows.to_vec()));
            }
            return Err(wrong(format!("a list of maps under `{}`", self.rows)));
        };
        let names = || wrong(format!("a list of distinct names under `{path}`"));
        let columns = list_at(value, path).ok_or_else(names)?;
        let columns: Vec<Str> =
            columns.iter().map(|name| name.as_str().map(Str::from)).collect::<Option<_>>().ok_or_else(names)?;
        Map::from_distinct(columns.iter().map(|name| (name.clone(), Value::Null)).collect()).map_err(|_| names())?;
        let row = |row: &Value| match row.as_list() {
            Some(cells) if cells.len() == columns.len() => {
                Ok(Value::Map(columns.iter().cloned().zip(cells.iter().cloned()).collect()))
            }
            _ => Err(wrong(format!("rows with {} cells under `{}`", columns.len(), self.rows))),
        };
        rows.iter().map(row).collect::<Result<Vec<_>, _>>().map(Value::list)
    }
}

fn list_at<'v>(value: &'v Value, path: &str) -> Option<&'v [Value]> {
    path.split('.').try_fold(value, |value, key| value.as_map()?.get(key))?.as_list()
}

fn scalar_text(value: &Value) -> Option<Str> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(value.to_json().into()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// The error of the JSON reader as ours.
fn syntax(text: &str, error: &serde_json::Error) -> ParseError {
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    ParseError::around(error.line().max(1), error.column(), format!("JSON ({message})"), line)
}
