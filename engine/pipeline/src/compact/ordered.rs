//! Numbers of objects of one type in the order of their ids, sorted when somebody asks.

use std::sync::{Arc, Mutex, PoisonError};

use crate::compact::keys::Keys;

/// Which objects of a type there are. Cloning is cheap.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    len: usize,
    known: Mutex<Numbers>,
}

#[derive(Clone, Debug, Default)]
struct Numbers {
    /// In the order of their ids.
    sorted: Arc<Vec<u32>>,
    /// Those that came since.
    new: Vec<u32>,
    /// Some of `sorted` went since.
    has_gone: bool,
}

impl Clone for Ordered {
    fn clone(&self) -> Self {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { len: self.len, known: Mutex::new(known) }
    }
}

impl Ordered {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Notes that an object came or went.
    pub(crate) fn change(&mut self, number: u32, was_there: bool, is_there: bool) {
        self.len = self.len + usize::from(is_there) - usize::from(was_there);
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        match (was_there, is_there) {
            (false, true) => known.new.push(number),
            (true, false) => known.has_gone = true,
            _ => {}
        }
    }

    /// The objects in the order of their ids; `is_there` tells of each whether it is.
    pub(crate) fn numbers(&self, keys: &Keys, is_there: impl Fn(u32) -> bool) -> Arc<Vec<u32>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.new.is_empty() || known.has_gone {
            let new = std::mem::take(&mut known.new);
            known.has_gone = false;
            let sorted = Arc::make_mut(&mut known.sorted);
            sorted.extend(new);
            sorted.retain(|number| is_there(*number));
            keys.sort_by_id(sorted);
            // Who went and came again is among both.
            sorted.dedup();
            sorted.shrink_to_fit();
        }
        Arc::clone(&known.sorted)
    }
}
