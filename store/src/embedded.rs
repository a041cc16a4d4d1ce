//! The store in one local file, which any number of processes may use at once.
//!
//! The file is an SQLite database in write-ahead mode. A commit is one transaction, so that a crash at any moment leaves the
//! revision before it or the revision after it. One thread writes; readers have connections of their own and never wait for it.

mod check;
mod codec;
mod commit;
mod environment;
mod fault;
mod key;
mod prune;
mod read;
mod record;
mod report;
mod row;
mod schema;
mod thread;

pub use fault::Unusable;

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use calipso_model::{Clique, Delta, Environment, Link, LinkRef, Map, Object, ObjectKey, Revision, Str, Value};
use rusqlite::Connection;

use crate::{
    commit::{Commit, CommitInfo, RowWrite},
    embedded::{
        commit::Work,
        read::View,
        thread::{Readers, Writer},
    },
    error::StoreError,
    form,
    health::{HealthWatch, IntegrityReport, StoreHealth},
    query::{CliqueQuery, LinkQuery, Page, Paged, Query},
    records::{Collection, Record, RecordPage, RecordQuery, Records},
    scope::{ScopeKey, ScopeRecord},
    store::{
        CountsByType, Diff, Expect, Keep, Lease, Pruned, ReportEntry, ReportId, RevisionInfo, Searched, Store,
        WholeClique, WholeObject,
    },
};

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it would survive a power cut.
    #[default]
    Full,
    /// When it would survive the death of the process; a power cut may take the last commits, whole.
    Process,
}

/// How a file is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// When a commit counts as done.
    pub durability: Durability,
    /// How long to wait for another process that writes.
    pub busy_timeout: Duration,
    /// Maximum number of readers at once.
    pub readers: usize,
    /// The file must not grow beyond this, if given; a commit that would is refused like one on a full disk.
    pub most_bytes: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self { durability: Durability::Full, busy_timeout: Duration::from_secs(10), readers: 4, most_bytes: None }
    }
}

/// The store in one local file. Clones share it; dropping the last clone closes the file.
#[derive(Clone, Debug)]
pub struct Embedded {
    writer: Writer,
    readers: Readers,
    watch: HealthWatch,
}

impl Embedded {
    /// Opens the file, making it (readable by its owner only) if it is not there. Its folder must be there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::VersionTooNew`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let writer = schema::open_writer(path, &options)?;
        let watch = HealthWatch::default();
        let writer = Writer::start(writer, path, watch.clone())?;
        Ok(Self { writer, readers: Readers::new(path, &options, watch.clone()), watch })
    }

    /// Looks at every page and index of the file.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first thing that is wrong.
    pub async fn verify(&self) -> Result<(), StoreError> {
        self.readers.run(schema::verify).await
    }

    /// Runs a question at one revision.
    async fn at<T: Send + 'static>(
        &self,
        environment: &str,
        at: Option<Revision>,
        question: impl FnOnce(View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(environment, move |db, environment| question(View::at(db, environment, at)?)).await
    }

    /// Runs a question about an environment.
    async fn ask<T: Send + 'static>(
        &self,
        environment: &str,
        question: impl FnOnce(&Connection, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let environment = environment.to_owned();
        self.readers.run(move |db| question(db, &environment)).await
    }

    /// Runs a change of an environment.
    async fn change<T: Send + 'static>(
        &self,
        environment: &str,
        change: impl FnOnce(&mut Connection, &str) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let environment = environment.to_owned();
        self.writer.run(move |db| change(db, &environment)).await
    }

    /// Writes a document beside the inventory.
    async fn put(&self, row: RowWrite) -> Result<Record, StoreError> {
        self.writer.run(move |db| record::put(db, row)).await
    }
}

#[async_trait]
impl Store for Embedded {
    async fn put_environment(&self, environment: &Environment, expect: Expect) -> Result<u64, StoreError> {
        let environment = environment.clone();
        self.writer.run(move |db| environment::put(db, &environment, expect)).await
    }

    async fn versioned_environment(&self, name: &str) -> Result<(Environment, u64), StoreError> {
        self.ask(name, environment::get).await
    }

