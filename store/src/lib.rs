//! Where environments and their inventory are kept: one trait, its implementations, and the suite that they all pass.

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

pub mod commit;
pub mod error;
#[cfg(any(feature = "embedded", feature = "mongo"))]
mod form;
pub mod health;
pub mod query;
pub mod records;
pub mod scope;
pub mod store;
pub mod work;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;
#[cfg(feature = "mongo")]
pub mod mongo;

pub use commit::{Commit, CommitInfo, RowWrite};
pub use error::StoreError;
pub use form::is_found;
pub use health::{IntegrityReport, StoreHealth};
pub use query::{CliqueQuery, Cursor, LinkQuery, Page, Paged, Query};
pub use records::{Backend, Collection, FieldTest, Record, RecordPage, RecordQuery, Records};
pub use scope::{Member, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate};
pub use store::{
    Change, Counts, CountsByType, Diff, Expect, Keep, Lease, Pruned, ReportEntry, ReportId, RevisionInfo, Searched,
    Sink, Store, WholeClique, WholeObject,
};

#[cfg(feature = "embedded")]
pub use embedded::{Durability, Embedded, Options};
#[cfg(feature = "mongo")]
pub use mongo::{Mongo, MongoOptions};
