//! The connections to one MongoDB: how it is opened and checked, its sessions, and what goes with them.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use calipso_model::{Revision, Str};
use mongodb::{
    Client, ClientSession, Collection, Database,
    bson::{Document, RawDocumentBuf, Timestamp, doc},
    options::{
        Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria,
        SessionOptions, WriteConcern,
    },
};

use crate::{
    error::StoreError,
    health::HealthWatch,
    mongo::{
        MongoOptions, codec,
        fault::{self, Doing, Reason},
        index,
        number::Numbers,
        read::search::Counts,
        round::Rounds,
    },
};

/// The oldest server that is understood: MongoDB 5.0, the first that reads from snapshots.
const OLDEST_WIRE_VERSION: i64 = 13;

/// The connections, and the state that this process shares between them.
pub(super) struct Db {
    pub(super) client: Client,
    pub(super) database: Database,
    /// Hosts and database, without secrets.
    pub(super) place: String,
    pub(super) options: MongoOptions,
    pub(super) secrets: Vec<String>,
    /// Makes commits of one environment wait for each other within this process; between processes the lease does.
    pub(super) turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The session that each lease commits with, by its fencing number. The environment's document names it, so that whoever
    /// takes over can end a transaction that a dead writer left open.
    pub(super) sessions: Mutex<BTreeMap<i64, ClientSession>>,
    /// Look-ups that are asked together.
    pub(super) rounds: Rounds,
    /// The versions that this process may give out.
    pub(super) numbers: Numbers,
    /// The types of objects that environments have, and the current revision when that was so.
    pub(super) types: Mutex<BTreeMap<i64, (Revision, Arc<[Str]>)>>,
    /// How many names hold some letters.
    pub(super) letters: Mutex<Counts>,
    /// The health of the server as its last answers showed it.
    pub(super) watch: HealthWatch,
}

impl Db {
    pub(super) async fn open(options: MongoOptions) -> Result<Self, StoreError> {
        let refused =
            |what: &str| StoreError::Unavailable { place: "MongoDB".to_owned(), source: Reason::new(what).into() };
        // The driver's message about an unreadable address may hold parts of the password, so it is dropped.
        let mut client = ClientOptions::parse(options.uri.reveal()).await.map_err(|error| {
            refused(if matches!(*error.kind, mongodb::error::ErrorKind::DnsResolve { .. }) {
                "the name in the address cannot be looked up"
            } else {
                "the address cannot be read; it looks like mongodb://user:password@host:27017/?replicaSet=rs0, with special \
                 characters of user and password percent-encoded"
            })
        })?;
        let hosts = client.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let place = format!("{hosts}/{}", options.database);
        let mut secrets = vec![options.uri.reveal().to_owned()];
        secrets.extend(client.credential.as_ref().and_then(|credential| credential.password.clone()));
        client.app_name = Some("calipso".to_owned());
        client.server_selection_timeout = Some(options.selection_timeout);
        client.connect_timeout = Some(options.selection_timeout);
        client.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        client.read_concern = Some(ReadConcern::majority());
        client.write_concern =
            Some(WriteConcern::builder().w(Acknowledgment::Majority).w_timeout(Duration::from_secs(30)).build());
        let client = Client::with_options(client)
            .map_err(|_| refused("the address holds options that contradict each other"))?;
        let database = client.database(&options.database);
        Ok(Self {
            client,
            database,
            place,
            options,
            secrets,
            turns: Mutex::default(),
            sessions: Mutex::default(),
            rounds: Rounds::default(),
            numbers: Numbers::default(),
            types: Mutex::default(),
            letters: Mutex::default(),
            watch: HealthWatch::default(),
        })
    }

