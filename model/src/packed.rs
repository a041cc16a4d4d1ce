//! Documents as few bytes: what stays in memory of many objects at once.
//!
//! # Shape
//! A packed document is a map: the number of its shape (the names of its attributes, in order) and 1 more, then the values in that
//! order; or, where names are data, so that shapes would not be met again, 0, how many pairs, and each name by length with its
//! value. A value is a byte that says what follows, and what follows:
//!
//! | byte | value |
//! |---|---|
//! | 0, 1, 2 | null, false, true |
//! | 3, 4 | a whole number (zigzag, in groups of 7 bits); any other number (8 bytes) |
//! | 5, 6 | text by length; text by its number among those that are frequent under this attribute |
//! | 7, 8 | a UUID in lower case (16 bytes); a MAC address in lower case with colons (6 bytes) |
//! | 9, 10 | a list: how many, then each; a map |
//! | 32 to 63 | text of 0 to 31 bytes |
//! | 64 to 127 | a whole number from 0 to 63 |
//! | 128 to 255 | frequent text with a number from 0 to 127 |
//!
//! The same document always becomes the same bytes within one [`Vocabulary`]: a text is frequent, and a map has a shape, from when it
//! is first met or never. So documents are the same, in the sense of [`crate::same`], exactly when their bytes are equal.

mod read;
mod words;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use self::{
    read::Reader,
    words::{WHOLE, Words, Writer},
};
use crate::{Map, Str, Value};

/// A document as bytes, of the [`Vocabulary`] that packed it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed(Arc<[u8]>);

impl fmt::Debug for Packed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} packed bytes", self.0.len())
    }
}

/// Names of attributes, shapes of maps and frequent texts as numbers: what documents that are packed together share. It grows,
/// and forgets nothing.
#[derive(Debug, Default)]
pub struct Vocabulary(RwLock<Words>);

impl Vocabulary {
    /// A document as bytes.
    #[must_use]
    pub fn pack(&self, document: &Map) -> Packed {
        let mut out = Vec::with_capacity(128);
        let is_known = {
            let words = self.0.read().unwrap_or_else(PoisonError::into_inner);
            Writer::new(&words, &mut out).map(document, WHOLE)
        };
        if is_known.is_none() {
            out.clear();
            let mut words = self.0.write().unwrap_or_else(PoisonError::into_inner);
            words.learn(document, WHOLE);
            Writer::new(&words, &mut out).map(document, WHOLE).expect("what was learnt is known");
        }
        Packed(out.into())
    }

    /// The document again.
    #[must_use]
    pub fn unpack(&self, packed: &Packed) -> Map {
        let words = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Reader::new(&words, &packed.0).map()
    }

    /// One value of a document, without the others.
    #[must_use]
    pub fn get(&self, packed: &Packed, name: &str) -> Option<Value> {
        let words = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Reader::new(&words, &packed.0).field(name)
    }

