//! What is known of an environment: scopes, the contributions in them, and the documents that follow.
//!
//! Only a [`Complete`] answer can take something out of a scope; an [`Incomplete`] one only adds and replaces. That the
//! two cannot be mixed up is the work of their types. An object that an answer names but does not say properly is *refused*:
//! what was known of it stays as it was, whatever becomes of the others.

#[cfg(test)]
mod beside;
mod extent;
mod holders;
mod kept;
mod scope;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{Map, ObjectKey, Packed, Str, Value};
use calipso_spec::checked::ObjectType;
use calipso_store::{ScopeChanges, ScopeKey, ScopeRecord};

pub(crate) use self::extent::{Extent, IsBelow, Ticket};
use self::{extent::Parts, holders::Holders, kept::Kept, scope::Scope};
use crate::compact::Tables;

/// One object as one scope knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contribution {
    pub(crate) attributes: Map,
    pub(crate) asserts: bool,
    pub(crate) at: Str,
}

/// What a run brought for one scope.
pub(crate) type Members = BTreeMap<ObjectKey, Contribution>;

/// Objects that an answer names but does not say properly, and why.
pub(crate) type Refused = BTreeMap<ObjectKey, String>;

/// Everything that is in a scope, but for what was refused.
#[derive(Debug)]
pub(crate) struct Complete {
    members: Members,
    refused: Refused,
}

/// Something of what is in a scope, and why not all.
#[derive(Debug)]
pub(crate) struct Incomplete {
    members: Members,
    refused: Refused,
    problem: String,
}

/// The answer of one run for one scope.
#[derive(Debug)]
pub(crate) enum Answered {
    Whole(Complete),
    Part(Incomplete),
}

impl Answered {
    /// Sorts an answer by what went wrong, if anything.
    pub(crate) fn new(members: Members, refused: Refused, problem: Option<String>) -> Self {
        match problem {
            None => Self::Whole(Complete { members, refused }),
            Some(problem) => Self::Part(Incomplete { members, refused, problem }),
        }
    }
}

/// All scopes of one environment. Cloning is cheap: what does not change afterwards is shared.
#[derive(Clone, Debug)]
pub(crate) struct Inventory {
    tables: Arc<Tables>,
    scopes: BTreeMap<Arc<ScopeKey>, Arc<Scope>>,
    holders: Holders,
    /// Scopes that are not as the store has them, each as it is stored.
    unsaved: BTreeMap<Arc<ScopeKey>, Option<Arc<Scope>>>,
    /// Objects that came, went or changed since this was last taken.
    touched: BTreeSet<u32>,
    /// Whose answers are written here.
    writer: Ticket,
    /// Who wrote what, as far as contributions that began earlier are still under way; of this one, everything.
    parts: BTreeMap<Arc<ScopeKey>, Parts>,
}

/// A scope of which not everything is known to be up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) key: ScopeKey,
    pub(crate) since: Str,
    pub(crate) problem: Str,
    pub(crate) n_objects: usize,
}

/// Two runs of one fetcher that say different things of one object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dispute {
    pub(crate) fetcher: Str,
    pub(crate) object: ObjectKey,
    pub(crate) attribute: Str,
    /// What the first says, and what the second says, which counts.
    pub(crate) values: (Value, Value),
    /// Below which objects they ran.
    pub(crate) parents: (ObjectKey, ObjectKey),
}

impl Default for Inventory {
    /// Nothing, of no environment.
    fn default() -> Self {
        Self::new(&Arc::default())
    }
}

impl Inventory {
    /// Nothing yet, of an environment with these tables.
    fn new(tables: &Arc<Tables>) -> Self {
        let (scopes, unsaved, touched) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let (tables, holders) = (Arc::clone(tables), Holders::new(tables));
        Self { tables, scopes, holders, unsaved, touched, writer: 0, parts: BTreeMap::new() }
    }

