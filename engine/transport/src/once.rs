//! A door that asks equal questions once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt, Shared};

use crate::{
    door::{Call, Door, Reply},
    error::FetchError,
    stats::{Counters, SourceStats, merge},
};

type Pending = Shared<BoxFuture<'static, Result<Reply, FetchError>>>;

/// Asks the door inside once for each role, stage, logical request and attempt; everyone else gets the same answer.
///
/// # Shape
/// Make one for each scan. Failures are shared as well; who wants to try again counts `attempt` up.
pub struct Once<D> {
    inner: Arc<D>,
    asked: Mutex<BTreeMap<String, Pending>>,
    counters: Counters,
}

impl<D: Door + 'static> Once<D> {
    /// Wraps a door.
    #[must_use]
    pub fn new(inner: D) -> Self {
        Self { inner: Arc::new(inner), asked: Mutex::default(), counters: Counters::default() }
    }
}

#[async_trait]
impl<D: Door + 'static> Door for Once<D> {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        let role = call.role.clone();
        let key = format!("{} {} {} {}", call.role, call.stage.as_str(), call.attempt, call.request.key_text());
        let (pending, known) = {
            let mut asked = self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            match asked.get(&key) {
                Some(pending) => (pending.clone(), true),
                None => {
                    let inner = Arc::clone(&self.inner);
                    let pending = async move { inner.ask(call).await }.boxed().shared();
                    asked.insert(key, pending.clone());
                    (pending, false)
                }
            }
        };
        if known {
            self.counters.change(&role, |stats| stats.cached += 1);
        }
        pending.await
    }

    fn stats(&self) -> Vec<SourceStats> {
        merge(self.inner.stats(), self.counters.list())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
