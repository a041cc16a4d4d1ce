//! Values as BSON and back, exactly: every field name and every kind of number survives.

use calipso_model::{Map, Str, Value};
use mongodb::bson::{RawDocument, RawDocumentBuf, oid::ObjectId, raw::RawBsonRef};

use crate::error::StoreError;

/// So deep may a document be before it is kept as text; the server takes no deeper ones.
const DEEPEST: usize = 80;

/// No document may be larger, with room for what stands around it.
pub(super) const MOST_BYTES: usize = 16_000_000;

/// Suffix of the name of a field whose value is kept as JSON text, because BSON cannot hold it.
const AS_TEXT: &str = "_json";

/// A document being written.
#[derive(Debug)]
pub(super) struct Doc {
    bytes: Vec<u8>,
}

/// A field name with a zero byte, or a document that is too deep.
struct Unfit;

impl Doc {
    /// An empty document.
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; 4] }
    }

    fn element(&mut self, kind: u8, key: &str) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.push(0);
    }

    pub(super) fn text(mut self, key: &str, text: &str) -> Self {
        self.put_text(key, text);
        self
    }

    fn put_text(&mut self, key: &str, text: &str) {
        self.element(0x02, key);
        let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// Adds text, if there is any.
    pub(super) fn some_text(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    /// Adds a whole number of 64 bits.
    pub(super) fn long(mut self, key: &str, number: i64) -> Self {
        self.element(0x12, key);
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds a floating point number.
    pub(super) fn double(mut self, key: &str, number: f64) -> Self {
        self.element(0x01, key);
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// Adds true or false.
    pub(super) fn flag(mut self, key: &str, flag: bool) -> Self {
        self.element(0x08, key);
        self.bytes.push(u8::from(flag));
        self
    }

    /// Adds an id.
    pub(super) fn id(mut self, key: &str, id: ObjectId) -> Self {
        self.element(0x07, key);
        self.bytes.extend_from_slice(&id.bytes());
        self
    }

    pub(super) fn binary(mut self, key: &str, bytes: &[u8]) -> Self {
        self.element(0x05, key);
        self.bytes.extend_from_slice(&i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_le_bytes());
        self.bytes.push(0);
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds a list of whole numbers of 64 bits.
    pub(super) fn longs(mut self, key: &str, numbers: &[i64]) -> Self {
        let start = self.open(0x04, key);
        for (n, number) in numbers.iter().enumerate() {
            self = self.long(&n.to_string(), *number);
        }
        self.close(start);
        self
    }

    /// Adds a list of whole numbers of 32 bits.
    pub(super) fn ints(mut self, key: &str, numbers: &[i32]) -> Self {
        let start = self.open(0x04, key);
        for (n, number) in numbers.iter().enumerate() {
            self.element(0x10, &n.to_string());
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.close(start);
        self
    }

    /// Adds a list of documents.
    pub(super) fn docs(mut self, key: &str, docs: impl Iterator<Item = Self>) -> Self {
        let start = self.open(0x04, key);
        for (n, doc) in docs.enumerate() {
            self.element(0x03, &n.to_string());
            self.bytes.extend_from_slice(&doc.into_bytes());
        }
        self.close(start);
        self
    }

    /// Adds a value, or its JSON text under another name where BSON cannot hold it.
    pub(super) fn value(mut self, key: &str, value: &Value) -> Self {
        let start = self.bytes.len();
        if self.put(key, value, 0).is_err() {
            self.bytes.truncate(start);
            self.put_text(&format!("{key}{AS_TEXT}"), &value.to_json());
        }
        self
    }

    /// Adds a document, or its JSON text under another name where BSON cannot hold it.
    pub(super) fn map(mut self, key: &str, map: &Map) -> Self {
        let start = self.bytes.len();
        if self.put_map(key, map, 0).is_err() {
            self.bytes.truncate(start);
            self.put_text(&format!("{key}{AS_TEXT}"), &Value::Map(map.clone()).to_json());
        }
        self
    }

    fn put(&mut self, key: &str, value: &Value, depth: usize) -> Result<(), Unfit> {
        if key.contains('\0') || depth > DEEPEST {
            return Err(Unfit);
        }
        match value {
            Value::Null => self.element(0x0a, key),
            Value::Bool(flag) => {
                self.element(0x08, key);
                self.bytes.push(u8::from(*flag));
            }
            // Small whole numbers look like numbers in a shell, not like `Long("5")`.
            Value::Int(number) => match i32::try_from(*number) {
                Ok(small) => {
                    self.element(0x10, key);
                    self.bytes.extend_from_slice(&small.to_le_bytes());
                }
                Err(_) => {
                    self.element(0x12, key);
                    self.bytes.extend_from_slice(&number.to_le_bytes());
                }
            },
            Value::Float(number) => {
                self.element(0x01, key);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
            Value::Str(text) => self.put_text(key, text),
            Value::List(items) => {
                let start = self.open(0x04, key);
                for (n, item) in items.iter().enumerate() {
                    self.put(&n.to_string(), item, depth + 1)?;
                }
                self.close(start);
            }
            Value::Map(map) => self.put_map(key, map, depth)?,
        }
        Ok(())
    }

    fn put_map(&mut self, key: &str, map: &Map, depth: usize) -> Result<(), Unfit> {
        let start = self.open(0x03, key);
        for (field, value) in map {
            self.put(field, value, depth + 1)?;
        }
        self.close(start);
        Ok(())
    }

    fn open(&mut self, kind: u8, key: &str) -> usize {
        self.element(kind, key);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        start
    }

    fn close(&mut self, start: usize) {
        self.bytes.push(0);
        let length = i32::try_from(self.bytes.len() - start).unwrap_or(i32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    /// Adds all that was written to another.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.bytes.extend_from_slice(other.so_far());
        self
    }

    /// The bytes written so far.
    pub(super) fn so_far(&self) -> &[u8] {
        self.bytes.get(4..).unwrap_or_default()
    }

    fn into_bytes(mut self) -> Vec<u8> {
        self.close(0);
        self.bytes
    }

    /// The document, done. `what` names it if it is too large.
    pub(super) fn finish(self, what: &dyn Fn() -> String) -> Result<RawDocumentBuf, StoreError> {
        let bytes = self.into_bytes();
        if bytes.len() > MOST_BYTES {
            return Err(StoreError::invalid(format!(
                "{} is of {} bytes, and the store takes at most {MOST_BYTES} bytes in one piece",
                what(),
                bytes.len()
            )));
        }
        RawDocumentBuf::from_bytes(bytes).map_err(|error| StoreError::Io { action: "write BSON", source: error.into() })
    }
}

/// What was read is no document of ours.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::corrupt(format!("a document lacks `{what}`, or holds something else there"))
}

/// Text of a field.
pub(super) fn text<'d>(doc: &'d RawDocument, key: &str) -> Result<&'d str, StoreError> {
    match doc.get(key) {
        Ok(Some(RawBsonRef::String(text))) => Ok(text),
        _ => Err(damaged(key)),
    }
}

/// Text of a field that need not be there.
pub(super) fn some_text<'d>(doc: &'d RawDocument, key: &str) -> Option<&'d str> {
    match doc.get(key) {
        Ok(Some(RawBsonRef::String(text))) => Some(text),
        _ => None,
    }
}

/// A whole number of a field, whatever kind of number it is there.
pub(super) fn number(doc: &RawDocument, key: &str) -> Result<i64, StoreError> {
    match doc.get(key) {
        Ok(Some(RawBsonRef::Int64(number))) => Ok(number),
        Ok(Some(RawBsonRef::Int32(number))) => Ok(number.into()),
        Ok(Some(RawBsonRef::Double(number))) if number.is_finite() => Ok(number as i64),
        _ => Err(damaged(key)),
    }
}

/// Several fields, found in one pass; quickest when they are named in the order that they were written in.
pub(super) fn pick<'d, const N: usize>(
    doc: &'d RawDocument,
    names: [&str; N],
) -> Result<[Option<RawBsonRef<'d>>; N], StoreError> {
    let mut found = [None; N];
    let mut next = 0;
    for element in doc {
        let (name, value) = element.map_err(no_bson)?;
        let place = (next..N).chain(0..next).find(|place| names.get(*place) == Some(&name.as_str()));
        if let Some(place) = place
            && let Some(field) = found.get_mut(place)
        {
            *field = Some(value);
            next = place + 1;
        }
    }
    Ok(found)
}

/// Text of a field that was picked.
pub(super) fn picked_text<'d>(found: Option<RawBsonRef<'d>>, key: &str) -> Result<&'d str, StoreError> {
    match found {
        Some(RawBsonRef::String(text)) => Ok(text),
        _ => Err(damaged(key)),
    }
}

