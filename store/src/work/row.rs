//! Typed documents: one trait between a type and its record.

use calipso_model::{Map, Str};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::StoreError,
    records::{Collection, Record},
};

/// A type whose values are documents of one collection. What serde writes of it is what is stored.
pub trait Row: Serialize + DeserializeOwned {
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

/// A new id: 24 hexadecimal digits, the first eight of them the seconds since 1970, the others random.
///
/// # Errors
/// [`StoreError::Io`] when the system has no random numbers.
pub fn new_id(now_millis: i64) -> Result<Str, StoreError> {
    use ring::rand::SecureRandom as _;
    let mut random = [0_u8; 8];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| StoreError::Io { action: "make a random id", source: "no random numbers".into() })?;
    let seconds = u32::try_from(now_millis.div_euclid(1000)).unwrap_or(u32::MAX);
    Ok(format!("{seconds:08x}{:016x}", u64::from_be_bytes(random)).into())
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
