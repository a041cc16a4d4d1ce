//! The one dynamic value of the system: what an answer holds, what an expression yields, what a document is made of.

mod json;

use std::{cmp::Ordering, fmt, sync::Arc};

pub use json::DistinctKeys;

/// Shared immutable text. Cloning is cheap.
pub type Str = Arc<str>;

/// A JSON-like value. Cloning is cheap at any size: lists and maps are shared.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// JSON's null: there, and without content.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; never NaN when it came from JSON.
    Float(f64),
    /// Unicode text of any length.
    Str(Str),
    /// Values in order, shared between clones.
    List(Arc<Vec<Value>>),
    /// A map with text keys, in key order.
    Map(Map),
}

/// A map with text keys, sorted by key. Cloning is cheap; changing copies when shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Arc<Vec<(Str, Value)>>);

/// Up to this many keys a map is searched from its begin.
const SMALL: usize = 24;

impl Map {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a map from pairs in any order; of equal keys the last one counts.
    #[must_use]
    pub fn from_pairs(mut pairs: Vec<(Str, Value)>) -> Self {
        let sorted = pairs.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if !sorted {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            pairs.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 = std::mem::take(&mut later.1);
                }
                same
            });
        }
        Self(Arc::new(pairs))
    }

    /// Makes a map from pairs in any order.
    ///
    /// # Errors
    /// A key that is there twice.
    pub fn from_distinct(mut pairs: Vec<(Str, Value)>) -> Result<Self, Str> {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(Arc::new(pairs))),
        }
    }

    /// The value of a key.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &str) -> Option<&Value> {
        // Most documents are small: comparing lengths one by one is then faster than jumping between keys.
        if self.0.len() <= SMALL {
            return self.0.iter().find(|(known, _)| known.as_ref() == key).map(|(_, value)| value);
        }
        self.position(key).ok().map(|found| &self.0[found].1)
    }

    /// The text under a key, if it is text.
    #[must_use]
    #[inline]
    pub fn text(&self, key: &str) -> Option<&Str> {
        match self.get(key) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether the key is there (its value may be null).
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_ok()
    }

    /// Sets a key.
    pub fn insert(&mut self, key: impl Into<Str>, value: impl Into<Value>) {
        let key = key.into();
        let entries = Arc::make_mut(&mut self.0);
        match entries.binary_search_by(|(known, _)| known.as_ref().cmp(key.as_ref())) {
            Ok(found) => entries[found].1 = value.into(),
            Err(index) => entries.insert(index, (key, value.into())),
        }
    }

    /// Sets some keys and removes those without a value, all at once and without spare room. `changes` is in key order.
    pub fn merge<'c>(&mut self, changes: impl Iterator<Item = (&'c Str, Option<&'c Value>)> + Clone) {
        if changes.clone().all(|(key, value)| value.is_none() && !self.contains_key(key)) {
            return;
        }
        let more = changes.clone().filter(|(_, value)| value.is_some()).count();
        let entries = Arc::make_mut(&mut self.0);
        let known = std::mem::take(entries);
        let mut merged = Vec::with_capacity(known.len() + more);
        let own = |(key, value): (&Str, Option<&Value>)| Some((key.clone(), value?.clone()));
        let mut changes = changes.peekable();
        for entry in known {
            let mut stays = true;
            while let Some(change) = changes.next_if(|(key, _)| stays && **key <= entry.0) {
                stays = *change.0 != entry.0;
                merged.extend(own(change));
            }
            if stays {
                merged.push(entry);
            }
        }
        merged.extend(changes.filter_map(own));
        *entries = merged;
    }

    /// Removes a key and returns what it held.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let found = self.position(key).ok()?;
        Some(Arc::make_mut(&mut self.0).remove(found).1)
    }

    /// How many keys there are.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys and values in key order.
    #[inline]
    pub fn iter(&self) -> std::slice::Iter<'_, (Str, Value)> {
        self.0.iter()
    }

    /// Keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &Str> {
        self.0.iter().map(|(key, _)| key)
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(key))
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Str, Value);
    type IntoIter = std::slice::Iter<'a, (Str, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Into<Str>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::from_pairs(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Value {
    /// Copies a text into a value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Str(Arc::from(text))
    }

    /// Wraps elements into a list.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }

    /// Whether this is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if this is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The map, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The whole number, if this is one.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// What kind of value this is, in the words of messages: `null`, `bool`, `integer`, `number`, `text`, `list`, `map`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "integer",
            Self::Float(_) => "number",
            Self::Str(_) => "text",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// A whole number. One that is too large for an integer stays the text that it is written as: as floating point it would
    /// be rounded, and two ids would become one.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        i64::try_from(number).map_or_else(|_| Self::text(&number.to_string()), Self::Int)
    }

    /// Parses JSON text.
    ///
    /// # Shape
    /// What [`Value::from_u64`] says of large numbers; those beyond 64 bits become floating point. Of a repeated key the last one counts (use the `json`
    /// parser of the parse crate where repetition matters).
    /// # Errors
    /// What `serde_json` says of text that is not JSON.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Compact JSON text; maps in key order, so equal values give equal text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a value has text keys and finite numbers only")
    }

    /// A total order over all values: by kind first, then by content. Integers and floats compare as numbers.
    #[must_use]
    pub fn total_cmp(&self, other: &Self) -> Ordering {
        fn rank(value: &Value) -> u8 {
            match value {
                Value::Null => 0,
                Value::Bool(_) => 1,
                Value::Int(_) | Value::Float(_) => 2,
                Value::Str(_) => 3,
                Value::List(_) => 4,
                Value::Map(_) => 5,
            }
        }
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Float(a), Self::Float(b)) => a.total_cmp(b),
            (Self::Int(a), Self::Float(b)) => (*a as f64).total_cmp(b),
            (Self::Float(a), Self::Int(b)) => a.total_cmp(&(*b as f64)),
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => {
                for (left, right) in a.iter().zip(b.iter()) {
                    let order = left.total_cmp(right);
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                a.len().cmp(&b.len())
            }
            (Self::Map(a), Self::Map(b)) => {
                for (left, right) in a.iter().zip(b.iter()) {
                    let order = left.0.cmp(&right.0).then_with(|| left.1.total_cmp(&right.1));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                a.len().cmp(&b.len())
            }
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

/// Equality of the language: numbers compare as numbers, everything else only with its own kind.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => *a as f64 == *b,
            (Self::Str(a), Self::Str(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::List(a), Self::List(b)) => Arc::ptr_eq(a, b) || a == b,
            (Self::Map(a), Self::Map(b)) => Arc::ptr_eq(&a.0, &b.0) || a == b,
            _ => false,
        }
    }
}

