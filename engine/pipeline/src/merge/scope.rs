//! One scope in memory: what is in it, and how much of that is up to date.

use std::sync::Arc;

use calipso_model::{ObjectKey, Str};
use calipso_store::{Member, ScopeKey, ScopeRecord, ScopeUpdate};

use crate::{
    compact::Tables,
    merge::{
        Contribution, Members, Refused,
        extent::{IsBelow, Parts, Ticket},
        kept::{Entry, Kept},
    },
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
    pub(super) refused: Refused,
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
        let problem = record.problem.as_deref().filter(|_| record.complete);
        let refused = problem.map(|problem| refused_by(problem, members.keys())).unwrap_or_default();
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

    /// What is known of a scope when a contributor hands it over who began when it was otherwise: of every object what was asked
    /// for later, `ours` or `theirs`.
    pub(super) fn later(
        tables: &Arc<Tables>,
        (ours, our_parts): (Option<&Self>, &Parts),
        (theirs, their_parts, asked): (Option<&Self>, &Parts, Ticket),
        is_below: IsBelow<'_>,
    ) -> Option<Self> {
        let nothing = Kept::new(tables, Members::new());
        let our_members = ours.map_or(&nothing, |scope| &scope.members);
        let their_members = theirs.map_or(&nothing, |scope| &scope.members);
        let is_ours_later = |entry: &Entry| {
            let (key, attributes) = (tables.keys.key(entry.object), || our_members.attributes(entry));
            our_parts.latest(&key, &attributes, is_below).is_some_and(|ours| ours > asked)
        };
        let they_speak = |entry: &Entry| {
            let (key, attributes) = (tables.keys.key(entry.object), || their_members.attributes(entry));
            their_parts.speaks(asked, &key, &attributes, is_below)
        };
        let brought = |object: u32| their_members.entry(object).filter(|found| they_speak(found));
        let mut members = our_members.clone();
        members.retain_entries(|known| is_ours_later(known) || !they_speak(known) && brought(known.object).is_none());
        let more = their_members
            .entries()
            .iter()
            .filter(|found| members.entry(found.object).is_none() && they_speak(found) && !is_ours_later(found));
        let more = more.cloned().collect();
        members.put(more);
        let is_their_head = their_parts.head == asked && our_parts.head <= asked;
        let head = match (ours, theirs) {
            (Some(_), Some(theirs)) if is_their_head => theirs,
            (Some(_), None) if is_their_head && members.is_empty() => return None,
            (None, Some(_)) if !is_their_head && our_parts.head > asked && members.is_empty() => return None,
            (Some(ours), None) if is_their_head => &Self::asked_in_part(tables, &ours.tried_at),
            (Some(ours), _) => ours,
            (None, Some(theirs)) if is_their_head => theirs,
            // It was taken back since, so of the scope as a whole nothing is known.
            (None, Some(theirs)) => &Self::asked_in_part(tables, &theirs.tried_at),
            (None, None) => return None,
        };
        let (scanned_at, tried_at) = (head.scanned_at.clone(), head.tried_at.clone());
        let (mut stale_since, mut problem) = (head.stale_since.clone(), head.problem.clone());
        let (complete, order, mut refused) = (head.complete, head.order, head.refused.clone());
        // A later answer for a part of it that says everything but for some objects.
        let is_later = |theirs: &&Self| complete && theirs.complete && our_parts.head <= asked;
        if let Some(theirs) = theirs.filter(is_later).filter(|theirs| !theirs.refused.is_empty()) {
            refused.extend(theirs.refused.clone());
            stale_since = stale_since.or_else(|| theirs.stale_since.clone());
            problem = problem.or_else(|| theirs.problem.clone());
        }
        Some(Self { complete, scanned_at, tried_at, stale_since, problem, order, members, refused })
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
            refused: Refused::new(),
        }
    }

    /// One of which only a part was asked for.
    pub(super) fn asked_in_part(tables: &Arc<Tables>, now: &Str) -> Self {
        let mut scope = Self::never_read(tables);
        scope.doubt("only a part of it was asked for".to_owned(), now);
        scope
    }

    /// Whether something in it may be out of date.
    pub(super) fn is_stale(&self) -> bool {
        !self.complete || self.problem.is_some()
    }

    /// How many objects of it may be out of date.
    pub(super) fn n_stale(&self) -> usize {
        if self.complete {
            self.refused.keys().filter(|key| self.members.contains_key(key)).count()
        } else {
            self.members.len()
        }
    }

    /// Notes what was refused in an answer that says everything else.
    pub(super) fn except(&mut self, refused: Refused, now: &Str) {
        self.refused = refused;
        let refused = &self.refused;
        if refused.is_empty() {
            self.problem = None;
            self.stale_since = None;
            return;
        }
        let named: Vec<&str> = refused.values().take(MAX_NAMED).map(String::as_str).collect();
        let more = refused.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!("; and {more}{MORE}") } else { String::new() };
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

/// How the problem of a scope ends that does not name all refused objects.
const MORE: &str = " more were refused";
/// How many refused objects the problem of a scope names.
const MAX_NAMED: usize = 20;

/// The objects that the problem of a scope names as refused, each with its sentence. Every sentence begins with the object's key.
fn refused_by(problem: &str, objects: impl Iterator<Item = ObjectKey>) -> Refused {
    let named = match problem.rfind("; and ") {
        Some(more) if problem.ends_with(MORE) => problem.get(..more).unwrap_or(problem),
        _ => problem,
    };
    let sentence = |object: &ObjectKey| {
        let begins = [": ", " was "].map(|verb| format!("{object}{verb}"));
        // All objects of a scope have one type, so the next sentence begins with it.
        let next = format!("; {}/", object.object_type);
        let mut rest = Some(named);
        while let Some(text) = rest {
            let end = text.find(&next).unwrap_or(text.len());
            let (first, others) = (text.get(..end)?, text.get(end + "; ".len()..));
            if begins.iter().any(|begin| first.starts_with(begin.as_str())) {
                return Some(first.to_owned());
            }
            rest = others;
        }
        None
    };
    objects.filter_map(|object| Some((sentence(&object)?, object))).map(|(why, object)| (object, why)).collect()
}
