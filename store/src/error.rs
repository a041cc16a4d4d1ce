//! Errors of a store, distinguished by what the caller does next.

use calipso_model::{Revision, Str};

/// Anything that lies below a store: a driver, a file system, a parser.
pub type BoxedError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody committed in between: read the current revision, derive again, commit again.
    #[error("environment `{environment}` is at revision {current}, not at {base}: another writer was faster")]
    Conflict {
        /// Name of the environment.
        environment: Str,
        /// The revision that the writer started from.
        base: Revision,
        /// The revision that is current.
        current: Revision,
    },
    /// The lease belongs to another writer by now, or was given back: stop writing.
    #[error("the lease on environment `{environment}` is lost: somebody else took it over or it was given back")]
    LeaseLost {
        /// Name of the environment.
        environment: Str,
    },
    /// Somebody else holds the lease: wait until it is given back or runs out.
    #[error("environment `{environment}` is being written by `{holder}`; try again when it is done")]
    LeaseHeld {
        /// Name of the environment.
        environment: Str,
        /// Who holds it.
        holder: Str,
        /// When it runs out, in milliseconds since 1970 UTC.
        until_millis: i64,
    },
    /// There is nothing of that name.
    #[error("there is no {what} named `{name}`")]
    NotFound {
        /// `environment`, `report`, …
        what: &'static str,
        /// What was asked for.
        name: Str,
    },
    /// There is one of that name already: choose another, or change that one.
    #[error("there is already a {what} named `{name}`")]
    Exists {
        /// `scan`, `user`, …
        what: &'static str,
        /// Its name or id.
        name: Str,
    },
    /// It was changed or removed since it was read: read it again.
    #[error("{what} `{name}` was changed by somebody else in between; read it again")]
    Changed {
        /// `scan`, `user`, …
        what: &'static str,
        /// Its name or id.
        name: Str,
    },
    /// It has ended already: it cannot be cancelled any more.
    #[error("{what} `{name}` is {status} already")]
    Finished {
        /// Kind of document, such as `scan`.
        what: &'static str,
        /// Id of the document.
        name: Str,
        /// Where it stands: `completed`, `failed`, …
        status: &'static str,
    },
    /// The revision was never committed, or retention removed it: ask for another.
    #[error("environment `{environment}` has no revision {revision}; revisions {oldest} to {current} can be read")]
    NoRevision {
        /// Name of the environment.
        environment: Str,
        /// The revision that was asked for.
        revision: Revision,
        /// The oldest revision that can be read.
        oldest: Revision,
        /// The newest one.
        current: Revision,
    },
    /// The question or the document itself is wrong: mend the caller.
    #[error("{what}")]
    Invalid {
        /// A sentence about what is wrong.
        what: String,
    },
    /// What is stored cannot be what was written: restore a backup, or remove the store and scan again.
    #[error("the store is damaged ({what}); restore a backup, or remove it and scan again")]
    Corrupt {
        /// What was found.
        what: String,
        /// What found it.
        #[source]
        source: Option<BoxedError>,
    },
    /// A newer program wrote this store: use that program.
    #[error("the store has format {found}, and this program knows formats up to {known}; use a newer program")]
    VersionTooNew {
        /// The format found.
        found: i64,
        /// The newest format that is understood.
        known: i64,
    },
    /// No space left: free some. Nothing of what was being written is visible.
    #[error("no space is left for the store; free some and try again, nothing was lost")]
    FullDisk {
        /// What the system said.
        #[source]
        source: BoxedError,
    },
    /// Another process writes for longer than we wait: try again.
    #[error("the store is busy with another writer; try again")]
    Busy,
    /// The store cannot be reached or used: mind address, path, rights, or the service behind it.
    #[error("cannot use the store at `{place}`")]
    Unavailable {
        /// A path or an address without secrets.
        place: String,
        /// What the system said.
        #[source]
        source: BoxedError,
    },
    /// Reading or writing failed below us.
    #[error("the store failed while it tried to {action}")]
    Io {
        /// What was being done, as the end of a sentence.
        action: &'static str,
        /// What the system said.
        #[source]
        source: BoxedError,
    },
}

impl StoreError {
    /// Shorthand for [`StoreError::Invalid`].
    #[must_use]
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    /// A [`StoreError::NotFound`] environment.
    #[must_use]
    pub fn no_environment(name: &str) -> Self {
        Self::NotFound { what: "environment", name: name.into() }
    }

    /// A [`StoreError::Corrupt`] without a cause below it.
    #[must_use]
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), source: None }
    }

    /// Whether the same call may succeed when it is simply made again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::LeaseHeld { .. })
    }
}
