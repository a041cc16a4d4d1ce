//! Where environments and their inventory are kept: one trait, its implementations, and the suite that they all pass.

pub mod commit;
pub mod condition;
pub mod error;
#[cfg(any(feature = "embedded", feature = "mongo"))]
mod form;
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
pub use condition::{Checked, Condition};
pub use error::StoreError;
pub use form::is_found;
pub use query::{CliqueQuery, Cursor, LinkQuery, Page, Paged, Query};
pub use records::{Backend, Collection, Record, RecordPage, RecordQuery, Records, Test};
pub use scope::{Member, ScopeChanges, ScopeKey, ScopeRecord, ScopeUpdate};
pub use store::{
    Change, Counts, CountsByType, Diff, Expect, Keep, Lease, Pruned, ReportEntry, ReportId, RevisionInfo, Searched,
    Sink, Store, WholeClique, WholeObject,
};

#[cfg(feature = "embedded")]
pub use embedded::{Durability, Embedded, Options};
#[cfg(feature = "mongo")]
pub use mongo::{Mongo, MongoOptions};
