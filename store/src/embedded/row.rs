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

/// The blanks that JSON allows, each for two bits of a checksum.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Blanks that hold a checksum.
const SEAL: usize = 16;

/// A document as text, with its checksum.
pub(super) fn sealed_text(map: &Map) -> String {
    seal(map_text(map))
}

/// JSON followed by its checksum, written in blanks: still JSON for every reader, and damage to the file is noticed.
pub(super) fn seal(mut text: String) -> String {
    let sum = crc32fast::hash(text.as_bytes());
    text.extend((0..SEAL).map(|index| BLANKS[(sum >> (2 * index)) as usize & 3]));
    text
}

/// The text without its checksum, if it has one; documents that were written before there were any have none.
fn unsealed(text: &str) -> (&str, Option<u32>) {
    let Some(index) = text.len().checked_sub(SEAL) else { return (text, None) };
    let (Some(json), Some(seal)) = (text.get(..index), text.get(index..)) else { return (text, None) };
    let digits: Option<Vec<u32>> =
        seal.chars().map(|blank| BLANKS.iter().position(|known| *known == blank).map(|index| index as u32)).collect();
    match digits {
        Some(digits) => (json, Some(digits.iter().rev().fold(0, |sum, digit| (sum << 2) | digit))),
        None => (text, None),
    }
}

/// Whether two texts hold the same document, whichever version of the program wrote them.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    one == other || unsealed(one).0 == unsealed(other).0
}

/// The JSON of a document, if it is what was written.
pub(super) fn opened(text: &str) -> Result<&str, StoreError> {
    match unsealed(text) {
        (json, Some(sum)) if crc32fast::hash(json.as_bytes()) != sum => {
            Err(StoreError::corrupt("a document is not what was written"))
        }
        (json, _) => Ok(json),
    }
}

/// A document from text.
pub(super) fn map_from(text: &str) -> Result<Map, StoreError> {
    serde_json::from_str(opened(text)?).map_err(|error| unreadable("a document", error))
}

/// Some fields of a document from its text; the others are passed over.
pub(super) fn some_from(text: &str, fields: &[Str]) -> Result<Map, StoreError> {
    let mut reader = serde_json::Deserializer::from_str(opened(text)?);
    serde::Deserializer::deserialize_map(&mut reader, Picked { fields })
        .and_then(|map| reader.end().map(|()| map))
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
    sealed_text(&form::environment_map(environment))
}

/// An environment from text.
pub(super) fn environment_from(text: &str) -> Result<Environment, StoreError> {
    form::environment_from(&map_from(text)?)
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Value};

    use super::{is_same, map_from, map_text, sealed_text, some_from};

    #[test]
    fn every_changed_bit_of_a_document_is_noticed() {
        let doc: Map =
            [("name", Value::text("vnic ä")), ("n", Value::Int(42)), ("at", Value::Null)].into_iter().collect();
        let text = sealed_text(&doc);
        assert_eq!(map_from(&text).unwrap(), doc);
        assert_eq!(serde_json::from_str::<Map>(&text).unwrap(), doc, "it is JSON to everybody");
        assert_eq!(map_from(&map_text(&doc)).unwrap(), doc, "older texts have no checksum");
        assert!(is_same(&text, &map_text(&doc)) && !is_same(&text, &sealed_text(&Map::new())));
        for index in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[index] ^= 1 << bit;
                // What is no UTF-8 does not even come here.
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(map_from(&changed).is_err(), "byte {index}, bit {bit}: {changed:?}");
                assert!(some_from(&changed, &["n".into()]).is_err(), "byte {index}, bit {bit}: {changed:?}");
            }
        }
    }
}
