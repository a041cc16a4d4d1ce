//! The lease while a scan runs, and what a scan writes: only what differs from what is stored.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use calipso_model::{
    Delta, LinkRef, ObjectKey,
    same::{same_clique, same_link, same_object},
};
use calipso_store::{Lease, Store, StoreError};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::scan::{
    ScanMode, ScanRequest,
    derive::{State, link_ref},
};

/// A lease that is renewed while it is held.
pub(super) struct Held {
    store: Arc<dyn Store>,
    lease: Arc<Mutex<Lease>>,
    renewing: JoinHandle<()>,
    given_back: AtomicBool,
}

impl Held {
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

async fn release(store: &dyn Store, lease: &Mutex<Lease>) {
    let lease = lease.lock().await.clone();
    if let Err(error) = store.release(&lease).await {
        tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
    }
}

impl Drop for Held {
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

/// What differs between the derived state and the stored one, as far as the mode writes it.
pub(super) async fn difference(
    store: &dyn Store,
    environment: &str,
    state: State,
    mode: &ScanMode,
) -> Result<Delta, StoreError> {
    let State { mut objects, mut links, mut cliques } = state;
    let mut delta = Delta::default();
    if mode.fetches() {
        store
            .stream_objects(environment, None, &mut |chunk| {
                for stored in chunk {
                    match objects.get(&stored.key) {
                        None => delta.removed_objects.push(stored.key),
                        Some(object) if same_object(object, &stored) => {
                            objects.remove(&stored.key);
                        }
                        Some(_) => {}
                    }
                }
                Ok(())
            })
            .await?;
        delta.objects = objects.into_values().collect();
    }
    let gone: BTreeSet<&ObjectKey> = delta.removed_objects.iter().collect();
    let writes_links = matches!(mode, ScanMode::Full | ScanMode::Partial(_) | ScanMode::Links);
    if writes_links || !gone.is_empty() {
        let mut removed: Vec<LinkRef> = Vec::new();
        store
            .stream_links(environment, None, &mut |chunk| {
                for stored in chunk {
                    let key = link_ref(&stored);
                    if !writes_links {
                        if gone.contains(&key.source) || gone.contains(&key.target) {
                            removed.push(key);
                        }
                        continue;
                    }
                    match links.get(&key) {
                        None => removed.push(key),
                        Some(link) if same_link(link, &stored) => {
                            links.remove(&key);
                        }
                        Some(_) => {}
                    }
                }
                Ok(())
            })
            .await?;
        delta.removed_links = removed;
        if writes_links {
            delta.links = links.into_values().collect();
        }
    }
    let writes_cliques = matches!(mode, ScanMode::Full | ScanMode::Partial(_) | ScanMode::Cliques);
    if writes_cliques || !gone.is_empty() {
        let mut removed: Vec<ObjectKey> = Vec::new();
        store
            .stream_cliques(environment, None, &mut |chunk| {
                for stored in chunk {
                    if !writes_cliques {
                        if stored.nodes.iter().any(|node| gone.contains(node)) || gone.contains(&stored.focal_point) {
                            removed.push(stored.focal_point);
                        }
                        continue;
                    }
                    match cliques.get(&stored.focal_point) {
                        None => removed.push(stored.focal_point),
                        Some(clique) if same_clique(clique, &stored) => {
                            cliques.remove(&stored.focal_point);
                        }
                        Some(_) => {}
                    }
                }
                Ok(())
            })
            .await?;
        delta.removed_cliques = removed;
        if writes_cliques {
            delta.cliques = cliques.into_values().collect();
        }
    }
    Ok(delta)
}