/// True or false of a field.
pub(super) fn flag(doc: &RawDocument, key: &str) -> Result<bool, StoreError> {
    doc.get_bool(key).map_err(|_| damaged(key))
}

/// An id of a field.
pub(super) fn id(doc: &RawDocument, key: &str) -> Result<ObjectId, StoreError> {
    doc.get_object_id(key).map_err(|_| damaged(key))
}

/// Bytes of a field.
pub(super) fn binary<'d>(doc: &'d RawDocument, key: &str) -> Result<&'d [u8], StoreError> {
    Ok(doc.get_binary(key).map_err(|_| damaged(key))?.bytes)
}

/// Digest by which two versions are compared.
pub(super) fn digest(doc: &RawDocument) -> Result<[u8; 16], StoreError> {
    binary(doc, "digest")?.try_into().map_err(|_| damaged("digest"))
}

/// Documents in a list.
pub(super) fn docs<'d>(doc: &'d RawDocument, key: &str) -> Result<Vec<&'d RawDocument>, StoreError> {
    let list = doc.get_array(key).map_err(|_| damaged(key))?;
    list.into_iter()
        .map(|item| match item {
            Ok(RawBsonRef::Document(doc)) => Ok(doc),
            _ => Err(damaged(key)),
        })
        .collect()
}

