//! Keys of objects and folders as numbers: each key lies in memory once, whoever speaks of it.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use calipso_model::{ObjectKey, Str};

use crate::compact::make_room;

/// The keys of one environment, numbered from 0 in the order in which they came. It grows, and forgets nothing: a number means the
/// same for all who share it.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<Numbered>);

/// Keys by number.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    types: Vec<Str>,
    type_numbers: BTreeMap<Str, u32>,
    /// By number: the number of its type.
    type_of: Vec<u32>,
    ids: Vec<Str>,
    /// Numbers by hash, in the first free place from there on; [`FREE`] where there is none.
    places: Vec<u32>,
    hashes: RandomState,
}

const FREE: u32 = u32::MAX;

impl Keys {
    /// The number of a key, if it has one.
    pub(crate) fn number(&self, key: &ObjectKey) -> Option<u32> {
        self.read().number(key)
    }

    /// The number of a key, which it gets now if it has none.
    pub(crate) fn add(&self, key: &ObjectKey) -> u32 {
        if let Some(number) = self.number(key) {
            return number;
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).add(key)
    }

    /// The key of a number that was given out here.
    pub(crate) fn key(&self, number: u32) -> ObjectKey {
        self.read().key(number)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.read().ids.len()
    }

    /// Sorts numbers of one type by their ids.
    pub(crate) fn sort_by_id(&self, numbers: &mut [u32]) {
        let known = self.read();
        numbers.sort_by(|one, other| known.id(*one).cmp(known.id(*other)));
    }

    /// All keys, for many questions at once. Nobody can add one meanwhile.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Numbered> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbered {
    fn hash(&self, type_number: u32, id: &str) -> usize {
        self.hashes.hash_one((type_number, id)) as usize
    }

    /// The place of a key, or the free one where it belongs.
    fn place(&self, type_number: u32, id: &str) -> Option<usize> {
        let mask = self.places.len().checked_sub(1)?;
        let mut place = self.hash(type_number, id) & mask;
        loop {
            let number = *self.places.get(place)?;
            if number == FREE || self.is(number, type_number, id) {
                return Some(place);
            }
            place = (place + 1) & mask;
        }
    }

    fn is(&self, number: u32, type_number: u32, id: &str) -> bool {
        self.type_of.get(number as usize) == Some(&type_number) && self.id(number) == id
    }

    pub(crate) fn number(&self, key: &ObjectKey) -> Option<u32> {
        let place = self.place(*self.type_numbers.get(&key.object_type)?, &key.id)?;
        self.places.get(place).copied().filter(|number| *number != FREE)
    }

    /// The id of a number that was given out here.
    pub(crate) fn id(&self, number: u32) -> &str {
        self.ids.get(number as usize).map(|id| &**id).unwrap_or_default()
    }

    /// The key of a number that was given out here.
    pub(crate) fn key(&self, number: u32) -> ObjectKey {
        let object_type = self.type_of.get(number as usize).and_then(|known| self.types.get(*known as usize));
        let id = self.ids.get(number as usize);
        let (object_type, id) = object_type.zip(id).expect("a number is asked only where it was given out");
        ObjectKey { object_type: object_type.clone(), id: id.clone() }
    }

    /// How two keys are ordered.
    pub(crate) fn cmp(&self, one: u32, other: u32) -> std::cmp::Ordering {
        let of = |number: u32| self.type_of.get(number as usize).copied().unwrap_or_default();
        let name = |number: u32| self.types.get(of(number) as usize);
        let by_type = if of(one) == of(other) { std::cmp::Ordering::Equal } else { name(one).cmp(&name(other)) };
        by_type.then_with(|| self.id(one).cmp(self.id(other)))
    }

    fn add(&mut self, key: &ObjectKey) -> u32 {
        if let Some(number) = self.number(key) {
            return number;
        }
        let number = u32::try_from(self.ids.len()).ok().filter(|number| *number < FREE);
        let number = number.expect("an environment has fewer than 2^32 keys");
        let type_number = match self.type_numbers.get(&key.object_type) {
            Some(type_number) => *type_number,
            None => {
                let type_number = u32::try_from(self.types.len()).expect("there are fewer types than keys");
                self.types.push(key.object_type.clone());
                self.type_numbers.insert(key.object_type.clone(), type_number);
                type_number
            }
        };
        // At most seven places in eight are taken.
        if (self.ids.len() + 1) * 8 > self.places.len() * 7 {
            self.spread();
        }
        make_room(&mut self.type_of, number, type_number);
        make_room(&mut self.ids, number, key.id.clone());
        self.put(number);
        number
    }

    fn put(&mut self, number: u32) {
        let type_number = self.type_of.get(number as usize).copied().unwrap_or_default();
        let place = self.place(type_number, self.id(number));
        if let Some(place) = place.and_then(|place| self.places.get_mut(place)) {
            *place = number;
        }
    }

    /// Doubles the places.
    fn spread(&mut self) {
        self.places = vec![FREE; (self.places.len() * 2).max(16)];
        let n_known = u32::try_from(self.ids.len()).expect("an environment has fewer than 2^32 keys");
        (0..n_known).for_each(|number| self.put(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_number_and_every_number_its_key() {
        let keys = Keys::default();
        let key = |number: usize| ObjectKey::new(["card", "port", "host"][number % 3], format!("{}", number / 3));
        assert_eq!(keys.number(&key(0)), None);
        let numbers: Vec<u32> = (0..5_000).map(|number| keys.add(&key(number))).collect();
        assert_eq!(keys.len(), 5_000);
        for (place, number) in numbers.iter().enumerate() {
            assert_eq!((keys.number(&key(place)), keys.add(&key(place))), (Some(*number), *number));
            assert_eq!(keys.key(*number), key(place));
        }
        assert_eq!(keys.number(&ObjectKey::new("card", "none")), None);
        assert_eq!(keys.number(&ObjectKey::new("none", "0")), None);
        let mut sorted = numbers.clone();
        let all = keys.read();
        sorted.sort_by(|one, other| all.cmp(*one, *other));
        assert!(sorted.windows(2).all(|pair| all.key(pair[0]) < all.key(pair[1])));
    }
}
