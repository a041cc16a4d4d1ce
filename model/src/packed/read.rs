//! Reads packed documents.

use super::{
    FALSE, FEW, FLOAT, FREQUENT, HYPHENS, INT, LIST, MAC, MAP, SHORT_TEXT, SMALL_INT, TEXT, TRUE, UUID,
    words::{UNKNOWN, Words},
};
use crate::{Map, Str, Value};

/// The bytes that are left of a document. What [`super::Vocabulary::pack`] did not write reads as null, empty or not there.
pub(super) struct Reader<'r> {
    words: &'r Words,
    rest: &'r [u8],
}

impl<'r> Reader<'r> {
    pub(super) fn new(words: &'r Words, rest: &'r [u8]) -> Self {
        Self { words, rest }
    }

    /// The whole map.
    pub(super) fn map(&mut self) -> Map {
        let Some(number) = self.number().checked_sub(1) else {
            let pairs = (0..self.length()).map(|_| (self.name().into(), self.value(UNKNOWN)));
            return Map::from_pairs(pairs.collect());
        };
        let Some(shape) = self.words.shape(number) else { return Map::new() };
        let pairs = shape.names.iter().zip(&shape.columns);
        Map::from_pairs(pairs.map(|(name, column)| (name.clone(), self.value(*column))).collect())
    }

    /// One value of the map.
    pub(super) fn field(&mut self, name: &str) -> Option<Value> {
        let Some(number) = self.number().checked_sub(1) else {
            let is_it = (0..self.length()).any(|_| {
                let is_it = self.name() == name;
                if !is_it {
                    self.skip();
                }
                is_it
            });
            return is_it.then(|| self.value(UNKNOWN));
        };
        let shape = self.words.shape(number)?;
        let place = shape.names.iter().position(|known| **known == *name)?;
        for _ in 0..place {
            self.skip();
        }
        Some(self.value(*shape.columns.get(place)?))
    }

    fn value(&mut self, column: u32) -> Value {
        match self.byte() {
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => {
                let number = self.number();
                Value::Int((number >> 1) as i64 ^ -((number & 1) as i64))
            }
            FLOAT => {
                let mut bits = [0; 8];
                bits.iter_mut().zip(self.take(8)).for_each(|(to, from)| *to = *from);
                Value::Float(f64::from_bits(u64::from_le_bytes(bits)))
            }
            TEXT => {
                let length = self.number();
                self.text(length)
            }
            FREQUENT => {
                let number = self.number();
                self.frequent(column, number)
            }
            UUID => Value::Str(spelt(self.take(16), 36, |place| HYPHENS.contains(&place).then_some('-'))),
            MAC => Value::Str(spelt(self.take(6), 17, |place| (place % 3 == 2).then_some(':'))),
            LIST => {
                let length = self.length();
                Value::list((0..length).map(|_| self.value(column)).collect())
            }
            MAP => Value::Map(self.map()),
            short @ SHORT_TEXT..SMALL_INT => self.text((short - SHORT_TEXT).into()),
            small @ SMALL_INT..FEW => Value::Int((small - SMALL_INT).into()),
            few @ FEW.. => self.frequent(column, (few - FEW).into()),
            _ => Value::Null,
        }
    }

    fn skip(&mut self) {
        match self.byte() {
            INT | FREQUENT => drop(self.number()),
            FLOAT => drop(self.take(8)),
            TEXT => {
                let length = self.number();
                self.take(length);
            }
            UUID => drop(self.take(16)),
            MAC => drop(self.take(6)),
            LIST => (0..self.length()).for_each(|_| self.skip()),
            MAP => match self.number().checked_sub(1) {
                Some(number) => {
                    let n_fields = self.words.shape(number).map_or(0, |shape| shape.names.len());
                    (0..n_fields).for_each(|_| self.skip());
                }
                None => (0..self.length()).for_each(|_| {
                    self.name();
                    self.skip();
                }),
            },
            short @ SHORT_TEXT..SMALL_INT => drop(self.take((short - SHORT_TEXT).into())),
            _ => {}
        }
    }

    fn frequent(&self, column: u32, number: u64) -> Value {
        self.words.frequent(column, number).map_or(Value::Null, |text| Value::Str(text.clone()))
    }

    fn text(&mut self, length: u64) -> Value {
        Value::text(std::str::from_utf8(self.take(length)).unwrap_or_default())
    }

    /// A name in a map that has no shape.
    fn name(&mut self) -> &'r str {
        let length = self.number();
        std::str::from_utf8(self.take(length)).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, length: u64) -> &'r [u8] {
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    /// How many values follow; each takes a byte or more.
    fn length(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX).min(self.rest.len())
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for place in 0..10 {
            let byte = self.byte();
            number |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                break;
            }
        }
        number
    }
}

/// Bytes as hexadecimal digits, with what stands between them.
fn spelt(bytes: &[u8], length: usize, between: impl Fn(usize) -> Option<char>) -> Str {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
    let mut text = String::with_capacity(length);
    for byte in bytes {
        text.extend(between(text.len()));
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text.into()
}
