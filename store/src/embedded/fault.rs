//! Errors of the database as store errors.

use std::{error::Error, io};

use rusqlite::ErrorCode;

use crate::error::StoreError;

/// Adds what was being done to a database error.
pub(super) trait Doing<T> {
    /// Says what was being done, as the end of "the store failed while it tried to …".
    fn doing(self, action: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, rusqlite::Error> {
    fn doing(self, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| fault(error, action))
    }
}

fn fault(error: rusqlite::Error, action: &'static str) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::FullDisk { source: error.into() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Corrupt { what: format!("it cannot {action}"), source: Some(error.into()) }
        }
        _ if is_unreadable(&error) => {
            let what = format!("what it holds is of another kind than what was written; it cannot {action}");
            StoreError::Corrupt { what, source: Some(error.into()) }
        }
        _ => StoreError::Io { action, source: error.into() },
    }
}

/// Why a file cannot be used as a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It holds something else.
    NotAStore,
    /// This process may not write it.
    NotWritable,
}

impl Unusable {
    /// What the causes of an error say of the file, if anything.
    #[must_use]
    pub fn of(error: &StoreError) -> Option<Self> {
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        causes.find_map(|cause| {
            if let Some(system) = cause.downcast_ref::<io::Error>() {
                return (system.kind() == io::ErrorKind::PermissionDenied).then_some(Self::NotWritable);
            }
            match cause.downcast_ref::<rusqlite::Error>()?.sqlite_error_code()? {
                ErrorCode::NotADatabase => Some(Self::NotAStore),
                ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Some(Self::NotWritable),
                _ => None,
            }
        })
    }
}

/// Whether a value came out of the file that never went in: text that is no UTF-8, a number where text was written.
fn is_unreadable(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as Sqlite;
    matches!(
        error,
        Sqlite::Utf8Error(..)
            | Sqlite::FromSqlConversionFailure(..)
            | Sqlite::InvalidColumnType(..)
            | Sqlite::IntegralValueOutOfRange(..)
    )
}

/// A stored text that does not parse.
pub(super) fn unreadable(what: &str, error: serde_json::Error) -> StoreError {
    StoreError::Corrupt { what: format!("{what} is not readable"), source: Some(error.into()) }
}

/// A number as the database keeps it.
pub(super) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that the database kept.
pub(super) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
