//! The store in a MongoDB replica set, which any number of machines may use at the same time.
//!
//! Every version of an object, link or clique is one document with the revisions from and to which it counts. A commit
//! writes new versions that nobody sees yet and then moves the environment to its next revision, see
//! `docs/adr/0010-mongodb.md`. Whatever is read is read from one snapshot of the server.

mod check;
mod codec;
mod commit;
mod db;
mod environment;
mod fault;
mod index;
mod number;
mod prune;
mod read;
mod record;
mod records;
mod report;
mod round;
mod store;

use std::{fmt, sync::Arc, time::Duration};

use calipso_model::Secret;

use crate::{error::StoreError, mongo::db::Db};

/// How to reach a MongoDB.
#[derive(Clone, Debug)]
pub struct MongoOptions {
    /// The address, `mongodb://…` or `mongodb+srv://…`, with user and password if the server needs them.
    pub uri: Secret,
    /// Name of the database.
    pub database: String,
    /// Maximum time to look for a primary before a call fails.
    pub selection_timeout: Duration,
    /// Maximum time of one query or one batch of a commit.
    pub answer_timeout: Duration,
    /// Maximum time to retry one batch of a commit, while the replica set has no primary or writers conflict.
    pub patience: Duration,
    /// Number of batches of one commit that are written at once.
    pub lanes: usize,
    /// Maximum number of documents in one batch.
    pub batch: usize,
    /// Maximum number of documents of a commit that is one transaction of the server; larger ones pass gates.
    pub at_once: usize,
}

impl MongoOptions {
    /// The usual options.
    #[must_use]
    pub fn new(uri: Secret, database: impl Into<String>) -> Self {
        Self {
            uri,
            database: database.into(),
            selection_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(120),
            patience: Duration::from_secs(60),
            lanes: 4,
            batch: 1_000,
            at_once: 1_000,
        }
    }
}

/// The store in a MongoDB. Clones share its connections.
#[derive(Clone)]
pub struct Mongo {
    db: Arc<Db>,
}

/// Shows where it is and no secret.
impl fmt::Debug for Mongo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Mongo").field(&self.db.place).finish()
    }
}

impl Mongo {
    /// Connects, makes missing indexes, and removes data of environments that no longer exist.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with a sentence that says what to do: nobody answers, user or password are refused, the
    /// server is no member of a replica set or too old, an index of another kind is in the way.
    /// [`StoreError::VersionTooNew`].
    pub async fn connect(options: MongoOptions) -> Result<Self, StoreError> {
        let db = Arc::new(Db::open(options).await?);
        db.within(db.check()).await?;
        index::ensure(&db).await?;
        environment::remove_orphans(&db).await?;
        Ok(Self { db })
    }

    /// Removes what commits left unfinished whose writers have lost their lease or let it run out: takes each such lease,
    /// tidies up, gives it back. A writer whose lease runs is left alone. Returns how many environments were tidied.
    ///
    /// # Units
    /// `now_millis` in milliseconds since 1970 UTC.
    /// # Errors
    /// As everything else here.
    pub async fn sweep(&self, now_millis: i64) -> Result<u64, StoreError> {
        commit::sweep_all(&self.db, now_millis).await
    }
}