/// What [`Doc::value`] wrote.
pub(super) fn value(doc: &RawDocument, key: &str) -> Result<Value, StoreError> {
    match doc.get(key).map_err(|_| damaged(key))? {
        Some(found) => value_of(found),
        None => from_text(text(doc, &format!("{key}{AS_TEXT}")).map_err(|_| damaged(key))?, key),
    }
}

fn from_text(text: &str, key: &str) -> Result<Value, StoreError> {
    Value::from_json(text)
        .map_err(|error| StoreError::Corrupt { what: format!("`{key}` is not readable"), source: Some(error.into()) })
}

/// What [`Doc::map`] wrote, from the two fields that it may be in.
pub(super) fn picked_map(
    found: Option<RawBsonRef<'_>>,
    as_text: Option<RawBsonRef<'_>>,
    key: &str,
) -> Result<Map, StoreError> {
    let value = match (found, as_text) {
        (Some(found), _) => value_of(found)?,
        (None, as_text) => from_text(picked_text(as_text, key)?, key)?,
    };
    match value {
        Value::Map(map) => Ok(map),
        _ => Err(damaged(key)),
    }
}

/// What [`Doc::map`] wrote.
pub(super) fn map(doc: &RawDocument, key: &str) -> Result<Map, StoreError> {
    match value(doc, key)? {
        Value::Map(map) => Ok(map),
        _ => Err(damaged(key)),
    }
}

/// Some fields of what [`Doc::map`] wrote.
pub(super) fn some_of_map(doc: &RawDocument, key: &str, fields: &[Str]) -> Result<Map, StoreError> {
    let Ok(Some(RawBsonRef::Document(found))) = doc.get(key) else { return map(doc, key) };
    let mut pairs: Vec<(Str, Value)> = Vec::with_capacity(fields.len());
    for element in found {
        let (name, value) = element.map_err(no_bson)?;
        if let Some(field) = fields.iter().find(|field| ***field == *name.as_str()) {
            pairs.push((field.clone(), value_of(value)?));
        }
    }
    Ok(Map::from_pairs(pairs))
}

fn no_bson(error: mongodb::bson::error::Error) -> StoreError {
    StoreError::Corrupt { what: "a document is no BSON".to_owned(), source: Some(error.into()) }
}

fn value_of(found: RawBsonRef<'_>) -> Result<Value, StoreError> {
    Ok(match found {
        RawBsonRef::Null => Value::Null,
        RawBsonRef::Boolean(flag) => Value::Bool(flag),
        RawBsonRef::Int32(number) => Value::Int(number.into()),
        RawBsonRef::Int64(number) => Value::Int(number),
        RawBsonRef::Double(number) => Value::Float(number),
        RawBsonRef::String(text) => Value::text(text),
        RawBsonRef::Array(items) => Value::list(
            items
                .into_iter()
                .map(|item| item.map_err(|_| damaged("list")).and_then(value_of))
                .collect::<Result<_, _>>()?,
        ),
        RawBsonRef::Document(doc) => Value::Map(map_of(doc)?),
        // Not ours, but what people write by hand.
        RawBsonRef::ObjectId(id) => Value::Str(id.to_hex().into()),
        RawBsonRef::DateTime(at) => Value::Str(crate::work::stamp(at.timestamp_millis())),
        other => {
            return Err(StoreError::corrupt(format!(
                "a document holds a {:?}, which no JSON has",
                other.element_type()
            )));
        }
    })
}

fn map_of(doc: &RawDocument) -> Result<Map, StoreError> {
    let mut pairs: Vec<(Str, Value)> = Vec::new();
    for element in doc {
        let (key, value) = element.map_err(no_bson)?;
        pairs.push((key.as_str().into(), value_of(value)?));
    }
    Ok(Map::from_pairs(pairs))
}

#[cfg(test)]
mod tests {
    use calipso_model::{Map, Value};

    use super::{Doc, map, value};

    fn there_and_back(json: &str) {
        let value_in = Value::from_json(json).unwrap();
        let doc = Doc::new().value("doc", &value_in).finish(&String::new).unwrap();
        assert_eq!(value(&doc, "doc").unwrap().to_json(), value_in.to_json(), "{json}");
    }

    #[test]
    fn every_value_survives_exactly() {
        for json in [
            "null",
            "[]",
            "{}",
            r#"{"a":[1,-2147483649,2147483647,9223372036854775807,1.0,0.5,true,null,"x\u0000y",[{}]]}"#,
            r#"{"provider:id":1,"a.b":{"c.d":2},"$x":3,"$set":{"$ref":"x","$id":1},"":4,"_id":5}"#,
            r#"{"z\u0000ero":1}"#,
        ] {
            there_and_back(json);
        }
        let deep = format!("{}1{}", r#"{"a":["#.repeat(60), "]}".repeat(60));
        there_and_back(&deep);
    }

    #[test]
    fn what_bson_cannot_hold_is_text() {
        let mut odd = Map::new();
        odd.insert("a\0b", 1);
        let doc = Doc::new().map("doc", &odd).finish(&String::new).unwrap();
        assert_eq!(doc.get_str("doc_json").unwrap(), "{\"a\\u0000b\":1}");
        assert_eq!(map(&doc, "doc").unwrap(), odd);
    }
}
