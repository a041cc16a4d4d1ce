//! A door that makes equal calls once.

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

/// How much the replies that are kept may be together; then the oldest are dropped.
///
/// # Units
/// Bytes.
const KEPT_BYTES: u64 = 64 << 20;

/// Makes equal calls (of the same role, stage, attempt and key) once; the others get the same reply.
///
/// # Shape
/// Make one for each scan. Failures are shared as well; to try again, raise `attempt`. Memory is bounded: when the replies are
/// more than 64 MiB, a call that is repeated long after the first is made again.
pub struct Once<D> {
    inner: Arc<D>,
    asked: Mutex<Asked>,
    kept_bytes: u64,
}

/// The calls made so far.
#[derive(Default)]
struct Asked {
    pending: BTreeMap<CallId, Pending>,
    /// Calls that were answered, and the sizes of the replies in bytes; the oldest first.
    answered: VecDeque<(CallId, u64)>,
    bytes: u64,
}

impl Asked {
    /// Keeps a reply, and drops the oldest ones while they are too large together. One that would push most others out is not
    /// kept itself.
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

    /// Wraps a door; keeps replies of at most `kept_bytes` bytes together.
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
