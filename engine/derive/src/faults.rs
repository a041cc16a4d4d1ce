//! Run-time faults of rules: which rule, over which objects, and why.

use std::collections::BTreeMap;

use calipso_model::{ObjectKey, Str};
use calipso_spec::checked::At;

/// An expression of a rule that could not be evaluated, or a `take: one` with several values.
///
/// # Shape
/// Keys that cannot be evaluated join nothing; a pair whose `when` cannot be evaluated does not meet; a part of a link
/// that cannot be evaluated takes its default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleFault {
    /// Where the rule stands in its file.
    pub at: At,
    /// `type.attribute`, or the name of a link rule.
    pub rule: Str,
    /// The object over which the rule was evaluated.
    pub object: ObjectKey,
    /// The object at the other end, where the fault is one of a pair.
    pub other: Option<ObjectKey>,
    /// What is wrong, as a sentence.
    pub message: String,
}

/// The part of a rule that was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Keys of `self` or `from`.
    Near,
    /// Keys of `other` or `to`.
    Far,
    /// A value, from one object alone.
    Own,
    Pair,
}

impl Part {
    pub(crate) fn of_side(side: usize) -> Self {
        if side == 0 { Self::Near } else { Self::Far }
    }
}

/// Rule (joins first, then rules from one object alone), part, and the numbers of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FaultKey {
    pub(crate) rule: usize,
    pub(crate) part: Part,
    pub(crate) a: u32,
    pub(crate) b: u32,
}

/// The faults that stand now.
#[derive(Debug, Default)]
pub(crate) struct Faults(BTreeMap<FaultKey, String>);

impl Faults {
    pub(crate) fn add(&mut self, faults: Vec<(FaultKey, String)>) {
        self.0.extend(faults);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&FaultKey, &String)> {
        self.0.iter()
    }

    /// Forgets what is known of one object as the first of a pair.
    pub(crate) fn forget(&mut self, rule: usize, part: Part, a: u32) {
        if self.0.is_empty() {
            return;
        }
        let range = FaultKey { rule, part, a, b: 0 }..=FaultKey { rule, part, a, b: u32::MAX };
        let known: Vec<FaultKey> = self.0.range(range).map(|(key, _)| *key).collect();
        for key in known {
            self.0.remove(&key);
        }
    }

    /// Forgets what is known of pairs with one object as the second, but those that `keep` names.
    pub(crate) fn forget_second(&mut self, rule: usize, b: u32, keep: &dyn Fn(u32) -> bool) {
        if !self.0.is_empty() {
            self.0.retain(|key, _| key.rule != rule || key.part != Part::Pair || key.b != b || keep(key.a));
        }
    }

    /// Forgets what is known of one pair.
    pub(crate) fn forget_pair(&mut self, rule: usize, a: u32, b: u32) {
        self.0.remove(&FaultKey { rule, part: Part::Pair, a, b });
    }
}
