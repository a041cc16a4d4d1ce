//! A door that answers from a recording.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    door::{Call, Door, Exchange, Execution},
    error::{ErrorKind, FetchError},
    recording::{Found, Recording, describe},
};

/// Answers from a recording, by keys only: the means of a call are ignored.
///
/// # Shape
/// An answer depends on the call alone (its key and attempt), never on what was asked before.
pub struct Replay {
    recording: Recording,
    seed: Option<u64>,
    asked: AtomicU64,
    /// Numbers of the entries that answered a call, where they are remembered.
    used: Option<Mutex<BTreeSet<usize>>>,
}

impl Replay {
    /// Answers at once.
    #[must_use]
    pub fn new(recording: Recording) -> Self {
        Self { recording, seed: None, asked: AtomicU64::new(0), used: None }
    }

    /// Lets other tasks run before it answers; the seed decides how many times.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Remembers which entries answered a call.
    #[must_use]
    pub fn noting(mut self) -> Self {
        self.used = Some(Mutex::default());
        self
    }

    /// The numbers, in recorded order, of the entries that answered no call; empty without [`Replay::noting`].
    #[must_use]
    pub fn unused(&self) -> Vec<usize> {
        let Some(used) = &self.used else { return Vec::new() };
        let used = used.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.recording.entries().count()).filter(|number| !used.contains(number)).collect()
    }

    /// What the recording holds.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    async fn let_others_go_first(&self, call: &Call) {
        let Some(seed) = self.seed else { return };
        let mut hasher = DefaultHasher::new();
        (seed, self.asked.fetch_add(1, Ordering::Relaxed), call.key.text()).hash(&mut hasher);
        for _ in 0..hasher.finish() % 32 {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Door for Replay {
    async fn exchange(&self, call: Call) -> Exchange {
        self.let_others_go_first(&call).await;
        match self.recording.find(&call) {
            Found::RecordedEntry(entry) => {
                if let (Some(used), Some(number)) = (&self.used, self.recording.position(entry)) {
                    used.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
                }
                let reply = match &entry.outcome {
                    Ok(reply) => Ok(reply.clone()),
                    Err((kind, why)) => Err(FetchError::new(*kind, call.endpoint(), why.as_str())),
                };
                Exchange {
                    reply,
                    took: Duration::from_millis(entry.millis),
                    execution: entry.execution.map_or(Execution::Own, Execution::Shared),
                    is_cached: false,
                }
            }
            Found::Nothing { nearest } => {
                let nearest = nearest.map(|nearest| format!("; the most similar one is {nearest}")).unwrap_or_default();
                let why = format!("{}{nearest}; record again, or add the answer by hand", describe(&call.key));
                let reply = Err(FetchError::new(ErrorKind::NotRecorded, call.endpoint(), why));
                Exchange { execution: Execution::None, ..Exchange::from(reply) }
            }
        }
    }
}
