//! What is known of an environment: scopes, the contributions in them, and the documents that follow.
//!
//! Only a [`Complete`] answer can take something out of a scope; an [`Incomplete`] one only adds and replaces. That the
//! two cannot be mixed up is the work of their types. An object that an answer names but does not say properly is *refused*:
//! what was known of it stays as it was, whatever becomes of the others.

mod scope;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::{Map, ObjectKey, Str, Value};
use calipso_spec::checked::ObjectType;
use calipso_store::{Member, ScopeChanges, ScopeKey, ScopeRecord};

use self::scope::Scope;

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

/// All scopes of one environment.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    scopes: BTreeMap<Arc<ScopeKey>, Scope>,
    /// By object: the scopes that know it, in the order in which they contribute.
    holders: BTreeMap<ObjectKey, BTreeSet<(u32, Arc<ScopeKey>)>>,
    changed: BTreeSet<Arc<ScopeKey>>,
    removed: BTreeSet<Arc<ScopeKey>>,
    /// Types of which an object came, went or changed since this was last taken.
    touched: BTreeSet<Str>,
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

impl Inventory {
    /// From what the store kept.
    pub(crate) fn from_records(records: Vec<ScopeRecord>) -> Self {
        let mut inventory = Self::default();
        for record in records {
            let order = record.members.first().map_or(0, |member| member.order);
            let key = Arc::new(record.key);
            let mut members = Members::new();
            for Member { key: object, contribution, asserts, at, .. } in record.members {
                inventory.holders.entry(object.clone()).or_default().insert((order, Arc::clone(&key)));
                members.insert(object, Contribution { attributes: contribution, asserts, at });
            }
            // Which they were is told by the problem, which begins with their keys.
            let is_refused = |object: &&ObjectKey| {
                let name = format!("{object}");
                record.complete && record.problem.as_ref().is_some_and(|problem| problem.contains(&name))
            };
            let refused = members.keys().filter(is_refused).cloned().collect();
            let scope = Scope {
                complete: record.complete,
                scanned_at: record.scanned_at,
                tried_at: record.tried_at,
                stale_since: record.stale_since,
                problem: record.problem,
                order,
                members,
                refused,
            };
            inventory.touch_all(&scope);
            inventory.scopes.insert(key, scope);
        }
        inventory
    }

    /// Puts an answer in place of what was known of its scope.
    pub(crate) fn apply(&mut self, key: ScopeKey, order: u32, answer: Answered, now: &Str) {
        let key = Arc::new(key);
        let former = self.take(&key);
        let scope = match answer {
            Answered::Whole(Complete { mut members, refused }) => {
                let former = former.unwrap_or_else(Scope::never_read);
                members.extend(refused.keys().filter_map(|key| former.members.get_key_value(key)).map(owned));
                let mut scope = Scope {
                    complete: true,
                    scanned_at: now.clone(),
                    tried_at: now.clone(),
                    // What was stale as a whole is so no more; single objects are since they were read last.
                    stale_since: former
                        .stale_since
                        .or(Some(former.scanned_at).filter(|moment| former.complete && !moment.is_empty())),
                    problem: None,
                    order,
                    members,
                    refused: BTreeSet::new(),
                };
                scope.except(refused, now);
                scope
            }
            Answered::Part(Incomplete { mut members, refused, problem }) => {
                let mut scope = former.unwrap_or_else(Scope::never_read);
                scope.order = order;
                members.retain(|key, _| !(refused.contains_key(key) && scope.members.contains_key(key)));
                scope.members.extend(members);
                scope.doubt(problem, now);
                scope
            }
        };
        self.put(key, scope);
    }

