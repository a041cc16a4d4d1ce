//! Typed documents: one trait between a type and its record, and how they are read and changed.

use std::sync::atomic::{AtomicU32, Ordering};

use calipso_model::{Map, Str};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::StoreError,
    query::{Cursor, Page},
    records::{Collection, Record, RecordQuery, Records},
};

/// A type whose values are documents of one collection, stored in their serde form.
pub trait Row: Serialize + DeserializeOwned + Send + Sync {
    /// Where they are kept.
    const COLLECTION: Collection;

    /// As a document.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when serde refuses it.
    fn to_doc(&self) -> Result<Map, StoreError> {
        let text = serde_json::to_string(self).map_err(|error| StoreError::invalid(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| StoreError::invalid(error.to_string()))
    }

    /// From a document.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is none of this type.
    fn from_record(record: &Record) -> Result<Self, StoreError> {
        let text = serde_json::to_string(&record.doc).map_err(|error| StoreError::invalid(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt {
            what: format!("{} `{}`", Self::COLLECTION.name(), record.id),
            source: Some(error.into()),
        })
    }
}

/// A document as it was read: with its id, and the version that a change of it must name.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// Unique in its collection.
    pub id: Str,
    /// Its version when it was read or written last.
    pub version: u64,
    /// What it says.
    pub row: T,
}

impl<T: Row> Versioned<T> {
    /// From a record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is none of this type.
    pub fn from_record(record: &Record) -> Result<Self, StoreError> {
        Ok(Self { id: record.id.clone(), version: record.version, row: T::from_record(record)? })
    }

    /// Writes the row if the document was not changed since; the task then has the new version.
    ///
    /// # Errors
    /// [`StoreError::Changed`].
    pub async fn save(&mut self, records: &dyn Records) -> Result<(), StoreError> {
        let written = records.replace(T::COLLECTION, &self.id, self.version, &self.row.to_doc()?).await?;
        self.version = written.version;
        Ok(())
    }
}

/// Adds a document.
///
/// # Errors
/// [`StoreError::Exists`] when there is one of that id.
pub async fn insert<T: Row>(records: &dyn Records, id: &str, row: T) -> Result<Versioned<T>, StoreError> {
    let written = records.insert(T::COLLECTION, id, &row.to_doc()?).await?;
    Ok(Versioned { id: written.id, version: written.version, row })
}

/// The document of an id.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is none of this type.
pub async fn get<T: Row>(records: &dyn Records, id: &str) -> Result<Option<Versioned<T>>, StoreError> {
    records.record(T::COLLECTION, id).await?.map(|record| Versioned::from_record(&record)).transpose()
}

/// A page of the documents that a question finds, and where the next one starts.
///
/// # Errors
/// As [`Records::records`]; [`StoreError::Corrupt`] when one is none of this type.
pub async fn list<T: Row>(
    records: &dyn Records,
    query: &RecordQuery,
    page: &Page,
) -> Result<(Vec<Versioned<T>>, Option<Cursor>), StoreError> {
    let found = records.records(T::COLLECTION, query, page).await?;
    let tasks = found.items.iter().map(Versioned::from_record).collect::<Result<_, _>>()?;
    Ok((tasks, found.next))
}

/// Page size when all documents are wanted.
const PIECE: usize = 500;

/// All documents of a query. Only for queries with few results.
///
/// # Errors
/// As [`list`].
pub async fn all<T: Row>(records: &dyn Records, query: &RecordQuery) -> Result<Vec<Versioned<T>>, StoreError> {
    let mut found = Vec::new();
    let mut page = Page::first(PIECE);
    loop {
        let (tasks, next) = list(records, query, &page).await?;
        found.extend(tasks);
        match next {
            Some(cursor) => page = Page::after(cursor, PIECE),
            None => return Ok(found),
        }
    }
}

/// How many ids this process made: what was made first comes first, also within a millisecond.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A new id: 24 hexadecimal digits. Eight are the seconds since 1970, three the milliseconds, five count the ids of this
/// process (round and round, a million long), and eight are random. It is no secret.
///
/// # Shape
/// Documents of one moment are ordered by their ids: messages, entries of the audit trail and requests of one process so stand
/// in the order in which they were made. Between processes the order within a millisecond is any.
/// # Errors
/// [`StoreError::Io`] when the system has no random numbers.
pub fn new_id(now_millis: i64) -> Result<Str, StoreError> {
    use ring::rand::SecureRandom as _;
    let mut random = [0_u8; 4];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| StoreError::Io { action: "make a random id", source: "no random numbers".into() })?;
    let seconds = u32::try_from(now_millis.div_euclid(1000)).unwrap_or(u32::MAX);
    let millis = now_millis.rem_euclid(1000);
    let made = MADE.fetch_add(1, Ordering::Relaxed) & 0xf_ffff;
    Ok(format!("{seconds:08x}{millis:03x}{made:05x}{:08x}", u32::from_be_bytes(random)).into())
}

/// A time as documents hold it: RFC 3339 in UTC with three digits of a second. Years outside 1 to 9999 become the nearest
/// that can be written.
#[must_use]
pub fn stamp(millis: i64) -> Str {
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    format!("{at:.3}").into()
}

/// The time that a document holds, in milliseconds since 1970 UTC; nothing where it is none.
#[must_use]
pub fn unstamp(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A time plus a duration, in milliseconds since 1970 UTC.
pub(crate) fn later(now_millis: i64, by: std::time::Duration) -> i64 {
    now_millis.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

/// A time minus a duration, in milliseconds since 1970 UTC.
pub(crate) fn earlier(now_millis: i64, by: std::time::Duration) -> i64 {
    now_millis.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::new_id;

    #[test]
    fn ids_of_one_moment_stand_in_the_order_in_which_they_were_made() {
        let ids: Vec<_> = (0..1_000).map(|_| new_id(1_234_567_890_123).unwrap()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        assert!(ids.iter().all(|id| id.len() == 24 && id.starts_with("499602d207b")), "{}", ids[0]);
        assert!(new_id(1_234_567_890_124).unwrap() > ids[999]);
    }
}
