//! What changes from one revision to the next.

use crate::{Clique, Link, LinkRef, Object, ObjectKey};

/// Number of a committed state of one environment; 0 is the empty one before the first commit.
pub type Revision = u64;

/// The difference between two states of one environment. Sorted by key where it comes from us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// New or changed objects.
    pub objects: Vec<Object>,
    /// Objects that are gone.
    pub removed_objects: Vec<ObjectKey>,
    /// New or changed links.
    pub links: Vec<Link>,
    /// Links that are gone.
    pub removed_links: Vec<LinkRef>,
    /// New or changed cliques.
    pub cliques: Vec<Clique>,
    /// Focal points that have no clique any more.
    pub removed_cliques: Vec<ObjectKey>,
}

impl Delta {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.removed_objects.is_empty()
            && self.links.is_empty()
            && self.removed_links.is_empty()
            && self.cliques.is_empty()
            && self.removed_cliques.is_empty()
    }
}
