//! Values of one attribute to the objects that have them: by hash, as numbers.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use calipso_model::Value;

/// Objects by the hash of a value. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Hash and number, in order.
    base: Arc<Vec<(u32, u32)>>,
    /// What came since, and what of the base went since.
    added: BTreeSet<(u32, u32)>,
    gone: BTreeSet<(u32, u32)>,
}

/// So many changes, and one for each so many entries, are kept beside the base before it is made anew.
const CHANGES: usize = 1024;
const ENTRIES_A_CHANGE: usize = 8;

impl Index {
    /// From the hash and number of each object.
    pub(super) fn new(mut entries: Vec<(u32, u32)>) -> Self {
        entries.sort_unstable();
        Self { base: Arc::new(entries), ..Self::default() }
    }

    /// Notes that an object has another value, or came or went.
    pub(super) fn change(&mut self, number: u32, before: Option<u32>, after: Option<u32>) {
        if let Some(before) = before.map(|hash| (hash, number))
            && !self.added.remove(&before)
        {
            self.gone.insert(before);
        }
        if let Some(after) = after.map(|hash| (hash, number))
            && !self.gone.remove(&after)
        {
            self.added.insert(after);
        }
        if self.added.len() + self.gone.len() > CHANGES + self.base.len() / ENTRIES_A_CHANGE {
            let (added, gone) = (std::mem::take(&mut self.added), std::mem::take(&mut self.gone));
            let stays = self.base.iter().copied().filter(|entry| !gone.contains(entry));
            *self = Self::new(stays.chain(added).collect());
        }
    }

    /// The objects with a value of this hash.
    pub(super) fn find(&self, hash: u32) -> Vec<u32> {
        let from = self.base.partition_point(|entry| entry.0 < hash);
        let base = self.base.iter().skip(from).take_while(|entry| entry.0 == hash);
        let stays = base.filter(|entry| !self.gone.contains(*entry));
        stays.chain(self.added.range((hash, 0)..=(hash, u32::MAX))).map(|(_, number)| *number).collect()
    }
}

/// The hash of a value; what is not there is null. Equal values of the language have equal hashes: numbers hash as numbers,
/// however they are written.
pub(super) fn hash(value: Option<&Value>) -> u32 {
    let mut hasher = DefaultHasher::new();
    add(value.unwrap_or(&Value::Null), &mut hasher);
    hasher.finish() as u32
}

fn add(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(flag) => hasher.write_u8(1 + u8::from(*flag)),
        Value::Int(number) => add_number(*number as f64, hasher),
        Value::Float(number) => add_number(*number, hasher),
        Value::Str(text) => {
            hasher.write_u8(4);
            hasher.write(text.as_bytes());
        }
        Value::List(items) => {
            hasher.write_u8(5);
            items.iter().for_each(|item| add(item, hasher));
        }
        Value::Map(map) => {
            hasher.write_u8(6);
            for (name, item) in map {
                hasher.write(name.as_bytes());
                add(item, hasher);
            }
        }
    }
}

fn add_number(number: f64, hasher: &mut DefaultHasher) {
    hasher.write_u8(3);
    hasher.write_u64(if number == 0.0 { 0 } else { number.to_bits() });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_index_that_is_kept_up_finds_what_one_made_anew_finds() {
        let mut index = Index::default();
        let mut values: BTreeMap<u32, u32> = BTreeMap::new();
        for step in 0..20_000_u32 {
            let number = step.wrapping_mul(2_654_435_761) >> 20;
            let after = (step % 7 > 0).then_some(step % 13);
            let before = match after {
                Some(value) => values.insert(number, value),
                None => values.remove(&number),
            };
            if before != after {
                index.change(number, before, after);
            }
        }
        for value in 0..13 {
            let expected: Vec<u32> =
                values.iter().filter(|(_, known)| **known == value).map(|(number, _)| *number).collect();
            let mut found = index.find(value);
            found.sort_unstable();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn equal_values_have_equal_hashes() {
        let list = |value: Value| Value::list(vec![value]);
        assert_eq!(hash(Some(&list(Value::Int(1)))), hash(Some(&list(Value::Float(1.0)))));
        assert_eq!(hash(Some(&Value::Float(-0.0))), hash(Some(&Value::Int(0))));
        assert_eq!(hash(None), hash(Some(&Value::Null)));
        assert_ne!(hash(Some(&"1".into())), hash(Some(&Value::Int(1))));
    }
}
