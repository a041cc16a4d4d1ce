//! Asks the store what is new, once for all who listen.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use calipso_model::{Revision, Str};
use calipso_store::{
    Collection, FieldTest, Page, RecordQuery, RevisionInfo, StoreError,
    work::{self, ScanStatus, ScanTask, row::Versioned},
};
use tokio::sync::broadcast;

use crate::{problem::Problem, service::Service};

/// Events that a slow listener may be behind; one that is further behind reads the store itself.
const CHANNEL: usize = 2_048;

/// Revisions that are read at once.
pub(super) const PIECE: usize = 500;

/// How far the clocks of workers may differ.
pub(super) const CLOCKS: Duration = Duration::from_secs(60);

/// Something that happened.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// A revision was committed.
    Revision(Str, Arc<RevisionInfo>),
    /// A scan changed.
    Scan(Arc<Versioned<ScanTask>>),
    /// An environment was removed.
    Gone(Str),
}

impl News {
    /// The environment that it is about.
    pub(super) fn environment(&self) -> &Str {
        match self {
            Self::Revision(name, _) | Self::Gone(name) => name,
            Self::Scan(task) => &task.row.environment,
        }
    }
}

/// What was told already.
#[derive(Debug, Default)]
struct Watched {
    running: bool,
    /// The number of each environment, which another of its name has not, and its revision.
    revisions: BTreeMap<Str, (u64, Revision)>,
    /// Version, whether it is open, and when it changed.
    scans: BTreeMap<Str, (u64, bool, i64)>,
    newest_millis: i64,
}

/// All listeners, and the task that asks the store for them.
#[derive(Debug)]
pub(super) struct Hub {
    news: broadcast::Sender<News>,
    /// Number of listeners by environment; `None` stands for all environments.
    listeners: Mutex<BTreeMap<Option<Str>, usize>>,
    known: tokio::sync::Mutex<Watched>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Subscription {
    hub: Arc<Hub>,
    only: Option<Str>,
    /// What happens.
    pub(super) news: broadcast::Receiver<News>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut listeners = self.hub.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = listeners.get_mut(&self.only) {
            *count -= 1;
            if *count == 0 {
                listeners.remove(&self.only);
            }
        }
        metrics::gauge!("calipso_event_streams").set(listeners.values().sum::<usize>() as f64);
    }
}

impl Hub {
    /// Nobody listens yet.
    pub(super) fn new() -> Self {
        Self { news: broadcast::channel(CHANNEL).0, listeners: Mutex::default(), known: Default::default() }
    }

    /// Begins to listen to one environment, or to all. Whatever is committed after this is told.
    ///
    /// # Errors
    /// Too many listen; those of the store.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        service: &Arc<Service>,
        only: Option<&Str>,
    ) -> Result<Subscription, Problem> {
        let subscription = {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            let open: usize = listeners.values().sum();
            if open >= service.limits.news.streams {
                return Err(Problem::too_many("too many streams of events are open", 30));
            }
            *listeners.entry(only.cloned()).or_default() += 1;
            metrics::gauge!("calipso_event_streams").set((open + 1) as f64);
            Subscription { hub: Arc::clone(self), only: only.cloned(), news: self.news.subscribe() }
        };
        let mut known = self.known.lock().await;
        for name in names(service, only).await? {
            if let std::collections::btree_map::Entry::Vacant(entry) = known.revisions.entry(name) {
                let made = service.backend.made(entry.key()).await?;
                let revision = service.backend.current(entry.key()).await?;
                entry.insert((made, revision));
            }
        }
        if !known.running {
            known.newest_millis = service.now_millis();
            // What is there already is no news.
            scans(service, &mut known).await?;
            known.running = true;
            tokio::spawn(Arc::clone(self).run(Arc::clone(service)));
        }
        Ok(subscription)
    }

    /// Asks again and again, as long as somebody listens.
    async fn run(self: Arc<Self>, service: Arc<Service>) {
        loop {
            tokio::time::sleep(service.limits.news.poll).await;
            let mut known = self.known.lock().await;
            let wanted: Vec<Option<Str>> =
                self.listeners.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
            if wanted.is_empty() {
                *known = Watched::default();
                return;
            }
            if let Err(error) = self.ask(&service, &wanted, &mut known).await {
                tracing::warn!(%error, "The store could not be asked what is new; it is asked again.");
            }
        }
    }

    async fn ask(&self, service: &Service, wanted: &[Option<Str>], known: &mut Watched) -> Result<(), StoreError> {
        let all = wanted.contains(&None);
        let watched: Vec<Str> =
            if all { names(service, None).await? } else { wanted.iter().flatten().cloned().collect() };
        let gone: Vec<Str> = if all {
            known.revisions.keys().filter(|name| !watched.contains(name)).cloned().collect()
        } else {
            Vec::new()
        };
        for name in gone {
            known.revisions.remove(&name);
            self.publish(News::Gone(name));
        }
        for name in &watched {
            match self.revisions(service, name, known).await {
                Err(StoreError::NotFound { .. }) => {
                    known.revisions.remove(name);
                    self.publish(News::Gone(name.clone()));
                }
                other => other?,
            }
        }
        for task in scans(service, known).await? {
            if all || watched.contains(&task.row.environment) {
                self.publish(News::Scan(Arc::new(task)));
            }
        }
        Ok(())
    }

    async fn revisions(&self, service: &Service, name: &Str, known: &mut Watched) -> Result<(), StoreError> {
        // An environment that nobody knew before is new: all of its revisions are news.
        let made = service.backend.made(name).await?;
        let (former, mut last) = known.revisions.get(name).copied().unwrap_or((made, 0));
        let current = service.backend.current(name).await?;
        if made != former || current < last {
            // It was removed and made again.
            self.publish(News::Gone(name.clone()));
            last = 0;
        }
        while last < current {
            let found = service.backend.revisions_after(name, last, PIECE).await?;
            let Some(newest) = found.last().map(|revision| revision.revision) else { break };
            last = newest;
            for revision in found {
                self.publish(News::Revision(name.clone(), Arc::new(revision)));
            }
        }
        known.revisions.insert(name.clone(), (made, last.max(current)));
        Ok(())
    }

    fn publish(&self, news: News) {
        // Nobody hears it: then nobody listens.
        drop(self.news.send(news));
    }
}

