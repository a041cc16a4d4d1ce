//! What deriving may cost: work and memory by rule and by environment, so that no rule spoils others and none is without end.
//!
//! Bounds grow with the environment's objects: real clouds stay far below them at any size, while a rule whose keys all
//! meet, or whose names are megabytes, is given up early. A rule that is given up yields nothing at all, whichever of its
//! objects were looked at first, so that the result does not depend on threads.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use calipso_model::{Str, Value};
use calipso_spec::checked::At;

use crate::rules::{AttributeRule, Rules};

/// Work of a rule where there are no objects, in units of fuel: one for a node of an expression or 16 bytes of text.
const WORK: u64 = 20_000_000;
/// More of it for each object of the environment.
const WORK_PER_OBJECT: u64 = 4_000;
/// Bytes that a rule may leave behind, and more for each object.
const BYTES: u64 = 16 << 20;
const BYTES_PER_OBJECT: u64 = 4 << 10;
/// Memory of all rules together, and more for each object.
const MEMORY: u64 = 128 << 20;
const MEMORY_PER_OBJECT: u64 = 16 << 10;
/// As many rules may use all of their work; where there are more, each has less.
const FULL_RULES: u64 = 40;

/// Units of work for one key of an object, for one pair that meets, and for one link of a clique.
pub(crate) const KEY: u64 = 50;
pub(crate) const PAIR: u64 = 40;
pub(crate) const CLIQUE_LINK: u64 = 10;
/// Units for a fault that is reported.
pub(crate) const FAULT: u64 = 50;
/// Units for one evaluation over a pair.
pub(crate) const EVALUATION: u64 = 2_000_000;
/// Memory of one key in its index, and of one link.
pub(crate) const KEY_BYTES: u64 = 64;
pub(crate) const LINK_BYTES: u64 = 200;

/// Longest name, state, host or switch of a link, in bytes.
pub(crate) const MAX_TEXT: usize = 4 << 10;
/// Longest key, all parts together.
pub(crate) const MAX_KEY: usize = 64 << 10;
/// Largest value of a derived attribute or of an attribute of a link.
pub(crate) const MAX_VALUE: u64 = 4 << 20;

/// A rule that was given up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exceeded {
    /// Where the rule stands in its file.
    pub at: At,
    /// `type.attribute`, the name of a link rule, or the name of a clique type.
    pub rule: Str,
    /// Which bound, and what to do.
    pub message: String,
}

/// What one rule has used up in this change.
#[derive(Debug, Default)]
struct Spent {
    work: AtomicU64,
    bytes: AtomicU64,
    over: OnceLock<()>,
}

/// Counts what rules use up: joins first, then rules from one object alone, then clique types, then chains.
#[derive(Debug)]
pub(crate) struct Meter {
    rules: Vec<Spent>,
    n_objects: u64,
    work: u64,
    bytes: u64,
    memory_allowed: u64,
    memory: AtomicU64,
    crowded: OnceLock<()>,
}

/// For questions that no bound is needed for.
pub(crate) static UNMETERED: Meter = Meter {
    rules: Vec::new(),
    n_objects: 0,
    work: u64::MAX,
    bytes: u64::MAX,
    memory_allowed: u64::MAX,
    memory: AtomicU64::new(0),
    crowded: OnceLock::new(),
};

impl Meter {
    pub(crate) fn new(rules: &Rules) -> Self {
        let n_rules = clique_rule(rules, rules.cliques.len()) + 1;
        let mut spent = Vec::new();
        spent.resize_with(n_rules, Spent::default);
        let mut meter = Self {
            rules: spent,
            n_objects: 0,
            work: 0,
            bytes: 0,
            memory_allowed: 0,
            memory: AtomicU64::new(0),
            crowded: OnceLock::new(),
        };
        meter.begin(0);
        meter
    }

    /// Begins a change after which there are `n_objects`. A rule that was given up stays so.
    pub(crate) fn begin(&mut self, n_objects: usize) {
        let n_objects = n_objects as u64;
        let n_rules = self.rules.len() as u64;
        let share = |whole: u64| if n_rules > FULL_RULES { whole / n_rules * FULL_RULES } else { whole };
        self.n_objects = n_objects;
        self.work = share(WORK + WORK_PER_OBJECT * n_objects);
        self.bytes = BYTES + BYTES_PER_OBJECT * n_objects;
        self.memory_allowed = MEMORY + MEMORY_PER_OBJECT * n_objects;
        self.memory = AtomicU64::new(0);
        for spent in &mut self.rules {
            spent.work = AtomicU64::new(0);
            spent.bytes = AtomicU64::new(0);
        }
    }

