//! The lease of an environment while somebody works on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use calipso_store::{Backend, Lease, StoreError};
use tokio::{sync::Mutex, task::JoinHandle};

/// A lease that is renewed while it is held.
pub(crate) struct EnvironmentLease {
    store: Arc<dyn Backend>,
    lease: Arc<Mutex<Lease>>,
    renewing: JoinHandle<()>,
    given_back: AtomicBool,
    /// Whether somebody else took it over.
    lost: Arc<AtomicBool>,
}

impl EnvironmentLease {
    /// Takes the lease of an environment and renews it from then on.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] while another process has it.
    pub(super) async fn take(
        store: &Arc<dyn Backend>,
        environment: &str,
        holder: &str,
        now: jiff::Timestamp,
        ttl: Duration,
    ) -> Result<Self, StoreError> {
        let (started, start_millis) = (Instant::now(), now.as_millisecond());
        let lease = store.acquire(environment, holder, start_millis, ttl).await?;
        let store = Arc::clone(store);
        let lease = Arc::new(Mutex::new(lease));
        let (of_task, store_of_task) = (Arc::clone(&lease), Arc::clone(&store));
        let lost = Arc::new(AtomicBool::new(false));
        let lost_in_task = Arc::clone(&lost);
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ttl / 4).await;
                let passed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                let mut held = of_task.lock().await;
                match store_of_task.renew(&held, start_millis.saturating_add(passed), ttl).await {
                    Ok(renewed) => *held = renewed,
                    Err(StoreError::LeaseLost { .. }) => {
                        lost_in_task.store(true, Ordering::Relaxed);
                        return;
                    }
                    // The commit will be refused; there is nothing to do until then.
                    Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
                }
            }
        });
        Ok(Self { store, lease, renewing, given_back: AtomicBool::new(false), lost })
    }

    /// Whether it is known that somebody else took it over.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Notes that a commit under it was refused.
    pub(super) fn note_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub(super) async fn current(&self) -> Lease {
        self.lease.lock().await.clone()
    }

    pub(super) async fn give_back(&self) {
        self.renewing.abort();
        self.given_back.store(true, Ordering::Relaxed);
        release(&*self.store, &self.lease).await;
    }
}

async fn release(store: &dyn Backend, lease: &Mutex<Lease>) {
    let lease = lease.lock().await.clone();
    if let Err(error) = store.release(&lease).await {
        tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
    }
}

impl Drop for EnvironmentLease {
    /// Who ends without giving it back does not keep the environment either.
    fn drop(&mut self) {
        self.renewing.abort();
        if self.given_back.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (store, lease) = (Arc::clone(&self.store), Arc::clone(&self.lease));
            runtime.spawn(async move { release(&*store, &lease).await });
        }
    }
}
