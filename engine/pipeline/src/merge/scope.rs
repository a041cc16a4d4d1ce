//! One scope in memory: what is in it, and how much of that is up to date.

use std::{collections::BTreeSet, sync::Arc};

use calipso_model::{ObjectKey, Str};
use calipso_store::{Member, ScopeKey, ScopeRecord, ScopeUpdate};

use crate::{
    compact::Tables,
    merge::{Contribution, Members, Refused, kept::Kept},
};

/// A scope as it is kept in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scope {
    pub(super) complete: bool,
    pub(super) scanned_at: Str,
    pub(super) tried_at: Str,
    pub(super) stale_since: Option<Str>,
    pub(super) problem: Option<Str>,
    pub(super) order: u32,
    pub(super) members: Kept,
    /// Objects that were refused when the rest of it was read; those that are members may be out of date.
    pub(super) refused: BTreeSet<ObjectKey>,
}

impl Scope {
    /// From what the store kept.
    pub(super) fn from_record(record: ScopeRecord, tables: &Arc<Tables>) -> (ScopeKey, Self) {
        let order = record.members.first().map_or(0, |member| member.order);
        let mut members = Members::new();
        for Member { key, contribution, asserts, at, .. } in record.members {
            members.insert(key, Contribution { attributes: contribution, asserts, at });
        }
        let members = Kept::new(tables, members);
        // Which they were is told by the problem, which begins with their keys.
        let is_refused = |object: &ObjectKey| {
            let name = format!("{object}");
            record.problem.as_ref().is_some_and(|problem| problem.contains(&name))
        };
        let may_be_refused = record.complete && record.problem.is_some();
        let refused = if may_be_refused { members.keys().filter(is_refused).collect() } else { BTreeSet::new() };
        let scope = Self {
            complete: record.complete,
            scanned_at: record.scanned_at,
            tried_at: record.tried_at,
            stale_since: record.stale_since,
            problem: record.problem,
            order,
            members,
            refused,
        };
        (record.key, scope)
    }

    /// As the store keeps it.
    pub(super) fn to_record(&self, key: &ScopeKey) -> ScopeRecord {
        let members = self.members.iter().map(|member| self.member(member));
        ScopeRecord { members: members.collect(), ..self.head(key) }
    }

    /// How it differs from what is saved of it. What a run brought again as it was is shared, and told apart at once.
    pub(super) fn since(&self, saved: &Self, key: &ScopeKey) -> ScopeUpdate {
        let entries = self.members.entries().iter();
        let other = entries.filter(|new| saved.members.entry(new.object) != Some(*new));
        let members = other.map(|new| self.member(self.members.named(new))).collect();
        let remove = saved.members.keys().filter(|object| !self.members.contains_key(object)).collect();
        ScopeUpdate { record: ScopeRecord { members, ..self.head(key) }, remove }
    }

    /// What is known of it as a whole, without its members.
    fn head(&self, key: &ScopeKey) -> ScopeRecord {
        ScopeRecord {
            key: key.clone(),
            complete: self.complete,
            scanned_at: self.scanned_at.clone(),
            tried_at: self.tried_at.clone(),
            stale_since: self.stale_since.clone(),
            problem: self.problem.clone(),
            members: Vec::new(),
        }
    }

    fn member(&self, (key, contribution): (ObjectKey, Contribution)) -> Member {
        let Contribution { attributes, asserts, at } = contribution;
        Member { key, contribution: attributes, asserts, order: self.order, at }
    }

    /// One of which nothing is known.
    pub(super) fn never_read(tables: &Arc<Tables>) -> Self {
        Self {
            complete: false,
            scanned_at: "".into(),
            tried_at: "".into(),
            stale_since: None,
            problem: None,
            order: 0,
            members: Kept::new(tables, Members::new()),
            refused: BTreeSet::new(),
        }
    }

    /// Whether something in it may be out of date.
    pub(super) fn is_stale(&self) -> bool {
        !self.complete || self.problem.is_some()
    }

    /// How many objects of it may be out of date.
    pub(super) fn n_stale(&self) -> usize {
        if self.complete {
            self.refused.iter().filter(|key| self.members.contains_key(key)).count()
        } else {
            self.members.len()
        }
    }

    /// Notes what was refused in an answer that says everything else.
    pub(super) fn except(&mut self, refused: Refused, now: &Str) {
        self.refused = refused.keys().cloned().collect();
        if refused.is_empty() {
            self.problem = None;
            self.stale_since = None;
            return;
        }
        let named: Vec<&str> = refused.values().take(MAX_NAMED).map(String::as_str).collect();
        let more = refused.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!("; and {more} more were refused") } else { String::new() };
        self.problem = Some(format!("{}{more}", named.join("; ")).into());
        self.stale_since.get_or_insert_with(|| now.clone());
    }

    /// Notes that it could not be read.
    pub(super) fn doubt(&mut self, problem: String, now: &Str) {
        self.complete = false;
        self.refused.clear();
        self.tried_at = now.clone();
        self.problem = Some(problem.into());
        if self.stale_since.is_none() {
            self.stale_since = Some(if self.scanned_at.is_empty() { now.clone() } else { self.scanned_at.clone() });
        }
    }
}

/// How many refused objects the problem of a scope names.
const MAX_NAMED: usize = 20;