    /// From what the store kept. Everything counts as touched.
    pub(crate) fn from_records(records: Vec<ScopeRecord>, tables: &Arc<Tables>) -> Self {
        let mut inventory = Self::new(tables);
        for record in records {
            let (key, scope) = Scope::from_record(record, tables);
            inventory.replace(Arc::new(key), Some(scope));
        }
        inventory.saved();
        inventory
    }

    /// Puts an answer in place of what was known of its scope.
    pub(crate) fn apply(&mut self, key: ScopeKey, order: u32, answer: Answered, now: &Str) {
        let key = Arc::new(key);
        let former = self.scopes.get(&key);
        let scope = match answer {
            Answered::Whole(Complete { members, refused }) => {
                self.parts.entry(Arc::clone(&key)).or_default().add(
                    self.writer,
                    Extent::All,
                    refused.keys().cloned().collect(),
                );
                let mut stale_since = None;
                let mut members = Kept::new(&self.tables, members);
                if let Some(former) = former {
                    members.keep(&former.members, refused.keys());
                    // What was stale as a whole is so no more; single objects are since they were read last.
                    let read = Some(&former.scanned_at).filter(|moment| former.complete && !moment.is_empty());
                    stale_since = former.stale_since.as_ref().or(read).cloned();
                }
                let mut scope = Scope {
                    complete: true,
                    scanned_at: now.clone(),
                    tried_at: now.clone(),
                    stale_since,
                    problem: None,
                    order,
                    members,
                    refused: BTreeMap::new(),
                };
                scope.except(refused, now);
                scope
            }
            Answered::Part(Incomplete { mut members, refused, problem }) => {
                let mut scope = former.map_or_else(|| Scope::never_read(&self.tables), |former| Scope::clone(former));
                scope.order = order;
                members.retain(|key, _| !(refused.contains_key(key) && scope.members.contains_key(key)));
                let brought = Extent::Objects(members.keys().cloned().collect());
                self.parts.entry(Arc::clone(&key)).or_default().add(self.writer, brought, BTreeSet::new());
                scope.members.extend(members);
                scope.doubt(problem, now);
                scope
            }
        };
        self.parts.entry(Arc::clone(&key)).or_default().head = self.writer;
        self.replace(key, Some(scope));
    }

    /// Puts an answer that speaks of a part of a scope in place of what was known of that part. Members elsewhere, and what is
    /// known of the scope as a whole, stay.
    pub(crate) fn apply_within(
        &mut self,
        key: ScopeKey,
        order: u32,
        answer: Answered,
        extent: &Extent,
        is_below: IsBelow<'_>,
        now: &Str,
    ) {
        let key = Arc::new(key);
        let parts = self.parts.entry(Arc::clone(&key)).or_default();
        let former = self.scopes.get(&key);
        let mut scope = former.map_or_else(|| Scope::asked_in_part(&self.tables, now), |former| Scope::clone(former));
        scope.order = order;
        let is_brought = |scope: &Scope, refused: &Refused, key: &ObjectKey, found: &Contribution| {
            let is_known = refused.contains_key(key) && scope.members.contains_key(key);
            !is_known && extent.holds(key, &|| found.attributes.clone(), is_below)
        };
        match answer {
            Answered::Whole(Complete { mut members, refused }) => {
                members.retain(|key, found| is_brought(&scope, &refused, key, found));
                let former = scope.members.entries().iter().map(|entry| (self.tables.keys.key(entry.object), entry));
                let mut is_within: BTreeSet<ObjectKey> = former
                    .filter(|(key, entry)| extent.holds(key, &|| scope.members.attributes(entry), is_below))
                    .map(|(key, _)| key)
                    .collect();
                let unseen = refused.keys().filter(|key| extent.holds(key, &Map::new, is_below));
                is_within.extend(unseen.cloned());
                scope.members.retain(|key| !is_within.contains(key) || refused.contains_key(key));
                is_within.extend(members.keys().cloned());
                scope.members.extend(members);
                parts.add(self.writer, extent.clone(), refused.keys().cloned().collect());
                if scope.complete {
                    let elsewhere = scope.refused.iter().filter(|(key, _)| !is_within.contains(*key));
                    let mut all: Refused = elsewhere.map(|(key, why)| (key.clone(), why.clone())).collect();
                    all.extend(refused.into_iter().filter(|(key, _)| is_within.contains(key)));
                    scope.except(all, now);
                }
            }
            Answered::Part(Incomplete { mut members, refused, problem }) => {
                members.retain(|key, found| is_brought(&scope, &refused, key, found));
                parts.add(self.writer, Extent::Objects(members.keys().cloned().collect()), BTreeSet::new());
                scope.members.extend(members);
                scope.doubt(problem, now);
                parts.head = self.writer;
            }
        }
        self.replace(key, Some(scope));
    }

