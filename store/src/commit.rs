//! What a commit takes: the change of the inventory, of its scopes, and of documents beside it, all in one.

use calipso_model::{Delta, Map, Revision, Str};

use crate::{
    records::Collection,
    scope::ScopeChanges,
    store::{Expect, Lease},
};

/// What is said of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitInfo {
    /// When, RFC 3339.
    pub at: Str,
    /// Why, for people.
    pub note: Str,
}

/// Everything that is written at once: all of it, or none.
///
/// # Shape
/// What the delta repeats unchanged and what it removes although it is not there is dropped. Nothing may be named twice: no
/// object, link or clique with two documents or both changed and removed, no scope in two of the lists of its changes, no row.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'c> {
    /// Name of the environment.
    pub environment: &'c str,
    /// The revision that the writer started from.
    pub base: Revision,
    /// Its right to write.
    pub lease: &'c Lease,
    /// What changes in the inventory: the next revision, unless nothing of it differs from what is stored.
    pub delta: &'c Delta,
    /// What changes among the scopes; saved also where there is no next revision.
    pub scopes: &'c ScopeChanges,
    /// Documents beside the inventory, written even where there is no next revision.
    pub rows: &'c [RowWrite],
    /// When and why.
    pub info: &'c CommitInfo,
}

/// No change of any scope.
static NO_SCOPES: ScopeChanges = ScopeChanges { put: Vec::new(), update: Vec::new(), remove: Vec::new() };

impl<'c> Commit<'c> {
    /// A change of the inventory alone, in the environment of the lease.
    #[must_use]
    pub fn new(base: Revision, lease: &'c Lease, delta: &'c Delta, info: &'c CommitInfo) -> Self {
        Self { environment: &lease.environment, base, lease, delta, scopes: &NO_SCOPES, rows: &[], info }
    }
}

/// The writing of one document beside the inventory, as a part of a commit.
#[derive(Clone, Debug, PartialEq)]
pub struct RowWrite {
    /// Where it lies.
    pub collection: Collection,
    /// Id of the document.
    pub id: Str,
    /// What must be there; where something else is, nothing of the commit is written. A version is the one that its last
    /// writer was told, and must still be there.
    pub expect: Expect,
    /// The document from now on; nothing removes it.
    pub doc: Option<Map>,
}

impl RowWrite {
    /// Writes a document.
    #[must_use]
    pub fn put(collection: Collection, id: impl Into<Str>, expect: Expect, doc: Map) -> Self {
        Self { collection, id: id.into(), expect, doc: Some(doc) }
    }

    /// Removes a document. Expecting nothing it changes nothing, and only asks that there is none.
    #[must_use]
    pub fn remove(collection: Collection, id: impl Into<Str>, expect: Expect) -> Self {
        Self { collection, id: id.into(), expect, doc: None }
    }
}
