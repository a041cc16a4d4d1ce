//! The trait for environments and their inventory, each call on the server.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use calipso_model::{Clique, Delta, Environment, Link, LinkRef, Object, ObjectKey, Revision, Str, Value};

use crate::{
    commit::{Commit, CommitInfo},
    error::StoreError,
    health::{IntegrityReport, StoreHealth},
    mongo::{
        Mongo, check, commit, environment, number, prune,
        read::{self, View},
        report,
        round::{self, Named, Sighting, Wanted, Wish},
    },
    query::{CliqueQuery, LinkQuery, Page, Paged, Query},
    scope::{ScopeKey, ScopeRecord},
    store::{
        CountsByType, Diff, Expect, Keep, Lease, Pruned, ReportEntry, ReportId, RevisionInfo, Searched, Store,
        WholeClique, WholeObject, newest_scan,
    },
};

/// So often a question is asked again that the server could not answer at that moment.
const TURNS: u32 = 12;

/// A look-up of more keys than this is not joined with others, so that it keeps no caller waiting.
const SHARED: usize = 100;

/// Asks, and asks again while the server is busy for a moment: a snapshot that is not there yet, two writers in each
/// other's way.
macro_rules! ask {
    ($self:ident, $call:expr) => {{
        let mut turn = 0;
        loop {
            match $self.db.within(async { $call.await }).await {
                Err(StoreError::Busy) if turn < TURNS => {
                    tokio::time::sleep(Duration::from_millis(5 << turn.min(6))).await;
                    turn += 1;
                }
                answer => break answer,
            }
        }
    }};
}

/// Asks at one revision.
macro_rules! at {
    ($self:ident, $environment:ident, $at:ident, |$view:ident| $call:expr) => {
        ask!($self, async {
            let mut $view = View::at(&$self.db, $environment, $at).await?;
            $call.await
        })
    };
}

/// Asks for one page.
macro_rules! page {
    ($self:ident, $environment:ident, $at:ident, $page:ident, $parts:expr, |$view:ident, $after:ident| $call:expr) => {
        ask!($self, async {
            let (mut $view, $after) = View::page(&$self.db, $environment, $at, $page, $parts).await?;
            $call.await
        })
    };
}

/// Asks together with others who ask for something by key.
macro_rules! together {
    ($self:ident, $environment:ident, $wish:ident, $at:ident, $keys:expr) => {
        ask!($self, round::ask(&$self.db, $environment, |reply| Wish::$wish(Wanted { at: $at, keys: $keys, reply })))
    };
}

impl Mongo {
    async fn scopes_of_each(
        &self,
        environment: &str,
        keys: &[ObjectKey],
    ) -> Result<BTreeMap<ObjectKey, Vec<ScopeRecord>>, StoreError> {
        let keys = keys.iter().collect();
        ask!(self, async { read::scope::by_object(&mut View::of(&self.db, environment).await?, &keys).await })
    }
}

#[async_trait]
impl Store for Mongo {
    async fn put_environment(&self, environment: &Environment, expect: Expect) -> Result<u64, StoreError> {
        ask!(self, environment::put(&self.db, environment, expect))
    }

    async fn versioned_environment(&self, name: &str) -> Result<(Environment, u64), StoreError> {
        ask!(self, environment::get(&self.db, name))
    }

