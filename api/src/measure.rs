//! Gauges that are looked up when somebody reads the metrics: how long queues are, which revisions are current.

use calipso_store::{
    Backend, Collection, RecordQuery, StoreError,
    work::{ScanStatus, TestStatus},
};
use metrics::gauge;

/// Sets every gauge from the store. Whoever exports metrics calls this before each reading.
///
/// # Errors
/// Those of the store.
pub async fn collect(backend: &dyn Backend) -> Result<(), StoreError> {
    for status in [ScanStatus::Pending, ScanStatus::Running] {
        let query = RecordQuery::all().equals("status", status.as_str());
        let count = backend.count(Collection::Scans, &query).await?;
        gauge!("calipso_scans", "status" => status.as_str()).set(count as f64);
    }
    for (status, name) in [(TestStatus::Request, "request"), (TestStatus::Running, "running")] {
        let status = serde_json::to_value(status).ok().and_then(|value| value.as_str().map(str::to_owned));
        let query = RecordQuery::all().equals("status", status.as_deref().unwrap_or(name));
        let count = backend.count(Collection::ConnectionTests, &query).await?;
        gauge!("calipso_connection_tests", "status" => name).set(count as f64);
    }
    for (collection, name) in [
        (Collection::ScheduledScans, "calipso_scheduled_scans"),
        (Collection::Messages, "calipso_messages"),
        (Collection::ApiTokens, "calipso_tokens"),
    ] {
        gauge!(name).set(backend.count(collection, &RecordQuery::all()).await? as f64);
    }
    let environments = backend.environments().await?;
    gauge!("calipso_environments").set(environments.len() as f64);
    let mut revisions = 0;
    for environment in environments {
        // One that is removed meanwhile has no revision any more.
        match backend.current(&environment.name).await {
            Ok(revision) => revisions += revision,
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // Whoever may read the metrics need not know which environments there are.
    gauge!("calipso_revisions").set(revisions as f64);
    Ok(())
}