/// Shown as compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_json())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}
impl From<Str> for Value {
    fn from(text: Str) -> Self {
        Self::Str(text)
    }
}
impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}
impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::list(items)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_too_large_is_not_rounded() {
        let value = Value::from_json("[9223372036854775807, 9223372036854775808, 9223372036854775809]").unwrap();
        assert_eq!(value.to_json(), r#"[9223372036854775807,"9223372036854775808","9223372036854775809"]"#);
    }

    #[test]
    fn merging_is_setting_and_removing_one_by_one() {
        let names: Vec<Str> = ["a", "b", "c", "d"].map(Str::from).to_vec();
        // Each name is there or not, and is set, removed, or not spoken of.
        for case in 0..(2 * 3_usize).pow(4) {
            let of = |index: usize| case / 6_usize.pow(index as u32) % 6;
            let there = |index: &usize| of(*index) % 2 == 1;
            let pair = |index: usize| (names[index].clone(), Value::Int(index as i64));
            let known = Map::from_pairs((0..4).filter(there).map(pair).collect());
            let new = Value::text("new");
            let changes = (0..4).filter_map(|index| match of(index) / 2 {
                0 => None,
                1 => Some((&names[index], None)),
                _ => Some((&names[index], Some(&new))),
            });
            let (mut merged, mut expected) = (known.clone(), known.clone());
            merged.merge(changes.clone());
            for (name, value) in changes {
                match value {
                    Some(value) => expected.insert(name.clone(), value.clone()),
                    None => drop(expected.remove(name)),
                }
            }
            assert_eq!(merged, expected, "case {case}");
            assert_eq!(known.len(), (0..4).filter(there).count(), "whoever shares the map still has the old one");
        }
    }
}
