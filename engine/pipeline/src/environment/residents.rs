//! The environments that a process holds in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use calipso_model::Str;
use calipso_store::{Backend, Lease, StoreError};

use crate::{
    environment::{Contributor, EnvironmentLease, Resident, contributors::Owner},
    merge::Ticket,
    plan::Plan,
    scan::{ScanError, ScanRequest},
};

/// Environments in memory, at most one of each name. Those that were not worked on for the longest time go first when
/// there are too many objects.
pub struct Residents {
    /// By name, those on which somebody works. Who begins or ends to work on one holds its gate.
    gates: Mutex<BTreeMap<Str, Arc<Gate>>>,
    /// Those on which nobody works. The one that was worked on last comes last.
    idle: Mutex<Vec<Idle>>,
    max_objects: usize,
}

type Gate = tokio::sync::Mutex<Weak<Owner>>;

/// An environment on which nobody works.
struct Idle {
    resident: Resident,
    since: Instant,
}

impl Default for Residents {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Residents {
    /// Room for so many objects of environments on which nobody works at the moment.
    #[must_use]
    pub fn new(max_objects: usize) -> Self {
        Self { gates: Mutex::default(), idle: Mutex::default(), max_objects }
    }

    /// Begins to contribute to the environment of a plan: beside those who do so already in this process, or, as the first, with
    /// its lease.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] while another process works on it, or this one by another plan; the store cannot be read.
    pub(crate) async fn begin(self: &Arc<Self>, request: &ScanRequest<'_>) -> Result<Contributor, ScanError> {
        let beginner = Beginner {
            residents: Arc::clone(self),
            plan: Arc::clone(&request.plan),
            store: Arc::clone(&request.store),
            holder: request.holder.clone(),
            now: request.now,
            lease: request.lease,
        };
        // In a task of its own: whoever gives up while it goes on leaves nothing half done.
        match tokio::spawn(beginner.begin()).await {
            Ok(begun) => begun,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Lets go of an owner for one who contributed. After the last one the lease is given back, and what is in memory kept for a while.
    pub(super) async fn release(self: Arc<Self>, owner: Arc<Owner>) {
        let name = owner.plan.environment.name.clone();
        let Some(gate) = lock(&self.gates).get(&name).cloned() else { return };
        let mut gate = gate.lock().await;
        // Nobody can begin while the gate is held, so the last one is known as such.
        let Some(owner) = Arc::into_inner(owner) else { return };
        *gate = Weak::new();
        if let Some(mut resident) = owner.slot.lock().await.resident.take() {
            // The tickets end with the owner; those of the next one begin anew.
            resident.forget_before(Ticket::MAX);
            self.keep(resident);
        }
        owner.lease.give_back().await;
    }

    /// The environment of a plan: the one that is there, if it is still what the store says, or one that is read anew. The lease of the
    /// environment has to be held.
    async fn take(&self, plan: &Arc<Plan>, store: &dyn Backend) -> Result<Resident, StoreError> {
        let found = {
            let mut idle = lock(&self.idle);
            let index = idle.iter().position(|known| known.resident.plan.environment.name == plan.environment.name);
            index.map(|index| idle.remove(index).resident)
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
    fn keep(&self, resident: Resident) {
        if self.max_objects == 0 || resident.view.known.is_worn() {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.push(Idle { resident, since: Instant::now() });
        let mut n_objects: usize = idle.iter().map(|known| known.resident.n_objects()).sum();
        while n_objects > self.max_objects && !idle.is_empty() {
            n_objects -= idle.remove(0).resident.n_objects();
        }
    }

    /// How many objects the environments have on which nobody works.
    #[must_use]
    pub fn n_objects(&self) -> usize {
        lock(&self.idle).iter().map(|known| known.resident.n_objects()).sum()
    }

    /// Forgets what nobody worked on for so long.
    pub(crate) fn forget_idle(&self, at_most: Duration) {
        lock(&self.idle).retain(|known| known.since.elapsed() < at_most);
    }
}

/// What is needed to begin.
struct Beginner {
    residents: Arc<Residents>,
    plan: Arc<Plan>,
    store: Arc<dyn Backend>,
    holder: Str,
    now: jiff::Timestamp,
    lease: Duration,
}

impl Beginner {
    async fn begin(self) -> Result<Contributor, ScanError> {
        let name = &self.plan.environment.name;
        let gate = Arc::clone(lock(&self.residents.gates).entry(name.clone()).or_default());
        let mut gate = gate.lock().await;
        let owner = match gate.upgrade() {
            // Nothing that is written under it would be kept; who began with it ends soon.
            Some(owner) if owner.lease.is_lost() => {
                return Err(StoreError::LeaseLost { environment: name.clone() }.into());
            }
            Some(owner) if is_same_plan(&owner.plan, &self.plan) => owner,
            Some(owner) => {
                let Lease { environment, holder, .. } = owner.lease.current().await;
                // It ends with whoever works by the other plan, which may be soon.
                let until_millis = self.now.as_millisecond();
                return Err(StoreError::LeaseHeld { environment, holder, until_millis }.into());
            }
            None => {
                let owner = Arc::new(self.owner().await?);
                *gate = Arc::downgrade(&owner);
                owner
            }
        };
        Contributor::begin(owner, Arc::clone(&self.residents), &*self.store).await
    }

    async fn owner(&self) -> Result<Owner, ScanError> {
        let (plan, store) = (&self.plan, &self.store);
        let lease = EnvironmentLease::take(store, &plan.environment.name, &self.holder, self.now, self.lease).await?;
        match self.residents.take(plan, &**store).await {
            Ok(resident) => Ok(Owner::new(Arc::clone(plan), lease, resident)),
            Err(error) => {
                lease.give_back().await;
                Err(error.into())
            }
        }
    }
}

/// Whether two plans ask the same of the same.
pub(super) fn is_same_plan(one: &Plan, other: &Plan) -> bool {
    Arc::ptr_eq(&one.specs, &other.specs) && one.environment == other.environment
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
