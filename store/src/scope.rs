//! Scopes: what a fetcher asked, when, and what it found. Kept beside the revisions, not in them.

use std::{cmp::Ordering, fmt};

use calipso_model::{Map, ObjectKey, Str, Value};

/// What identifies a scope within one environment: a fetcher, asked below one parent, perhaps narrowed.
#[derive(Clone, Debug)]
pub struct ScopeKey {
    /// Name of the fetcher.
    pub fetcher: Str,
    /// Type of the objects it yields.
    pub object_type: Str,
    /// The object below which it was asked.
    pub parent: ObjectKey,
    /// What it was narrowed to; null when it was not.
    pub narrowing: Value,
}

impl Ord for ScopeKey {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.fetcher, &self.object_type, &self.parent)
            .cmp(&(&other.fetcher, &other.object_type, &other.parent))
            .then_with(|| self.narrowing.total_cmp(&other.narrowing))
    }
}
impl PartialOrd for ScopeKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for ScopeKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for ScopeKey {}

impl fmt::Display for ScopeKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` of {} below {}", self.fetcher, self.object_type, self.parent)?;
        if self.narrowing.is_null() { Ok(()) } else { write!(out, " where {}", self.narrowing.to_json()) }
    }
}

/// One object that a scope asserts or adds to.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Key of the object that is a member.
    pub key: ObjectKey,
    /// The attributes that the fetcher contributed.
    pub contribution: Map,
    /// Whether the fetcher asserts that the object exists; otherwise it only adds attributes.
    pub asserts: bool,
    /// Place among the contributions to one object: later ones win.
    pub order: u32,
    /// The step that emitted it, as `file:line:column`.
    pub at: Str,
}

/// What is known of one scope.
///
/// # Shape
/// A store gives members back sorted by key, then order, then place; whatever order they came in.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeRecord {
    /// Identifies the scope within its environment.
    pub key: ScopeKey,
    /// Whether the last answer was complete.
    pub complete: bool,
    /// When the last complete answer came, RFC 3339; empty if there was none.
    pub scanned_at: Str,
    /// When it was asked last, RFC 3339.
    pub tried_at: Str,
    /// Since when the data may be out of date, RFC 3339.
    pub stale_since: Option<Str>,
    /// Why the last answer was not complete.
    pub problem: Option<Str>,
    /// What is known to be in it.
    pub members: Vec<Member>,
}

/// What changes of one scope that is stored.
///
/// # Shape
/// The head of `record` replaces the stored one. Its members replace all stored members of the same keys; those of the keys
/// in `remove` go; all others stay as they are.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeUpdate {
    /// The new head, and the members of the keys that change.
    pub record: ScopeRecord,
    /// Keys that lose all their members.
    pub remove: Vec<ObjectKey>,
}

/// What changes among the scopes; saved with a commit, in one step. No scope is named twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeChanges {
    /// New or changed scopes, whole.
    pub put: Vec<ScopeRecord>,
    /// What differs of scopes that are stored: the cost is that of what differs, however much a scope holds.
    pub update: Vec<ScopeUpdate>,
    /// Scopes that exist no more.
    pub remove: Vec<ScopeKey>,
}

impl ScopeChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.update.is_empty() && self.remove.is_empty()
    }
}
