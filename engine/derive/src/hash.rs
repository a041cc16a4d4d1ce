//! Hashing of ids and join keys: seeded for look-ups, fixed for fingerprints.

use std::hash::{BuildHasher, Hasher, RandomState};

use calipso_expr::KeyPart;
use calipso_model::Value;

/// A map that nothing iterates: only look-ups, so its order is never part of an output.
#[expect(clippy::disallowed_types, reason = "nothing iterates it; look-ups only")]
pub(crate) type LookUp<K, V> = std::collections::HashMap<K, V, Seeded>;

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;
const THIRD: u64 = 0xa076_1d64_78bd_642f;

/// Multiplies to 128 bits and folds the halves.
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Builds [`Fold`] hashers from one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    /// A seed that nobody outside the process knows.
    pub(crate) fn random() -> Self {
        Self(RandomState::new().build_hasher().finish())
    }

    /// The same seed in every process.
    pub(crate) fn fixed(seed: u64) -> Self {
        Self(seed)
    }

    /// Hash of a value; equal values of the language have equal hashes.
    pub(crate) fn value(self, value: &Value) -> u64 {
        let mut hasher = self.build_hasher();
        add_value(value, &mut |word| hasher.write_u64(word));
        hasher.finish()
    }

    /// Hash of a text.
    pub(crate) fn text(self, text: &str) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write(text.as_bytes());
        hasher.finish()
    }
}

impl Default for Seeded {
    fn default() -> Self {
        Self::random()
    }
}

impl BuildHasher for Seeded {
    type Hasher = Fold;
    fn build_hasher(&self) -> Fold {
        Fold(self.0)
    }
}

/// A hasher of folded multiplications.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        fold(self.0 ^ FIRST, SECOND)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes is eight bytes"));
            self.write_u64(word);
        }
        let rest = chunks.remainder();
        let mut last = [0_u8; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        self.write_u64(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = fold(self.0 ^ number, FIRST).wrapping_add(SECOND);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

/// What a join key is known by: 128 bits of a hash with a secret seed.
///
/// # Shape
/// Two keys with one hash are one key. What is hashed is unambiguous (kind and length come before content), and each half
/// starts from a seed of its own that nobody outside the process knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// Seeds of join keys: one per graph.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeySeed(KeyHash);

impl KeySeed {
    /// A seed that nobody outside the process knows.
    pub(crate) fn random() -> Self {
        Self(KeyHash { low: Seeded::random().0, high: Seeded::random().0 })
    }

    /// Begins a key.
    pub(crate) fn begin(self) -> KeyHasher {
        KeyHasher(self.0)
    }
}

/// Takes in the parts of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyHasher(KeyHash);

impl KeyHasher {
    /// The next part; equal parts of the language have equal hashes.
    pub(crate) fn add(&mut self, part: KeyPart<'_>) {
        match part {
            KeyPart::Value(value) => add_value(value, &mut |word| self.word(word)),
            KeyPart::Text(text) => add_text(text, &mut |word| self.word(word)),
        }
    }

    fn word(&mut self, word: u64) {
        self.0.low = fold(self.0.low ^ word, FIRST).wrapping_add(SECOND);
        self.0.high = fold(self.0.high ^ word, THIRD).wrapping_add(FIRST);
    }

    /// The hash of what came.
    pub(crate) fn finish(self) -> KeyHash {
        KeyHash { low: fold(self.0.low ^ FIRST, SECOND), high: fold(self.0.high ^ SECOND, THIRD) }
    }
}

/// Kinds of values in hashes.
const NULL: u64 = 1;
const FALSE: u64 = 2;
const TRUE: u64 = 3;
const NUMBER: u64 = 4;
const LARGE: u64 = 5;
const TEXT: u64 = 6;
const LIST: u64 = 7;
const MAP: u64 = 8;

/// The words of a value, from which it could be read again.
fn add_value(value: &Value, add: &mut impl FnMut(u64)) {
    match value {
        Value::Null => add(NULL),
        Value::Bool(flag) => add(if *flag { TRUE } else { FALSE }),
        // Whole numbers and others compare as numbers, so they hash as numbers, where another can be the same.
        Value::Int(number) if (*number as f64) as i64 == *number => add_number(*number as f64, add),
        Value::Int(number) => {
            add(LARGE);
            add(*number as u64);
        }
        Value::Float(number) => add_number(*number, add),
        Value::Str(text) => add_text(text, add),
        Value::List(items) => {
            add(LIST | (items.len() as u64) << 8);
            for item in items.iter() {
                add_value(item, add);
            }
        }
        Value::Map(map) => {
            add(MAP | (map.len() as u64) << 8);
            for (key, item) in map {
                add_text(key, add);
                add_value(item, add);
            }
        }
    }
}

fn add_number(number: f64, add: &mut impl FnMut(u64)) {
    add(NUMBER);
    add(if number == 0.0 { 0 } else { number.to_bits() });
}

fn add_text(text: &str, add: &mut impl FnMut(u64)) {
    add(TEXT | (text.len() as u64) << 8);
    let mut chunks = text.as_bytes().chunks_exact(8);
    for chunk in &mut chunks {
        add(u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes is eight bytes")));
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut last = [0_u8; 8];
        last[..rest.len()].copy_from_slice(rest);
        add(u64::from_le_bytes(last));
    }
}

/// A 128-bit digest of a sequence of numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest {
    low: u64,
    high: u64,
}

impl Digest {
    /// The digest of nothing.
    pub(crate) fn new() -> Self {
        Self { low: FIRST, high: SECOND }
    }

    /// Takes in the next number.
    pub(crate) fn add(&mut self, number: u64) {
        self.low = fold(self.low ^ number, SECOND).wrapping_add(FIRST);
        self.high = fold(self.high.rotate_left(23) ^ number, FIRST).wrapping_add(SECOND);
    }

    /// The digest; never 0.
    pub(crate) fn finish(self) -> u128 {
        ((u128::from(self.high) << 64) | u128::from(self.low)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_hash_equal() {
        let seed = KeySeed::random();
        let of = |parts: &[Value]| {
            let mut hasher = seed.begin();
            parts.iter().for_each(|part| hasher.add(KeyPart::Value(part)));
            hasher.finish()
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
        let mut pieces = seed.begin();
        pieces.add(KeyPart::Text("abc"));
        assert_eq!(pieces.finish(), of(&[text("abc")]));
    }

    #[test]
    fn each_half_tells_keys_apart() {
        let seed = KeySeed::random();
        let mut halves = [std::collections::BTreeSet::new(), std::collections::BTreeSet::new()];
        for number in 0..10_000 {
            let mut hasher = seed.begin();
            hasher.add(KeyPart::Text(&format!("port {number}")));
            let KeyHash { low, high } = hasher.finish();
            halves[0].insert(low);
            halves[1].insert(high);
        }
        assert_eq!(halves.map(|half| half.len()), [10_000; 2]);
    }

    #[test]
    fn digests_depend_on_order_and_length() {
        let of = |numbers: &[u64]| {
            let mut digest = Digest::new();
            numbers.iter().for_each(|number| digest.add(*number));
            digest.finish()
        };
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        assert_eq!(of(&[7, 8, 9]), of(&[7, 8, 9]));
    }
}