    /// Puts the part of an answer that lies below one object in place of what was known of that part. Members elsewhere,
    /// and what is known of the scope as a whole, stay.
    pub(crate) fn apply_below(
        &mut self,
        key: ScopeKey,
        order: u32,
        answer: Answered,
        is_below: &dyn Fn(&ObjectKey) -> bool,
        now: &Str,
    ) {
        let key = Arc::new(key);
        let mut scope = self.take(&key).unwrap_or_else(|| {
            let mut scope = Scope::never_read();
            scope.doubt("only a part of it was asked for".to_owned(), now);
            scope
        });
        scope.order = order;
        match answer {
            Answered::Whole(Complete { mut members, refused }) => {
                members.retain(|key, _| !(refused.contains_key(key) && scope.members.contains_key(key)));
                scope.members.retain(|key, _| !is_below(key) || refused.contains_key(key));
                scope.members.extend(members.into_iter().filter(|(key, _)| is_below(key)));
                if scope.complete {
                    let problem = scope.problem.clone().unwrap_or_else(|| "".into());
                    let elsewhere = scope.refused.iter().filter(|key| !is_below(key));
                    let mut all: Refused = elsewhere.map(|key| (key.clone(), problem.to_string())).collect();
                    all.extend(refused.into_iter().filter(|(key, _)| is_below(key)));
                    scope.except(all, now);
                }
            }
            Answered::Part(Incomplete { mut members, refused, problem }) => {
                members.retain(|key, _| !(refused.contains_key(key) && scope.members.contains_key(key)));
                scope.members.extend(members.into_iter().filter(|(key, _)| is_below(key)));
                scope.doubt(problem, now);
            }
        }
        self.put(key, scope);
    }

    /// Keeps what is known of a scope, as something that may be out of date.
    pub(crate) fn doubt(&mut self, key: &ScopeKey, problem: String, now: &Str) {
        let key = Arc::new(key.clone());
        if let Some(mut scope) = self.take(&key) {
            scope.doubt(problem, now);
            self.put(key, scope);
        }
    }

    /// Keys of the scopes of which something is not known.
    pub(crate) fn doubtful(&self) -> impl Iterator<Item = &ScopeKey> {
        self.scopes.iter().filter(|(_, scope)| !scope.complete).map(|(key, _)| &**key)
    }

    /// Takes everything out of a scope but what others refused: of that, what was known stays.
    pub(crate) fn withdraw_but(&mut self, key: &ScopeKey, refused: &BTreeMap<ObjectKey, Str>, now: &Str) {
        let shared = Arc::new(key.clone());
        let Some(mut scope) = self.take(&shared) else { return };
        scope.members.retain(|object, _| refused.contains_key(object));
        let stays = scope.members.keys().filter_map(|object| Some((object, refused.get(object)?)));
        let stays: Refused = stays.map(|(object, why)| (object.clone(), why.to_string())).collect();
        if scope.members.is_empty() {
            self.changed.remove(&shared);
            self.removed.insert(shared);
            return;
        }
        scope.complete = true;
        scope.except(stays, now);
        self.put(shared, scope);
    }

    /// Objects of a type that were refused where the rest of their scope was read, and why.
    pub(crate) fn refused(&self, object_type: &Str) -> BTreeMap<ObjectKey, Str> {
        let scopes = self.scopes.iter().filter(|(key, scope)| key.object_type == *object_type && scope.complete);
        let problem = |scope: &Scope| scope.problem.clone().unwrap_or_else(|| "".into());
        scopes.flat_map(|(_, scope)| scope.refused.iter().map(|key| (key.clone(), problem(scope)))).collect()
    }

    /// When what is known of a scope came at the latest, RFC 3339.
    pub(crate) fn tried_at(&self, key: &ScopeKey) -> Option<&Str> {
        self.scopes.get(key).map(|scope| &scope.tried_at)
    }

    /// Starts without anything that another inventory knows; its scopes go when this one is saved.
    pub(crate) fn forget(&mut self, former: &Self) {
        let known = former.scopes.keys().filter(|key| !self.scopes.contains_key(*key));
        self.removed.extend(known.cloned());
    }

    /// Forgets a scope and what it asserts.
    pub(crate) fn withdraw(&mut self, key: &ScopeKey) {
        let key = Arc::new(key.clone());
        if self.take(&key).is_some() {
            self.changed.remove(&key);
            self.removed.insert(key);
        }
    }

    fn take(&mut self, key: &Arc<ScopeKey>) -> Option<Scope> {
        let scope = self.scopes.remove(key)?;
        self.touch_all(&scope);
        for object in scope.members.keys() {
            if let Some(holders) = self.holders.get_mut(object) {
                holders.remove(&(scope.order, Arc::clone(key)));
                if holders.is_empty() {
                    self.holders.remove(object);
                }
            }
        }
        Some(scope)
    }

    fn put(&mut self, key: Arc<ScopeKey>, scope: Scope) {
        self.touch_all(&scope);
        for object in scope.members.keys() {
            self.holders.entry(object.clone()).or_default().insert((scope.order, Arc::clone(&key)));
        }
        self.scopes.insert(Arc::clone(&key), scope);
        self.removed.remove(&key);
        self.changed.insert(key);
    }

