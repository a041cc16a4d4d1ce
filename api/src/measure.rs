//! Gauges that are looked up when somebody reads the metrics, and at no other time: how long queues are, how much there is.

use calipso_store::{
    Backend, Collection, RecordQuery, StoreError,
    work::{ScanStatus, TestStatus},
};
use metrics::{describe_gauge, gauge};

/// Collections whose documents are counted.
const COUNTED: &[(Collection, &str)] = &[
    (Collection::ScheduledScans, "calipso_scheduled_scans"),
    (Collection::Messages, "calipso_messages"),
    (Collection::ApiTokens, "calipso_tokens"),
];

/// Says what each gauge means, to the exporter that is installed.
pub fn describe_gauges() {
    describe_gauge!("calipso_scans", "Requests for scans, by status: `pending` or `running`.");
    describe_gauge!("calipso_scans_pending", "The same as calipso_scans with the status `pending`.");
    describe_gauge!("calipso_scans_running", "The same as calipso_scans with the status `running`.");
    describe_gauge!("calipso_connection_tests", "Connection tests, by status: `request` (they wait) or `running`.");
    describe_gauge!(
        "calipso_connection_tests_pending",
        "The same as calipso_connection_tests with the status `request`."
    );
    describe_gauge!("calipso_scheduled_scans", "Schedules.");
    describe_gauge!("calipso_messages", "Messages that are kept.");
    describe_gauge!("calipso_tokens", "Tokens that are kept.");
    describe_gauge!("calipso_environments", "Environments.");
    describe_gauge!("calipso_revisions", "The current revisions of all environments, added up.");
}

/// Sets every gauge from the store. An exporter of metrics calls this before each reading.
///
/// # Errors
/// Those of the store.
pub async fn set_gauges(backend: &dyn Backend) -> Result<(), StoreError> {
    let (scans, tests) = ("calipso_scans", "calipso_connection_tests");
    // The last name is that of former versions, which dashboards may still read.
    for (collection, name, status, former) in [
        (Collection::Scans, scans, ScanStatus::Pending.as_str(), Some("calipso_scans_pending")),
        (Collection::Scans, scans, ScanStatus::Running.as_str(), Some("calipso_scans_running")),
        (Collection::ConnectionTests, tests, TestStatus::Request.as_str(), Some("calipso_connection_tests_pending")),
        (Collection::ConnectionTests, tests, TestStatus::Running.as_str(), None),
    ] {
        let query = RecordQuery::all().equals("status", status);
        // A queue is never so long that a float could not count it.
        let count = backend.count(collection, &query).await? as f64;
        gauge!(name, "status" => status).set(count);
        if let Some(former) = former {
            gauge!(former).set(count);
        }
    }
    for (collection, name) in COUNTED {
        gauge!(*name).set(backend.count(*collection, &RecordQuery::all()).await? as f64);
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
    // A reader of the metrics need not know which environments there are.
    gauge!("calipso_revisions").set(revisions as f64);
    Ok(())
}
