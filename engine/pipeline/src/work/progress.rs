//! How far a scan is, as its request tells it.

use std::sync::{Mutex, PoisonError};

use calipso_model::ObjectKey;
use calipso_store::work::Progress;

use crate::scan::{Observer, Phase};

/// Collects what a scan tells while it goes on.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Progress>);

impl Board {
    /// How far it is.
    pub(super) fn read(&self) -> Progress {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Board {
    fn phase(&self, phase: Phase) {
        self.change(|progress| {
            progress.phase = match phase {
                Phase::Load => "load",
                Phase::Fetch => "fetch",
                Phase::Derive => "derive",
                Phase::Commit => "commit",
            }
            .into();
        });
    }

    fn stage(&self, stage: usize, n_stages: usize, n_runs: usize) {
        self.change(|progress| {
            progress.stage = stage as u64 + 1;
            progress.stages = n_stages as u64;
            progress.steps_planned += n_runs as u64;
        });
    }

    fn run(&self, _fetcher: &str, _parent: &ObjectKey, n_objects: usize, n_failures: usize) {
        self.change(|progress| {
            progress.steps_done += 1;
            progress.objects += n_objects as u64;
            progress.failures += n_failures as u64;
        });
    }
}
