//! The words that packed documents share, and how they are written.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    FALSE, FEW, FLOAT, FREQUENT, HYPHENS, INT, LIST, MAC, MAP, NULL, SHORT, SHORT_TEXT, SMALL, SMALL_INT, TEXT, TRUE,
    UUID,
};
use crate::{Map, Str, Value};

/// A map that nothing iterates: only look-ups, so its order is never part of an output.
#[expect(clippy::disallowed_types, reason = "nothing iterates it; look-ups only")]
type LookUp<K, V> = std::collections::HashMap<K, V>;

/// Names, shapes and frequent texts.
#[derive(Debug, Default)]
pub(super) struct Words {
    shapes: Vec<Shape>,
    /// By a hash of their names.
    shape_numbers: BTreeMap<u64, Vec<u32>>,
    hashes: RandomState,
    columns: Vec<Column>,
    column_numbers: BTreeMap<Str, u32>,
}

/// The names of a map, in order, and the number of the column of each.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) names: Vec<Str>,
    pub(super) columns: Vec<u32>,
}

/// The texts that are frequent under one name.
#[derive(Debug, Default)]
struct Column {
    texts: Vec<Str>,
    numbers: LookUp<Str, u32>,
    /// How often a text was met that was there already.
    hits: AtomicU32,
    /// No text is taken in any more.
    is_closed: bool,
}

/// When a column has so many texts, and at every doubling, it has to have been worth it.
const TRIED: usize = 256;
/// How often each text of a column has to be met, on average, for it to take in more.
const WORTH: usize = 4;
/// A column has no more texts than this.
const MOST: usize = 1 << 16;
/// How long frequent texts are, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=200;

impl Words {
    pub(super) fn shape(&self, number: u64) -> Option<&Shape> {
        self.shapes.get(usize::try_from(number).ok()?)
    }

    /// The frequent text of a number.
    pub(super) fn frequent(&self, column: u32, number: u64) -> Option<&Str> {
        self.columns.get(column as usize)?.texts.get(usize::try_from(number).ok()?)
    }

    fn hash(&self, map: &Map) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        map.keys().for_each(|name| name.hash(&mut hasher));
        hasher.finish()
    }

    fn number_of(&self, map: &Map, hash: u64) -> Option<u32> {
        let is_it =
            |number: &&u32| self.shapes.get(**number as usize).is_some_and(|shape| shape.names.iter().eq(map.keys()));
        self.shape_numbers.get(&hash)?.iter().find(is_it).copied()
    }

    /// Takes in the names of a map and of those in it, and the texts that may become frequent.
    pub(super) fn learn(&mut self, map: &Map) {
        let hash = self.hash(map);
        let number = match self.number_of(map, hash) {
            Some(number) => number,
            None => {
                let number = u32::try_from(self.shapes.len()).expect("there are fewer shapes than 2^32");
                let names: Vec<Str> = map.keys().map(|name| self.name(name)).collect();
                let columns = names.iter().filter_map(|name| self.column_numbers.get(name).copied()).collect();
                self.shapes.push(Shape { names, columns });
                self.shape_numbers.entry(hash).or_default().push(number);
                number
            }
        };
        for (place, (_, value)) in map.iter().enumerate() {
            let column = self.shapes.get(number as usize).and_then(|shape| shape.columns.get(place)).copied();
            self.learn_value(column.unwrap_or_default(), value);
        }
    }

    fn learn_value(&mut self, column: u32, value: &Value) {
        match value {
            Value::Str(text) => {
                if let Some(column) = self.columns.get_mut(column as usize) {
                    column.learn(text);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.learn_value(column, item)),
            Value::Map(map) => self.learn(map),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }

    /// The name as all shapes have it.
    fn name(&mut self, name: &Str) -> Str {
        if let Some((known, _)) = self.column_numbers.get_key_value(name) {
            return known.clone();
        }
        let number = u32::try_from(self.columns.len()).expect("there are fewer names than 2^32");
        let name: Str = (&**name).into();
        self.columns.push(Column::default());
        self.column_numbers.insert(name.clone(), number);
        name
    }
}

impl Column {
    /// Whether a text may come in that is not there.
    fn takes(&self, text: &str) -> bool {
        !self.is_closed && LENGTHS.contains(&text.len())
    }

    fn learn(&mut self, text: &str) {
        if !self.takes(text) || self.numbers.contains_key(text) {
            return;
        }
        let number = self.texts.len();
        let is_worth_it = || self.hits.load(Ordering::Relaxed) as usize >= WORTH * number;
        if number >= MOST || number >= TRIED && number.is_power_of_two() && !is_worth_it() {
            self.is_closed = true;
            return;
        }
        let text: Str = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, u32::try_from(number).expect("a column has few texts"));
    }
}

