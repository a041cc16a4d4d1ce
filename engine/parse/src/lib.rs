//! Parsers: from the text of an answer to a value, as specs describe them.
//!
//! A [`ParserSpec`] is what an author wrote; [`Parser::new`] compiles it once; [`Parser::parse`] reads any number of
//! texts. Parsers are total: any text gives a value or a [`ParseError`], in time linear in the text.

mod blocks;
mod convert;
mod error;
mod json;
mod key_values;
mod lines;
pub mod memory;
mod parser;
mod pattern;
mod shape;
mod table;
mod text;
mod xml;
mod yaml;

pub use blocks::{BlockSpec, BlocksSpec};
pub use convert::Conversion;
pub use error::{ParseError, ParseSpecError, ParseSpecErrorKind};
pub use json::{JsonSpec, MustBe, Tagged};
pub use key_values::KeyValuesSpec;
pub use lines::{LinesSpec, RegexSpec};
pub use parser::{Parser, ParserSpec};
pub use shape::{ParsedField, ParsedShape};
pub use table::{LastColumn, TableSpec};
pub use text::LineOptions;
