//! What keeps many objects in little memory: numbers for keys, packed documents, tables in pages.

mod keys;
mod numbers;
mod ordered;
mod pages;

use std::sync::Arc;

use calipso_model::{Str, Vocabulary};
use calipso_store::ScopeKey;

use self::{keys::Keys, numbers::Numbers};
pub(crate) use self::{ordered::Ordered, pages::Pages};

/// Makes room for a number in a table: an eighth more than there is, where doubling would leave half of it empty.
pub(crate) fn make_room<T: Clone>(table: &mut Vec<T>, number: u32, empty: T) {
    let wanted = number as usize + 1;
    if table.capacity() < wanted {
        table.reserve_exact((wanted - table.len()).max(table.len() / 8));
    }
    if table.len() < wanted {
        table.resize(wanted, empty);
    }
}

/// What everything shares that is kept of one environment.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) keys: Keys,
    pub(crate) words: Vocabulary,
    pub(crate) scopes: Numbers<Arc<ScopeKey>>,
    /// Where objects were emitted, as `file:line:column`.
    pub(crate) steps: Numbers<Str>,
}
