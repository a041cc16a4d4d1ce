//! Hashing: of ids for look-ups, of join keys, and of what is compared but not kept.
//!
//! The hash is XXH3 (ADR 40), which was reviewed by others; here stands only what it is given: bytes from which the value could
//! be read again, so that different values never give it the same input.

use std::hash::{BuildHasher, Hasher, RandomState};

use calipso_expr::KeyPart;
use calipso_model::{Map, Str, Value};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

/// Seed of all hashes of a graph: random, and never shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    pub(crate) fn random() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    /// Hash of a text, for a look-up that compares the texts that have it.
    pub(crate) fn text(self, text: &str) -> u64 {
        xxh3_64_with_seed(text.as_bytes(), self.0)
    }

    /// Hash of an address or a number.
    pub(crate) fn address(self, address: usize) -> u64 {
        xxh3_64_with_seed(&address.to_le_bytes(), self.0)
    }

    /// Hash of numbers, for a look-up that compares the lists that have it.
    pub(crate) fn numbers(self, numbers: &[u32]) -> u64 {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        xxh3_64_with_seed(&bytes, self.0)
    }

    /// Hash of a value, for a look-up that compares the values that have it. Equal values of the language have equal hashes.
    pub(crate) fn value(self, value: &Value) -> u64 {
        let mut bytes = Vec::new();
        add_value(value, &mut bytes);
        xxh3_64_with_seed(&bytes, self.0)
    }
}

/// What a join key is known by: two keys with one hash are one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyHash(pub(crate) [u64; 2]);

/// What something is compared by that is not kept: two things with one digest are the same. Zero stands for nothing.
pub(crate) type Digest = [u64; 2];

/// The digest of nothing.
pub(crate) const NOTHING: Digest = [0; 2];

fn halves(hash: u128) -> [u64; 2] {
    [hash as u64, (hash >> 64) as u64]
}

/// Takes in the parts of a key, or whatever a digest is made of. Used again and again, so that its room is allocated once.
#[derive(Clone, Debug)]
pub(crate) struct Bytes {
    seed: Seed,
    bytes: Vec<u8>,
}

impl Bytes {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, bytes: Vec::new() }
    }

    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds the next part of a key; parts that are equal in the language have equal hashes.
    pub(crate) fn key_part(&mut self, part: KeyPart<'_>) {
        match part {
            KeyPart::Value(value) => add_value(value, &mut self.bytes),
            KeyPart::Text(text) => add_text(text, &mut self.bytes),
        }
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        add_text(text, &mut self.bytes);
    }

    /// Adds a text, or that there is none.
    pub(crate) fn some_text(&mut self, text: Option<&Str>) {
        match text {
            Some(text) => add_text(text, &mut self.bytes),
            None => self.bytes.push(NULL),
        }
    }

    /// Adds a value; values that are equal, but not the same (1 and 1.0), are different here.
    pub(crate) fn same_value(&mut self, value: &Value) {
        add_same_value(value, &mut self.bytes);
    }

    /// Adds a map, value by value as in [`Bytes::same_value`].
    pub(crate) fn same_map(&mut self, map: &Map) {
        add_same_map(map, &mut self.bytes);
    }

    /// What the key that came is known by. The next one can begin.
    pub(crate) fn key(&mut self) -> KeyHash {
        let hash = halves(xxh3_128_with_seed(&self.bytes, self.seed.0));
        self.bytes.clear();
        KeyHash(hash)
    }

    /// The digest of what came; never that of nothing. The next one can begin.
    pub(crate) fn digest(&mut self) -> Digest {
        let digest = halves(xxh3_128_with_seed(&self.bytes, self.seed.0).max(1));
        self.bytes.clear();
        digest
    }
}

/// Kinds of values, as the first byte of each.
const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const WHOLE: u8 = 5;
const TEXT: u8 = 6;
const LIST: u8 = 7;
const MAP: u8 = 8;

/// The bytes of a value in which equal values of the language are the same.
fn add_value(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        // Whole numbers and others compare as numbers, so they hash as numbers, where another can be equal to them.
        Value::Int(number) if (*number as f64) as i64 == *number => add_number(*number as f64, bytes),
        Value::Float(number) => add_number(*number, bytes),
        Value::List(items) => {
            add_length(LIST, items.len(), bytes);
            items.iter().for_each(|item| add_value(item, bytes));
        }
        Value::Map(map) => {
            add_length(MAP, map.len(), bytes);
            for (key, item) in map {
                add_text(key, bytes);
                add_value(item, bytes);
            }
        }
        scalar => add_same_value(scalar, bytes),
    }
}

