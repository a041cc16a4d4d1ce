//! The parser `table`: columns of words.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, Str, Value};
use regex::Regex;

use crate::{
    Conversion, LineOptions, ParseError, ParseSpecErrorKind, ParsedField, ParsedShape,
    convert::{convert, converted_shape},
    pattern::{Faults, check_types, compile_optional},
    text::{Line, LineReader},
};

/// `table`: columns of words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableSpec {
    pub options: LineOptions,
    /// The first line that matches holds the column names; rows follow it.
    pub header: Option<String>,
    /// Column names, when no header line gives them.
    pub columns: Option<Vec<Str>>,
    /// What the last column takes.
    pub last: LastColumn,
    pub types: BTreeMap<Str, Conversion>,
}

/// What the last column of a table takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastColumn {
    /// One word; words behind it are dropped.
    #[default]
    Word,
    /// Everything up to the end of the line.
    RestOfLine,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    reader: LineReader,
    names: Names,
    last: LastColumn,
    types: BTreeMap<Str, Conversion>,
}

#[derive(Clone, Debug)]
enum Names {
    Header(Regex),
    Columns(Vec<Str>),
}

impl Table {
    pub(crate) fn compile(spec: &TableSpec, faults: &mut Faults) -> Option<Self> {
        let reader = LineReader::compile(&spec.options, faults);
        let header = compile_optional("header", spec.header.as_ref(), faults);
        let names = match (header, &spec.columns) {
            (Some(header), None) => Names::Header(header),
            (None, Some(columns)) if spec.header.is_none() => {
                let distinct: BTreeSet<&Str> = columns.iter().collect();
                if distinct.len() != columns.len() || columns.is_empty() || columns.iter().any(|name| name.is_empty()) {
                    faults.below("columns", |faults| {
                        faults.add(ParseSpecErrorKind::BadKeys, "column names must be there, not empty and distinct");
                    });
                }
                check_types(&spec.types, columns.iter(), "column", faults);
                Names::Columns(columns.clone())
            }
            _ => {
                if spec.header.is_some() == spec.columns.is_some() {
                    faults.add(ParseSpecErrorKind::BadKeys, "either `header` or `columns` is needed");
                }
                return None;
            }
        };
        Some(Self { reader, names, last: spec.last, types: spec.types.clone() })
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, ParseError> {
        let lines = self.reader.read(text);
        let mut rows = lines.iter().filter(|line| !line.text.trim().is_empty());
        let found;
        let columns = match &self.names {
            Names::Columns(columns) => columns,
            Names::Header(header) => {
                if lines.iter().all(|line| line.text.trim().is_empty()) {
                    return Ok(Value::list(Vec::new()));
                }
                let line = rows
                    .find(|line| header.is_match(&line.text))
                    .ok_or_else(|| ParseError::of_text("a table with its header line", text))?;
                found = header_names(line)?;
                &found
            }
        };
        let rows: Result<Vec<Value>, ParseError> = rows.map(|line| self.row(columns, line)).collect();
        rows.map(Value::list)
    }

    fn row(&self, columns: &[Str], line: &Line<'_>) -> Result<Value, ParseError> {
        let mut rest = line.text.trim();
        let mut pairs = Vec::with_capacity(columns.len());
        for (index, name) in columns.iter().enumerate() {
            if rest.is_empty() {
                break;
            }
            let word = if index + 1 == columns.len() && self.last == LastColumn::RestOfLine {
                std::mem::take(&mut rest)
            } else {
                let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                rest = behind.trim_start();
                word
            };
            let value = convert(word, self.types.get(name).copied(), name, Some(line.number))?;
            pairs.push((name.clone(), value));
        }
        Ok(Value::Map(Map::from_pairs(pairs)))
    }

    pub(crate) fn shape(&self) -> ParsedShape {
        let typed = |name: &Str| self.types.get(name).copied().map_or(ParsedShape::Text, converted_shape);
        let row = match &self.names {
            Names::Columns(columns) => {
                let fields = columns.iter().enumerate();
                let known = fields.map(|(i, name)| (name.clone(), ParsedField { shape: typed(name), optional: i > 0 }));
                ParsedShape::Map { known: known.collect(), others: None }
            }
            Names::Header(_) => {
                let known =
                    self.types.keys().map(|name| (name.clone(), ParsedField { shape: typed(name), optional: true }));
                ParsedShape::Map { known: known.collect(), others: Some(Box::new(ParsedShape::Text)) }
            }
        };
        ParsedShape::List(Box::new(row))
    }
}

fn header_names(line: &Line<'_>) -> Result<Vec<Str>, ParseError> {
    let names: Vec<Str> = line.text.split_whitespace().map(Str::from).collect();
    let distinct: BTreeSet<&Str> = names.iter().collect();
    if distinct.len() == names.len() {
        Ok(names)
    } else {
        Err(ParseError::at(line.number, "a header with distinct column names", &line.text))
    }
}