    async fn health(&self) -> StoreHealth {
        if self.db.watch.health() == StoreHealth::Full {
            // Whether there is space again is found out by writing.
            let written = self.db.within(number::touch(&self.db)).await;
            self.db.watch.note(&written, true);
        }
        self.db.watch.health()
    }

    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        check::everything(self).await
    }

    async fn made(&self, environment: &str) -> Result<u64, StoreError> {
        ask!(self, environment::made(&self.db, environment))
    }

    async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        ask!(self, environment::list(&self.db))
    }

    async fn remove_environment(&self, name: &str, now_millis: i64) -> Result<(), StoreError> {
        environment::remove(&self.db, name, now_millis).await
    }

    async fn acquire(
        &self,
        environment: &str,
        holder: &str,
        now_millis: i64,
        ttl: Duration,
    ) -> Result<Lease, StoreError> {
        ask!(self, environment::acquire(&self.db, environment, holder, now_millis, ttl))
    }

    async fn renew(&self, lease: &Lease, now_millis: i64, ttl: Duration) -> Result<Lease, StoreError> {
        ask!(self, environment::renew(&self.db, lease, now_millis, ttl))
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        ask!(self, environment::release(&self.db, lease))
    }

    async fn commit(&self, commit: &Commit<'_>) -> Result<Revision, StoreError> {
        commit::commit(&self.db, commit, false).await
    }

    async fn clear(
        &self,
        environment: &str,
        base: Revision,
        lease: &Lease,
        info: &CommitInfo,
    ) -> Result<Revision, StoreError> {
        let nothing = Delta::default();
        let commit = Commit { environment, ..Commit::new(base, lease, &nothing, info) };
        commit::commit(&self.db, &commit, true).await
    }

    async fn current(&self, environment: &str) -> Result<Revision, StoreError> {
        ask!(self, async { Ok(round::moment(&self.db, environment).await?.state.current) })
    }

    async fn revisions(&self, environment: &str) -> Result<Vec<RevisionInfo>, StoreError> {
        ask!(self, read::revisions(&self.db, environment))
    }

    async fn counts(&self, environment: &str, at: Option<Revision>) -> Result<CountsByType, StoreError> {
        at!(self, environment, at, |view| read::count::counts(&mut view))
    }

    async fn objects_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[ObjectKey],
    ) -> Result<Vec<Object>, StoreError> {
        if keys.len() > SHARED {
            let wanted = keys.iter().collect();
            return at!(self, environment, at, |view| read::object::by_key(&mut view, &wanted))?.in_order(keys);
        }
        Ok(together!(self, environment, Objects, at, keys.to_vec())?.1)
    }

    async fn whole_objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        id: &str,
        object_type: Option<&str>,
    ) -> Result<(Revision, Vec<WholeObject>), StoreError> {
        let named = || Named { id: id.into(), object_type: object_type.map(Into::into) };
        let (revision, found) = together!(self, environment, Sightings, at, named())?;
        let whole = |(object, scopes): Sighting| WholeObject {
            key: object.key,
            json: Value::Map(object.doc).to_json(),
            scopes,
        };
        Ok((revision, found.into_iter().map(whole).collect()))
    }

    async fn objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &Query,
        page: &Page,
    ) -> Result<Paged<Object>, StoreError> {
        page!(self, environment, at, page, 2, |view, after| read::object::page(&mut view, query, after, page))
    }

    async fn links(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &LinkQuery,
        page: &Page,
    ) -> Result<Paged<Link>, StoreError> {
        page!(self, environment, at, page, 5, |view, after| read::link::page(&mut view, query, after, page))
    }

    async fn links_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[LinkRef],
    ) -> Result<Vec<Link>, StoreError> {
        if keys.len() > SHARED {
            let wanted = keys.iter().collect();
            return at!(self, environment, at, |view| read::link::by_key(&mut view, &wanted))?.in_order(keys);
        }
        Ok(together!(self, environment, Links, at, keys.to_vec())?.1)
    }

    async fn clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<Option<Clique>, StoreError> {
        Ok(together!(self, environment, Clique, at, focal_point.clone())?.1)
    }

    async fn whole_clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<(Revision, Option<WholeClique>), StoreError> {
        let (revision, clique) = together!(self, environment, Clique, at, focal_point.clone())?;
        let Some(clique) = clique else { return Ok((revision, None)) };
        let (links, objects) = tokio::try_join!(
            self.links_by_key(environment, Some(revision), &clique.links),
            self.objects_by_key(environment, Some(revision), &clique.nodes),
        )?;
        Ok((revision, Some(WholeClique { clique, links, objects })))
    }

    async fn cliques(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &CliqueQuery,
        page: &Page,
    ) -> Result<Paged<Clique>, StoreError> {
        page!(self, environment, at, page, 2, |view, after| read::clique::page(&mut view, query, after, page))
    }

    async fn search(
        &self,
        environment: &str,
        at: Option<Revision>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StoreError> {
        at!(self, environment, at, |view| read::search::search(&mut view, text, limit))
    }

    async fn search_by(&self, lease: &Lease, searched: &Searched) -> Result<(), StoreError> {
        ask!(self, commit::search_by(&self.db, lease, searched))
    }

    async fn diff(&self, environment: &str, from: Revision, to: Revision) -> Result<Diff, StoreError> {
        ask!(self, read::diff::diff(&self.db, environment, from, to))
    }

    async fn scopes(&self, environment: &str) -> Result<Vec<ScopeRecord>, StoreError> {
        ask!(self, async { read::scope::all(&mut View::of(&self.db, environment).await?).await })
    }

    async fn scope(&self, environment: &str, key: &ScopeKey) -> Result<Option<ScopeRecord>, StoreError> {
        ask!(self, async { read::scope::get(&mut View::of(&self.db, environment).await?, key).await })
    }

    async fn scopes_of(&self, environment: &str, key: &ObjectKey) -> Result<Vec<ScopeRecord>, StoreError> {
        let mut found = self.scopes_of_each(environment, std::slice::from_ref(key)).await?;
        Ok(found.remove(key).unwrap_or_default())
    }

    async fn last_scanned(&self, environment: &str, keys: &[ObjectKey]) -> Result<Vec<Option<Str>>, StoreError> {
        let found = self.scopes_of_each(environment, keys).await?;
        Ok(keys.iter().map(|key| found.get(key).and_then(|scopes| newest_scan(scopes))).collect())
    }

    async fn stale(&self, environment: &str) -> Result<BTreeMap<ObjectKey, Str>, StoreError> {
        ask!(self, async { read::scope::stale(&mut View::of(&self.db, environment).await?).await })
    }

    async fn put_report(
        &self,
        environment: &str,
        at: &str,
        revision: Revision,
        body: &Value,
        keep: usize,
    ) -> Result<ReportId, StoreError> {
        ask!(self, report::put(&self.db, environment, at, revision, body, keep))
    }

    async fn reports(&self, environment: &str) -> Result<Vec<ReportEntry>, StoreError> {
        ask!(self, report::list(&self.db, environment))
    }

    async fn report(&self, environment: &str, id: ReportId) -> Result<Value, StoreError> {
        ask!(self, report::get(&self.db, environment, id))
    }

    async fn prune(&self, environment: &str, keep: &Keep) -> Result<Pruned, StoreError> {
        prune::prune(&self.db, environment, keep).await
    }
}