    /// Refuses servers that cannot do what is needed.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let hello = self.client.database("admin").run_command(doc! { "hello": 1 }).await.doing(self, "connect")?;
        let refused =
            |what: &str| StoreError::Unavailable { place: self.place.clone(), source: Reason::new(what).into() };
        if !hello.contains_key("setName") && !hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
            return Err(refused(
                "the server stands alone, and revisions need a replica set; start it with `--replSet rs0` and run \
                 `rs.initiate()` once in mongosh (one server is enough)",
            ));
        }
        if hello.get_i32("maxWireVersion").is_ok_and(|version| i64::from(version) < OLDEST_WIRE_VERSION) {
            return Err(refused("the server is too old; MongoDB 5.0 or newer is needed"));
        }
        Ok(())
    }

    /// A text of the driver that holds a secret is not repeated.
    pub(super) fn scrub(&self, said: &str) -> String {
        if self.secrets.iter().any(|secret| !secret.is_empty() && said.contains(secret.as_str())) {
            return "(what the driver said holds a secret)".to_owned();
        }
        said.to_owned()
    }

    pub(super) fn at(&self, collection: &str) -> Collection<RawDocumentBuf> {
        self.database.collection(collection)
    }

    /// A collection for sessions of [`Self::snapshot`]. The driver does not say that a snapshot is meant where something else
    /// is said already, as it is for all other reads.
    pub(super) fn at_snapshot(&self, collection: &str) -> Collection<RawDocumentBuf> {
        let options = CollectionOptions::builder().read_concern(ReadConcern::snapshot()).build();
        self.database.collection_with_options(collection, options)
    }

    /// A session whose reads all see the same moment: that of the first read, unless one is given.
    pub(super) async fn snapshot(&self, time: Option<Timestamp>) -> Result<ClientSession, StoreError> {
        self.client
            .start_session()
            .with_options(SessionOptions::builder().snapshot(true).snapshot_time(time).build())
            .await
            .doing(self, "begin to read")
    }

    /// A session for transactions.
    pub(super) async fn session(&self) -> Result<ClientSession, StoreError> {
        self.client
            .start_session()
            .with_options(SessionOptions::builder().causal_consistency(false).build())
            .await
            .doing(self, "begin to write")
    }

    /// Gives up when an answer takes too long.
    pub(super) async fn within<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.options.answer_timeout, call).await {
            Ok(answer) => {
                self.watch.note(&answer, false);
                answer
            }
            Err(_) => Err(StoreError::Unavailable {
                place: self.place.clone(),
                source: Reason::new(format!(
                    "no answer came within {} s; is the server overloaded, or does it hang?",
                    self.options.answer_timeout.as_secs_f32()
                ))
                .into(),
            }),
        }
    }

    /// The right to commit to an environment, among the tasks of this process.
    pub(super) async fn turn(&self, environment: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            // Turns that no task waits for are dropped.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(environment.to_owned()).or_default())
        };
        turn.lock_owned().await
    }

    /// The session that a lease commits with; a new one where it was made by another process.
    pub(super) async fn lend(&self, fence: i64) -> Result<ClientSession, StoreError> {
        let known = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&fence);
        match known {
            Some(session) => Ok(session),
            None => self.session().await,
        }
    }

    /// Keeps the session of a lease.
    pub(super) fn keep(&self, fence: i64, session: ClientSession) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(fence, session);
    }

    /// Forgets the session of a lease.
    pub(super) fn forget(&self, fence: i64) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&fence);
    }

    /// Ends what is open in sessions of writers that have lost their right. Where the server does not allow this, it ends a
    /// transaction itself after a minute.
    pub(super) async fn end_sessions(&self, sessions: Vec<Document>) {
        if !sessions.is_empty() {
            let ended = self.client.database("admin").run_command(doc! { "killSessions": sessions }).await;
            if let Err(error) = ended {
                let error = self.scrub(&error.kind.to_string());
                tracing::debug!(error, "The sessions of an earlier writer could not be ended.");
            }
        }
    }

    /// The next number of a counter.
    pub(super) async fn next(&self, counter: &str) -> Result<i64, StoreError> {
        let mut turn = 0;
        loop {
            let answer: Result<Option<Document>, _> = self
                .database
                .collection::<Document>(index::COUNTERS)
                .find_one_and_update(doc! { "_id": counter }, doc! { "$inc": { "value": 1_i64 } })
                .upsert(true)
                .return_document(mongodb::options::ReturnDocument::After)
                .await;
            match answer {
                // Two may have made the counter at the same time.
                Err(error) if fault::is_duplicate(&error) && turn < 5 => turn += 1,
                answer => {
                    let found = answer.doing(self, "count")?;
                    return found.and_then(|doc| doc.get_i64("value").ok()).ok_or_else(|| codec::damaged("value"));
                }
            }
        }
    }
}
