//! Throws away what is too old to be of use.

use std::{sync::Arc, time::Duration};

use calipso_store::{
    Keep, StoreError,
    work::{conntest, message, scan, stamp},
};

use crate::work::Shared;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which revisions of an environment stay readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepRevisions {
    /// The newest so many.
    Last(u64),
    /// Those that were current within this time.
    For(Duration),
}

/// How long things are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How often it is looked after.
    pub every: Duration,
    /// How many messages.
    pub messages: u64,
    /// How long messages.
    pub messages_for: Duration,
    /// How many ended requests for scans of one environment.
    pub scans: u64,
    /// How long ended requests for scans.
    pub scans_for: Duration,
    /// How long connection tests.
    pub tests_for: Duration,
    /// Which revisions; all where nothing is said.
    pub revisions: Option<KeepRevisions>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(3600),
            messages: 100_000,
            messages_for: 30 * DAY,
            scans: 500,
            scans_for: 90 * DAY,
            tests_for: conntest::KEPT,
            revisions: None,
        }
    }
}

/// Throws away what is too old. Several workers may do so at once.
pub(super) async fn tidy(shared: Arc<Shared>) {
    if let Err(error) = try_tidy(&shared).await {
        tracing::warn!(%error, "What is too old could not be thrown away; it is tried again later.");
    }
}

async fn try_tidy(shared: &Shared) -> Result<(), StoreError> {
    let (store, keep, now) = (shared.store(), &shared.settings.retention, shared.now());
    let messages = message::forget_old(store, keep.messages, keep.messages_for, now).await?;
    let scans = scan::forget_old(store, keep.scans, keep.scans_for, now).await?;
    let tests = conntest::forget_old(store, keep.tests_for, now).await?;
    let mut revisions = 0;
    if let Some(wanted) = keep.revisions {
        let wanted = match wanted {
            KeepRevisions::Last(number) => Keep::Last(number),
            KeepRevisions::For(time) => {
                Keep::Since(stamp(now.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))))
            }
        };
        for environment in store.environments().await? {
            match store.prune(&environment.name, &wanted).await {
                Ok(pruned) => revisions += pruned.revisions,
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    if messages + scans + tests + revisions > 0 {
        tracing::info!(messages, scans, tests, revisions, "What was too old is gone.");
    }
    Ok(())
}
