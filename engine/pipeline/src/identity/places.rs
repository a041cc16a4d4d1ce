//! Where every object lies: under its parent or in a folder of it, with its paths. Kept up to date by what changed.
//!
//! Whatever comes in, in one change or in many, the places are those that the objects as they are now lead to. Objects and folders
//! are numbers of keys here; names and paths are made when an object is handed over, and only a hash of its name is kept, to
//! see that it has another one.

mod folders;
mod forest;
mod paths;
mod shown;

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use calipso_derive::Changes;
use calipso_model::{ObjectKey, Str};

use self::{folders::Folders, forest::Forest};
use crate::{
    compact::{Tables, make_room},
    identity::{Identities, place::Misplaced},
    known::{Known, Row, Standing},
};

/// No number: of a key, a text or a level.
const NONE: u32 = u32::MAX;

/// The places of all objects of one environment.
#[derive(Debug)]
pub(crate) struct Places {
    /// Types that the environment has fetchers for: their folders are there even when empty, where the type says so.
    emitted: BTreeSet<Str>,
    tables: Arc<Tables>,
    hashes: RandomState,
    root: u32,
    /// By number: objects and folders.
    nodes: Vec<Option<Node>>,
    /// Objects below the parent that they name.
    named: Forest,
    /// Objects and folders below the object or folder right above.
    below: Forest,
    folders: Folders,
    /// What is wrong with the places of objects.
    misplaced: BTreeMap<u32, Vec<String>>,
    /// Where circles of parents are cut.
    circles: BTreeSet<u32>,
}

/// One object or folder.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// Hash of the name; of a folder, the number of its text.
    name: u64,
    /// The object or folder right above.
    parent: u32,
    /// The parent that it names, folders aside.
    named: u32,
    /// Level of the folder that an object is in, [`NONE`] in none; of a folder, its own.
    level: u32,
    kind: Kind,
    /// Whether its way to the root was looked at since it moved.
    is_found: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Folder,
    /// Somebody gave it; it is not placed again.
    Given,
}

/// What one change touches.
#[derive(Debug, Default)]
struct Round {
    /// Folders of which somebody came or went.
    folders: BTreeSet<u32>,
    /// Nodes that came, went, or lie elsewhere or under another name.
    moved: BTreeSet<u32>,
    /// Nodes that look different.
    shown: BTreeSet<u32>,
}

impl Places {
    /// No places yet, of an environment whose objects share these tables.
    pub(crate) fn new(emitted: BTreeSet<Str>, tables: &Arc<Tables>) -> Self {
        Self {
            emitted,
            tables: Arc::clone(tables),
            hashes: RandomState::new(),
            root: NONE,
            nodes: Vec::new(),
            named: Forest::default(),
            below: Forest::default(),
            folders: Folders::default(),
            misplaced: BTreeMap::new(),
            circles: BTreeSet::new(),
        }
    }

    /// Brings the places up to date after some objects came, changed or went. Returns the objects and folders that are different
    /// now, with their common fields. `known` shares its tables with the places.
    pub(crate) fn apply(&mut self, ids: &Identities, known: &Known, changed: &BTreeSet<ObjectKey>) -> Changes {
        let mut round = Round::default();
        self.folders.begin(ids, &self.emitted);
        if self.root == NONE {
            self.root = self.tables.keys.add(&ids.root());
            self.always(ids, known, self.root, &mut round);
        }
        let changed: Vec<(&ObjectKey, u32)> = changed.iter().map(|key| (key, self.tables.keys.add(key))).collect();
        let children: BTreeSet<u32> = changed.iter().flat_map(|(_, number)| self.named.of(*number)).collect();
        for (key, number) in &changed {
            self.seat(ids, known, key, *number, &mut round);
        }
        let own: BTreeSet<u32> = changed.iter().map(|(_, number)| *number).collect();
        for number in children.difference(&own) {
            self.seat(ids, known, &self.tables.keys.key(*number), *number, &mut round);
        }
        for number in &own {
            self.always(ids, known, *number, &mut round);
        }
        for folder in std::mem::take(&mut round.folders) {
            self.settle_folder(folder, &mut round);
        }
        self.folders.end();
        round.shown.extend(own);
        let around = self.around(&round.moved);
        self.find_ways(&around);
        round.shown.extend(around);
        self.shown(ids, known, &round.shown)
    }

