//! Errors of the driver as store errors, without secrets.

use std::fmt;

use mongodb::error::{CommandError, Error, ErrorKind, WriteFailure};

use crate::{
    error::{BoxedError, StoreError},
    mongo::db::Db,
};

/// Our own sentence with the driver's message below it, without secrets.
#[derive(Debug)]
pub(super) struct Reason {
    what: String,
    below: Option<Box<Reason>>,
}

impl Reason {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), below: None }
    }

    /// The messages of an error and its sources.
    fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { what: error.to_string(), below: error.source().map(|below| Box::new(Self::of(below))) }
    }

    /// A sentence and what is below it.
    fn over(what: impl Into<String>, below: String) -> Self {
        Self { what: what.into(), below: Some(Box::new(Self::new(below))) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)
    }
}

impl std::error::Error for Reason {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.below.as_ref().map(|below| &**below as _)
    }
}

/// A copy of an error for another caller of the same look-up.
pub(super) fn repeat(error: &StoreError) -> StoreError {
    let reason = |cause: &BoxedError| BoxedError::from(Reason::of(&**cause));
    match error {
        StoreError::NotFound { what, name } => StoreError::NotFound { what, name: name.clone() },
        StoreError::Invalid { what } => StoreError::Invalid { what: what.clone() },
        StoreError::Corrupt { what, source } => {
            StoreError::Corrupt { what: what.clone(), source: source.as_ref().map(reason) }
        }
        StoreError::FullDisk { source } => StoreError::FullDisk { source: reason(source) },
        StoreError::Busy => StoreError::Busy,
        StoreError::Unavailable { place, source } => {
            StoreError::Unavailable { place: place.clone(), source: reason(source) }
        }
        StoreError::Io { action, source } => StoreError::Io { action, source: reason(source) },
        other => StoreError::Io { action: "read together", source: Reason::of(other).into() },
    }
}

/// Adds what was being done to an error of the driver.
pub(super) trait Doing<T> {
    /// Says what was being done, as the end of "the store failed while it tried to …".
    fn doing(self, db: &Db, action: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, db: &Db, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| fault(db, &error, action))
    }
}

/// The number of a command's or a write's error, if the server gave one.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(CommandError { code, .. }) => Some(*code),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => Some(concern.code),
        ErrorKind::InsertMany(many) => many
            .write_errors
            .as_ref()
            .and_then(|errors| errors.first())
            .map(|error| error.code)
            .or_else(|| many.write_concern_error.as_ref().map(|concern| concern.code)),
        _ => None,
    }
}

/// Whether a key that must be unique is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(11_000)
}

/// Somebody ended the session or the question.
const INTERRUPTED: i32 = 11_601;

/// Whether a write went to a server that is not, or no longer, the primary.
fn is_no_primary(code: i32) -> bool {
    matches!(code, 91 | 189 | 10_058 | 10_107 | 11_600 | 11_602 | 13_435 | 13_436)
}

/// Whether the same may succeed a moment later: a conflict, a lost connection, another primary.
pub(super) fn is_passing(error: &Error) -> bool {
    error.contains_label("TransientTransactionError")
        || error.contains_label("RetryableWriteError")
        || matches!(
            *error.kind,
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. }
        )
        // The next holder of a lease interrupts open transactions in the sessions of the writer before.
        || code(error).is_some_and(|code| code == INTERRUPTED || is_no_primary(code) || is_moment(code))
}

/// Conflicts, snapshots that are not available yet, and transactions that another writer ended.
fn is_moment(code: i32) -> bool {
    matches!(code, 24 | 50 | 112 | 225 | 239 | 246 | 251 | 262)
}

/// An error of the driver, as one of ours.
pub(super) fn fault(db: &Db, error: &Error, action: &'static str) -> StoreError {
    let said = db.scrub(&error.kind.to_string());
    let unavailable = |what: &str| StoreError::Unavailable {
        place: db.place.clone(),
        source: Reason::over(what, said.clone()).into(),
    };
    let tls = || {
        let lower = said.to_lowercase();
        ["certificate", "tls", "ssl", "handshake", "corrupt message"].iter().any(|word| lower.contains(word))
    };
    match (&*error.kind, code(error)) {
        (ErrorKind::Authentication { .. }, _) | (_, Some(18 | 8_000)) => unavailable(
            "the server refuses the user or the password; mind both, and the database that knows the user (authSource)",
        ),
        (_, Some(13)) => unavailable(
            "the user may not do that; give it the role `readWrite` on the database, and log in if the server asks for it",
        ),
        (_, Some(14_031)) => StoreError::FullDisk { source: Reason::new(said).into() },
        (_, Some(10_334 | 17_280 | 17_419 | 17_420)) => {
            StoreError::invalid("a document is larger than the store takes")
        }
        (_, Some(code)) if is_moment(code) => StoreError::Busy,
        (_, Some(code)) if is_no_primary(code) => {
            unavailable("the server is not the primary, or is none any more; try again when the replica set has one")
        }
        (ErrorKind::ServerSelection { .. } | ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. }, _)
            if tls() =>
        {
            unavailable(
                "TLS with the server failed; mind that both sides use it, and that the CA of its certificate is known here \
                 (tlsCAFile)",
            )
        }
        (ErrorKind::ServerSelection { .. }, _) => unavailable(&format!(
            "no primary answered within {} s; is the server running, is the address right, and is it the primary of its \
             replica set?",
            db.options.selection_timeout.as_secs_f32()
        )),
        (ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::DnsResolve { .. }, _) => {
            unavailable("the connection was lost")
        }
        _ => StoreError::Io { action, source: Reason::new(said).into() },
    }
}
