//! Values that are met again and again, as numbers.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// Values numbered from 0 in the order in which they came. It grows, and forgets nothing.
#[derive(Debug)]
pub(crate) struct Numbers<T>(RwLock<Numbered<T>>);

#[derive(Debug)]
struct Numbered<T> {
    values: Vec<T>,
    numbers: BTreeMap<T, u32>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(RwLock::new(Numbered { values: Vec::new(), numbers: BTreeMap::new() }))
    }
}

impl<T: Clone + Ord> Numbers<T> {
    /// The number of a value, which it gets now if it has none.
    pub(crate) fn add(&self, value: &T) -> u32 {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).numbers.get(value).copied();
        known.unwrap_or_else(|| {
            let Numbered { values, numbers } = &mut *self.0.write().unwrap_or_else(PoisonError::into_inner);
            *numbers.entry(value.clone()).or_insert_with(|| {
                values.push(value.clone());
                u32::try_from(values.len() - 1).expect("an environment has fewer than 2^32 scopes and steps")
            })
        })
    }

    /// The value of a number that was given out here.
    pub(crate) fn get(&self, number: u32) -> T {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values.get(number as usize).cloned().expect("a number is asked only where it was given out")
    }
}