    /// Objects that are not where their type says, and why; by key.
    pub(crate) fn misplaced(&self) -> Vec<Misplaced> {
        let found = |number: u32, sentence: String| Misplaced { key: self.tables.keys.key(number), sentence };
        let seats = self
            .misplaced
            .iter()
            .flat_map(|(number, sentences)| sentences.iter().map(|sentence| found(*number, sentence.clone())));
        let circles = self.circles.iter().map(|number| found(*number, "its parents lead back to itself".to_owned()));
        let mut all: Vec<Misplaced> = seats.chain(circles).collect();
        all.sort();
        all
    }

    fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(number as usize)?.as_ref()
    }

    /// Finds the seat of one object anew.
    fn seat(&mut self, ids: &Identities, known: &Known, key: &ObjectKey, number: u32, round: &mut Round) {
        self.misplaced.remove(&number);
        if let Some(former) = self.node(number).copied().filter(|node| node.kind == Kind::Object) {
            self.named.remove(former.named, number);
            self.leave(number, former, round);
        }
        let mut wrong = Vec::new();
        let node = match known.row(number) {
            None => None,
            Some(row) if row.standing == Standing::Given => {
                let document = known.attributes(row);
                let parent = document.text("parent_type").cloned().zip(document.text("parent_id").cloned());
                let parent = parent
                    .map(|(object_type, id)| self.tables.keys.add(&ObjectKey { object_type, id }))
                    .filter(|parent| self.may_be_parent(known, *parent))
                    .unwrap_or(self.root);
                let name = self.hashes.hash_one(document.text("name").unwrap_or(&key.id));
                Some(Node { name, parent, named: parent, level: NONE, kind: Kind::Given, is_found: false })
            }
            Some(row) => self.member(ids, known, (key, number, row), &mut wrong, round),
        };
        if !wrong.is_empty() {
            self.misplaced.insert(number, wrong);
        }
        self.set_node(number, node, round);
    }

    fn member(
        &mut self,
        ids: &Identities,
        known: &Known,
        (key, number, row): (&ObjectKey, u32, &Row),
        wrong: &mut Vec<String>,
        round: &mut Round,
    ) -> Option<Node> {
        let identity = match ids.presumed(key, &known.attributes(row)) {
            Ok((identity, doubts)) => {
                wrong.extend(doubts.into_iter().map(|why| why.sentence));
                identity
            }
            Err(why) => {
                wrong.push(why.sentence);
                return None;
            }
        };
        let named = self.tables.keys.add(&identity.parent);
        let (mut parent, mut level) = (named, NONE);
        let mut claims = Vec::new();
        if self.may_be_parent(known, named) {
            for inner in self.folders.levels_of(&key.object_type, identity.form) {
                match self.folder(ids, known, named, inner) {
                    Ok(folder) => {
                        claims.push((folder, (inner, parent)));
                        round.folders.insert(folder);
                        (parent, level) = (folder, inner);
                    }
                    Err(sentence) => {
                        wrong.push(sentence);
                        break;
                    }
                }
            }
        } else {
            wrong.push(format!("its parent {} is not known", identity.parent));
            parent = self.root;
        }
        self.folders.claim_as_member(number, &claims);
        self.named.add(named, number);
        let name = self.hashes.hash_one(&*identity.name);
        Some(Node { name, parent, named, level, kind: Kind::Object, is_found: false })
    }

    /// Whether others may lie below it.
    fn may_be_parent(&self, known: &Known, number: u32) -> bool {
        known.row(number).map_or(number == self.root, |row| row.standing != Standing::NoType)
    }

    /// Puts a node in place of the one of its number; of an object that went, a folder of its key may remain.
    fn set_node(&mut self, number: u32, node: Option<Node>, round: &mut Round) {
        let place = number as usize;
        if self.nodes.len() <= place {
            if node.is_none() {
                return;
            }
            make_room(&mut self.nodes, number, None);
        }
        let Some(known) = self.nodes.get_mut(place) else { return };
        let former = std::mem::replace(known, node);
        if node.is_none() && former.is_some_and(|node| node.kind != Kind::Folder) && self.is_needed(number) {
            round.folders.insert(number);
        }
        let is_where_it_was = former.map(|node| (node.name, node.parent)) == node.map(|node| (node.name, node.parent));
        let look = |node: Node| (node.kind, self.parent_text(&node));
        let looks_the_same = former.map(look) == node.map(look);
        if is_where_it_was {
            if let Some((node, former)) = self.nodes.get_mut(place).and_then(Option::as_mut).zip(former) {
                node.is_found = former.is_found;
            }
        } else {
            if let Some(former) = former {
                self.below.remove(former.parent, number);
            }
            if let Some(node) = node {
                self.below.add(node.parent, number);
            }
            round.moved.insert(number);
        }
        if !looks_the_same {
            round.shown.insert(number);
        }
    }
}

#[cfg(test)]
mod tests;
