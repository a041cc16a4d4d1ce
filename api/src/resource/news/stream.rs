//! One stream: first what was missed, then what happens.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use axum::{http::request::Parts, response::sse};
use calipso_model::{Revision, Str};
use calipso_store::{
    RevisionInfo, StoreError,
    work::{ScanTask, row::Versioned},
};
use futures::Stream;
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};

use crate::{
    access::{Access, Caller},
    problem::Problem,
    resource::news::{
        hub::{self, Hub, News, PIECE, Subscription},
        position::{Position, Seen},
    },
    resource::revisions,
    service::Service,
};

/// How many times less often a login by password is checked than one by token: checking it is slow on purpose.
const PASSWORD: u32 = 20;

/// Number of scans whose last sent state is remembered, so that a state is not sent twice.
const REMEMBERED: usize = 4_096;

/// A client that listens.
pub(super) struct Listener {
    service: Arc<Service>,
    subscription: Subscription,
    caller: Caller,
    parts: Parts,
    only: Option<Str>,
    position: Position,
    /// Environments whose missed events are not sent yet.
    behind: VecDeque<Str>,
    /// Versions of the scans that were sent.
    scans: BTreeMap<Str, u64>,
    ready: VecDeque<sse::Event>,
    recheck: Instant,
}

impl Listener {
    /// Begins to listen where an earlier stream ended, or now.
    ///
    /// # Errors
    /// There is no such environment; too many listen.
    pub(super) async fn open(
        service: Arc<Service>,
        hub: Arc<Hub>,
        caller: Caller,
        parts: Parts,
        only: Option<Str>,
        seen: Option<Position>,
    ) -> Result<Self, Problem> {
        if let Some(name) = &only {
            service.backend.current(name).await?;
        }
        let subscription = hub.subscribe(&service, only.as_ref()).await?;
        let mut position = Position::default();
        let mut current = BTreeMap::new();
        let mut behind = VecDeque::new();
        let now = service.now_millis();
        let names = match &only {
            Some(name) => vec![name.clone()],
            None => service.backend.environments().await?.into_iter().map(|environment| environment.name).collect(),
        };
        for name in names.into_iter().filter(|name| caller.may_view(name)) {
            let revision = service.backend.current(&name).await?;
            let from = match &seen {
                None => Seen { revision, scans_millis: now },
                Some(seen) => {
                    behind.push_back(name.clone());
                    // One that the earlier stream did not know was made after it, and one that is behind it was made again.
                    let known = seen.0.get(&name).copied().unwrap_or_default();
                    if known.revision > revision { Seen { revision: 0, ..known } } else { known }
                }
            };
            position.0.insert(name.clone(), from);
            current.insert(name.to_string(), revision);
        }
        let recheck = Instant::now() + service.limits.news.recheck;
        let mut listener = Self {
            service,
            subscription,
            caller,
            parts,
            only,
            position,
            behind,
            scans: BTreeMap::new(),
            ready: VecDeque::new(),
            recheck,
        };
        listener.push("ready", json!({ "environments": current }));
        Ok(listener)
    }

    /// The events; the stream ends with the login, or with its environment.
    pub(super) fn events(self) -> impl Stream<Item = sse::Event> + Send {
        futures::stream::unfold(self, |mut listener| async move {
            loop {
                if let Some(event) = listener.ready.pop_front() {
                    return Some((event, listener));
                }
                if !listener.wait().await {
                    return None;
                }
            }
        })
    }

    /// Waits for something to send; says whether the stream goes on.
    async fn wait(&mut self) -> bool {
        if let Some(name) = self.behind.front().cloned() {
            match self.catch_up(&name).await {
                Ok(()) | Err(StoreError::NotFound { .. }) => {}
                Err(error) => {
                    // The client comes back with the last id that it saw.
                    tracing::warn!(%error, "A stream of events ends because the store cannot be read.");
                    return false;
                }
            }
            return true;
        }
        tokio::select! {
            news = self.subscription.news.recv() => match news {
                Ok(news) => self.take(&news),
                Err(RecvError::Lagged(_)) => {
                    self.behind = self.position.0.keys().cloned().collect();
                    true
                }
                Err(RecvError::Closed) => false,
            },
            () = sleep_until(self.recheck) => self.is_still_allowed().await,
        }
    }

