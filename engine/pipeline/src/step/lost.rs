//! Of which types a run may have left objects out: only their scopes keep what they do not name.

use std::collections::BTreeSet;

use calipso_model::Str;
use calipso_spec::checked::{Step, Verb};

/// Types of which an object may have been left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    all: bool,
    types: BTreeSet<Str>,
}

impl Lost {
    pub(crate) fn everything(&mut self) {
        self.all = true;
    }

    pub(crate) fn one(&mut self, object_type: &Str) {
        self.types.insert(object_type.clone());
    }

    /// The types that a step emits, in its blocks too; a `stop` that may have been reached leaves out what comes after it.
    pub(crate) fn all_of(&mut self, step: &Step) {
        match &step.verb {
            Verb::Emit(emit) => self.one(&emit.object_type),
            Verb::Stop(_) => self.everything(),
            Verb::Do(block) => block.steps.iter().for_each(|step| self.all_of(step)),
            Verb::FirstOf(blocks) => {
                blocks.iter().flat_map(|block| &block.steps).for_each(|step| self.all_of(step));
            }
            _ => {}
        }
    }

    pub(crate) fn join(&mut self, other: Lost) {
        self.all |= other.all;
        self.types.extend(other.types);
    }

    /// Whether an object of a type may have been left out.
    pub(crate) fn holds(&self, object_type: &Str) -> bool {
        self.all || self.types.contains(object_type)
    }
}
