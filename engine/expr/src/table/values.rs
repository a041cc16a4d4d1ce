//! Filters about maps, and from one type to another.

use calipso_model::{Map, Str, Value};

use super::Given;
use crate::{
    error::OpError,
    failed,
    fuel::Fuel,
    ops::{hides, text_of, truth},
};

type Answer = Result<Value, OpError>;

fn a_map(value: &Value) -> Result<&Map, OpError> {
    value.as_map().ok_or_else(|| OpError::new(format!("takes a map, not {}", value.kind())))
}

fn keep(value: &Value, given: &Given<'_>, fuel: &mut Fuel, wanted: bool) -> Answer {
    let map = a_map(value)?;
    let keys = given.at(0).and_then(Value::as_list).ok_or_else(|| OpError::new("takes a list of keys"))?;
    fuel.burn((map.len() as u64).saturating_mul(1 + keys.len() as u64))?;
    let named = |key: &Str| keys.iter().any(|wanted| wanted.as_str() == Some(key.as_ref()));
    let kept = |(key, _): &&(Str, Value)| failed::is_text(key) || named(key) == wanted;
    Ok(Value::Map(Map::from_pairs(map.iter().filter(kept).cloned().collect())))
}

pub(super) fn pick(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    keep(value, given, fuel, true)
}

pub(super) fn without(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    keep(value, given, fuel, false)
}

pub(super) fn lookup_in(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Answer {
    match (given.at(0), value) {
        (Some(holder), key) if hides(holder, key) => Err(OpError::Failed),
        (Some(Value::Map(map)), Value::Str(key)) => Ok(map.get(key).cloned().unwrap_or_default()),
        (Some(Value::Map(map)), Value::Int(key)) => Ok(map.get(&key.to_string()).cloned().unwrap_or_default()),
        (Some(Value::Map(_)), _) => Ok(Value::Null),
        (other, _) => Err(OpError::new(format!("looks up in a map, not {}", other.map_or("nothing", Value::kind)))),
    }
}

pub(super) fn items(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let map = a_map(value)?;
    fuel.list(map.len())?;
    let pair = |(key, value): &(Str, Value)| {
        if failed::is_text(key) { failed::marker() } else { Value::list(vec![Value::Str(key.clone()), value.clone()]) }
    };
    Ok(Value::list(map.iter().map(pair).collect()))
}

pub(super) fn keys(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let map = a_map(value)?;
    fuel.list(map.len())?;
    Ok(Value::list(map.keys().cloned().map(Value::Str).collect()))
}

pub(super) fn values(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    let map = a_map(value)?;
    fuel.list(map.len())?;
    let value = |(key, value): &(Str, Value)| if failed::is_text(key) { failed::marker() } else { value.clone() };
    Ok(Value::list(map.iter().map(value).collect()))
}

pub(super) fn string(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    match value {
        Value::Null | Value::Str(_) => Ok(value.clone()),
        Value::List(_) | Value::Map(_) => tojson(value, given, fuel),
        scalar => text_of(scalar).map(Value::Str).ok_or_else(|| OpError::new("it has no text form")),
    }
}

pub(super) fn tojson(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    fuel.walk(value)?;
    if failed::holds_marker(value) {
        return Err(OpError::Failed);
    }
    Ok(Value::from(value.to_json()))
}

pub(super) fn from_json(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Str(text) => {
            fuel.burn(text.len() as u64 / 4)?;
            Value::from_json(text).map_err(|error| OpError::new(format!("this is no JSON: {error}")))
        }
        other => Err(OpError::new(format!("JSON must be text, not {}", other.kind()))),
    }
}

