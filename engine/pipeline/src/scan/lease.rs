//! The lease of an environment while somebody works on it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use calipso_store::{Backend, Lease, StoreError};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::scan::ScanRequest;

/// A lease that is renewed while it is held.
pub(super) struct EnvironmentLease {
    store: Arc<dyn Backend>,
    lease: Arc<Mutex<Lease>>,
    renewing: JoinHandle<()>,
    given_back: AtomicBool,
}

impl EnvironmentLease {
    pub(super) async fn take(request: &ScanRequest<'_>, started: Instant) -> Result<Self, StoreError> {
        let start_millis = request.now.as_millisecond();
        let name = &request.plan.environment.name;
        let ttl = request.lease;
        let lease = request.store.acquire(name, &request.holder, start_millis, ttl).await?;
        let lease = Arc::new(Mutex::new(lease));
        let store = Arc::clone(&request.store);
        let (of_task, store_of_task) = (Arc::clone(&lease), Arc::clone(&store));
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ttl / 4).await;
                let passed = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
                let mut held = of_task.lock().await;
                match store_of_task.renew(&held, start_millis.saturating_add(passed), ttl).await {
                    Ok(renewed) => *held = renewed,
                    // The commit will be refused; there is nothing to do until then.
                    Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
                }
            }
        });
        Ok(Self { store, lease, renewing, given_back: AtomicBool::new(false) })
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
    /// A scan that nobody waits for any more, or that met a fault of ours, does not keep its environment.
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
