//! Cliques: the graph around one focal point.

use crate::{Map, ObjectKey, Str};

/// The key of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkRef {
    /// Name of the link type.
    pub link_type: Str,
    /// Where it starts.
    pub source: ObjectKey,
    /// Where it ends.
    pub target: ObjectKey,
}

/// What an operator sees around one object; its key is the focal point.
#[derive(Clone, Debug, PartialEq)]
pub struct Clique {
    /// The object in the middle.
    pub focal_point: ObjectKey,
    /// Name of the clique type that was walked.
    pub clique_type: Str,
    /// Constraint attribute to its value on the focal point (null when absent).
    pub constraints: Map,
    /// Every object in it, the focal point included, sorted.
    pub nodes: Vec<ObjectKey>,
    /// Every link in it, in the order they were found.
    pub links: Vec<LinkRef>,
}
