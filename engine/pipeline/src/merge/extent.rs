//! Of which objects of a scope an answer speaks, and which of several answers was asked for last.
//!
//! Contributions to one environment go on beside each other: a scan takes minutes, a small one begins after it and ends before
//! it. An answer counts for what it speaks of unless another one that was *asked for later* speaks of it, too, whichever was
//! handed over first. So the outcome is what it would be had they followed each other in the order in which they began.

use std::collections::BTreeSet;

use calipso_model::{Map, ObjectKey};

/// The number of a contribution to an environment. One that began later has a higher number.
pub(crate) type Ticket = u64;

/// The objects of a scope of which an answer speaks: those that it does not name are not there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Extent {
    /// All that the scope can have.
    All,
    /// These, whether or not they are there.
    Objects(BTreeSet<ObjectKey>),
    /// An object, and what lies below it.
    Below(ObjectKey),
    /// Those with these attributes: a narrowed answer.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "workflows of events will ask narrowed questions; tests hold the rule")
    )]
    Where(Map),
}

/// Tells whether the first object is the second one or lies below it.
pub(crate) type IsBelow<'a> = &'a dyn Fn(&ObjectKey, &ObjectKey) -> bool;

/// Makes the attributes of an object, which few ask for.
pub(crate) type Attributes<'a> = &'a dyn Fn() -> Map;

impl Extent {
    /// Whether an object with these attributes is among them.
    pub(crate) fn holds(&self, key: &ObjectKey, attributes: Attributes<'_>, is_below: IsBelow<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Objects(keys) => keys.contains(key),
            Self::Below(object) => is_below(key, object),
            Self::Where(wanted) => {
                let attributes = attributes();
                wanted.iter().all(|(name, value)| attributes.get(name) == Some(value))
            }
        }
    }
}

/// One answer for a scope, as far as it matters to contributions that began before it.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    asked: Ticket,
    extent: Extent,
    /// Objects of which it says nothing although they are within its extent.
    but: BTreeSet<ObjectKey>,
}

/// Who wrote what of one scope.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts {
    parts: Vec<Part>,
    /// Who wrote last how the scope is as a whole: whether it was read, when, and what went wrong.
    pub(super) head: Ticket,
}

impl Parts {
    /// Notes an answer.
    pub(super) fn add(&mut self, asked: Ticket, extent: Extent, but: BTreeSet<ObjectKey>) {
        if extent == Extent::All && but.is_empty() {
            self.parts.retain(|part| part.asked > asked);
        }
        self.parts.push(Part { asked, extent, but });
    }

    /// Adds what one contributor noted.
    pub(super) fn take_over(&mut self, other: &Self, asked: Ticket) {
        for part in other.parts.iter().filter(|part| part.asked == asked) {
            self.add(part.asked, part.extent.clone(), part.but.clone());
        }
        if other.head == asked {
            self.head = self.head.max(asked);
        }
    }

    /// The number of the latest answer that speaks of an object; none where nobody does that is still noted.
    pub(super) fn latest(&self, key: &ObjectKey, attributes: Attributes<'_>, is_below: IsBelow<'_>) -> Option<Ticket> {
        let speaks = |part: &&Part| part.extent.holds(key, attributes, is_below) && !part.but.contains(key);
        self.parts.iter().filter(speaks).map(|part| part.asked).max()
    }

    /// Whether somebody wrote something who began after this one.
    pub(super) fn has_later(&self, than: Ticket) -> bool {
        self.head > than || self.parts.iter().any(|part| part.asked > than)
    }

    /// Whether one contributor speaks of an object.
    pub(super) fn speaks(
        &self,
        asked: Ticket,
        key: &ObjectKey,
        attributes: Attributes<'_>,
        is_below: IsBelow<'_>,
    ) -> bool {
        let of_it = self.parts.iter().filter(|part| part.asked == asked);
        of_it.into_iter().any(|part| part.extent.holds(key, attributes, is_below) && !part.but.contains(key))
    }

    /// Forgets what no contribution can be older than. Tells whether anything is left.
    pub(super) fn forget_before(&mut self, oldest: Ticket) -> bool {
        self.parts.retain(|part| part.asked >= oldest);
        !self.parts.is_empty() || self.head >= oldest
    }
}
