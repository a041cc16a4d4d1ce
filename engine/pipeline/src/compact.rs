//! What keeps many objects in little memory: numbers for keys, packed documents, tables in pages.

mod keys;
mod pages;

use calipso_model::Vocabulary;

pub(crate) use self::{keys::Keys, pages::Pages};

/// What everything shares that is kept of one environment.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) keys: Keys,
    pub(crate) words: Vocabulary,
}
