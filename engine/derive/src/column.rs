//! One attribute of all objects of a type.

use std::collections::BTreeSet;

use calipso_model::{Value, same::same};
use hashbrown::HashTable;

use crate::{
    graph::{Heap, room, table},
    hash::{Bytes, Seed},
    nodes::NIL,
};

/// Columns of fewer objects stay as they are.
const SHORT: usize = 1_000;
/// Minimum number of objects for each value, on average, for values to be shared.
const OBJECTS_PER_VALUE: usize = 4;

/// Number of values of a long column that are looked at before all are.
const SAMPLE: usize = 4_096;

/// The values of one attribute, by object. A column gets longer only when an object has a value.
///
/// # Shape
/// Where few values differ (hosts, states), each is kept once and objects have its number, four bytes; else every object has its
/// own, twenty-four.
#[derive(Debug)]
pub(crate) struct Column {
    values: Values,
    /// How long it was when it was last decided whether values are shared.
    decided_at: usize,
}

#[derive(Debug)]
enum Values {
    Own(Vec<Option<Value>>),
    Shared(Shared),
}

#[derive(Debug, Default)]
struct Shared {
    /// By object: the number of its value, or [`NIL`].
    numbers: Vec<u32>,
    values: Vec<Value>,
    /// By value: how many objects have it.
    uses: Vec<u32>,
    by_hash: HashTable<u32>,
    free: Vec<u32>,
}

impl Default for Column {
    fn default() -> Self {
        Self { values: Values::Own(Vec::new()), decided_at: 0 }
    }
}

impl Column {
    /// The value of an object, if it has one.
    #[inline]
    pub(crate) fn get(&self, object: u32) -> Option<&Value> {
        match &self.values {
            Values::Own(values) => values.get(object as usize)?.as_ref(),
            Values::Shared(shared) => shared.values.get(*shared.numbers.get(object as usize)? as usize),
        }
    }

    /// Sets or removes the value of an object.
    pub(crate) fn set(&mut self, object: u32, value: Option<&Value>, bytes: &mut Bytes) {
        let index = object as usize;
        match &mut self.values {
            Values::Own(values) => match values.get_mut(index) {
                Some(known) => *known = value.cloned(),
                None if value.is_none() => {}
                None => {
                    values.resize(index, None);
                    values.push(value.cloned());
                }
            },
            Values::Shared(shared) => shared.set(index, value, bytes),
        }
    }

    /// Makes room for objects up to a number of them.
    pub(crate) fn reserve(&mut self, objects: usize) {
        match &mut self.values {
            Values::Own(values) => values.reserve_exact(objects.saturating_sub(values.len())),
            Values::Shared(shared) => shared.numbers.reserve(objects.saturating_sub(shared.numbers.len())),
        }
    }

    /// Decides again whether values are shared, where the column is twice as long as when that was decided last.
    pub(crate) fn settle(&mut self, seed: Seed) {
        let length = match &self.values {
            Values::Own(values) => values.len(),
            Values::Shared(shared) => shared.numbers.len(),
        };
        if length < SHORT || length < self.decided_at * 2 {
            return;
        }
        self.decided_at = length;
        match &mut self.values {
            Values::Own(values) => match Shared::of(values, &mut Bytes::new(seed)) {
                Some(shared) => self.values = Values::Shared(shared),
                None => values.shrink_to_fit(),
            },
            Values::Shared(shared) if shared.values.len() > length / OBJECTS_PER_VALUE * 2 => {
                let own = |number: &u32| shared.values.get(*number as usize).cloned();
                self.values = Values::Own(shared.numbers.iter().map(own).collect());
            }
            Values::Shared(_) => {}
        }
    }

    /// Bytes that it holds.
    pub(crate) fn memory(&self, heap: &mut Heap) -> usize {
        match &self.values {
            Values::Own(values) => room(values) + values.iter().flatten().map(|value| heap.value(value)).sum::<usize>(),
            Values::Shared(shared) => {
                let lists = room(&shared.numbers) + room(&shared.values) + room(&shared.uses) + room(&shared.free);
                let values = shared.values.iter().map(|value| heap.value(value)).sum::<usize>();
                lists + values + table(&shared.by_hash)
            }
        }
    }
}

fn hash(value: &Value, bytes: &mut Bytes) -> u64 {
    bytes.same_value(value);
    bytes.digest()[0]
}

impl Shared {
    /// The same values, each kept once; none where too many of them differ.
    fn of(own: &[Option<Value>], bytes: &mut Bytes) -> Option<Self> {
        if !may_be_few(own, bytes) {
            return None;
        }
        let most = own.len() / OBJECTS_PER_VALUE;
        let mut shared = Self { numbers: vec![NIL; own.len()], ..Self::default() };
        for (index, value) in own.iter().enumerate() {
            shared.set(index, value.as_ref(), bytes);
            if shared.values.len() > most {
                return None;
            }
        }
        shared.values.shrink_to_fit();
        shared.uses.shrink_to_fit();
        Some(shared)
    }