    /// Sends a piece of what was missed in an environment.
    async fn catch_up(&mut self, name: &Str) -> Result<(), StoreError> {
        let seen = self.position.0.get(name).copied().unwrap_or_default();
        let found = self.service.backend.revisions_after(name, seen.revision, PIECE).await;
        if !matches!(&found, Ok(found) if found.len() == PIECE) {
            self.behind.pop_front();
        }
        for revision in found? {
            self.revision(name, &revision);
        }
        if self.behind.front() != Some(name) {
            for task in hub::scans_since(&self.service, name, seen.scans_millis).await? {
                self.scan(&task);
            }
        }
        Ok(())
    }

    fn take(&mut self, news: &News) -> bool {
        let name = news.environment().clone();
        let wanted = self.only.as_ref().is_none_or(|only| *only == name);
        if !wanted || !self.caller.may_view(&name) {
            return true;
        }
        match news {
            News::Revision(_, revision) => self.revision(&name, revision),
            News::Scan(task) => self.scan(task),
            News::Gone(_) => {
                self.position.0.remove(&name);
                self.push("gone", json!({ "environment": &*name }));
                if self.only.is_some() {
                    // Nothing more will happen; what is ready is sent by another turn of the loop.
                    self.only = Some("".into());
                    self.recheck = Instant::now();
                }
            }
        }
        true
    }

    fn revision(&mut self, name: &Str, info: &RevisionInfo) {
        let seen = self.position.0.entry(name.clone()).or_default();
        if info.revision <= seen.revision {
            return;
        }
        seen.revision = info.revision;
        self.push("revision", revision_data(name, info.revision, info));
    }

    fn scan(&mut self, task: &Versioned<ScanTask>) {
        if self.scans.get(&task.id).is_some_and(|sent| task.version <= *sent) {
            return;
        }
        if self.scans.len() >= REMEMBERED {
            // It is no harm to say twice where a scan stands.
            self.scans.clear();
        }
        self.scans.insert(task.id.clone(), task.version);
        let seen = self.position.0.entry(task.row.environment.clone()).or_default();
        seen.scans_millis = seen.scans_millis.max(task.row.updated_millis);
        self.push("scan", scan_data(task));
    }

    fn push(&mut self, name: &str, data: Value) {
        let event = sse::Event::default().event(name).id(self.position.id()).data(data.to_string());
        self.ready.push_back(event);
    }

    /// Checks the login again.
    async fn is_still_allowed(&mut self) -> bool {
        if self.only.as_deref() == Some("") {
            return false;
        }
        let pace = &self.service.limits.news;
        let password = self.caller.token_id.is_none() && self.service.access == Access::Login;
        self.recheck = Instant::now() + if password { pace.recheck * PASSWORD } else { pace.recheck };
        match self.service.caller(&self.parts).await {
            Ok(Some(caller)) => {
                self.caller = caller;
                self.only.as_ref().is_none_or(|only| self.caller.may_view(only))
            }
            Ok(None) => false,
            // The store is away: nobody knows, and nothing can be sent anyway.
            Err(problem) => problem.status() >= 500,
        }
    }
}

fn revision_data(name: &str, revision: Revision, info: &RevisionInfo) -> Value {
    json!({
        "environment": name,
        "revision": revision,
        "at": &*info.at,
        "note": &*info.note,
        "counts": {
            "written": revisions::Numbers::from(info.written),
            "removed": revisions::Numbers::from(info.removed),
        },
    })
}

fn scan_data(task: &Versioned<ScanTask>) -> Value {
    let scan = &task.row;
    json!({
        "environment": &*scan.environment,
        "id": &*task.id,
        "status": scan.status.as_str(),
        "progress": scan.progress,
        "object_type": scan.object_type,
        "object_id": scan.object_id,
        "cancel_requested": scan.cancel_requested,
        "submit_timestamp": scan.submit_timestamp,
        "start_timestamp": scan.start_timestamp,
        "end_timestamp": scan.end_timestamp,
        "revision": scan.revision,
        "error": scan.error,
    })
}
