//! The table of parsers: one variant each as authors write them, and one compiled.

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Value;

use crate::{
    ParseError, ParseSpecError, ParsedShape,
    blocks::{Blocks, BlocksSpec},
    json::{Json, JsonSpec},
    key_values::{KeyValues, KeyValuesSpec},
    lines::{Lines, LinesSpec, Matches, RegexSpec},
    memory,
    pattern::Faults,
    table::{Table, TableSpec},
    xml, yaml,
};

/// One parser with its keys. `named` and `call` are resolved before; they never come here.
#[derive(Clone, Debug, PartialEq)]
pub enum ParserSpec {
    Lines(LinesSpec),
    Regex(RegexSpec),
    Table(TableSpec),
    KeyValues(KeyValuesSpec),
    Blocks(BlocksSpec),
    Json(JsonSpec),
    Yaml,
    Xml,
}

impl ParserSpec {
    /// The parser's key under `parse`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Lines(_) => "lines",
            Self::Regex(_) => "regex",
            Self::Table(_) => "table",
            Self::KeyValues(_) => "key_values",
            Self::Blocks(_) => "blocks",
            Self::Json(_) => "json",
            Self::Yaml => "yaml",
            Self::Xml => "xml",
        }
    }
}

/// A compiled parser. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Parser(Arc<Compiled>);

#[derive(Clone, Debug)]
enum Compiled {
    Lines(Lines),
    Regex(Matches),
    Table(Table),
    KeyValues(KeyValues),
    Blocks(Blocks),
    Json(Json),
    Yaml,
    Xml,
}

impl Parser {
    /// Compiles a spec.
    ///
    /// # Errors
    /// Every fault of the spec, with the keys that lead to it.
    pub fn new(spec: &ParserSpec) -> Result<Self, Vec<ParseSpecError>> {
        let mut faults = Faults::default();
        let compiled = faults.below(spec.key(), |faults| match spec {
            ParserSpec::Lines(spec) => Lines::compile(spec, faults).map(Compiled::Lines),
            ParserSpec::Regex(spec) => Matches::compile(spec, faults).map(Compiled::Regex),
            ParserSpec::Table(spec) => Table::compile(spec, faults).map(Compiled::Table),
            ParserSpec::KeyValues(spec) => KeyValues::compile(spec, faults).map(Compiled::KeyValues),
            ParserSpec::Blocks(spec) => Blocks::compile(spec, faults).map(Compiled::Blocks),
            ParserSpec::Json(spec) => Json::compile(spec, faults).map(Compiled::Json),
            ParserSpec::Yaml => Some(Compiled::Yaml),
            ParserSpec::Xml => Some(Compiled::Xml),
        });
        match (compiled, faults.into_found()) {
            (Some(compiled), found) if found.is_empty() => Ok(Self(Arc::new(compiled))),
            (_, found) => Err(found),
        }
    }

    /// Reads a text.
    ///
    /// # Shape
    /// Of [`Parser::shape`]. Text that is empty or blank gives an empty list for parsers of lists (`lines`, `regex`
    /// with `each_line`, `table`, `blocks`) and an error for the others.
    /// # Errors
    /// [`ParseError`] when the text is not as the parser needs it.
    pub fn parse(&self, text: &str) -> Result<Value, ParseError> {
        match &*self.0 {
            Compiled::Lines(lines) => Ok(lines.parse(text)),
            Compiled::Regex(matches) => matches.parse(text),
            Compiled::Table(table) => table.parse(text),
            Compiled::KeyValues(pairs) => pairs.parse(text),
            Compiled::Blocks(blocks) => blocks.parse(text),
            Compiled::Json(json) => json.parse(text),
            Compiled::Yaml => yaml::parse(text),
            Compiled::Xml => xml::parse(text),
        }
    }

    /// An upper bound, in bytes, of the memory that [`Parser::parse`] takes for a text.
    #[must_use]
    pub fn memory(&self, text: &str) -> u64 {
        match &*self.0 {
            Compiled::Lines(_) => memory::of_lines(text, 1),
            Compiled::KeyValues(_) => memory::of_lines(text, 2),
            Compiled::Regex(_) | Compiled::Table(_) | Compiled::Blocks(_) => {
                memory::of_lines(text, n_fields(&self.shape()))
            }
            Compiled::Json(json) => memory::of_json(text).saturating_mul(if json.copies() { 2 } else { 1 }),
            Compiled::Yaml => memory::of_yaml(text),
            Compiled::Xml => memory::of_xml(text),
        }
    }

    /// What [`Parser::parse`] can yield.
    #[must_use]
    pub fn shape(&self) -> ParsedShape {
        match &*self.0 {
            Compiled::Lines(_) => Lines::shape(),
            Compiled::Regex(matches) => matches.shape(),
            Compiled::Table(table) => table.shape(),
            Compiled::KeyValues(pairs) => pairs.shape(),
            Compiled::Blocks(blocks) => blocks.shape(),
            Compiled::Json(json) => json.shape(),
            Compiled::Yaml => ParsedShape::Any,
            Compiled::Xml => ParsedShape::Map { known: BTreeMap::new(), others: Some(Box::new(ParsedShape::Any)) },
        }
    }
}

/// How many named parts a shape has in all; one line never fills more.
fn n_fields(shape: &ParsedShape) -> usize {
    match shape {
        ParsedShape::List(inner) => n_fields(inner),
        ParsedShape::OneOf(shapes) => shapes.iter().map(n_fields).max().unwrap_or_default(),
        ParsedShape::Map { known, .. } => known.values().map(|field| 1 + n_fields(&field.shape)).sum::<usize>().max(1),
        ParsedShape::Any | ParsedShape::Text | ParsedShape::Int | ParsedShape::Number | ParsedShape::Bool => 1,
    }
}
