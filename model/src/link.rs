//! Links between two objects.

use crate::{Map, ObjectKey, Str};

/// Whether a link carries traffic, as far as its ends tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkState {
    /// Up, or nothing says otherwise.
    #[default]
    Up,
    /// At least one end says that it is down.
    Down,
}

impl LinkState {
    /// `up` or `down`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A link; its key within an environment is link type, source and target.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Name of the link type.
    pub link_type: Str,
    /// Where it starts.
    pub source: ObjectKey,
    /// Where it ends.
    pub target: ObjectKey,
    /// What people see; need not be unique.
    pub name: Str,
    /// Up or down.
    pub state: LinkState,
    /// The host that it belongs to, if any.
    pub host: Option<Str>,
    /// The switch that it belongs to, if any.
    pub switch: Option<Str>,
    /// What the rule says of it; `source_label` and `target_label` among others.
    pub attributes: Map,
    /// Whether it stands for a chain of other links.
    pub implicit: bool,
    /// The rule that made it.
    pub rule: Str,
}
