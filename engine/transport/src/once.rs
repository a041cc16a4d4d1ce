//! A door that asks equal questions once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::{BoxFuture, FutureExt, Shared};

use crate::{
    door::{Call, Door, Exchange, Stage},
    key::CallId,
    reply::Reply,
};

type Pending = Shared<BoxFuture<'static, Exchange>>;

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
}

/// What was asked.
#[derive(Default)]
struct Asked {
    pending: BTreeMap<CallId, Pending>,
    /// Requests that were answered, and the sizes of the answers; the oldest first.
    answered: VecDeque<(CallId, u64)>,
    bytes: u64,
}

impl Asked {
    /// Notes that there is an answer, and forgets the oldest ones while there are too many. One that would push most others out
    /// is not kept itself.
    fn answered(&mut self, id: CallId, size: u64, kept_bytes: u64) {
        if size > kept_bytes / 4 {
            self.pending.remove(&id);
            return;
        }
        self.answered.push_back((id, size));
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
        Self { inner: Arc::new(inner), asked: Mutex::default(), kept_bytes }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<D: Door + 'static> Door for Once<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        let is_work = call.stage == Stage::Work;
        let id = CallId::of(&call);
        let (pending, is_cached) = {
            let mut asked = self.asked();
            match asked.pending.get(&id) {
                Some(pending) => (pending.clone(), true),
                None => {
                    let inner = Arc::clone(&self.inner);
                    let pending = async move { inner.exchange(call).await }.boxed().shared();
                    asked.pending.insert(id, pending.clone());
                    (pending, false)
                }
            }
        };
        let exchange = pending.await;
        // Logins are few, and everything else needs them.
        if is_work && !is_cached {
            let size = size_of::<CallId>() as u64 + exchange.reply.as_ref().map_or(0, Reply::bytes);
            self.asked().answered(id, size, self.kept_bytes);
        }
        Exchange { is_cached, ..exchange }
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