async fn names(service: &Service, only: Option<&Str>) -> Result<Vec<Str>, StoreError> {
    match only {
        Some(name) => Ok(vec![name.clone()]),
        None => Ok(service.backend.environments().await?.into_iter().map(|environment| environment.name).collect()),
    }
}

/// Scans that changed since they were looked at last: those that are open, those that were, and those that changed of late.
async fn scans(service: &Service, known: &mut Watched) -> Result<Vec<Versioned<ScanTask>>, StoreError> {
    let records = &*service.backend;
    let open = [ScanStatus::Pending, ScanStatus::Running].map(|status| status.as_str().into());
    let mut found =
        work::all::<ScanTask>(records, &RecordQuery::all().and("status", FieldTest::AnyOf(open.to_vec()))).await?;
    let since = known.newest_millis.saturating_sub(CLOCKS.as_millis() as i64);
    let late = RecordQuery::all().and("updated_millis", FieldTest::AtLeast(since.into()));
    found.extend(work::all::<ScanTask>(records, &late).await?);
    let missing: Vec<Str> = known
        .scans
        .iter()
        .filter(|(id, (_, open, _))| *open && !found.iter().any(|task| task.id == **id))
        .map(|(id, _)| id.clone())
        .collect();
    for id in missing {
        match work::get::<ScanTask>(records, &id).await? {
            Some(task) => found.push(task),
            None => {
                known.scans.remove(&id);
            }
        }
    }
    found.retain(|task| {
        let (version, open, millis) = (task.version, !task.row.status.is_final(), task.row.updated_millis);
        known.newest_millis = known.newest_millis.max(millis);
        let former = known.scans.insert(task.id.clone(), (version, open, millis));
        former.is_none_or(|(former, _, _)| former < version)
    });
    let forget = known.newest_millis.saturating_sub(2 * CLOCKS.as_millis() as i64);
    known.scans.retain(|_, (_, open, millis)| *open || *millis >= forget);
    Ok(found)
}

/// Scans of an environment that changed at a time or later, or may have.
///
/// # Errors
/// Those of the store.
pub(super) async fn scans_since(
    service: &Service,
    environment: &Str,
    millis: i64,
) -> Result<Vec<Versioned<ScanTask>>, StoreError> {
    let since = millis.saturating_sub(CLOCKS.as_millis() as i64);
    let query = RecordQuery::all()
        .equals("environment", environment.clone())
        .and("updated_millis", FieldTest::AtLeast(since.into()))
        .ordered("updated_millis");
    debug_assert!(Collection::Scans.fields().contains(&"updated_millis"), "the store finds scans by it");
    let mut found = Vec::new();
    let mut page = Page::first(PIECE);
    loop {
        let (some, next) = work::list::<ScanTask>(&*service.backend, &query, &page).await?;
        found.extend(some);
        match next {
            Some(next) => page = Page::after(next, PIECE),
            None => return Ok(found),
        }
    }
}
