//! The health of a store as its last answers show it: whether it can be written, and whether its content is intact.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;

/// The health of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreHealth {
    /// No fault is known.
    #[default]
    Fine,
    /// No space is left: it can be read, and not written.
    Full,
    /// Something in it is not what was written.
    Damaged,
}

/// What reading everything has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntegrityReport {
    /// Number of documents that were read.
    pub n_read: u64,
    /// One sentence for each fault, the first ones only.
    pub wrong: Vec<String>,
    /// Number of faults beyond those in `wrong`.
    pub n_left_out: u64,
}

impl IntegrityReport {
    /// Maximum number of sentences.
    const MOST: usize = 100;

    /// Adds a fault.
    pub(crate) fn note(&mut self, wrong: String) {
        if self.wrong.len() < Self::MOST {
            self.wrong.push(wrong);
        } else {
            self.n_left_out = self.n_left_out.saturating_add(1);
        }
    }
}

/// Remembers the health that the answers of a store showed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthWatch(Arc<Mutex<StoreHealth>>);

impl HealthWatch {
    /// The health as of the last answer.
    pub(crate) fn health(&self) -> StoreHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of an answer. The success of a read does not end a full disk: only a write does.
    pub(crate) fn note<T>(&self, answer: &Result<T, StoreError>, wrote: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            // Damage stays until the program is started again.
            Err(StoreError::Corrupt { .. }) => {
                if *known != StoreHealth::Damaged {
                    tracing::error!("The store is damaged; `calipso store check` tells where.");
                }
                *known = StoreHealth::Damaged;
            }
            Err(StoreError::FullDisk { .. }) if *known == StoreHealth::Fine => {
                tracing::error!("The store's disk is full: nothing can be written until some space is free.");
                *known = StoreHealth::Full;
            }
            Ok(_) if wrote && *known == StoreHealth::Full => {
                tracing::info!("The store can be written again.");
                *known = StoreHealth::Fine;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HealthWatch, StoreHealth};
    use crate::error::StoreError;

    #[test]
    fn a_full_store_gets_well_and_a_damaged_one_does_not() {
        let watch = HealthWatch::default();
        let full = || Err::<(), _>(StoreError::FullDisk { source: "no space".into() });
        watch.note(&Err::<(), _>(StoreError::Busy), true);
        assert_eq!(watch.health(), StoreHealth::Fine);
        watch.note(&full(), true);
        watch.note(&Ok(()), false);
        assert_eq!(watch.health(), StoreHealth::Full, "reading works on a full disk");
        watch.note(&Ok(()), true);
        assert_eq!(watch.health(), StoreHealth::Fine);
        watch.note(&Err::<(), _>(StoreError::corrupt("a page")), false);
        watch.note(&full(), true);
        watch.note(&Ok(()), true);
        assert_eq!(watch.health(), StoreHealth::Damaged);
    }
}