fn add_number(number: f64, bytes: &mut Vec<u8>) {
    let bits = if number == 0.0 { 0 } else { number.to_bits() };
    add_word(NUMBER, bits, bytes);
}

/// The bytes of a value from which it could be read again.
fn add_same_value(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Null => bytes.push(NULL),
        Value::Bool(flag) => bytes.push(if *flag { TRUE } else { FALSE }),
        Value::Int(number) => add_word(WHOLE, *number as u64, bytes),
        Value::Float(number) => add_word(NUMBER, number.to_bits(), bytes),
        Value::Str(text) => add_text(text, bytes),
        Value::List(items) => {
            add_length(LIST, items.len(), bytes);
            items.iter().for_each(|item| add_same_value(item, bytes));
        }
        Value::Map(map) => add_same_map(map, bytes),
    }
}

fn add_same_map(map: &Map, bytes: &mut Vec<u8>) {
    add_length(MAP, map.len(), bytes);
    for (key, item) in map {
        add_text(key, bytes);
        add_same_value(item, bytes);
    }
}

fn add_word(kind: u8, word: u64, bytes: &mut Vec<u8>) {
    let mut all = [kind; 9];
    all[1..].copy_from_slice(&word.to_le_bytes());
    bytes.extend_from_slice(&all);
}

fn add_length(kind: u8, length: usize, bytes: &mut Vec<u8>) {
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    bytes.extend_from_slice(&[kind, length[0], length[1], length[2], length[3]]);
}

fn add_text(text: &str, bytes: &mut Vec<u8>) {
    add_length(TEXT, text.len(), bytes);
    bytes.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_hash_equal() {
        let mut bytes = Bytes::new(Seed::random());
        let mut of = |parts: &[Value]| {
            parts.iter().for_each(|part| bytes.key_part(KeyPart::Value(part)));
            bytes.key()
        };
        let text = Value::text;
        assert_eq!(of(&[Value::Int(3)]), of(&[Value::Float(3.0)]));
        assert_eq!(of(&[Value::Float(0.0)]), of(&[Value::Float(-0.0)]));
        assert_ne!(of(&[text("3")]), of(&[Value::Int(3)]));
        assert_ne!(of(&[text("ab"), text("c")]), of(&[text("a"), text("bc")]));
        assert_ne!(of(&[text("a"), text("")]), of(&[text("a")]));
        assert_ne!(of(&[text("a\0")]), of(&[text("a")]));
        assert_ne!(of(&[Value::Int(1 << 53)]), of(&[Value::Int((1 << 53) + 1)]));
        assert_ne!(of(&[Value::Int(i64::MAX)]), of(&[Value::Int(i64::MAX - 1)]));
        assert_ne!(of(&[Value::list(vec![text("a")])]), of(&[text("a")]));
        let list = |value: Value| Value::list(vec![value]);
        assert_eq!(of(&[list(Value::Int(3))]), of(&[list(Value::Float(3.0))]));
        let whole = of(&[text("abc")]);
        bytes.key_part(KeyPart::Text("abc"));
        assert_eq!(bytes.key(), whole);
    }

    #[test]
    fn digests_tell_apart_what_is_equal_but_not_the_same() {
        let mut bytes = Bytes::new(Seed::random());
        let mut of = |value: Value| {
            bytes.same_value(&value);
            bytes.digest()
        };
        let list = |value: Value| Value::list(vec![value]);
        assert_ne!(of(Value::Int(1)), of(Value::Float(1.0)));
        assert_ne!(of(list(Value::Int(1))), of(list(Value::Float(1.0))));
        assert_ne!(of(Value::Float(0.0)), of(Value::Float(-0.0)));
        assert_ne!(of(Value::Null), of(Value::list(Vec::new())));
        assert_eq!(of(list(Value::text("a"))), of(list(Value::text("a"))));
    }

    #[test]
    fn each_half_tells_keys_apart() {
        let mut bytes = Bytes::new(Seed::random());
        let mut halves = [std::collections::BTreeSet::new(), std::collections::BTreeSet::new()];
        for number in 0..10_000 {
            bytes.key_part(KeyPart::Text(&format!("port {number}")));
            let KeyHash([low, high]) = bytes.key();
            halves[0].insert(low);
            halves[1].insert(high);
        }
        assert_eq!(halves.map(|half| half.len()), [10_000; 2]);
    }
}
