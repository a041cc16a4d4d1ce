//! The environments that a process holds in memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use calipso_store::{Backend, StoreError};

use crate::{environment::Resident, plan::Plan};

/// Environments in memory, at most one of each name. Those that were not worked on for the longest time go first when
/// there are too many objects.
pub struct Residents {
    /// The one that was worked on last comes last.
    idle: Mutex<Vec<Idle>>,
    max_objects: usize,
}

/// An environment on which nobody works.
struct Idle {
    resident: Resident,
    since: Instant,
}

impl Default for Residents {
    /// Keeps nothing.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Residents {
    /// Room for so many objects of environments on which nobody works at the moment.
    #[must_use]
    pub fn new(max_objects: usize) -> Self {
        Self { idle: Mutex::default(), max_objects }
    }

    /// The environment of a plan: the one that is there, if it is still what the store says, or one that is read anew. The lease of the
    /// environment has to be held.
    pub(crate) async fn take(&self, plan: &Arc<Plan>, store: &dyn Backend) -> Result<Resident, StoreError> {
        let found = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let place = idle.iter().position(|known| known.resident.plan.environment.name == plan.environment.name);
            place.map(|place| idle.remove(place).resident)
        };
        match found {
            Some(mut resident) if resident.is_current(plan, store).await? => {
                resident.plan = Arc::clone(plan);
                Ok(resident)
            }
            _ => Resident::boot(Arc::clone(plan), store).await,
        }
    }

    /// Keeps an environment until it is asked for again, if there is room.
    pub(crate) fn keep(&self, resident: Resident) {
        if self.max_objects == 0 || resident.view.known.is_worn() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { resident, since: Instant::now() });
        let mut n_objects: usize = idle.iter().map(|known| known.resident.n_objects()).sum();
        while n_objects > self.max_objects && !idle.is_empty() {
            n_objects -= idle.remove(0).resident.n_objects();
        }
    }

    /// How many objects the environments have on which nobody works.
    #[must_use]
    pub fn n_objects(&self) -> usize {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().map(|known| known.resident.n_objects()).sum()
    }

    /// Forgets what nobody worked on for so long.
    pub(crate) fn forget_idle(&self, at_most: Duration) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|known| known.since.elapsed() < at_most);
    }
}
