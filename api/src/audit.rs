//! Who changed what, and who tried to come in: a document for each.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::request::Parts,
};
use calipso_model::{Map, Str};
use calipso_store::{
    Backend, Collection, FieldTest, RecordQuery, Records,
    work::{Row, new_id, stamp},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{access::Caller, problem::Problem};

/// One entry, as it is stored and shown. It holds no secret: neither bodies nor headers are copied into it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub timestamp: Str,
    /// Who; for a failed login the name that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Str>,
    /// Method and path template, or `login`.
    pub action: Str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Str>,
    /// What it was about: the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Str>,
    /// What the handler told of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map,
    /// The request, as in its answer's `X-Request-Id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Str>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Str>,
    /// `done`, `refused` or `failed`.
    pub outcome: Str,
    pub status: u16,
}

impl Row for Entry {
    const COLLECTION: Collection = Collection::Audit;
}

/// The id of a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub Str);

/// What a handler tells the audit trail about its request. Never a secret.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    noted: Arc<Mutex<Noted>>,
    address: Option<IpAddr>,
}

/// What was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) user: Option<Str>,
    pub(crate) token_id: Option<Str>,
    pub(crate) environment: Option<Str>,
    pub(crate) details: Map,
}

impl Notes {
    fn with(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Where the request came from.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(crate) fn caller(&self, caller: &Caller) {
        self.with(|noted| {
            noted.user = Some(caller.user.clone());
            noted.token_id = caller.token_id.clone();
        });
    }

    /// Who it is, where the guard cannot know.
    pub fn user(&self, name: &str) {
        self.with(|noted| noted.user = Some(clipped(name)));
    }

    /// Which environment it is about, where the request does not name it.
    pub fn environment(&self, name: &str) {
        self.with(|noted| noted.environment = Some(clipped(name)));
    }

    /// A detail.
    pub fn detail(&self, name: &'static str, value: impl Into<calipso_model::Value>) {
        self.with(|noted| noted.details.insert(name, value));
    }
}

impl<S: Sync> FromRequestParts<S> for Notes {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The entry of a request that may change something, while it is being handled.
pub(crate) struct Trail {
    notes: Notes,
    action: Str,
    target: Str,
    request_id: Option<Str>,
}

impl Trail {
    /// What is known before the request is handled. Its handler finds [`Notes`] in the request.
    pub(crate) fn begin(parts: &mut Parts, address: Option<IpAddr>) -> Self {
        let template = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let action = format!("{} {template}", parts.method).into();
        let notes = Notes { address, ..Notes::default() };
        parts.extensions.insert(notes.clone());
        Self {
            notes,
            action,
            target: clipped(parts.uri.path()),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()),
        }
    }

    /// Writes the entry. Who does not even say who he is leaves none, so that strangers cannot fill the store.
    pub(crate) async fn end(self, records: &dyn Backend, status: u16, now: Timestamp) {
        let noted = self.notes.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if noted.user.is_none() {
            return;
        }
        let entry = Entry {
            timestamp: stamp(now.as_millisecond()),
            user: noted.user,
            token_id: noted.token_id,
            action: self.action,
            environment: noted.environment,
            target: Some(self.target),
            details: noted.details,
            request_id: self.request_id,
            address: self.notes.address.map(|address| address.to_string().into()),
            outcome: outcome(status).into(),
            status,
        };
        record(records, &entry, now).await;
    }
}

/// No more of a text than an entry should hold.
pub(crate) fn clipped(text: &str) -> Str {
    text.chars().filter(|c| !c.is_control()).take(200).collect::<String>().into()
}

/// What a status means for the one who asked.
pub(crate) fn outcome(status: u16) -> &'static str {
    match status {
        ..400 => "done",
        400..500 => "refused",
        _ => "failed",
    }
}

/// Writes an entry. A store that cannot take it is the log's matter: what was done is done.
async fn record(records: &dyn Backend, entry: &Entry, now: Timestamp) {
    let written = async {
        let id = new_id(now.as_millisecond())?;
        records.insert(Collection::Audit, &id, &entry.to_doc()?).await
    };
    if let Err(error) = written.await {
        metrics::counter!("calipso_audit_lost").increment(1);
        tracing::error!(%error, user = ?entry.user, action = %entry.action, status = entry.status, "An audit entry was lost.");
    }
}

/// Writes the entry of a login that came with a request to something else.
pub(crate) async fn login(
    records: &dyn Backend,
    name: &str,
    method: &'static str,
    status: u16,
    request: &Parts,
    address: Option<IpAddr>,
    now: Timestamp,
) {
    let entry = Entry {
        timestamp: stamp(now.as_millisecond()),
        user: Some(clipped(name)),
        action: "login".into(),
        details: [("method", method)].into_iter().collect(),
        request_id: request.extensions.get::<RequestId>().map(|id| id.0.clone()),
        address: address.map(|address| address.to_string().into()),
        outcome: outcome(status).into(),
        status,
        ..Entry::default()
    };
    record(records, &entry, now).await;
}

/// Removes the entries from before a time. Returns how many.
///
/// # Errors
/// The store cannot be used.
pub async fn retain_audit_entries(records: &dyn Records, since: Timestamp) -> Result<u64, Problem> {
    let old = RecordQuery::all().and("timestamp", FieldTest::Below(stamp(since.as_millisecond()).into()));
    Ok(records.remove_all(Collection::Audit, &old).await?)
}