/// Writes documents with the words that there are.
pub(super) struct Writer<'w> {
    words: &'w Words,
    out: &'w mut Vec<u8>,
}

impl<'w> Writer<'w> {
    pub(super) fn new(words: &'w Words, out: &'w mut Vec<u8>) -> Self {
        Self { words, out }
    }

    /// Writes a map; nothing when a word has to be learnt first.
    pub(super) fn map(&mut self, map: &Map) -> Option<()> {
        let number = self.words.number_of(map, self.words.hash(map))?;
        let shape = self.words.shape(number.into())?;
        self.number(number.into());
        for ((_, value), column) in map.iter().zip(&shape.columns) {
            self.value(value, *column)?;
        }
        Some(())
    }

    fn value(&mut self, value: &Value, column: u32) -> Option<()> {
        match value {
            Value::Null => self.out.push(NULL),
            Value::Bool(false) => self.out.push(FALSE),
            Value::Bool(true) => self.out.push(TRUE),
            Value::Int(number) => match u8::try_from(*number) {
                Ok(small) if small <= SMALL => self.out.push(SMALL_INT + small),
                _ => {
                    self.out.push(INT);
                    self.number(((number << 1) ^ (number >> 63)) as u64);
                }
            },
            Value::Float(number) => {
                self.out.push(FLOAT);
                self.out.extend_from_slice(&number.to_bits().to_le_bytes());
            }
            Value::Str(text) => self.text(text, column)?,
            Value::List(items) => {
                self.out.push(LIST);
                self.number(items.len() as u64);
                for item in items.iter() {
                    self.value(item, column)?;
                }
            }
            Value::Map(map) => {
                self.out.push(MAP);
                self.map(map)?;
            }
        }
        Some(())
    }

    fn text(&mut self, text: &Str, column: u32) -> Option<()> {
        let column = self.words.columns.get(column as usize)?;
        if let Some(number) = column.numbers.get(text) {
            column.hits.fetch_add(1, Ordering::Relaxed);
            match u8::try_from(*number) {
                Ok(few) if few < FEW => self.out.push(FEW + few),
                _ => {
                    self.out.push(FREQUENT);
                    self.number((*number).into());
                }
            }
            return Some(());
        }
        if column.takes(text) {
            return None;
        }
        if let Some(bytes) = uuid(text) {
            self.out.push(UUID);
            self.out.extend_from_slice(&bytes);
        } else if let Some(bytes) = mac(text) {
            self.out.push(MAC);
            self.out.extend_from_slice(&bytes);
        } else {
            match u8::try_from(text.len()) {
                Ok(short) if short <= SHORT => self.out.push(SHORT_TEXT + short),
                _ => {
                    self.out.push(TEXT);
                    self.number(text.len() as u64);
                }
            }
            self.out.extend_from_slice(text.as_bytes());
        }
        Some(())
    }

    fn number(&mut self, mut number: u64) {
        while number >= 128 {
            self.out.push(number as u8 | 128);
            number >>= 7;
        }
        self.out.push(number as u8);
    }
}

/// The bytes of a UUID, if this is one in the form that [`super::read`] gives back.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    if text.len() != 36 || HYPHENS.iter().any(|place| text.get(*place) != Some(&b'-')) {
        return None;
    }
    let mut digits = text.iter().enumerate().filter(|(place, _)| !HYPHENS.contains(place)).map(|(_, digit)| digit);
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = pair(digits.next()?, digits.next()?)?;
    }
    Some(bytes)
}

/// The bytes of a MAC address, if this is one in the form that [`super::read`] gives back.
fn mac(text: &str) -> Option<[u8; 6]> {
    let text = text.as_bytes();
    if text.len() != 17 {
        return None;
    }
    let mut bytes = [0; 6];
    for (byte, part) in bytes.iter_mut().zip(text.chunks(3)) {
        *byte = match part {
            [high, low] | [high, low, b':'] => pair(high, low)?,
            _ => return None,
        };
    }
    Some(bytes)
}

fn pair(high: &u8, low: &u8) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(*high)? << 4 | digit(*low)?)
}
