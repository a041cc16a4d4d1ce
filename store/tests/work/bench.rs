//! What the tests of requests share, whatever the store.

use std::{sync::Arc, time::Duration};

use calipso_model::Environment;
use calipso_store::{Backend, Expect, work::ScanTask};

/// A moment.
pub const NOW: i64 = 1_800_000_000_000;
/// How long leases last here.
pub const TTL: Duration = Duration::from_secs(30);

/// A store with environments of these names.
pub async fn with_environments(store: impl Backend + 'static, names: &[&str]) -> Arc<dyn Backend> {
    for name in names {
        let environment = Environment { name: (*name).into(), ..Environment::default() };
        store.put_environment(&environment, Expect::Nothing).await.unwrap();
    }
    Arc::new(store)
}

/// A request for a scan of everything.
pub fn full(environment: &str) -> ScanTask {
    ScanTask { environment: environment.into(), ..ScanTask::default() }
}
