//! The ways to the root: which nodes a change touches, where circles are cut, and the paths.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::Str;

use super::{Kind, Places};
use crate::{identity::Identities, known::Known};

/// Path by ids and path by names.
pub(super) type Paths = (Str, Str);

impl Places {
    /// Some nodes and all that lie below them.
    pub(super) fn around(&self, moved: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut around = moved.clone();
        let mut rest: Vec<u32> = moved.iter().copied().collect();
        while let Some(number) = rest.pop() {
            rest.extend(self.below.of(number).filter(|below| around.insert(*below)));
        }
        around
    }

    /// Looks anew at the ways of some nodes, and cuts the circles in them.
    pub(super) fn find_ways(&mut self, around: &BTreeSet<u32>) {
        for number in around {
            self.circles.remove(number);
            self.set_found(*number, false);
        }
        for number in around {
            self.find_way(*number);
        }
    }

    fn set_found(&mut self, number: u32, is_found: bool) {
        if let Some(Some(node)) = self.nodes.get_mut(number as usize) {
            node.is_found = is_found;
        }
    }

    fn find_way(&mut self, number: u32) {
        let mut way: Vec<u32> = Vec::new();
        let mut on_way: BTreeSet<u32> = BTreeSet::new();
        let mut at = number;
        while let Some(node) = self.node(at).filter(|node| at != self.root && !node.is_found) {
            if !on_way.insert(at) {
                // A circle is cut at the smallest of its members, whichever was met first.
                let from = way.iter().position(|member| *member == at).unwrap_or(0);
                let keys = self.tables.keys.read();
                let members = way.iter().enumerate().skip(from);
                if let Some((place, smallest)) = members.min_by(|(_, one), (_, other)| keys.cmp(**one, **other)) {
                    self.circles.insert(*smallest);
                    way.truncate(place + 1);
                }
                break;
            }
            way.push(at);
            at = node.parent;
        }
        way.into_iter().for_each(|number| self.set_found(number, true));
    }

    /// The paths of a node. `made` holds those that were made before.
    pub(super) fn paths(&self, ids: &Identities, known: &Known, number: u32, made: &mut BTreeMap<u32, Paths>) -> Paths {
        let mut way: Vec<u32> = Vec::new();
        let mut at = number;
        let start = loop {
            if let Some(paths) = made.get(&at) {
                break Some(paths.clone());
            }
            let Some(node) = self.node(at).filter(|_| at != self.root) else { break None };
            way.push(at);
            if self.circles.contains(&at) {
                break None;
            }
            at = node.parent;
        };
        let root = || -> Str { format!("/{}", ids.environment).into() };
        let (mut id_path, mut name_path) = start.unwrap_or_else(|| (root(), root()));
        for at in way.into_iter().rev() {
            id_path = format!("{id_path}/{}", self.tables.keys.key(at).id.trim()).into();
            name_path = format!("{name_path}/{}", self.name(ids, known, at)).into();
            if at != number {
                made.insert(at, (id_path.clone(), name_path.clone()));
            }
        }
        (id_path, name_path)
    }

    /// The display name of a node.
    fn name(&self, ids: &Identities, known: &Known, number: u32) -> Str {
        let Some(node) = self.node(number) else { return "".into() };
        let key = self.tables.keys.key(number);
        let named = match (node.kind, known.row(number)) {
            (Kind::Folder, _) => self.folder_text(node).cloned(),
            (Kind::Given, Some(row)) => known.attributes(row).text("name").cloned(),
            (Kind::Object, Some(row)) => Some(ids.names(&key, &known.attributes(row), row.standing.form()).0),
            (_, None) => None,
        };
        named.unwrap_or(key.id)
    }
}
