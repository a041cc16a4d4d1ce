//! Compares emitted attributes with their declared types.

use std::net::IpAddr;

use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{Attribute, AttributeType, ObjectType};

use crate::answer::{FailureKind, StepError};

/// Why an object cannot be taken as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// The attribute whose value is none.
    pub(crate) attribute: Str,
    /// What is wrong with it.
    pub(crate) why: StepError,
}

/// Checks the attributes of one emitted object; returns remarks about values that are none of the declared ones where others
/// are allowed.
///
/// # Errors
/// An attribute is of another type than declared, none of the allowed values, or not declared where none but declared ones
/// may be emitted.
pub(crate) fn checked(object_type: &ObjectType, attributes: &Map) -> Result<Vec<String>, Refusal> {
    let mut remarks = Vec::new();
    let type_name = &object_type.head.name;
    for (name, value) in attributes {
        let Some(declared) = object_type.attributes.get(name) else {
            if !object_type.other_attributes {
                let sentence = format!("{type_name} declares no attribute {name}, and allows no others");
                return Err(refusal(name, attributes, sentence));
            }
            continue;
        };
        if value.is_null() {
            continue;
        }
        if let Some(problem) = mismatch(declared, value) {
            let sentence = format!("the attribute {name} of a {type_name} {problem} (declared at {})", declared.at);
            return Err(refusal(name, attributes, sentence));
        }
        for found in values(value) {
            if declared.one_of.is_empty() || found.is_null() || is_one_of(declared, found) {
                continue;
            }
            if declared.other_values {
                remarks
                    .push(format!("the attribute {name} of a {type_name} has the undeclared value {}", shown(found)));
                continue;
            }
            let sentence = format!(
                "the attribute {name} of a {type_name} can be {}, found {} (declared at {}; `other: allowed` there takes others, too)",
                declared.one_of.join(", "),
                shown(found),
                declared.at,
            );
            return Err(refusal(name, attributes, sentence));
        }
    }
    Ok(remarks)
}

fn refusal(attribute: &Str, attributes: &Map, sentence: String) -> Refusal {
    let mut why = StepError::new(FailureKind::Attribute, sentence);
    why.host = attributes.text("host").cloned();
    Refusal { attribute: attribute.clone(), why }
}

fn is_one_of(declared: &Attribute, found: &Value) -> bool {
    let text = match found {
        Value::Str(text) => text.clone(),
        number @ (Value::Int(_) | Value::Float(_) | Value::Bool(_)) => number.to_json().into(),
        _ => return false,
    };
    declared.one_of.contains(&text)
}

fn values(value: &Value) -> &[Value] {
    value.as_list().unwrap_or(std::slice::from_ref(value))
}

fn mismatch(declared: &Attribute, value: &Value) -> Option<String> {
    if !is_of(declared.attribute_type, value) {
        return Some(format!("needs {}, found {}", says(declared.attribute_type), shown(value)));
    }
    let of = declared.of?;
    let items = match value {
        Value::List(items) => items.iter().collect::<Vec<_>>(),
        Value::Map(map) => map.iter().map(|(_, value)| value).collect(),
        _ => return None,
    };
    let wrong = items.into_iter().find(|item| !item.is_null() && !is_of(of, item))?;
    Some(format!("needs elements that are {}, found {}", says(of), shown(wrong)))
}

/// A value as messages show it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::List(_) | Value::Map(_) => value.kind().to_owned(),
        scalar => {
            let mut text: String = scalar.to_json().chars().take(80).collect();
            text.insert_str(0, &format!("{} ", scalar.kind()));
            text
        }
    }
}

fn says(attribute_type: AttributeType) -> &'static str {
    match attribute_type {
        AttributeType::Text => "text",
        AttributeType::Integer => "a whole number",
        AttributeType::Number => "a number",
        AttributeType::Bool => "true or false",
        AttributeType::Ip => "an IP address",
        AttributeType::Mac => "a MAC address",
        AttributeType::Timestamp => "a timestamp",
        AttributeType::List => "a list",
        AttributeType::Map => "a map",
        AttributeType::Any => "any value",
    }
}

fn is_of(attribute_type: AttributeType, value: &Value) -> bool {
    match (attribute_type, value) {
        (AttributeType::Any, _)
        | (AttributeType::Text, Value::Str(_))
        | (AttributeType::Integer, Value::Int(_))
        | (AttributeType::Number, Value::Int(_) | Value::Float(_))
        | (AttributeType::Bool, Value::Bool(_))
        | (AttributeType::List, Value::List(_))
        | (AttributeType::Map, Value::Map(_)) => true,
        (AttributeType::Integer, Value::Float(number)) => number.fract() == 0.0,
        (AttributeType::Ip, Value::Str(text)) => {
            let address = text.split_once('/').map_or(&**text, |(address, _)| address);
            address.split('%').next().is_some_and(|address| address.parse::<IpAddr>().is_ok())
        }
        (AttributeType::Mac, Value::Str(text)) => is_mac(text),
        (AttributeType::Timestamp, Value::Str(text)) => {
            text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok()
        }
        _ => false,
    }
}

/// Pairs of hexadecimal digits, six of them or more, between colons or dashes.
fn is_mac(text: &str) -> bool {
    let pairs: Vec<&str> = text.split([':', '-']).collect();
    pairs.len() >= 6 && pairs.iter().all(|pair| pair.len() == 2 && pair.chars().all(|c| c.is_ascii_hexdigit()))
}