    /// Pays for work; whether the rule may go on.
    pub(crate) fn work(&self, rule: usize, units: u64) -> bool {
        let Some(spent) = self.rules.get(rule) else { return true };
        if units > 0 && spent.work.fetch_add(units, Ordering::Relaxed).saturating_add(units) > self.work {
            let _ = spent.over.set(());
        }
        !self.is_over(rule)
    }

    /// Pays for what a rule leaves behind.
    pub(crate) fn keep(&self, rule: usize, bytes: u64) {
        let Some(spent) = self.rules.get(rule) else { return };
        if spent.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.bytes {
            let _ = spent.over.set(());
        }
        if self.memory.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) > self.memory_allowed {
            let _ = self.crowded.set(());
        }
    }

    /// Stops a rule: from now on it yields nothing.
    pub(crate) fn give_up(&self, rule: usize) {
        if let Some(spent) = self.rules.get(rule) {
            let _ = spent.over.set(());
        }
    }

    /// Whether a rule was given up.
    pub(crate) fn is_over(&self, rule: usize) -> bool {
        self.is_crowded() || self.rules.get(rule).is_some_and(|spent| spent.over.get().is_some())
    }

    /// Whether all rules were, since they take too much together.
    pub(crate) fn is_crowded(&self) -> bool {
        self.crowded.get().is_some()
    }

    fn message(&self) -> String {
        format!(
            "given up, it yields nothing: it takes more than {} units of work (a key is {KEY}, a pair that meets {PAIR}, 16 bytes of text 1) or leaves more than {} bytes behind, which is what {} objects allow; make its keys more specific, its texts and lists shorter",
            self.work, self.bytes, self.n_objects
        )
    }

    /// Why everything was given up.
    pub(crate) fn crowded(&self) -> Option<String> {
        self.is_crowded().then(|| {
            format!(
                "the rules of the environment take more than {} bytes of memory together, which is what {} objects allow; look for a link type or a derived attribute that makes too much",
                self.memory_allowed, self.n_objects
            )
        })
    }

    /// The rules that were given up, in the order in which they stand in their files.
    pub(crate) fn exceeded(&self, rules: &Rules) -> Vec<Exceeded> {
        let message = self.message();
        let joins = rules.joins.iter().enumerate().map(|(number, join)| (number, &join.at, &join.name));
        let own = rules.attributes.iter().flat_map(|attribute| &attribute.rules).filter_map(|rule| match rule {
            AttributeRule::Own(own) => Some((rules.joins.len() + own.number, &own.at, &own.name)),
            AttributeRule::Join(_) => None,
        });
        let cliques = rules.cliques.iter().enumerate();
        let cliques = cliques.map(|(number, plan)| (clique_rule(rules, number), &plan.at, &plan.name));
        // Chains are the affair of the clique types that ask for them.
        let chains = rules.cliques.iter().filter(|plan| plan.implicit);
        let chains = chains.map(|plan| (chain_rule(rules), &plan.at, &plan.name));
        let over = |rule: &usize| self.rules.get(*rule).is_some_and(|spent| spent.over.get().is_some());
        let mut found: Vec<Exceeded> = joins
            .chain(own)
            .chain(cliques)
            .chain(chains)
            .filter(|(rule, _, _)| over(rule))
            .map(|(_, at, name)| Exceeded { at: at.clone(), rule: name.clone(), message: message.clone() })
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The number of a clique type among the rules.
pub(crate) fn clique_rule(rules: &Rules, number: usize) -> usize {
    let own = rules.attributes.iter().flat_map(|attribute| &attribute.rules);
    let n_own = own.filter(|rule| matches!(rule, AttributeRule::Own(_))).count();
    rules.joins.len() + n_own + number
}

/// The number of what makes implicit links.
pub(crate) fn chain_rule(rules: &Rules) -> usize {
    clique_rule(rules, rules.cliques.len())
}

/// Bytes of a value; counting ends soon behind the largest that may be.
pub(crate) fn size(value: &Value) -> u64 {
    fn add(value: &Value, total: &mut u64) {
        *total += size_of::<Value>() as u64;
        match value {
            _ if *total > MAX_VALUE => {}
            Value::Str(text) => *total += text.len() as u64,
            Value::List(items) => items.iter().for_each(|item| {
                if *total <= MAX_VALUE {
                    add(item, total);
                }
            }),
            Value::Map(map) => map.iter().for_each(|(key, value)| {
                if *total <= MAX_VALUE {
                    *total += key.len() as u64;
                    add(value, total);
                }
            }),
            _ => {}
        }
    }
    let mut total = 0;
    add(value, &mut total);
    total
}