    fn touch_all(&mut self, scope: &Scope) {
        for object in scope.members.keys() {
            if !self.touched.contains(&object.object_type) {
                self.touched.insert(object.object_type.clone());
            }
        }
    }

    /// The types of which something may have changed since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Str> {
        std::mem::take(&mut self.touched)
    }

    /// Keys of all scopes.
    pub(crate) fn scope_keys(&self) -> impl Iterator<Item = &ScopeKey> {
        self.scopes.keys().map(|key| &**key)
    }

    /// Whether a scope says that the object exists.
    pub(crate) fn exists(&self, key: &ObjectKey) -> bool {
        self.holders.get(key).is_some_and(|holders| {
            holders.iter().any(|(_, scope)| {
                self.scopes
                    .get(scope)
                    .and_then(|scope| scope.members.get(key))
                    .is_some_and(|contribution| contribution.asserts)
            })
        })
    }

    /// Keys of the objects of a type that exist, by id.
    pub(crate) fn of_type(&self, object_type: &Str) -> Vec<ObjectKey> {
        let from = ObjectKey { object_type: object_type.clone(), id: "".into() };
        let keys = self.holders.range(from..).take_while(|(key, _)| key.object_type == *object_type);
        keys.map(|(key, _)| key).filter(|key| self.exists(key)).cloned().collect()
    }

    /// Keys of all objects that exist.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectKey> {
        self.holders.keys().filter(|key| self.exists(key))
    }

    /// What one scope says of an object.
    pub(crate) fn contribution(&self, scope: &ScopeKey, object: &ObjectKey) -> Option<&Contribution> {
        self.scopes.get(scope)?.members.get(object)
    }

    /// Keys of the scopes that know an object.
    pub(crate) fn scopes_of(&self, object: &ObjectKey) -> Vec<&ScopeKey> {
        self.holders.get(object).into_iter().flatten().map(|(_, scope)| &**scope).collect()
    }

    /// The attributes of an object: all contributions, later ones over earlier ones.
    pub(crate) fn merged(&self, key: &ObjectKey, object_type: Option<&ObjectType>) -> Map {
        let holders = self.holders.get(key).into_iter().flatten();
        let contributions: Vec<&Contribution> =
            holders.filter_map(|(_, scope)| self.scopes.get(scope)?.members.get(key)).collect();
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
        for (object, holders) in self.holders.iter().filter(|(_, holders)| holders.len() > 1) {
            let found: Vec<(&ScopeKey, &Contribution)> = holders
                .iter()
                .filter_map(|(_, key)| Some((&**key, self.scopes.get(key)?.members.get(object)?)))
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

    /// What changed among the scopes since the store gave them.
    pub(crate) fn changes(&self) -> ScopeChanges {
        let put = self.changed.iter().filter_map(|key| {
            let scope = self.scopes.get(key)?;
            let members = scope.members.iter().map(|(object, contribution)| Member {
                key: object.clone(),
                contribution: contribution.attributes.clone(),
                asserts: contribution.asserts,
                order: scope.order,
                at: contribution.at.clone(),
            });
            Some(ScopeRecord {
                key: (**key).clone(),
                complete: scope.complete,
                scanned_at: scope.scanned_at.clone(),
                tried_at: scope.tried_at.clone(),
                stale_since: scope.stale_since.clone(),
                problem: scope.problem.clone(),
                members: members.collect(),
            })
        });
        let remove = self.removed.iter().map(|key| (**key).clone());
        ScopeChanges { put: put.collect(), update: Vec::new(), remove: remove.collect() }
    }
}

fn owned((key, contribution): (&ObjectKey, &Contribution)) -> (ObjectKey, Contribution) {
    (key.clone(), contribution.clone())
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
        inventory.objects().map(|key| key.id.to_string()).collect()
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
        let below = |key: &ObjectKey| &*key.id == "a";
        inventory.apply_below(scope("f"), 3, Answered::new(Members::new(), Refused::new(), None), &below, &later);
        assert!(ids(&inventory) == ["b"] && inventory.stale().is_empty());
        inventory.apply_below(
            scope("f"),
            3,
            Answered::new(Members::new(), Refused::new(), Some("cut".into())),
            &below,
            &later,
        );
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
        inventory.apply(scope("f"), 0, Answered::new(Members::new(), Refused::new(), None), &now);
        assert_eq!(inventory.withdraw_orphans(&root), 1);
        assert!(ids(&inventory).is_empty());
        assert_eq!(inventory.changes().remove.len(), 1);
    }
}
