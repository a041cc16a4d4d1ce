//! Hashing of ids and join keys: seeded for look-ups, fixed for fingerprints.

use std::hash::{BuildHasher, Hasher, RandomState};

use calipso_model::Value;

/// A map that nothing iterates: only look-ups, so its order is never part of an output.
#[expect(clippy::disallowed_types, reason = "nothing iterates it; look-ups only")]
pub(crate) type LookUp<K, V> = std::collections::HashMap<K, V, Seeded>;

const FIRST: u64 = 0x9e37_79b9_7f4a_7c15;
const SECOND: u64 = 0xd6e8_feb8_6659_fd93;

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

    /// Hash of the parts of a join key; equal keys of the language have equal hashes.
    pub(crate) fn key(self, parts: &[Value]) -> u64 {
        let mut hasher = self.build_hasher();
        for part in parts {
            hash_value(part, &mut hasher);
        }
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

fn hash_value(value: &Value, hasher: &mut Fold) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(flag) => hasher.write_u8(if *flag { 2 } else { 1 }),
        // Whole numbers and others compare as numbers, so they hash as numbers.
        Value::Int(number) => hash_number(*number as f64, hasher),
        Value::Float(number) => hash_number(*number, hasher),
        Value::Str(text) => hasher.write(text.as_bytes()),
        Value::List(items) => {
            hasher.write_u8(5);
            hasher.write_usize(items.len());
            for item in items.iter() {
                hash_value(item, hasher);
            }
        }
        Value::Map(map) => {
            hasher.write_u8(6);
            hasher.write_usize(map.len());
            for (key, item) in map {
                hasher.write(key.as_bytes());
                hash_value(item, hasher);
            }
        }
    }
}

fn hash_number(number: f64, hasher: &mut Fold) {
    hasher.write_u8(3);
    hasher.write_u64(if number == 0.0 { 0 } else { number.to_bits() });
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
        let seed = Seeded::random();
        assert_eq!(seed.key(&[Value::Int(3)]), seed.key(&[Value::Float(3.0)]));
        assert_eq!(seed.key(&[Value::Float(0.0)]), seed.key(&[Value::Float(-0.0)]));
        assert_ne!(seed.key(&[Value::text("3")]), seed.key(&[Value::Int(3)]));
        assert_ne!(seed.key(&[Value::text("ab"), Value::text("c")]), seed.key(&[Value::text("a"), Value::text("bc")]));
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
