//! Filters about encodings of text and numbers: base64, hexadecimal, padding, the `Link` header.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use calipso_model::{Map, Str, Value};

use super::Given;
use crate::{error::OpError, fuel::Fuel, ops::text_of};

type Answer = Result<Value, OpError>;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const ORDINARY: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Most characters that `pad` and `hex` fill up to.
const MAX_WIDTH: i64 = 1_000;

fn a_text<'v>(value: &'v Value, fuel: &mut Fuel) -> Result<&'v str, OpError> {
    match value {
        Value::Str(text) => {
            fuel.text(text.len().saturating_mul(2))?;
            Ok(text)
        }
        other => Err(OpError::new(format!("takes text, not {}", other.kind()))),
    }
}

pub(super) fn base64_encode(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    Ok(Value::from(ORDINARY.encode(a_text(value, fuel)?)))
}

pub(super) fn base64_decode(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let digits: String = a_text(value, fuel)?.split_ascii_whitespace().collect();
    let engine = if digits.contains(['-', '_']) { FOR_URLS } else { ORDINARY };
    // What is decoded may be a secret: messages never show it.
    let bytes = engine.decode(digits).map_err(|_| OpError::new("the text is no base64"))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| OpError::new("what the base64 holds is no UTF-8 text"))
}

fn width(given: &Given<'_>) -> Result<usize, OpError> {
    match given.at(0) {
        None => Ok(0),
        Some(Value::Int(width)) if (0..=MAX_WIDTH).contains(width) => {
            usize::try_from(*width).map_err(|_| OpError::new("the width is negative"))
        }
        Some(_) => Err(OpError::new(format!("the width is a whole number from 0 to {MAX_WIDTH}"))),
    }
}

pub(super) fn hex(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Answer {
    let width = width(given)?;
    match value {
        Value::Int(number) => {
            let sign = if *number < 0 { "-" } else { "" };
            Ok(Value::from(format!("{sign}{:0width$x}", number.unsigned_abs())))
        }
        other => Err(OpError::new(format!("takes a whole number, not {}; use `| int` before", other.kind()))),
    }
}

pub(super) fn hex_encode(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?;
    Ok(Value::from(text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

pub(super) fn hex_decode(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let text = a_text(value, fuel)?.trim();
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|character| !character.is_whitespace() && *character != ':')
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| OpError::new("the text is no pairs of hexadecimal digits"))?;
    let bytes = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    String::from_utf8(bytes).map(Value::from).map_err(|_| OpError::new("what the digits hold is no UTF-8 text"))
}

pub(super) fn pad(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let fill = match given.at(1) {
        None => '0',
        Some(Value::Str(text)) => {
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(fill), None) => fill,
                _ => return Err(OpError::new("what is filled with is one character")),
            }
        }
        Some(other) => return Err(OpError::new(format!("what is filled with must be text, not {}", other.kind()))),
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    let text: Str = text_of(value).ok_or_else(|| OpError::new(format!("takes a scalar, not {}", value.kind())))?;
    fuel.text(text.len())?;
    let missing = width(given)?.saturating_sub(text.chars().count());
    let negative = fill == '0' && matches!(value, Value::Int(_) | Value::Float(_)) && text.starts_with('-');
    let (sign, rest) = if negative { text.split_at(1) } else { ("", &*text) };
    let filling: String = std::iter::repeat_n(fill, missing).collect();
    Ok(Value::from(format!("{sign}{filling}{rest}")))
}

/// The number that digits of a base mean; nothing where they are none.
pub(super) fn whole_number(text: &str, base: Option<&Value>) -> Result<Option<i64>, OpError> {
    let base = match base {
        Some(Value::Int(base)) if *base == 0 || (2..=36).contains(base) => u32::try_from(*base).unwrap_or_default(),
        _ => return Err(OpError::new("`base` is 0 or a whole number from 2 to 36")),
    };
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find_map(|(prefix, of)| {
        let head = digits.get(..2)?;
        (head.eq_ignore_ascii_case(prefix) && (base == of || base == 0)).then(|| Some((digits.get(2..)?, of)))?
    });
    let (digits, base) = prefixed.unwrap_or((digits, if base == 0 { 10 } else { base }));
    if !digits.starts_with(|character: char| character.is_digit(base)) {
        return Ok(None);
    }
    Ok(i64::from_str_radix(&format!("{sign}{digits}"), base).ok())
}

pub(super) fn link_relations(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    if value.is_null() {
        return Ok(Value::Map(Map::new()));
    }
    let mut rest = a_text(value, fuel)?;
    let mut found: Vec<(Str, Value)> = Vec::new();
    while let Some((url, after)) = rest.split_once('<').and_then(|(_, inside)| inside.split_once('>')) {
        let (parameters, next) = parameters(after);
        rest = next;
        // Only the first `rel` of a link counts; it may hold several relations.
        let rel = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("rel"));
        for relation in rel.iter().flat_map(|(_, value)| value.split_ascii_whitespace()) {
            let relation = relation.to_ascii_lowercase();
            if !found.iter().any(|(known, _)| **known == *relation) {
                found.push((relation.into(), Value::text(url.trim())));
            }
        }
    }
    Ok(Value::Map(Map::from_pairs(found)))
}

/// The parameters of one link, and what comes behind the comma that ends it.
fn parameters(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(after) = rest.strip_prefix(';') else { return (found, rest) };
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(inside) => inside.split_once('"').unwrap_or((inside, "")),
            None => after.split_at(after.find([';', ',']).unwrap_or(after.len())),
        };
        found.push((name.trim(), value.trim()));
        rest = after;
    }
}
