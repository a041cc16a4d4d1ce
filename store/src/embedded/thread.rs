//! The one thread that writes, and the pool of connections that read.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
};

use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    embedded::{Options, fault::Doing, schema},
    error::StoreError,
    health::HealthWatch,
};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Above this size the log is moved into the file when the writer has nothing else to do.
const LOG_BYTES: u64 = 8 << 20;

/// Above this size the log is moved into the file even while work is waiting.
const LOG_BYTES_AT_MOST: u64 = 256 << 20;

/// The thread that writes. It ends when the last sender is gone.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    watch: HealthWatch,
}

impl Writer {
    /// Starts the thread with its connection.
    pub(super) fn start(mut db: Connection, path: &Path, watch: HealthWatch) -> Result<Self, StoreError> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(&mut db, &inbox, &log))
            .map_err(|error| StoreError::Io { action: "start the thread that writes", source: error.into() })?;
        Ok(Self { jobs, watch })
    }

    /// Runs a job on the thread and waits for its answer. The job runs to its end even if the caller has given up.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let watch = self.watch.clone();
        let job: Job = Box::new(move |db| {
            let done = job(db);
            watch.note(&done, true);
            // This fails when the caller has given up; the work is done all the same.
            drop(answer.send(done));
        });
        self.jobs.send(job).map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

fn stopped() -> StoreError {
    StoreError::Io { action: "write", source: "the thread that writes has ended after a fault of the program".into() }
}

fn work(db: &mut Connection, inbox: &mpsc::Receiver<Job>, log: &Path) {
    loop {
        let next = match inbox.try_recv() {
            Ok(job) => {
                tidy(db, log, LOG_BYTES_AT_MOST);
                Some(job)
            }
            Err(mpsc::TryRecvError::Empty) => {
                tidy(db, log, LOG_BYTES);
                inbox.recv().ok()
            }
            Err(mpsc::TryRecvError::Disconnected) => None,
        };
        match next {
            Some(job) => job(db),
            None => return,
        }
    }
}

/// Moves the log into the file when it has grown. A failure is no loss: the log stays, and the next turn tries again.
fn tidy(db: &Connection, log: &Path, above_bytes: u64) {
    if std::fs::metadata(log).is_ok_and(|log| log.len() > above_bytes) {
        // `PASSIVE` does not wait; the next writer starts the log again and cuts the file to `journal_size_limit`.
        if let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "The log of the store could not be moved into its file yet.");
        }
    }
}

/// Connections that read, made when they are needed first.
#[derive(Clone, Debug)]
pub(super) struct Readers {
    path: Arc<Path>,
    options: Arc<Options>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    watch: HealthWatch,
}

impl Readers {
    /// An empty pool.
    pub(super) fn new(path: &Path, options: &Options, watch: HealthWatch) -> Self {
        Self {
            path: Arc::from(path),
            options: Arc::new(options.clone()),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(options.readers.max(1))),
            watch,
        }
    }

    /// Runs a job on a thread that may block, with one unchanging view of the file.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = |error: tokio::task::JoinError| StoreError::Io { action: "read", source: error.into() };
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|error| StoreError::Io { action: "read", source: error.into() })?;
        let pool = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let db = match idle {
                Some(db) => db,
                None => schema::open_reader(&pool.path, pool.options.busy_timeout)?,
            };
            let view = db.unchecked_transaction().doing("begin to read")?;
            let answer = job(&view);
            pool.watch.note(&answer, false);
            view.finish().doing("end reading")?;
            pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            answer
        })
        .await
        .map_err(ended)?
    }
}