    /// The text under a name, if it is text.
    #[must_use]
    pub fn text(&self, packed: &Packed, name: &str) -> Option<Str> {
        match self.get(packed, name)? {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }
}

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const FREQUENT: u8 = 6;
const UUID: u8 = 7;
const MAC: u8 = 8;
const LIST: u8 = 9;
const MAP: u8 = 10;
/// Texts up to this long say their length in the first byte, from [`SHORT_TEXT`] on.
const SHORT: u8 = 31;
const SHORT_TEXT: u8 = 32;
/// Whole numbers up to this one are one byte, from [`SMALL_INT`] on.
const SMALL: u8 = 63;
const SMALL_INT: u8 = 64;
/// Frequent texts with numbers up to 127 are one byte, from here on.
const FEW: u8 = 128;

/// Where the hyphens of a UUID are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::same::same_map;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-c]{0,3}",
            "\\PC{0,40}",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-g]{12}",
            "[0-9a-f]{2}(:[0-9a-f]{2}){5}",
            "[0-9A-Fa-g]{2}([:-][0-9a-f]{2}){5}",
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-70..70_i64).prop_map(Value::Int),
            any::<f64>().prop_map(Value::Float),
            (-3..3_i64).prop_map(|number| Value::Float(number as f64)),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
                map_of(inner).prop_map(Value::Map),
            ]
        })
    }

    fn map_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map> {
        let name = prop_oneof![4 => "[a-e]", 1 => "\\PC{0,5}"];
        proptest::collection::vec((name, value), 0..5).prop_map(|pairs| pairs.into_iter().collect())
    }

    proptest! {
        #[test]
        fn documents_come_back_as_they_were(documents in proptest::collection::vec(map_of(value()), 1..8)) {
            let words = Vocabulary::default();
            let packed: Vec<Packed> = documents.iter().map(|document| words.pack(document)).collect();
            for (document, bytes) in documents.iter().zip(&packed) {
                let again = words.unpack(bytes);
                prop_assert!(same_map(document, &again), "{document:?} became {again:?}");
                prop_assert_eq!(&words.pack(document), bytes);
                for (name, value) in document {
                    let found = words.get(bytes, name);
                    prop_assert!(found.as_ref().is_some_and(|found| crate::same::same(found, value)), "{name}: {found:?}");
                }
                prop_assert!(words.get(bytes, "not there").is_none());
                for (other, other_bytes) in documents.iter().zip(&packed) {
                    prop_assert_eq!(same_map(document, other), bytes == other_bytes);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let words = Vocabulary::default();
            let known: Map = [("a", Value::list(vec![Value::Null])), ("b", "text".into())].into_iter().collect();
            prop_assert!(same_map(&words.unpack(&words.pack(&known)), &known));
            let packed = Packed(bytes.into());
            prop_assert_eq!(words.get(&packed, "b").is_some(), words.unpack(&packed).contains_key("b"));
        }
    }

    #[test]
    fn what_is_not_frequent_stays_so_and_what_is_comes_as_numbers() {
        let words = Vocabulary::default();
        let document = |number: usize| -> Map {
            [
                ("own", Value::from(format!("name {number} that nothing else has"))),
                ("host", Value::from(format!("compute-{}.example", number / 50))),
                ("id", Value::from(format!("{number:08x}-0000-4000-8000-00000000000f"))),
            ]
            .into_iter()
            .collect()
        };
        let packed: Vec<Packed> = (0..20_000).map(|number| words.pack(&document(number))).collect();
        for (number, bytes) in packed.iter().enumerate() {
            assert!(same_map(&words.unpack(bytes), &document(number)));
            assert_eq!(&words.pack(&document(number)), bytes, "{number}");
        }
        let last = packed.last().expect("there are some").0.len();
        assert!(last < 60, "{last} bytes: 33 of text, 17 of the id, 3 of the host, the shape");
    }

    #[test]
    fn names_that_are_data_make_no_shapes_without_end() {
        let words = Vocabulary::default();
        let document = |number: usize| -> Map {
            let inner: Map = [(format!("key {number}"), Value::Int(1)), (format!("other {number}"), "ACTIVE".into())]
                .into_iter()
                .collect();
            let list = Value::list(vec![Value::Map(inner.clone()), Value::Null]);
            [("regular", Value::text("ACTIVE")), ("by_key", Value::Map(inner)), ("list", list)].into_iter().collect()
        };
        let packed: Vec<Packed> = (0..5_000).map(|number| words.pack(&document(number))).collect();
        for (number, bytes) in packed.iter().enumerate() {
            let document = document(number);
            assert!(same_map(&words.unpack(bytes), &document), "{number}");
            assert_eq!(&words.pack(&document), bytes, "{number}");
            for (name, value) in &document {
                assert!(
                    words.get(bytes, name).is_some_and(|found| crate::same::same(&found, value)),
                    "{number} {name}"
                );
            }
        }
        let n_shapes = words.0.read().expect("nobody failed").n_shapes();
        assert!(n_shapes < 1_000, "{n_shapes} shapes");
        let whole = |number: usize| -> Map { [(format!("attribute {number}"), number as i64)].into_iter().collect() };
        let fresh = Vocabulary::default();
        let packed: Vec<Packed> = (0..5_000).map(|number| fresh.pack(&whole(number))).collect();
        for (number, bytes) in packed.iter().enumerate() {
            assert!(same_map(&fresh.unpack(bytes), &whole(number)) && fresh.pack(&whole(number)) == *bytes, "{number}");
            let name = format!("attribute {number}");
            assert_eq!(fresh.get(bytes, &name), Some(Value::Int(number as i64)));
            assert!(fresh.get(bytes, "none").is_none());
        }
        let n_shapes = fresh.0.read().expect("nobody failed").n_shapes();
        assert!(n_shapes < 1_000, "{n_shapes} shapes");
    }

    #[test]
    fn whole_numbers_and_others_are_told_apart() {
        let words = Vocabulary::default();
        let of = |value: Value| words.pack(&[("n", value)].into_iter().collect());
        assert_ne!(of(Value::Int(1)), of(Value::Float(1.0)));
        assert_ne!(of(Value::Float(0.0)), of(Value::Float(-0.0)));
        assert_ne!(of(Value::Null), words.pack(&Map::new()));
        assert_eq!(of(Value::Float(f64::NAN)), of(Value::Float(f64::NAN)));
    }
}
