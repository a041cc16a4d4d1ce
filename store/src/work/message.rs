//! Messages to operators.

use std::time::Duration;

use calipso_model::{Map, Str, Value};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    query::{Cursor, Page},
    records::{Collection, FieldTest, RecordQuery, Records},
    work::row::{self, Row, Versioned, earlier, stamp},
};

/// How much a message matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For finding the cause of a fault.
    Debug,
    /// For the record.
    #[default]
    Info,
    /// Somebody may have to act.
    Warning,
    /// Somebody must act.
    Error,
}

impl Level {
    /// All of them, least first.
    pub const ALL: &'static [Self] = &[Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// The word that documents hold.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level of a name in any case: ours, those of syslog, and those of logging libraries.
    ///
    /// # Source
    /// RFC 5424 section 6.2.1 (severities and their usual short names).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "emerg" | "emergency" | "panic" | "alert" | "crit" | "critical" | "fatal" | "err" | "error" => Self::Error,
            "warn" | "warning" => Self::Warning,
            "notice" | "info" | "informational" => Self::Info,
            "debug" | "trace" | "notset" => Self::Debug,
            _ => return None,
        })
    }
}

/// One message to operators, such as a scan that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Of which environment, if of one.
    pub environment: Str,
    /// Which system says it.
    pub source_system: Str,
    /// How much it matters.
    pub level: Level,
    /// One sentence for people.
    pub message: Str,
    /// When it was written, RFC 3339.
    pub timestamp: Str,
    /// Id of the object that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_object: Option<Str>,
    /// Type of the object that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_object_type: Option<Str>,
    /// The scan, test, … that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<Str>,
    /// `manual scan`, `scheduled scan`, `connection test`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_type: Option<Str>,
    /// Facts: host, step, spec line, …
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map,
}

impl Row for Message {
    const COLLECTION: Collection = Collection::Messages;
}

/// Which messages; every part that is given must hold.
///
/// # Shape
/// Times are RFC 3339 as [`crate::work::stamp`] writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Of this environment; the empty name means messages of none.
    pub environment: Option<Str>,
    /// Only messages of at least this level.
    pub at_least: Option<Level>,
    /// Not before this time.
    pub from: Option<Str>,
    /// Before this time.
    pub until: Option<Str>,
    /// Of this system.
    pub source_system: Option<Str>,
    /// About the object of this id.
    pub related_object: Option<Str>,
    /// About objects of this type.
    pub related_object_type: Option<Str>,
    /// Left by this scan or test.
    pub origin_id: Option<Str>,
}

impl MessageFilter {
    /// The question to the store, newest first.
    #[must_use]
    pub fn query(&self) -> RecordQuery {
        let mut query = RecordQuery::all().newest_first("timestamp");
        let exact = [
            ("environment", &self.environment),
            ("source_system", &self.source_system),
            ("related_object", &self.related_object),
            ("related_object_type", &self.related_object_type),
            ("origin_id", &self.origin_id),
        ];
        for (field, wanted) in exact {
            if let Some(wanted) = wanted {
                query = query.equals(field, wanted.clone());
            }
        }
        if let Some(least) = self.at_least {
            let levels = Level::ALL.iter().filter(|level| **level >= least).map(|level| Value::text(level.as_str()));
            query = query.and("level", FieldTest::AnyOf(levels.collect()));
        }
        if let Some(from) = &self.from {
            query = query.and("timestamp", FieldTest::AtLeast(from.clone().into()));
        }
        if let Some(until) = &self.until {
            query = query.and("timestamp", FieldTest::Below(until.clone().into()));
        }
        query
    }
}

/// Stores a message; one without a time gets the current one. Returns its id.
///
/// # Errors
/// Those of the store.
pub async fn say(records: &dyn Records, mut message: Message, now_millis: i64) -> Result<Str, StoreError> {
    if message.timestamp.is_empty() {
        message.timestamp = stamp(now_millis);
    }
    if message.source_system.is_empty() {
        message.source_system = "Calipso".into();
    }
    Ok(row::insert(records, &row::new_id(now_millis)?, message).await?.id)
}

/// Messages, newest first.
///
/// # Errors
/// Those of the store.
pub async fn list(
    records: &dyn Records,
    filter: &MessageFilter,
    page: &Page,
) -> Result<(Vec<Versioned<Message>>, Option<Cursor>), StoreError> {
    row::list(records, &filter.query(), page).await
}

/// Forgets messages older than `older_than`, and all but the newest `keep`. Returns how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_old(
    records: &dyn Records,
    keep: u64,
    older_than: Duration,
    now_millis: i64,
) -> Result<u64, StoreError> {
    let oldest = stamp(earlier(now_millis, older_than));
    let old = RecordQuery::all().and("timestamp", FieldTest::Below(oldest.into()));
    let mut forgotten = records.remove_all(Collection::Messages, &old).await?;
    let count = records.count(Collection::Messages, &RecordQuery::all()).await?;
    if count > keep {
        let newest_first = RecordQuery::all().newest_first("timestamp");
        let skip = usize::try_from(keep).unwrap_or(usize::MAX);
        let mut page = Page { after: None, skip, limit: PIECE };
        let mut doomed = Vec::new();
        loop {
            let found = records.records(Collection::Messages, &newest_first, &page).await?;
            doomed.extend(found.items.into_iter().map(|record| record.id));
            match found.next {
                Some(cursor) => page = Page::after(cursor, PIECE),
                None => break,
            }
        }
        for id in doomed {
            forgotten += u64::from(records.remove(Collection::Messages, &id, None).await?);
        }
    }
    Ok(forgotten)
}

/// Number of messages that are read at once.
const PIECE: usize = 500;
