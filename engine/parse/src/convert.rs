//! Converts the text of a group, column or key as `types` says.

use calipso_model::{Str, Value};

use crate::{ParseError, ParsedShape};

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

/// Converts one text. Without a conversion it stays text.
pub(crate) fn convert(
    text: &str,
    conversion: Option<Conversion>,
    name: &Str,
    line: Option<usize>,
) -> Result<Value, ParseError> {
    let wrong = |what: &str| {
        let expected = format!("{what} as `{name}`");
        Err(line
            .map_or_else(|| ParseError::of_text(expected.clone(), text), |line| ParseError::at(line, &*expected, text)))
    };
    Ok(match conversion {
        None => Value::text(text),
        Some(Conversion::Integer) => match text.trim().parse::<i64>() {
            Ok(number) => Value::Int(number),
            Err(_) => return wrong("a whole number"),
        },
        Some(Conversion::Number) => match number(text.trim()) {
            Some(number) => number,
            None => return wrong("a number"),
        },
        Some(Conversion::Bool) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Value::Bool(true),
            "false" | "no" | "off" | "0" => Value::Bool(false),
            _ => return wrong("yes or no, true or false, on or off"),
        },
        Some(Conversion::CommaList) => {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect::<Vec<_>>().into()
        }
        Some(Conversion::Words) => text.split_whitespace().map(Value::from).collect::<Vec<_>>().into(),
    })
}

/// A finite decimal number; whole ones of 64 bits stay whole.
fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(Value::Int(whole));
    }
    let digits = text.trim_start_matches(['+', '-']);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None; // names of infinities and the like
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float)
}

/// The shape of what a conversion yields.
pub(crate) fn converted_shape(conversion: Conversion) -> ParsedShape {
    match conversion {
        Conversion::Integer => ParsedShape::Int,
        Conversion::Number => ParsedShape::Number,
        Conversion::Bool => ParsedShape::Bool,
        Conversion::CommaList | Conversion::Words => ParsedShape::List(Box::new(ParsedShape::Text)),
    }
}
