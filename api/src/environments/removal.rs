//! Environments that go away: as one job, refused while somebody scans.

use std::time::Duration;

use axum::http::HeaderMap;
use calipso_model::{Environment, Value};
use calipso_store::{Backend, Collection, Expect, Lease, RecordQuery, work};
use jiff::Timestamp;

use crate::{account::Accounts, environments::view::ARCHIVED, etag, problem::Problem};

/// How long a removal may take before a scan could begin in between.
const TIME: Duration = Duration::from_secs(300);

/// Removes an environment with everything that belongs to it. The environment itself goes last, so that a removal that broke
/// off can be asked for again.
///
/// # Errors
/// 404; 409 while somebody holds its lease; 412 when it is not in a version that `If-Match` names.
pub async fn everything(
    backend: &dyn Backend,
    accounts: &Accounts,
    name: &str,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(), Problem> {
    let lease = backend.acquire(name, "removal of the environment", now.as_millisecond(), TIME).await?;
    let done = async {
        // It may have become another one before the lease was taken.
        etag::check(headers, backend.versioned_environment(name).await?.1)?;
        forget(backend, name, Collection::ALL.iter().copied().filter(|one| *one != Collection::Audit)).await?;
        backend.remove(Collection::Settings, &work::last_writer(name), None).await?;
        for user in accounts.grants_of(name).await?.into_keys() {
            accounts.set_grant(&user, name, None, now).await?;
        }
        // The lease that is held is this removal's own: seen from its end, nobody holds it.
        Ok(backend.remove_environment(name, lease.until_millis.saturating_add(1)).await?)
    };
    let done: Result<(), Problem> = done.await;
    finished(backend, &lease, done).await
}

/// Removes the configuration of an environment; its inventory, messages, specs and rights stay.
///
/// # Errors
/// 404; 409 while somebody holds its lease; 412 when it changed meanwhile.
pub async fn configuration(
    backend: &dyn Backend,
    environment: &Environment,
    version: u64,
    now_millis: i64,
) -> Result<(), Problem> {
    let lease = backend.acquire(&environment.name, "removal of the configuration", now_millis, TIME).await?;
    let mut left = Environment { connections: std::collections::BTreeMap::new(), ..environment.clone() };
    left.settings.insert(ARCHIVED, Value::Bool(true));
    left.settings.remove("listen");
    let done = async {
        backend.put_environment(&left, Expect::Version(version)).await?;
        let asked = [Collection::ScheduledScans, Collection::ConnectionTests];
        forget(backend, &left.name, asked.into_iter()).await?;
        let pending = RecordQuery::all().equals("environment", left.name.clone()).equals("status", "pending");
        backend.remove_all(Collection::Scans, &pending).await?;
        Ok(())
    };
    let done: Result<(), Problem> = done.await;
    finished(backend, &lease, done).await
}

async fn forget(
    backend: &dyn Backend,
    name: &str,
    collections: impl Iterator<Item = Collection>,
) -> Result<(), Problem> {
    for collection in collections.filter(|one| one.fields().contains(&"environment")) {
        backend.remove_all(collection, &RecordQuery::all().equals("environment", name)).await?;
    }
    Ok(())
}

async fn finished(backend: &dyn Backend, lease: &Lease, done: Result<(), Problem>) -> Result<(), Problem> {
    // Where the environment is gone, its lease is, too.
    if let Err(error) = backend.release(lease).await {
        tracing::warn!(%error, environment = %lease.environment, "A lease was not given back.");
    }
    done
}