    async fn health(&self) -> StoreHealth {
        let known = self.watch.health();
        if known == StoreHealth::Full {
            // Whether there is space again is found out by writing.
            if let Err(error) = self.writer.run(environment::touch).await {
                tracing::debug!(%error, "The store still cannot be written.");
            }
            return self.watch.health();
        }
        known
    }

    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.readers.run(check::everything).await
    }

    async fn made(&self, environment: &str) -> Result<u64, StoreError> {
        self.ask(environment, environment::made).await
    }

    async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        self.readers.run(environment::list).await
    }

    async fn remove_environment(&self, name: &str, now_millis: i64) -> Result<(), StoreError> {
        self.change(name, move |db, name| environment::remove(db, name, now_millis)).await
    }

    async fn acquire(
        &self,
        environment: &str,
        holder: &str,
        now_millis: i64,
        ttl: Duration,
    ) -> Result<Lease, StoreError> {
        let holder = holder.to_owned();
        self.change(environment, move |db, name| environment::acquire(db, name, &holder, now_millis, ttl)).await
    }

    async fn renew(&self, lease: &Lease, now_millis: i64, ttl: Duration) -> Result<Lease, StoreError> {
        let lease = lease.clone();
        self.writer.run(move |db| environment::renew(db, &lease, now_millis, ttl)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        let lease = lease.clone();
        self.writer.run(move |db| environment::release(db, &lease)).await
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<Revision, StoreError> {
        form::check(commit)?;
        let work = Work::new(commit, false);
        self.writer.run(move |db| commit::commit(db, &work)).await
    }

    async fn clear(
        &self,
        environment: &str,
        base: Revision,
        lease: &Lease,
        info: &CommitInfo,
    ) -> Result<Revision, StoreError> {
        let work = Work::new(&Commit { environment, ..Commit::new(base, lease, &Delta::default(), info) }, true);
        self.writer.run(move |db| commit::commit(db, &work)).await
    }

    async fn current(&self, environment: &str) -> Result<Revision, StoreError> {
        self.ask(environment, |db, name| Ok(environment::state(db, name)?.current)).await
    }

    async fn revisions(&self, environment: &str) -> Result<Vec<RevisionInfo>, StoreError> {
        self.ask(environment, |db, name| read::revisions(db, name, 0, usize::MAX)).await
    }

    async fn revisions_after(
        &self,
        environment: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RevisionInfo>, StoreError> {
        self.ask(environment, move |db, name| read::revisions(db, name, after, limit)).await
    }

    async fn counts(&self, environment: &str, at: Option<Revision>) -> Result<CountsByType, StoreError> {
        self.at(environment, at, read::count::counts).await
    }

    async fn whole_objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        id: &str,
        object_type: Option<&str>,
    ) -> Result<(Revision, Vec<WholeObject>), StoreError> {
        let (id, object_type) = (Str::from(id), object_type.map(Str::from));
        self.at(environment, at, move |view| Ok((view.number(), read::object::whole(view, &id, object_type.as_ref())?)))
            .await
    }

    async fn objects_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[ObjectKey],
    ) -> Result<Vec<Object>, StoreError> {
        let keys = keys.to_vec();
        self.at(environment, at, move |view| read::object::by_key(view, &keys)).await
    }

    async fn objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &Query,
        page: &Page,
    ) -> Result<Paged<Object>, StoreError> {
        let (query, page) = (query.clone(), page.clone());
        self.ask(environment, move |db, name| {
            let (view, after) = View::page(db, name, at, &page, 2)?;
            read::object::page(view, &query, after, &page)
        })
        .await
    }

    async fn links(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &LinkQuery,
        page: &Page,
    ) -> Result<Paged<Link>, StoreError> {
        let (query, page) = (query.clone(), page.clone());
        self.ask(environment, move |db, name| {
            let (view, after) = View::page(db, name, at, &page, 5)?;
            read::link::page(view, &query, after, &page)
        })
        .await
    }

    async fn links_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[LinkRef],
    ) -> Result<Vec<Link>, StoreError> {
        let keys = keys.to_vec();
        self.at(environment, at, move |view| read::link::by_key(view, &keys)).await
    }

    async fn clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<Option<Clique>, StoreError> {
        let focal_point = focal_point.clone();
        self.at(environment, at, move |view| read::clique::get(view, &focal_point)).await
    }

    async fn whole_clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<(Revision, Option<WholeClique>), StoreError> {
        let focal_point = focal_point.clone();
        self.at(environment, at, move |view| {
            let Some(clique) = read::clique::get(view, &focal_point)? else { return Ok((view.number(), None)) };
            let links = read::link::by_key(view, &clique.links)?;
            let objects = read::object::by_key(view, &clique.nodes)?;
            Ok((view.number(), Some(WholeClique { clique, links, objects })))
        })
        .await
    }

    async fn cliques(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &CliqueQuery,
        page: &Page,
    ) -> Result<Paged<Clique>, StoreError> {
        let (query, page) = (query.clone(), page.clone());
        self.ask(environment, move |db, name| {
            let (view, after) = View::page(db, name, at, &page, 2)?;
            read::clique::page(view, &query, after, &page)
        })
        .await
    }

    async fn search(
        &self,
        environment: &str,
        at: Option<Revision>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StoreError> {
        let text = text.to_owned();
        self.at(environment, at, move |view| read::search::search(view, &text, limit)).await
    }

    async fn search_by(&self, lease: &Lease, searched: &Searched) -> Result<(), StoreError> {
        let (lease, searched) = (lease.clone(), searched.clone());
        self.writer.run(move |db| commit::search_by(db, &lease, &searched)).await
    }

    async fn diff(&self, environment: &str, from: Revision, to: Revision) -> Result<Diff, StoreError> {
        self.ask(environment, move |db, name| read::diff::diff(db, name, from, to)).await
    }

    async fn scopes(&self, environment: &str) -> Result<Vec<ScopeRecord>, StoreError> {
        self.ask(environment, read::scope::all).await
    }

    async fn scope(&self, environment: &str, key: &ScopeKey) -> Result<Option<ScopeRecord>, StoreError> {
        let key = key.clone();
        self.ask(environment, move |db, name| read::scope::get(db, name, &key)).await
    }

    async fn scopes_of(&self, environment: &str, key: &ObjectKey) -> Result<Vec<ScopeRecord>, StoreError> {
        let key = key.clone();
        self.ask(environment, move |db, name| read::scope::of(db, name, &key)).await
    }

    async fn last_scanned(&self, environment: &str, keys: &[ObjectKey]) -> Result<Vec<Option<Str>>, StoreError> {
        let keys = keys.to_vec();
        self.ask(environment, move |db, name| read::scope::last_scanned(db, name, &keys)).await
    }

    async fn stale(&self, environment: &str) -> Result<BTreeMap<ObjectKey, Str>, StoreError> {
        self.ask(environment, read::scope::stale).await
    }

    async fn put_report(
        &self,
        environment: &str,
        at: &str,
        revision: Revision,
        body: &Value,
        keep: usize,
    ) -> Result<ReportId, StoreError> {
        let (at, body) = (at.to_owned(), body.clone());
        self.change(environment, move |db, name| report::put(db, name, &at, revision, &body, keep)).await
    }

    async fn reports(&self, environment: &str) -> Result<Vec<ReportEntry>, StoreError> {
        self.ask(environment, report::list).await
    }

    async fn report(&self, environment: &str, id: ReportId) -> Result<Value, StoreError> {
        self.ask(environment, move |db, name| report::get(db, name, id)).await
    }

    async fn prune(&self, environment: &str, keep: &Keep) -> Result<Pruned, StoreError> {
        let keep = keep.clone();
        self.change(environment, move |db, name| prune::prune(db, name, &keep)).await
    }
}

