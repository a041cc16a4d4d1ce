//! How documents lie in the file, and back.

use calipso_model::{Environment, Map, Object, ObjectKey, Str, Value};
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::{embedded::fault::unreadable, error::StoreError, form};

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

/// An environment as text.
pub(super) fn environment_text(environment: &Environment) -> String {
    map_text(&form::environment_map(environment))
}

/// An environment from text.
pub(super) fn environment_from(text: &str) -> Result<Environment, StoreError> {
    form::environment_from(&map_from(text)?)
}
