//! A door that asks equal questions once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt, Shared};

use crate::{
    door::{Call, Door, Reply, Stage},
    error::FetchError,
    stats::{Counters, SourceStats, merge},
};

type Pending = Shared<BoxFuture<'static, Result<Reply, FetchError>>>;

/// Answers of this many bytes together are kept; then the oldest are forgotten.
const KEPT_BYTES: u64 = 64 << 20;

/// Asks the door inside once for each role, stage, logical request and attempt; everyone else gets the same answer.
///
/// # Shape
/// Make one for each scan. Failures are shared as well; who wants to try again counts `attempt` up. Memory is bounded: in a cloud
/// whose answers are more than 64 MiB, a request that comes again long after the first is sent again.
pub struct Once<D> {
    inner: Arc<D>,
    asked: Mutex<Asked>,
    kept_bytes: u64,
    counters: Counters,
}

/// What was asked.
#[derive(Default)]
struct Asked {
    pending: BTreeMap<Arc<str>, Pending>,
    /// Requests that were answered, and the sizes of the answers; the oldest first.
    answered: VecDeque<(Arc<str>, u64)>,
    bytes: u64,
}

impl Asked {
    /// Notes that there is an answer, and forgets the oldest ones while there are too many. One that would push most others out
    /// is not kept itself.
    fn answered(&mut self, key: Arc<str>, size: u64, kept_bytes: u64) {
        if size > kept_bytes / 4 {
            self.pending.remove(&key);
            return;
        }
        self.answered.push_back((key, size));
        self.bytes += size;
        while self.bytes > kept_bytes {
            let Some((oldest, size)) = self.answered.pop_front() else { break };
            self.pending.remove(&oldest);
            self.bytes -= size;
        }
    }
}

impl<D: Door + 'static> Once<D> {
    /// Wraps a door.
    #[must_use]
    pub fn new(inner: D) -> Self {
        Self::keeping(inner, KEPT_BYTES)
    }

    /// Wraps a door, and keeps answers of so many bytes.
    #[must_use]
    pub fn keeping(inner: D, kept_bytes: u64) -> Self {
        Self { inner: Arc::new(inner), asked: Mutex::default(), kept_bytes, counters: Counters::default() }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<D: Door + 'static> Door for Once<D> {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        let role = call.role.clone();
        let is_work = call.stage == Stage::Work;
        let key = format!("{} {} {} {}", call.role, call.stage.as_str(), call.attempt, call.request.key_text());
        let key: Arc<str> = key.into();
        let (pending, known) = {
            let mut asked = self.asked();
            match asked.pending.get(&key) {
                Some(pending) => (pending.clone(), true),
                None => {
                    let inner = Arc::clone(&self.inner);
                    let pending = async move { inner.ask(call).await }.boxed().shared();
                    asked.pending.insert(Arc::clone(&key), pending.clone());
                    (pending, false)
                }
            }
        };
        if known {
            self.counters.change(&role, |stats| stats.cached += 1);
            return pending.await;
        }
        let reply = pending.await;
        // Logins are few, and everything else needs them.
        if is_work {
            let size = key.len() as u64 + reply.as_ref().map_or(0, Reply::bytes);
            self.asked().answered(key, size, self.kept_bytes);
        }
        reply
    }

    fn stats(&self) -> Vec<SourceStats> {
        merge(self.inner.stats(), self.counters.list())
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
