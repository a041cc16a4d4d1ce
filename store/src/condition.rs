//! How a store is, as far as its last answers tell: whether it takes what is written, and holds what was written.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;

/// How a store is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is known against it.
    #[default]
    Fine,
    /// No space is left: it can be read, and not written.
    Full,
    /// Something in it is not what was written.
    Damaged,
}

/// What was found by reading everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many documents were read.
    pub n_read: u64,
    /// What cannot be what was written, a sentence for each; the first of them.
    pub wrong: Vec<String>,
    /// How many more there are.
    pub n_left_out: u64,
}

impl Checked {
    /// So many sentences are kept.
    const MOST: usize = 100;

    /// Adds what is wrong.
    pub(crate) fn note(&mut self, wrong: String) {
        if self.wrong.len() < Self::MOST {
            self.wrong.push(wrong);
        } else {
            self.n_left_out = self.n_left_out.saturating_add(1);
        }
    }
}

/// Remembers what the answers of a store told of it. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<Mutex<Condition>>);

impl Watch {
    /// What is known.
    pub(crate) fn condition(&self) -> Condition {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of an answer; of one to a question that wrote nothing, only what is wrong counts.
    pub(crate) fn note<T>(&self, answer: &Result<T, StoreError>, wrote: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            // Damage stays until somebody has looked and started the program again.
            Err(StoreError::Corrupt { .. }) => {
                if *known != Condition::Damaged {
                    tracing::error!("The store is damaged; `calipso store check` tells where.");
                }
                *known = Condition::Damaged;
            }
            Err(StoreError::FullDisk { .. }) if *known == Condition::Fine => {
                tracing::error!("The store's disk is full: nothing can be written until some space is free.");
                *known = Condition::Full;
            }
            Ok(_) if wrote && *known == Condition::Full => {
                tracing::info!("The store can be written again.");
                *known = Condition::Fine;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Condition, Watch};
    use crate::error::StoreError;

    #[test]
    fn a_full_store_gets_well_and_a_damaged_one_does_not() {
        let watch = Watch::default();
        let full = || Err::<(), _>(StoreError::FullDisk { source: "no space".into() });
        watch.note(&Err::<(), _>(StoreError::Busy), true);
        assert_eq!(watch.condition(), Condition::Fine);
        watch.note(&full(), true);
        watch.note(&Ok(()), false);
        assert_eq!(watch.condition(), Condition::Full, "reading works on a full disk");
        watch.note(&Ok(()), true);
        assert_eq!(watch.condition(), Condition::Fine);
        watch.note(&Err::<(), _>(StoreError::corrupt("a page")), false);
        watch.note(&full(), true);
        watch.note(&Ok(()), true);
        assert_eq!(watch.condition(), Condition::Damaged);
    }
}
