//! Where environments and their inventory are kept: one trait, its implementations, and the suite that they all pass.

pub mod error;
pub mod query;
pub mod scope;
pub mod store;

#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "embedded")]
pub mod embedded;

pub use error::StoreError;
pub use query::{CliqueQuery, Cursor, LinkQuery, Page, Paged, Query};
pub use scope::{Member, ScopeChanges, ScopeKey, ScopeRecord};
pub use store::{
    Change, CommitInfo, Counts, CountsByType, Diff, Keep, Lease, Pruned, ReportEntry, ReportId, RevisionInfo, Sink,
    Store,
};

#[cfg(feature = "embedded")]
pub use embedded::{Durability, Embedded, Options};
