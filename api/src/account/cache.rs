//! What is remembered for a short time, with bounds.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use calipso_store::StoreError;
use jiff::Timestamp;

/// Maximum number of entries.
const MOST: usize = 10_000;

/// Values that are true for a while.
pub(crate) struct Cache<K, V> {
    keep: Duration,
    inner: Mutex<Inner<K, V>>,
}

struct Inner<K, V> {
    entries: BTreeMap<K, (Timestamp, V)>,
    /// Grows when something is forgotten: what was read before that may be out of date.
    generation: u64,
}

impl<K: Ord + Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new(keep: Duration) -> Self {
        Self { keep, inner: Mutex::new(Inner { entries: BTreeMap::new(), generation: 0 }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<K, V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, at: Timestamp, now: Timestamp) -> bool {
        // A clock that was put back makes everything old.
        Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < self.keep)
    }

    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        let inner = self.inner();
        inner.entries.get(key).filter(|(at, _)| self.is_fresh(*at, now)).map(|(_, value)| value.clone())
    }

    pub(crate) fn generation(&self) -> u64 {
        self.inner().generation
    }

    /// Remembers what was found out, unless something was forgotten since its finding out began.
    pub(crate) fn put(&self, key: K, value: V, now: Timestamp, generation: u64) {
        let mut inner = self.inner();
        if inner.generation != generation {
            return;
        }
        if inner.entries.len() >= MOST {
            inner.entries.retain(|_, (at, _)| self.is_fresh(*at, now));
        }
        if inner.entries.len() < MOST {
            inner.entries.insert(key, (now, value));
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        let mut inner = self.inner();
        inner.entries.remove(key);
        inner.generation += 1;
    }

    pub(crate) fn clear(&self) {
        let mut inner = self.inner();
        inner.entries.clear();
        inner.generation += 1;
    }
}

impl<K: Ord + Clone, V: Clone> Cache<K, Option<V>> {
    /// What is remembered, or else what the store says. That there is nothing is not remembered.
    pub(crate) async fn get_or(
        &self,
        key: &K,
        now: Timestamp,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        if let Some(value) = self.get(key, now) {
            return Ok(value);
        }
        let generation = self.generation();
        let value = read().await?;
        if value.is_some() {
            self.put(key.clone(), value.clone(), now, generation);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{Cache, MOST};

    #[test]
    fn what_is_old_or_forgotten_is_gone_and_there_is_an_end() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let cache: Cache<usize, u8> = Cache::new(Duration::from_secs(2));
        cache.put(1, 1, at(10), cache.generation());
        assert_eq!(cache.get(&1, at(11)), Some(1));
        assert_eq!(cache.get(&1, at(12)), None);
        assert_eq!(cache.get(&1, at(9)), None, "the clock was put back");
        let before = cache.generation();
        cache.forget(&1);
        cache.put(1, 2, at(11), before);
        assert_eq!(cache.get(&1, at(11)), None, "it may have been read before the change");
        for key in 0..MOST + 10 {
            cache.put(key, 0, at(20), cache.generation());
        }
        assert_eq!(cache.get(&(MOST + 1), at(20)), None, "full");
        cache.put(MOST + 1, 0, at(30), cache.generation());
        assert_eq!(cache.get(&(MOST + 1), at(30)), Some(0), "old entries make room");
    }
}