#[async_trait]
impl Records for Embedded {
    async fn insert(&self, collection: Collection, id: &str, doc: &Map) -> Result<Record, StoreError> {
        self.put(RowWrite::put(collection, id, Expect::Nothing, doc.clone())).await
    }

    async fn record(&self, collection: Collection, id: &str) -> Result<Option<Record>, StoreError> {
        let id = Str::from(id);
        self.readers.run(move |db| record::get(db, collection, &id)).await
    }

    async fn replace(&self, collection: Collection, id: &str, version: u64, doc: &Map) -> Result<Record, StoreError> {
        self.put(RowWrite::put(collection, id, Expect::Version(version), doc.clone())).await
    }

    async fn remove(&self, collection: Collection, id: &str, version: Option<u64>) -> Result<bool, StoreError> {
        let id = Str::from(id);
        self.writer.run(move |db| record::remove(db, collection, &id, version)).await
    }

    async fn remove_all(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.writer.run(move |db| record::remove_all(db, collection, &query)).await
    }

    async fn records(
        &self,
        collection: Collection,
        query: &RecordQuery,
        page: &Page,
    ) -> Result<RecordPage, StoreError> {
        let (query, page) = (query.clone(), page.clone());
        self.readers.run(move |db| record::page(db, collection, &query, &page)).await
    }

    async fn count(&self, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.readers.run(move |db| record::count(db, collection, &query)).await
    }
}
