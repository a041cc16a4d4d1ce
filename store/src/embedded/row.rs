//! How documents lie in the file, and back.

use calipso_model::{ConnectionConfig, Environment, Map, Object, ObjectKey, Str, Value};
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::{embedded::fault::unreadable, error::StoreError};

/// Stands before a name twice, so that even one letter makes a trigram with its beginning.
pub(super) const START: char = '\u{2}';

/// Stands after a name.
pub(super) const END: char = '\u{3}';

/// A document as text.
pub(super) fn map_text(map: &Map) -> String {
    serde_json::to_string(map).expect("a document has text keys and finite numbers only")
}

/// A document from text.
pub(super) fn map_from(text: &str) -> Result<Map, StoreError> {
    serde_json::from_str(text).map_err(|error| unreadable("a document", error))
}

/// Some fields of a document from its text; the others are passed over.
pub(super) fn some_from(text: &str, fields: &[Str]) -> Result<Map, StoreError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut reader, Picked { fields })
        .map_err(|error| unreadable("a document", error))
}

struct Picked<'f> {
    fields: &'f [Str],
}

impl<'de> Visitor<'de> for Picked<'_> {
    type Value = Map;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map, A::Error> {
        let mut pairs = Vec::with_capacity(self.fields.len());
        while let Some(found) = map.next_key_seed(Name { fields: self.fields })? {
            match found {
                Some(field) => pairs.push((field.clone(), map.next_value::<Value>()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Map::from_pairs(pairs))
    }
}

/// Reads a name and finds it among the fields, without making a text of it.
struct Name<'f> {
    fields: &'f [Str],
}

impl<'f, 'de> DeserializeSeed<'de> for Name<'f> {
    type Value = Option<&'f Str>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'f> Visitor<'_> for Name<'f> {
    type Value = Option<&'f Str>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.fields.iter().find(|field| ***field == *name))
    }
}

/// An object from its key and the text of its document.
pub(super) fn object_from(key: ObjectKey, text: &str) -> Result<Object, StoreError> {
    Ok(Object { key, doc: map_from(text)? })
}

/// What search compares: lower case, without the marks.
pub(super) fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c == '\0' || c == START || c == END { ' ' } else { c })
        .collect()
}

/// The names of an object as they are searched; nothing when it has none.
pub(super) fn names(doc: &Map) -> Option<String> {
    let mut names = String::new();
    let mut seen = None;
    for field in ["name", "object_name"] {
        let Some(name) = doc.text(field).filter(|name| !name.is_empty()) else { continue };
        if seen == Some(name) {
            continue;
        }
        seen = Some(name);
        names.extend([START, START]);
        names.push_str(&fold(name));
        names.push(END);
    }
    (!names.is_empty()).then_some(names)
}

/// The parent that a document names.
pub(super) fn parent(doc: &Map) -> Option<ObjectKey> {
    let id = doc.text("parent_id").filter(|id| !id.is_empty())?;
    let object_type = doc.text("parent_type").filter(|name| !name.is_empty())?;
    Some(ObjectKey { object_type: object_type.clone(), id: id.clone() })
}

/// The host that a document names.
pub(super) fn host(doc: &Map) -> Option<&Str> {
    doc.text("host").filter(|host| !host.is_empty())
}

/// An environment as text.
pub(super) fn environment_text(environment: &Environment) -> String {
    let list = |names: &[Str]| Value::list(names.iter().map(|name| Value::Str(name.clone())).collect());
    let connections: Map = environment
        .connections
        .iter()
        .map(|(role, connection)| {
            let connection: Map =
                [("spec", Value::Str(connection.spec.clone())), ("fields", Value::Map(connection.fields.clone()))]
                    .into_iter()
                    .collect();
            (role.clone(), connection)
        })
        .collect();
    let row: Map = [
        ("name", Value::Str(environment.name.clone())),
        ("distribution", Value::Str(environment.distribution.clone())),
        ("version", Value::Str(environment.version.clone())),
        ("mechanism_drivers", list(&environment.mechanism_drivers)),
        ("type_drivers", list(&environment.type_drivers)),
        ("flags", list(&environment.flags)),
        ("connections", Value::Map(connections)),
        ("settings", Value::Map(environment.settings.clone())),
    ]
    .into_iter()
    .collect();
    map_text(&row)
}

/// An environment from text.
pub(super) fn environment_from(text: &str) -> Result<Environment, StoreError> {
    let row = map_from(text)?;
    let damaged = || StoreError::corrupt("the configuration of an environment lacks a field");
    let word = |field: &str| row.text(field).cloned().ok_or_else(damaged);
    let list = |field: &str| -> Result<Vec<Str>, StoreError> {
        let items = row.get(field).and_then(Value::as_list).ok_or_else(damaged)?;
        items.iter().map(|item| item.as_str().map(Str::from).ok_or_else(damaged)).collect()
    };
    let connections = row.get("connections").and_then(Value::as_map).ok_or_else(damaged)?;
    let connection = |value: &Value| -> Result<ConnectionConfig, StoreError> {
        let value = value.as_map().ok_or_else(damaged)?;
        Ok(ConnectionConfig {
            spec: value.text("spec").cloned().ok_or_else(damaged)?,
            fields: value.get("fields").and_then(Value::as_map).cloned().ok_or_else(damaged)?,
        })
    };
    Ok(Environment {
        name: word("name")?,
        distribution: word("distribution")?,
        version: word("version")?,
        mechanism_drivers: list("mechanism_drivers")?,
        type_drivers: list("type_drivers")?,
        flags: list("flags")?,
        connections: connections
            .iter()
            .map(|(role, value)| Ok((role.clone(), connection(value)?)))
            .collect::<Result<_, StoreError>>()?,
        settings: row.get("settings").and_then(Value::as_map).cloned().unwrap_or_default(),
    })
}
