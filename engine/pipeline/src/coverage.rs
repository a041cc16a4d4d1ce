//! Which steps, branches and rules of the specs a run has reached.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use calipso_model::Str;
use calipso_spec::checked::At;

/// Places reached so far, each with a branch: `step`, `when true`, `alternative 2`, `form`, `rule` …
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    reached: Mutex<BTreeSet<(At, String)>>,
}

impl Coverage {
    pub(crate) fn reach(&self, at: &At, branch: &str) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.insert((at.clone(), branch.to_owned()));
    }

    /// The files of all specs of which something was reached.
    pub(crate) fn files(&self) -> BTreeSet<Str> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.iter().map(|(at, _)| at.file.clone()).collect()
    }

    pub(crate) fn has(&self, at: &At, branch: &str) -> bool {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.contains(&(at.clone(), branch.to_owned()))
    }
}