pub(super) fn int(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Answer {
    let real = |number: f64| {
        // Both bounds are exact as floating point numbers; the upper one is one more than the greatest integer.
        let fits = number >= i64::MIN as f64 && number < i64::MAX as f64;
        fits.then_some(Value::Int(number as i64))
    };
    match value {
        Value::Str(text) if given.named("base").is_some() => {
            match (super::encodings::whole_number(text, given.named("base"))?, given.at(0)) {
                (Some(number), _) => Ok(Value::Int(number)),
                (None, Some(other)) => Ok(other.clone()),
                (None, None) => Err(OpError::new(format!("`{text}` is no whole number of this base"))),
            }
        }
        Value::Null | Value::Int(_) => Ok(value.clone()),
        Value::Bool(flag) => Ok(Value::Int(i64::from(*flag))),
        Value::Float(number) => real(*number).ok_or_else(|| OpError::new("the number is too large")),
        Value::Str(text) => {
            let trimmed = text.trim();
            match trimmed.parse::<i64>().ok().map(Value::Int).or_else(|| real(trimmed.parse().ok()?)) {
                Some(number) => Ok(number),
                None => match given.at(0) {
                    Some(other) => Ok(other.clone()),
                    None => Err(OpError::new(format!("`{text}` is no whole number"))),
                },
            }
        }
        other => Err(OpError::new(format!("takes text or a number, not {}", other.kind()))),
    }
}

pub(super) fn float(value: &Value, given: &Given<'_>, _: &mut Fuel) -> Answer {
    match value {
        Value::Null | Value::Float(_) => Ok(value.clone()),
        Value::Int(number) => Ok(Value::Float(*number as f64)),
        Value::Bool(flag) => Ok(Value::Float(f64::from(u8::from(*flag)))),
        Value::Str(text) => match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Ok(Value::Float(number)),
            None => match given.at(0) {
                Some(other) => Ok(other.clone()),
                None => Err(OpError::new(format!("`{text}` is no number"))),
            },
        },
        other => Err(OpError::new(format!("takes text or a number, not {}", other.kind()))),
    }
}

pub(super) fn boolean(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Answer {
    Ok(Value::Bool(match value {
        Value::Str(text) => {
            !["", "false", "no", "off", "0", "none", "null"].iter().any(|word| text.eq_ignore_ascii_case(word))
        }
        other => truth(other),
    }))
}

pub(super) fn abs(value: &Value, _: &Given<'_>, _: &mut Fuel) -> Answer {
    match value {
        Value::Int(number) => {
            number.checked_abs().map(Value::Int).ok_or_else(|| OpError::new("the number is too large"))
        }
        Value::Float(number) => Ok(Value::Float(number.abs())),
        other => Err(OpError::new(format!("takes a number, not {}", other.kind()))),
    }
}

pub(super) fn round(value: &Value, given: &Given<'_>, fuel: &mut Fuel) -> Answer {
    match (value, given.at(0)) {
        (Value::Int(_), _) => Ok(value.clone()),
        (Value::Float(number), None) => int(&Value::Float(number.round()), given, fuel),
        (Value::Float(number), Some(Value::Int(decimals @ 0..=15))) => {
            let scale = 10f64.powi(*decimals as i32);
            let rounded = (number * scale).round() / scale;
            Ok(Value::Float(if rounded.is_finite() { rounded } else { *number }))
        }
        (Value::Float(_), Some(_)) => Err(OpError::new("decimals are a whole number from 0 to 15")),
        (other, _) => Err(OpError::new(format!("takes a number, not {}", other.kind()))),
    }
}

pub(super) fn snake_keys(value: &Value, _: &Given<'_>, fuel: &mut Fuel) -> Answer {
    snake_value(value, fuel, 0)
}

fn snake_value(value: &Value, fuel: &mut Fuel, depth: usize) -> Answer {
    fuel.burn(1)?;
    if depth > 128 {
        return Err(OpError::Limit("the value is nested too deeply"));
    }
    Ok(match value {
        Value::Map(map) => {
            let mut pairs = Vec::with_capacity(map.len());
            for (key, value) in map {
                let name = if failed::is_text(key) { key.clone() } else { snake(key) };
                pairs.push((name, snake_value(value, fuel, depth + 1)?));
            }
            Value::Map(Map::from_pairs(pairs))
        }
        Value::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for item in items.iter() {
                list.push(snake_value(item, fuel, depth + 1)?);
            }
            Value::list(list)
        }
        other => other.clone(),
    })
}

/// `fooBar` as `foo_bar`, `HTTPPort` as `http_port`.
fn snake(key: &str) -> Str {
    let characters: Vec<char> = key.chars().collect();
    let at = |index: Option<usize>| index.and_then(|index| characters.get(index)).copied();
    let mut out = String::with_capacity(key.len() + 4);
    for (index, character) in characters.iter().enumerate() {
        if character.is_uppercase() {
            let before = at(index.checked_sub(1));
            let after_small = before.is_some_and(|before| before.is_lowercase() || before.is_numeric());
            let before_small =
                before.is_some_and(char::is_uppercase) && at(Some(index + 1)).is_some_and(char::is_lowercase);
            if after_small || before_small {
                out.push('_');
            }
            out.extend(character.to_lowercase());
        } else {
            out.push(*character);
        }
    }
    out.into()
}
