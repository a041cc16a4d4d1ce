//! The worker: takes requests from the store, runs them, and keeps the store tidy.
//!
//! Any number of workers may share a store. What one has taken is its own as long as it says so in time; who is silent for
//! longer than the lease loses the request to another, and whatever it writes afterwards is refused.

mod conntest;
mod hold;
mod meter;
mod progress;
mod retention;
mod say;
mod scan;
mod specs;

use std::{sync::Arc, time::Duration};

use calipso_model::{Environment, Str};
use calipso_store::{Backend, StoreError, work};
use calipso_transport::{Door, Live};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::{
    meter::describe_metrics,
    retention::{KeepRevisions, Retention},
    scan::{asked, ended},
    specs::{LayeredSpecs, Mistakes, SpecSource, SpecsError, own_specs},
};
use crate::{Residents, SecretSource};

/// What the time is.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
/// Who is asked for an environment: a new door for every scan and every test.
pub type Doors = Arc<dyn Fn(&Environment) -> Arc<dyn Door> + Send + Sync>;

/// The longest pause while the store cannot be used.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// Its name; no other worker on the store may have it.
    pub name: Str,
    /// How long what it took stays its own after it was heard of last.
    pub lease: Duration,
    /// How often it looks for work.
    pub poll: Duration,
    /// How often at least it writes how far a scan is; a third of the lease where that is shorter. A wish to cancel is heard then.
    pub beat: Duration,
    /// How many scans run at once.
    pub scans: usize,
    /// How many connection tests run at once.
    pub tests: usize,
    /// How long the test of one role may take.
    pub test_timeout: Duration,
    /// How long one scan may take; any time where nothing is said.
    pub scan_timeout: Option<Duration>,
    /// How long scans may go on after it was told to stop, before they are handed back.
    pub grace: Duration,
    /// How many fetchers of one scan run at the same time; 0: as many as is sensible.
    pub max_tasks: usize,
    /// How many objects of environments may stay in memory while nobody works on them; 0: none.
    pub max_resident_objects: usize,
    /// How long they stay there at most.
    pub resident_for: Duration,
    /// Whether answers come from the living world.
    pub is_live: bool,
    /// How long things are kept.
    pub retention: Retention,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            name: "worker".into(),
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(1),
            beat: Duration::from_secs(2),
            scans: 2,
            tests: 4,
            test_timeout: Duration::from_secs(30),
            scan_timeout: Some(Duration::from_secs(6 * 3600)),
            grace: Duration::from_secs(30),
            max_tasks: 0,
            max_resident_objects: 200_000,
            resident_for: Duration::from_secs(15 * 60),
            is_live: true,
            retention: Retention::default(),
        }
    }
}

/// What a worker works with.
#[derive(Clone)]
pub struct Parts {
    /// Where requests come from and results go to.
    pub store: Arc<dyn Backend>,
    /// The specs of an environment.
    pub specs: Arc<dyn SpecSource>,
    /// Where references to secrets lead.
    pub secrets: Arc<dyn SecretSource>,
    /// Who is asked.
    pub doors: Doors,
    /// What the time is.
    pub clock: Clock,
}

/// Doors to the living world; `sockets` says whether socket files of this machine may be asked.
#[must_use]
pub fn live_doors(sockets: bool) -> Doors {
    Arc::new(move |_| Arc::new(Live::with_sockets(sockets)))
}

/// Takes requests from a store and runs them.
#[derive(Clone)]
pub struct Worker {
    shared: Arc<Shared>,
}

/// What all that runs in a worker shares.
struct Shared {
    settings: WorkerSettings,
    parts: Parts,
    residents: Arc<Residents>,
}

impl Shared {
    fn store(&self) -> &dyn Backend {
        &*self.parts.store
    }

    /// The time, in milliseconds since 1970 UTC.
    fn now(&self) -> i64 {
        (self.parts.clock)().as_millisecond()
    }
}

/// What runs at the moment.
#[derive(Default)]
struct Running {
    scans: JoinSet<()>,
    tests: JoinSet<()>,
    chores: JoinSet<()>,
    /// When things were thrown away last, in milliseconds since 1970 UTC.
    tidied_millis: Option<i64>,
    /// Tells whatever runs to end at once.
    hurry: CancellationToken,
}

impl Worker {
    /// A worker that does nothing yet.
    #[must_use]
    pub fn new(settings: WorkerSettings, parts: Parts) -> Self {
        let residents = Arc::new(Residents::new(settings.max_resident_objects));
        Self { shared: Arc::new(Shared { settings, parts, residents }) }
    }

    /// Works until it is told to stop; scans that do not end within the grace period are then handed back. A store that
    /// cannot be used is tried again, at longer and longer intervals.
    pub async fn run(&self, stop: CancellationToken) {
        let settings = &self.shared.settings;
        let mut running = Running::default();
        let mut pause = settings.poll;
        tracing::info!(worker = %settings.name, "The worker begins.");
        while !stop.is_cancelled() {
            match self.turn(&mut running).await {
                Ok(()) => pause = settings.poll,
                Err(error) => {
                    tracing::warn!(%error, worker = %settings.name, "The store cannot be used; the worker tries again.");
                    pause = (pause * 2).min(LONGEST_PAUSE.max(settings.poll));
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = running.scans.join_next() => note(ended),
                Some(ended) = running.tests.join_next() => note(ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
        tracing::info!(worker = %settings.name, scans = running.scans.len(), "The worker stops.");
        if tokio::time::timeout(settings.grace, running.ended()).await.is_err() {
            running.hurry.cancel();
            running.ended().await;
        }
    }

    /// Looks for work once, and begins what there is room for.
    async fn turn(&self, running: &mut Running) -> Result<(), StoreError> {
        let (shared, settings) = (&self.shared, &self.shared.settings);
        let asked = work::schedule::due(shared.store(), shared.now()).await?;
        if asked > 0 {
            tracing::info!(scans = asked, "Schedules asked for scans.");
        }
        while running.scans.len() < settings.scans {
            let claimed = work::scan::claim(shared.store(), &settings.name, shared.now(), settings.lease).await?;
            let Some(task) = claimed else { break };
            running.scans.spawn(scan::run(Arc::clone(shared), task, running.hurry.clone()));
        }
        while running.tests.len() < settings.tests {
            // Targets are tried at the same time, so that a test ends within the time of one.
            let ttl = settings.test_timeout + settings.lease;
            let claimed = work::conntest::claim(shared.store(), &settings.name, shared.now(), ttl).await?;
            let Some(task) = claimed else { break };
            running.tests.spawn(conntest::run(Arc::clone(shared), task, running.hurry.clone()));
        }
        shared.residents.forget_idle(settings.resident_for);
        let every = i64::try_from(settings.retention.every.as_millis()).unwrap_or(i64::MAX);
        let is_time = running.tidied_millis.is_none_or(|last| shared.now().saturating_sub(last) >= every);
        while running.chores.try_join_next().is_some() {}
        if is_time && running.chores.is_empty() {
            running.tidied_millis = Some(shared.now());
            running.chores.spawn(retention::tidy(Arc::clone(shared)));
        }
        Ok(())
    }
}

impl Running {
    /// Waits until nothing runs any more.
    async fn ended(&mut self) {
        for set in [&mut self.scans, &mut self.tests, &mut self.chores] {
            while let Some(ended) = set.join_next().await {
                note(ended);
            }
        }
    }
}

/// A fault of ours must not end the worker; its request goes to another when the lease runs out.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "A part of the worker met a fault of its own.");
    }
}
