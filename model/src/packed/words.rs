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
    room_for_documents: Room,
}

/// The names of a map that is met in one column, in order, and the number of the column of each.
#[derive(Debug)]
pub(super) struct Shape {
    column: u32,
    pub(super) names: Vec<Str>,
    pub(super) columns: Vec<u32>,
}

/// What is frequent under one name.
#[derive(Debug, Default)]
struct Column {
    texts: Vec<Str>,
    numbers: LookUp<Str, u32>,
    room: Room,
    /// For the shapes of maps.
    room_for_maps: Room,
}

/// Whether more is taken in of a kind: as long as what is there is met often enough.
#[derive(Debug, Default)]
struct Room {
    taken: usize,
    /// How often something was met that was there already.
    hits: AtomicU32,
    is_closed: bool,
}

/// The column of whole documents.
pub(super) const WHOLE: u32 = u32::MAX;
/// The column of what lies in a map that has no shape: nothing is frequent there.
pub(super) const UNKNOWN: u32 = u32::MAX - 1;

/// When so much was taken in, and at every doubling, it has to have been worth it.
const TRIED: usize = 256;
/// How often each has to be met, on average, for more to be taken in.
const WORTH: usize = 4;
/// No more than this is taken in.
const MOST: usize = 1 << 16;
/// How long frequent texts are, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=200;

impl Room {
    /// Takes in one more, if there is room. There will never be again when there is none now.
    fn take(&mut self) -> bool {
        let is_worth_it = self.hits.load(Ordering::Relaxed) as usize >= WORTH * self.taken;
        let is_asked = self.taken >= TRIED && self.taken.is_power_of_two();
        self.is_closed |= self.taken >= MOST || is_asked && !is_worth_it;
        self.taken += usize::from(!self.is_closed);
        !self.is_closed
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Words {
    pub(super) fn shape(&self, number: u64) -> Option<&Shape> {
        self.shapes.get(usize::try_from(number).ok()?)
    }

    #[cfg(test)]
    pub(super) fn n_shapes(&self) -> usize {
        self.shapes.len()
    }

    /// The frequent text of a number.
    pub(super) fn frequent(&self, column: u32, number: u64) -> Option<&Str> {
        self.columns.get(column as usize)?.texts.get(usize::try_from(number).ok()?)
    }

    fn hash(&self, map: &Map, column: u32) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        hasher.write_u32(column);
        map.keys().for_each(|name| name.hash(&mut hasher));
        hasher.finish()
    }

    fn number_of(&self, map: &Map, column: u32, hash: u64) -> Option<u32> {
        let is_it = |number: &&u32| {
            let shape = self.shapes.get(**number as usize);
            shape.is_some_and(|shape| shape.column == column && shape.names.iter().eq(map.keys()))
        };
        self.shape_numbers.get(&hash)?.iter().find(is_it).copied()
    }

    /// The room for shapes of maps in a column.
    fn room_for_maps(&self, column: u32) -> Option<&Room> {
        match column {
            WHOLE => Some(&self.room_for_documents),
            column => self.columns.get(column as usize).map(|column| &column.room_for_maps),
        }
    }

    /// Takes in the names of a map and of those in it, and the texts that may become frequent, as far as there is room.
    pub(super) fn learn(&mut self, map: &Map, column: u32) {
        let hash = self.hash(map, column);
        let Some(number) = self.number_of(map, column, hash).or_else(|| self.learn_shape(map, column, hash)) else {
            return;
        };
        for (place, (_, value)) in map.iter().enumerate() {
            let column = self.shapes.get(number as usize).and_then(|shape| shape.columns.get(place)).copied();
            self.learn_value(column.unwrap_or(UNKNOWN), value);
        }
    }

    fn learn_shape(&mut self, map: &Map, column: u32, hash: u64) -> Option<u32> {
        let room = match column {
            WHOLE => &mut self.room_for_documents,
            column => &mut self.columns.get_mut(column as usize)?.room_for_maps,
        };
        if !room.take() {
            return None;
        }
        let number = u32::try_from(self.shapes.len()).expect("there are fewer shapes than 2^32");
        let names: Vec<Str> = map.keys().map(|name| self.name(name)).collect();
        let columns = names.iter().filter_map(|name| self.column_numbers.get(name).copied()).collect();
        self.shapes.push(Shape { column, names, columns });
        self.shape_numbers.entry(hash).or_default().push(number);
        Some(number)
    }

    fn learn_value(&mut self, column: u32, value: &Value) {
        match value {
            Value::Str(text) => {
                if let Some(column) = self.columns.get_mut(column as usize) {
                    column.learn(text);
                }
            }
            Value::List(items) => items.iter().for_each(|item| self.learn_value(column, item)),
            Value::Map(map) => self.learn(map, column),
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
        !self.room.is_closed && LENGTHS.contains(&text.len())
    }

    fn learn(&mut self, text: &str) {
        if self.takes(text) && !self.numbers.contains_key(text) && self.room.take() {
            let number = u32::try_from(self.texts.len()).expect("a column has few texts");
            let text: Str = text.into();
            self.texts.push(text.clone());
            self.numbers.insert(text, number);
        }
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
    pub(super) fn map(&mut self, map: &Map, column: u32) -> Option<()> {
        let room = self.words.room_for_maps(column);
        let number = room.and_then(|_| self.words.number_of(map, column, self.words.hash(map, column)));
        if let Some(shape) = number.and_then(|number| self.words.shape(number.into())) {
            room.into_iter().for_each(Room::hit);
            self.number(u64::from(number?) + 1);
            for ((_, value), column) in map.iter().zip(&shape.columns) {
                self.value(value, *column)?;
            }
            return Some(());
        }
        if room.is_some_and(|room| !room.is_closed) {
            return None;
        }
        self.number(0);
        self.number(map.len() as u64);
        for (name, value) in map {
            self.number(name.len() as u64);
            self.out.extend_from_slice(name.as_bytes());
            self.value(value, UNKNOWN)?;
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
                self.map(map, column)?;
            }
        }
        Some(())
    }

    fn text(&mut self, text: &Str, column: u32) -> Option<()> {
        let column = self.words.columns.get(column as usize);
        if let Some((column, number)) = column.and_then(|column| Some((column, column.numbers.get(text)?))) {
            column.room.hit();
            match u8::try_from(*number) {
                Ok(few) if few < FEW => self.out.push(FEW + few),
                _ => {
                    self.out.push(FREQUENT);
                    self.number((*number).into());
                }
            }
            return Some(());
        }
        if column.is_some_and(|column| column.takes(text)) {
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