    fn set(&mut self, index: usize, value: Option<&Value>, bytes: &mut Bytes) {
        let number = value.map_or(NIL, |value| self.number(value, bytes));
        let former = match self.numbers.get_mut(index) {
            Some(known) => std::mem::replace(known, number),
            None if number == NIL => return,
            None => {
                self.numbers.resize(index, NIL);
                self.numbers.push(number);
                NIL
            }
        };
        if number != NIL {
            self.uses[number as usize] += 1;
        }
        if former != NIL {
            self.uses[former as usize] -= 1;
            if self.uses[former as usize] == 0 {
                self.forget(former, bytes);
            }
        }
    }

    fn number(&mut self, value: &Value, bytes: &mut Bytes) -> u32 {
        let hashed = hash(value, bytes);
        if let Some(known) = self.by_hash.find(hashed, |known| same(&self.values[*known as usize], value)) {
            return *known;
        }
        let number = match self.free.pop() {
            Some(number) => {
                self.values[number as usize] = value.clone();
                number
            }
            None => {
                self.values.push(value.clone());
                self.uses.push(0);
                self.values.len() as u32 - 1
            }
        };
        let (values, seed) = (&self.values, bytes.seed());
        let again = |known: &u32| hash(&values[*known as usize], &mut Bytes::new(seed));
        self.by_hash.insert_unique(hashed, number, again);
        number
    }

    fn forget(&mut self, number: u32, bytes: &mut Bytes) {
        let value = std::mem::take(&mut self.values[number as usize]);
        if let Ok(known) = self.by_hash.find_entry(hash(&value, bytes), |known| *known == number) {
            known.remove();
        }
        self.free.push(number);
    }
}

/// Whether a sample does not rule out that few values differ: when as few differ as is worth sharing, some of the sample are the
/// same (as birthdays are), and at least half as many as expected should be there.
fn may_be_few(own: &[Option<Value>], bytes: &mut Bytes) -> bool {
    if own.len() <= SAMPLE {
        return true;
    }
    let expected = SAMPLE * SAMPLE * OBJECTS_PER_VALUE / 2 / own.len();
    let seed = bytes.seed();
    let mut seen = BTreeSet::new();
    let sample = (0..SAMPLE).map(|number| (seed.address(number) % own.len() as u64) as usize);
    let values = sample.collect::<BTreeSet<usize>>().into_iter().filter_map(|index| own[index].as_ref());
    let repeated = values.filter(|value| !seen.insert(hash(value, bytes))).count();
    repeated * 2 >= expected
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value for each object: one of `different` texts, or none for every seventh.
    fn value(object: u32, different: u32) -> Option<Value> {
        (object % 7 != 3).then(|| Value::text(&format!("value {}", object % different)))
    }

    #[test]
    fn values_are_the_same_shared_or_not() {
        let seed = Seed::random();
        let mut bytes = Bytes::new(seed);
        for (length, different) in [(2_000, 3), (2_000, 1_999), (40_000, 800), (40_000, 39_999)] {
            let mut column = Column::default();
            for object in 0..length {
                column.set(object, value(object, different).as_ref(), &mut bytes);
            }
            column.settle(seed);
            assert_eq!(matches!(column.values, Values::Shared(_)), different < length / 4);
            for object in 0..length {
                assert_eq!(column.get(object), value(object, different).as_ref());
            }
            assert_eq!(column.get(length), None);
        }
    }

    #[test]
    fn shared_values_come_and_go() {
        let seed = Seed::random();
        let mut bytes = Bytes::new(seed);
        let mut column = Column::default();
        for object in 0..2_000 {
            column.set(object, Some(&Value::Int(1)), &mut bytes);
        }
        column.settle(seed);
        column.set(5, Some(&Value::Float(1.0)), &mut bytes);
        // Equal, but not the same: both are kept.
        assert_eq!(format!("{:?}", (column.get(4), column.get(5))), "(Some(Int(1)), Some(Float(1.0)))");
        for round in 0..100 {
            column.set(6, Some(&Value::Int(round)), &mut bytes);
        }
        column.set(5, None, &mut bytes);
        let Values::Shared(shared) = &column.values else { panic!("few values differ") };
        assert!(shared.values.len() <= 4 && shared.by_hash.len() == 2, "{shared:?}");
        // Many that differ: every object has its own again, once the column is long enough to ask.
        for object in 0..4_000 {
            column.set(object, Some(&Value::Int(i64::from(object))), &mut bytes);
        }
        column.settle(seed);
        assert!(matches!(column.values, Values::Own(_)));
        assert!((0..4_000).all(|object| column.get(object) == Some(&Value::Int(i64::from(object)))));
    }
}