    /// Keeps what is known of a scope, as something that may be out of date.
    pub(crate) fn doubt(&mut self, key: &ScopeKey, problem: String, now: &Str) {
        let Some((key, scope)) = self.scopes.get_key_value(key) else { return };
        let (key, mut scope) = (Arc::clone(key), Scope::clone(scope));
        scope.doubt(problem, now);
        self.parts.entry(Arc::clone(&key)).or_default().head = self.writer;
        self.replace(key, Some(scope));
    }

    /// Keys of the scopes of which something is not known.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = &ScopeKey> {
        self.scopes.iter().filter(|(_, scope)| !scope.complete).map(|(key, _)| &**key)
    }

    /// Takes everything out of a scope but what others refused: of that, what was known stays.
    pub(crate) fn withdraw_but(&mut self, key: &ScopeKey, refused: &Refused, now: &Str) {
        let Some((key, former)) = self.scopes.get_key_value(key) else { return };
        let (key, mut scope) = (Arc::clone(key), Scope::clone(former));
        scope.members.retain(|object| refused.contains_key(object));
        let stays = scope.members.keys().filter_map(|object| Some((refused.get(&object)?.clone(), object)));
        let stays: Refused = stays.map(|(why, object)| (object, why)).collect();
        scope.complete = true;
        let parts = self.parts.entry(Arc::clone(&key)).or_default();
        parts.add(self.writer, Extent::All, stays.keys().cloned().collect());
        parts.head = self.writer;
        scope.except(stays, now);
        let scope = Some(scope).filter(|scope| !scope.members.is_empty());
        self.replace(key, scope);
    }

    /// Objects of a type that were refused where the rest of their scope was read, and why; of these scopes only.
    pub(crate) fn refused(&self, object_type: &Str, counts: impl Fn(&ScopeKey) -> bool) -> Refused {
        let of_type = |key: &ScopeKey| key.object_type == *object_type && counts(key);
        let scopes = self.scopes.iter().filter(|(key, scope)| of_type(key) && scope.complete);
        scopes.flat_map(|(_, scope)| scope.refused.clone()).collect()
    }

    /// When what is known of a scope came at the latest, RFC 3339.
    pub(crate) fn tried_at(&self, key: &ScopeKey) -> Option<&Str> {
        self.scopes.get(key).map(|scope| &scope.tried_at)
    }

    pub(crate) fn clear(&mut self) {
        let keys: Vec<Arc<ScopeKey>> = self.scopes.keys().cloned().collect();
        for key in &keys {
            self.withdraw(key);
        }
    }

    /// Forgets a scope and what it asserts.
    pub(crate) fn withdraw(&mut self, key: &ScopeKey) {
        let known = self.scopes.get_key_value(key).map(|(key, _)| Arc::clone(key));
        if let Some(key) = known {
            let parts = self.parts.entry(Arc::clone(&key)).or_default();
            parts.add(self.writer, Extent::All, BTreeSet::new());
            parts.head = self.writer;
            self.replace(key, None);
        }
    }

    /// The same, for somebody who is about to contribute.
    pub(crate) fn for_writer(&self, writer: Ticket) -> Self {
        Self { writer, ..self.clone() }
    }

    /// Takes over what a contributor wrote who began when this was otherwise: of everything that both speak of, the answer counts
    /// that was asked for later.
    pub(crate) fn take_over(&mut self, other: &Self, is_below: IsBelow<'_>) {
        // What follows from it, such as scopes without parents, is the contributor's, too.
        self.writer = other.writer;
        for (key, before) in &other.unsaved {
            let (mine, theirs) = (self.scopes.get(key), other.scopes.get(key));
            let has_later = self.parts.get(key).is_some_and(|parts| parts.has_later(other.writer));
            let is_as_it_was = match (before, mine) {
                _ if has_later => false,
                (None, None) => true,
                (Some(before), Some(mine)) => Arc::ptr_eq(before, mine),
                _ => false,
            };
            let nothing = Parts::default();
            let noted = other.parts.get(key).unwrap_or(&nothing);
            let scope = if is_as_it_was {
                theirs.map(|scope| Scope::clone(scope))
            } else {
                let (ours, asked) = (self.parts.get(key).unwrap_or(&nothing), other.writer);
                Scope::later(
                    &self.tables,
                    (mine.map(|scope| &**scope), ours),
                    (theirs.map(|scope| &**scope), noted, asked),
                    is_below,
                )
            };
            self.parts.entry(Arc::clone(key)).or_default().take_over(noted, other.writer);
            if scope.is_some() || self.scopes.contains_key(key) {
                self.replace(Arc::clone(key), scope);
            }
        }
    }

    /// Forgets who wrote what, but for contributions that are not older than this one.
    pub(crate) fn forget_before(&mut self, oldest: Ticket) {
        self.parts.retain(|_, parts| parts.forget_before(oldest));
    }

    /// Puts a scope in place of the one of its key, and notes the objects that this changes. What both say alike is kept as it
    /// was, so that nobody compares it again.
    fn replace(&mut self, key: Arc<ScopeKey>, scope: Option<Scope>) {
        let former = self.scopes.remove(&key);
        self.unsaved.entry(Arc::clone(&key)).or_insert_with(|| former.clone());
        let mut scope = scope;
        let former_order = former.as_ref().map_or(0, |former| former.order);
        let order = scope.as_ref().map_or(0, |scope| scope.order);
        let before = former.as_ref().map(|former| former.members.entries()).unwrap_or_default();
        let mut before = before.iter().peekable();
        let mut gone: Vec<u32> = Vec::new();
        let mut held: Vec<(u32, bool)> = Vec::new();
        for new in scope.iter_mut().flat_map(|scope| scope.members.entries_mut()) {
            while let Some(other) = before.next_if(|other| other.object < new.object) {
                gone.push(other.object);
            }
            match before.next_if(|other| other.object == new.object) {
                Some(old) if order == former_order && old.says_the_same(new) => {
                    new.attributes = old.attributes.clone();
                }
                Some(_) | None => held.push((new.object, new.asserts())),
            }
        }
        gone.extend(before.map(|other| other.object));
        let number = self.holders.number(&key);
        for object in gone {
            self.holders.hold(object, number, None);
            self.touched.insert(object);
        }
        for (object, asserts) in held {
            self.holders.hold(object, number, Some((order, asserts)));
            self.touched.insert(object);
        }
        if let Some(scope) = scope {
            self.scopes.insert(key, Arc::new(scope));
        }
    }

    /// The scopes that know an object, in the order in which they contribute.
    fn holders(&self, object: &ObjectKey) -> impl Iterator<Item = Arc<ScopeKey>> {
        self.tables.keys.number(object).into_iter().flat_map(move |number| self.holders.of(number))
    }

    /// The objects of which something may have changed since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<ObjectKey> {
        let keys = self.tables.keys.read();
        std::mem::take(&mut self.touched).into_iter().map(|number| keys.key(number)).collect()
    }

    /// The store has everything as it is here.
    pub(crate) fn saved(&mut self) {
        self.unsaved.clear();
    }

    /// Keys of all scopes.
    pub(crate) fn scope_keys(&self) -> impl Iterator<Item = &ScopeKey> {
        self.scopes.keys().map(|key| &**key)
    }

    /// Whether a scope says that the object exists.
    pub(crate) fn exists(&self, key: &ObjectKey) -> bool {
        self.tables.keys.number(key).is_some_and(|number| self.holders.exists(number))
    }

    /// Keys of the objects of a type that exist, by id.
    pub(crate) fn of_type(&self, object_type: &Str) -> Vec<ObjectKey> {
        self.holders.of_type(object_type)
    }

    /// What one scope says of an object.
    pub(crate) fn contribution(&self, scope: &ScopeKey, object: &ObjectKey) -> Option<Contribution> {
        self.scopes.get(scope)?.members.get(object)
    }

    /// Keys of the scopes that know an object.
    pub(crate) fn scopes_of(&self, object: &ObjectKey) -> impl Iterator<Item = Arc<ScopeKey>> {
        self.holders(object)
    }

    /// The attributes of an object, as [`Inventory::merged`] says, packed; what one scope alone says is shared with it.
    pub(crate) fn packed(&self, key: &ObjectKey, object_type: Option<&ObjectType>) -> Packed {
        let one = self.tables.keys.number(key).and_then(|number| {
            let mut holders = self.holders.of(number);
            let scope = holders.next().filter(|_| holders.next().is_none())?;
            Some(self.scopes.get(&scope)?.members.entry(number)?.attributes.clone())
        });
        one.unwrap_or_else(|| self.tables.words.pack(&self.merged(key, object_type)))
    }

    /// The attributes of an object: all contributions, later ones over earlier ones.
    pub(crate) fn merged(&self, key: &ObjectKey, object_type: Option<&ObjectType>) -> Map {
        let holders = self.holders(key);
        let contributions: Vec<Contribution> =
            holders.filter_map(|scope| self.scopes.get(&scope)?.members.get(key)).collect();
        if let [one] = contributions.as_slice() {
            return one.attributes.clone();
        }
        let mut merged = Map::new();
        for contribution in contributions {
            for (name, value) in &contribution.attributes {
                let unites =
                    object_type.and_then(|known| known.attributes.get(name)).is_some_and(|known| known.merge_union);
                let value = match (merged.get(name), value) {
                    (Some(Value::List(former)), Value::List(more)) if unites => united(former, more),
                    _ => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
        }
        merged
    }

    /// Where two runs of one fetcher say different things of one attribute; the later one of each counts.
    pub(crate) fn disputes(&self, types: &BTreeMap<Str, Arc<ObjectType>>) -> Vec<Dispute> {
        let mut disputes = Vec::new();
        for number in self.holders.shared() {
            let object = self.tables.keys.key(number);
            let found: Vec<(Arc<ScopeKey>, Contribution)> = self
                .holders
                .of(number)
                .filter_map(|key| {
                    let contribution = self.scopes.get(&key)?.members.get(&object)?;
                    Some((key, contribution))
                })
                .collect();
            let declared = types.get(&object.object_type);
            let unites = |name: &str| {
                declared.and_then(|known| known.attributes.get(name)).is_some_and(|known| known.merge_union)
            };
            let dispute = found.windows(2).find_map(|pair| {
                let [(first, one), (second, other)] = pair else { return None };
                if first.fetcher != second.fetcher {
                    return None;
                }
                let differs = |(name, value): &&(Str, Value)| {
                    !unites(name) && other.attributes.get(name).is_some_and(|known| known != value)
                };
                let (attribute, value) = one.attributes.iter().find(differs)?;
                Some(Dispute {
                    fetcher: first.fetcher.clone(),
                    object: object.clone(),
                    attribute: attribute.clone(),
                    values: (value.clone(), other.attributes.get(attribute)?.clone()),
                    parents: (first.parent.clone(), second.parent.clone()),
                })
            });
            disputes.extend(dispute);
        }
        disputes
    }

    /// Forgets scopes whose parent does not exist any more, and those that this leaves without parents.
    pub(crate) fn withdraw_orphans(&mut self, root: &ObjectKey) -> usize {
        let mut n_withdrawn = 0;
        loop {
            let orphans: Vec<ScopeKey> = self
                .scopes
                .keys()
                .filter(|key| key.parent != *root && !self.exists(&key.parent))
                .map(|key| (**key).clone())
                .collect();
            if orphans.is_empty() {
                return n_withdrawn;
            }
            n_withdrawn += orphans.len();
            for key in &orphans {
                self.withdraw(key);
            }
        }
    }

    /// Scopes that are not up to date.
    pub(crate) fn stale(&self) -> Vec<Stale> {
        let stale = self.scopes.iter().filter(|(_, scope)| scope.is_stale());
        stale
            .map(|(key, scope)| Stale {
                key: (**key).clone(),
                since: scope.stale_since.clone().unwrap_or_else(|| scope.tried_at.clone()),
                problem: scope.problem.clone().unwrap_or_else(|| "".into()),
                n_objects: scope.n_stale(),
            })
            .collect()
    }

    /// How the scopes differ from those of the store.
    pub(crate) fn changes(&self) -> ScopeChanges {
        let mut changes = ScopeChanges::default();
        for (key, saved) in &self.unsaved {
            match (saved, self.scopes.get(key)) {
                (None, None) => {}
                (Some(_), None) => changes.remove.push((**key).clone()),
                (None, Some(scope)) => changes.put.push(scope.to_record(key)),
                (Some(saved), Some(scope)) if Arc::ptr_eq(saved, scope) => {}
                // The order is written with every member.
                (Some(saved), Some(scope)) if saved.order != scope.order => changes.put.push(scope.to_record(key)),
                (Some(saved), Some(scope)) => changes.update.push(scope.since(saved, key)),
            }
        }
        changes
    }
}

/// The elements of both lists, each once, in the order in which they are met.
fn united(former: &[Value], more: &[Value]) -> Value {
    let mut all: Vec<Value> = former.to_vec();
    for value in more {
        if !all.contains(value) {
            all.push(value.clone());
        }
    }
    Value::list(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(fetcher: &str) -> ScopeKey {
        ScopeKey {
            fetcher: fetcher.into(),
            object_type: "card".into(),
            parent: ObjectKey::new("environment", "e"),
            narrowing: Value::Null,
        }
    }

    fn members(ids: &[&str], asserts: bool) -> Members {
        let contribution = |id: &&str| {
            let mut attributes = Map::new();
            attributes.insert("n", *id);
            (ObjectKey::new("card", *id), Contribution { attributes, asserts, at: "f:1:1".into() })
        };
        ids.iter().map(contribution).collect()
    }

    fn ids(inventory: &Inventory) -> Vec<String> {
        inventory.of_type(&"card".into()).into_iter().map(|key| key.id.to_string()).collect()
    }

    #[test]
    fn only_a_complete_answer_removes() {
        let now: Str = "2024-01-01T00:00:00Z".into();
        let later: Str = "2024-01-02T00:00:00Z".into();
        let mut inventory = Inventory::default();
        inventory.apply(scope("f"), 0, Answered::new(members(&["a", "b"], true), Refused::new(), None), &now);
        inventory.apply(
            scope("f"),
            0,
            Answered::new(members(&["c"], true), Refused::new(), Some("cut".into())),
            &later,
        );
        assert_eq!(ids(&inventory), ["a", "b", "c"]);
        let stale = inventory.stale();
        assert_eq!((stale.len(), &stale[0].since), (1, &now));
        inventory.apply(scope("f"), 0, Answered::new(members(&["c"], true), Refused::new(), None), &later);
        assert_eq!(ids(&inventory), ["c"]);
        assert!(inventory.stale().is_empty());
    }

    #[test]
    fn an_object_goes_when_nobody_asserts_it_and_additions_never_do() {
        let now: Str = "2024-01-01T00:00:00Z".into();
        let mut inventory = Inventory::default();
        inventory.apply(scope("f"), 0, Answered::new(members(&["a"], true), Refused::new(), None), &now);
        inventory.apply(scope("g"), 1, Answered::new(members(&["a", "b"], false), Refused::new(), None), &now);
        assert_eq!(ids(&inventory), ["a"]);
        inventory.apply(scope("f"), 0, Answered::new(Members::new(), Refused::new(), None), &now);
        assert!(ids(&inventory).is_empty());
    }

    #[test]
    fn a_part_that_could_not_be_read_makes_its_scope_stale() {
        let now: Str = "2024-01-01T00:00:00Z".into();
        let later: Str = "2024-01-02T00:00:00Z".into();
        let mut inventory = Inventory::default();
        inventory.apply(scope("f"), 0, Answered::new(members(&["a", "b"], true), Refused::new(), None), &now);
        let (extent, below) = (Extent::Below(ObjectKey::new("card", "a")), |key: &ObjectKey, up: &ObjectKey| key == up);
        let nothing = Answered::new(Members::new(), Refused::new(), None);
        inventory.apply_within(scope("f"), 3, nothing, &extent, &below, &later);
        assert!(ids(&inventory) == ["b"] && inventory.stale().is_empty());
        let cut = Answered::new(Members::new(), Refused::new(), Some("cut".into()));
        inventory.apply_within(scope("f"), 3, cut, &extent, &below, &later);
        let stale = inventory.stale();
        assert_eq!((ids(&inventory), &stale[0].since, &*stale[0].problem), (vec!["b".to_owned()], &now, "cut"));
    }

    #[test]
    fn scopes_of_vanished_parents_go_with_them() {
        let now: Str = "2024-01-01T00:00:00Z".into();
        let root = ObjectKey::new("environment", "e");
        let mut inventory = Inventory::default();
        inventory.apply(scope("f"), 0, Answered::new(members(&["a"], true), Refused::new(), None), &now);
        let below = ScopeKey { parent: ObjectKey::new("card", "a"), ..scope("g") };
        inventory.apply(below, 1, Answered::new(members(&["x"], true), Refused::new(), None), &now);
        assert_eq!(inventory.withdraw_orphans(&root), 0);
        inventory.saved();
        inventory.apply(scope("f"), 0, Answered::new(Members::new(), Refused::new(), None), &now);
        assert_eq!(inventory.withdraw_orphans(&root), 1);
        assert!(ids(&inventory).is_empty());
        assert_eq!(inventory.changes().remove.len(), 1);
    }

    #[test]
    fn what_is_said_of_refused_objects_does_not_grow_from_scan_to_scan() {
        let now: Str = "2024-01-01T00:00:00Z".into();
        let refused = |ids: &[&str]| -> Refused {
            ids.iter()
                .map(|id| (ObjectKey::new("card", *id), format!("card/{id}: `n` is text; what was known of it stays")))
                .collect()
        };
        let mut inventory = Inventory::default();
        inventory.apply(scope("f"), 0, Answered::new(members(&["a", "a1", "b"], true), Refused::new(), None), &now);
        inventory.apply(scope("f"), 0, Answered::new(members(&["b"], true), refused(&["a", "a1"]), None), &now);
        let extent = Extent::Below(ObjectKey::new("card", "b"));
        let is_below = |key: &ObjectKey, up: &ObjectKey| key == up;
        let mut problems = Vec::new();
        for _ in 0..3 {
            let answer = Answered::new(members(&["b"], true), Refused::new(), None);
            inventory.apply_within(scope("f"), 0, answer, &extent, &is_below, &now);
            problems.push(inventory.stale()[0].problem.clone());
            // What the store keeps leads to the same marks.
            let records = inventory.scopes.iter().map(|(key, scope)| scope.to_record(key)).collect();
            let again = Inventory::from_records(records, &Arc::default());
            assert_eq!((again.stale().len(), again.stale()[0].n_objects), (1, 2));
        }
        assert_eq!(
            problems,
            vec![
                Str::from(
                    "card/a: `n` is text; what was known of it stays; card/a1: `n` is text; what was known of it stays"
                );
                3
            ]
        );
        // Who refused them runs no more: they are nobody's doubt.
        assert_eq!(inventory.refused(&"card".into(), |key| &*key.fetcher != "f"), Refused::new());
        assert_eq!(inventory.refused(&"card".into(), |_| true).len(), 2);
    }
}
