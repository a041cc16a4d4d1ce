//! Those who contribute to one environment at the same time, under one lease.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::Revision;
use calipso_store::{Backend, Commit, Lease, Searched, StoreError};
use tokio::sync::OwnedMutexGuard;

use crate::{
    environment::{EnvironmentLease, Resident, Residents, View},
    identity::Identities,
    merge::Ticket,
    plan::Plan,
    scan::ScanError,
};

/// An environment on which this process works, for as long as anybody contributes to it.
pub(super) struct Owner {
    pub(super) plan: Arc<Plan>,
    pub(super) lease: EnvironmentLease,
    pub(super) slot: Arc<tokio::sync::Mutex<ResidentSlot>>,
    tickets: Mutex<Tickets>,
}

/// The environment, unless something went wrong with it.
pub(super) struct ResidentSlot {
    pub(super) resident: Option<Resident>,
    /// Grows whenever it was forgotten: what began before does not fit what was read since.
    generation: u64,
}

#[derive(Default)]
struct Tickets {
    last: Ticket,
    open: BTreeSet<Ticket>,
}

impl Owner {
    pub(super) fn new(plan: Arc<Plan>, lease: EnvironmentLease, resident: Resident) -> Self {
        let slot = Arc::new(tokio::sync::Mutex::new(ResidentSlot { resident: Some(resident), generation: 0 }));
        Self { plan, lease, slot, tickets: Mutex::default() }
    }

    fn tickets<T>(&self, with: impl FnOnce(&mut Tickets) -> T) -> T {
        with(&mut self.tickets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Somebody who works on an environment: a scan, from its first question to its commit. Others may do the same beside it.
pub(crate) struct Contributor {
    pub(super) owner: Option<Arc<Owner>>,
    residents: Arc<Residents>,
    ticket: Ticket,
    generation: u64,
    /// How the environment stood when this began.
    version: u64,
    ids: Identities,
    view: Option<View>,
}

impl Contributor {
    /// One who begins now.
    pub(super) async fn begin(
        owner: Arc<Owner>,
        residents: Arc<Residents>,
        store: &dyn Backend,
    ) -> Result<Self, ScanError> {
        let mut slot = owner.slot.lock().await;
        let generation = slot.generation;
        let resident = match &mut slot.resident {
            Some(resident) => resident,
            // It was forgotten, and those who began with it are still there.
            empty => empty.insert(Resident::boot(Arc::clone(&owner.plan), store).await?),
        };
        let ticket = owner.tickets(|tickets| {
            tickets.last += 1;
            tickets.open.insert(tickets.last);
            tickets.last
        });
        let (version, ids, view) = (resident.version(), resident.ids().clone(), resident.view(ticket));
        drop(slot);
        Ok(Self { owner: Some(owner), residents, ticket, generation, version, ids, view: Some(view) })
    }

    pub(crate) fn ids(&self) -> &Identities {
        &self.ids
    }

    /// What was known when this began.
    ///
    /// # Errors
    /// It was taken before.
    pub(crate) fn take_view(&mut self) -> Result<View, ScanError> {
        self.view.take().ok_or(ScanError::Forgotten)
    }

    /// Waits until nobody else hands over, and begins to do so.
    ///
    /// # Errors
    /// What it began with was forgotten since.
    pub(crate) async fn turn(&self) -> Result<Turn, ScanError> {
        let Some(owner) = &self.owner else { return Err(ScanError::Forgotten) };
        let mut slot = Arc::clone(&owner.slot).lock_owned().await;
        if slot.generation != self.generation {
            return Err(ScanError::Forgotten);
        }
        let resident = slot.resident.take().ok_or(ScanError::Forgotten)?;
        let (owner, resident) = (Arc::clone(owner), Some(resident));
        Ok(Turn { slot, owner, resident, ticket: self.ticket, version: self.version })
    }

    /// Ends it. The last one gives the lease back.
    pub(crate) async fn leave(mut self) {
        if let Some(owner) = self.owner.take() {
            owner.tickets(|tickets| tickets.open.remove(&self.ticket));
            // In a task of its own: whoever gives up while it goes on leaves nothing half done.
            let released = tokio::spawn(Arc::clone(&self.residents).release(owner));
            if let Err(error) = released.await {
                tracing::error!(%error, "How a contribution ended could not be told; its lease runs out by itself.");
            }
        }
    }
}

impl Drop for Contributor {
    /// One that nobody waits for any more, or that met a fault of ours.
    fn drop(&mut self) {
        let Some(owner) = self.owner.take() else { return };
        owner.tickets(|tickets| tickets.open.remove(&self.ticket));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let residents = Arc::clone(&self.residents);
            runtime.spawn(async move { residents.release(owner).await });
        }
    }
}

/// The time in which a contributor alone changes the environment.
pub(crate) struct Turn {
    slot: OwnedMutexGuard<ResidentSlot>,
    owner: Arc<Owner>,
    /// There until the turn ends.
    resident: Option<Resident>,
    ticket: Ticket,
    version: u64,
}

impl Turn {
    /// The environment.
    ///
    /// # Errors
    /// The turn is over.
    pub(crate) fn resident(&mut self) -> Result<&mut Resident, ScanError> {
        self.resident.as_mut().ok_or(ScanError::Forgotten)
    }

    /// Takes over what the contributor found, and brings everything up to date that follows from it.
    ///
    /// # Errors
    /// The rules cannot be followed, or the store cannot be read.
    pub(crate) async fn contribute(&mut self, view: View, store: &dyn Backend) -> Result<(), ScanError> {
        let version = self.version;
        self.resident()?.contribute(view, version, store).await
    }

    /// The lease under which it is committed.
    pub(crate) async fn lease(&self) -> Lease {
        self.owner.lease.current().await
    }

    /// Commits under the lease of the environment, after saying by what objects are found.
    ///
    /// # Errors
    /// Those of the store. A lease that is lost is so for everybody who contributes.
    pub(crate) async fn commit(
        &self,
        store: &dyn Backend,
        searched: &Searched,
        commit: &Commit<'_>,
    ) -> Result<Revision, StoreError> {
        let committed = match store.search_by(commit.lease, searched).await {
            Ok(()) => store.commit(commit).await,
            Err(error) => Err(error),
        };
        if matches!(committed, Err(StoreError::LeaseLost { .. })) {
            self.owner.lease.note_lost();
        }
        committed
    }

    /// Ends the turn, with everything as the store has it.
    pub(crate) fn end(mut self) {
        let Some(mut resident) = self.resident.take() else { return };
        let others = |tickets: &mut Tickets| tickets.open.iter().find(|open| **open != self.ticket).copied();
        resident.forget_before(self.owner.tickets(others).unwrap_or(Ticket::MAX));
        self.slot.resident = Some(resident);
    }
}

impl Drop for Turn {
    /// A turn that ended early leaves something half done: the environment is forgotten.
    fn drop(&mut self) {
        if self.resident.take().is_some() {
            self.slot.generation += 1;
        }
    }
}
