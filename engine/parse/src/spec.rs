//! Parsers as authors write them: plain data, one variant per parser.

use std::collections::BTreeMap;

use calipso_model::Str;

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

/// What all parsers that read lines share. Every key is a regular expression tried on one line.
///
/// # Shape
/// The order is: cut (`after`, `before`), join (`continues`), then drop (`keep`, `skip`). Line breaks, also `\r\n`, are
/// no part of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineOptions {
    /// Reading begins behind the first line that matches; without such a line there is nothing to read.
    pub after: Option<String>,
    /// Reading ends before the first line that matches.
    pub before: Option<String>,
    /// Only lines that match count.
    pub keep: Option<String>,
    /// Lines that match do not count.
    pub skip: Option<String>,
    /// A line that matches is joined to the one before with one space.
    pub continues: Option<String>,
}

/// What the text of a group becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversion {
    /// A whole number of 64 bits, decimal.
    Integer,
    /// A number; whole ones stay whole.
    Number,
    /// `true yes on 1`, `false no off 0`, in any case.
    Bool,
    /// A list, split at commas; blanks around an element and empty elements are dropped.
    CommaList,
    /// A list, split at white space.
    Words,
}

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

/// `blocks`: a list of maps, one per match of `start`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlocksSpec {
    pub options: LineOptions,
    /// The outermost block.
    pub block: BlockSpec,
}

/// One kind of block; blocks nest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BlockSpec {
    /// The first line; its groups become keys.
    pub start: String,
    /// The line before which the block ends.
    pub end: Option<String>,
    /// Groups become keys; of several lines that have a group, the first counts.
    pub fields: Option<String>,
    /// By key: a list of the groups of every line that matches.
    pub lists: BTreeMap<Str, String>,
    /// Groups `key` and `value`, merged into the block; keys of `start` and `fields` win.
    pub pairs: Option<String>,
    /// The key under which all lines behind the first are kept as they are.
    pub lines: Option<Str>,
    /// By key: blocks inside this one.
    pub blocks: BTreeMap<Str, BlockSpec>,
    /// By group of `start`, `fields` or `lists`, or key of `pairs`.
    pub types: BTreeMap<Str, Conversion>,
}

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
