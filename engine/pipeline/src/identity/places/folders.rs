//! The folders that forms need below parents, and who needs each.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, ObjectKey, Str, Value};

use super::{Kind, NONE, Node, Places, Round};
use crate::{
    identity::{Identities, text},
    known::Known,
};

/// Folders of forms, and who needs them.
#[derive(Debug, Default)]
pub(super) struct Folders {
    /// Every folder of every form.
    levels: Vec<Level>,
    /// By type and form: its first level, and how many it has.
    of_form: BTreeMap<Str, Vec<(u32, u32)>>,
    /// By the type of the parent: the forms that need folders there even when empty.
    always: BTreeMap<Str, Vec<Always>>,
    /// The words on folders, each once.
    texts: Vec<Str>,
    /// Who needs a folder, and where it lies for that one: its level, and what is right above it. A member that is in one folder only
    /// is not among them: its node says as much.
    claims: BTreeMap<(u32, Claim), (u32, u32)>,
    /// Form, parent and folder, where it is there even when empty.
    empty: BTreeSet<(u32, u32, u32)>,
    /// The folders found in this change, by parent and level.
    found: BTreeMap<(u32, u32), Result<u32, String>>,
    /// The document of the parent that was looked at last.
    parent: Option<(u32, Option<Map>)>,
}

/// A folder of a form.
#[derive(Debug)]
struct Level {
    object_type: Str,
    form: usize,
    /// Place among the folders of the form, from the outside in.
    place: usize,
    /// Number of its text, and of that of the folder around it.
    text: u32,
    around: u32,
}

/// A form that needs folders even when nobody is in them.
#[derive(Clone, Copy, Debug)]
struct Always {
    /// Number of the form among all of all types.
    form: u32,
    first: u32,
    n_levels: u32,
}

/// Who needs a folder. Those of members count before those that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Member(u32),
    /// The number of a form, below a parent.
    Always(u32, u32),
}

impl Folders {
    /// Numbers the folders of all forms, when that was not done yet.
    pub(super) fn begin(&mut self, ids: &Identities, emitted: &BTreeSet<Str>) {
        if !self.of_form.is_empty() {
            return;
        }
        let mut n_forms = 0;
        for (name, object_type) in &ids.types {
            for (form, declared) in object_type.forms.iter().enumerate() {
                let first = number(self.levels.len());
                let mut around = NONE;
                for (place, folder) in declared.folders.iter().enumerate() {
                    let text = self.number_of(&folder.text);
                    self.levels.push(Level { object_type: name.clone(), form, place, text, around });
                    around = text;
                }
                self.of_form.entry(name.clone()).or_default().push((first, number(declared.folders.len())));
                if let Some(last) = declared.folders.iter().rposition(|folder| folder.always)
                    && emitted.contains(name)
                {
                    let always = Always { form: n_forms, first, n_levels: number(last + 1) };
                    self.always.entry(declared.parent_type.clone()).or_default().push(always);
                }
                n_forms += 1;
            }
        }
    }

    /// Forgets what was kept for one change only.
    pub(super) fn end(&mut self) {
        self.found = BTreeMap::new();
        self.parent = None;
    }

    fn number_of(&mut self, text: &Str) -> u32 {
        let known = self.texts.iter().position(|known| known == text);
        number(known.unwrap_or_else(|| {
            self.texts.push(text.clone());
            self.texts.len() - 1
        }))
    }

    /// The levels of a form, from the outside in.
    pub(super) fn levels_of(&self, object_type: &str, form: Option<usize>) -> std::ops::Range<u32> {
        let found = form.and_then(|form| self.of_form.get(object_type)?.get(form));
        found.map_or(0..0, |(first, n_levels)| *first..first + n_levels)
    }

    /// The number of the text of a level, and of that of the folder around it.
    fn texts_of(&self, level: u32) -> (u32, u32) {
        self.levels.get(level as usize).map_or((NONE, NONE), |level| (level.text, level.around))
    }

    pub(super) fn text(&self, number: u32) -> Option<&Str> {
        self.texts.get(number as usize)
    }

    /// Whether a level is the outermost one of its form.
    fn is_outermost(&self, level: u32) -> bool {
        self.levels.get(level as usize).is_some_and(|level| level.place == 0)
    }

    /// Notes the folders that a member needs, from the outside in: each with its level, and what is right above it.
    pub(super) fn claim_as_member(&mut self, member: u32, folders: &[(u32, (u32, u32))]) {
        if folders.len() > 1 {
            self.claims.extend(folders.iter().map(|(folder, seat)| ((*folder, Claim::Member(member)), *seat)));
        }
    }
}

impl Places {
    /// A member needs none of its folders any more: that in which it is, and those around.
    pub(super) fn leave(&mut self, member: u32, node: Node, round: &mut Round) {
        if self.folders.is_outermost(node.level) {
            round.folders.insert(node.parent);
        }
        let mut folder = node.parent;
        while let Some((_, around)) = self.folders.claims.remove(&(folder, Claim::Member(member))) {
            round.folders.insert(folder);
            folder = around;
        }
    }

    /// Who needs a folder, in any order.
    fn claims_of(&self, folder: u32) -> impl Iterator<Item = (Claim, (u32, u32))> {
        let (first, last) = (Claim::Member(0), Claim::Always(u32::MAX, u32::MAX));
        let noted = self.folders.claims.range((folder, first)..=(folder, last));
        let members = self.below.of(folder).filter_map(|member| {
            let node = self.node(member).filter(|node| node.kind == Kind::Object)?;
            let is_in_one = self.folders.is_outermost(node.level);
            is_in_one.then_some((Claim::Member(member), (node.level, node.named)))
        });
        noted.map(|((_, claim), seat)| (*claim, *seat)).chain(members)
    }

    /// Whether somebody needs a folder.
    pub(super) fn is_needed(&self, folder: u32) -> bool {
        self.claims_of(folder).next().is_some()
    }

    /// The number of the text of the folder that an object or folder is in.
    pub(super) fn parent_text(&self, node: &Node) -> u32 {
        let (text, around) = self.folders.texts_of(node.level);
        if node.kind == Kind::Folder { around } else { text }
    }

    /// Finds the folders anew that are there even when empty, below one parent.
    pub(super) fn always(&mut self, ids: &Identities, known: &Known, parent: u32, round: &mut Round) {
        let parent_type = self.tables.keys.key(parent).object_type;
        let Some(forms) = self.folders.always.get(&parent_type).cloned() else { return };
        let may_be_parent = self.may_be_parent(known, parent);
        for Always { form, first, n_levels } in forms {
            let former = self.folders.empty.range((form, parent, 0)..=(form, parent, u32::MAX));
            for former in former.copied().collect::<Vec<_>>() {
                self.folders.empty.remove(&former);
                self.folders.claims.remove(&(former.2, Claim::Always(form, parent)));
                round.folders.insert(former.2);
            }
            let mut around = parent;
            for level in (first..first + n_levels).take_while(|_| may_be_parent) {
                let Ok(folder) = self.folder(ids, known, parent, level) else { break };
                self.folders.claims.insert((folder, Claim::Always(form, parent)), (level, around));
                self.folders.empty.insert((form, parent, folder));
                round.folders.insert(folder);
                around = folder;
            }
        }
    }

    /// The folder of a level below a parent.
    pub(super) fn folder(&mut self, ids: &Identities, known: &Known, parent: u32, level: u32) -> Result<u32, String> {
        if let Some(found) = self.folders.found.get(&(parent, level)) {
            return found.clone();
        }
        let found = self.found_folder(ids, known, parent, level);
        self.folders.found.insert((parent, level), found.clone());
        found
    }

    fn found_folder(&mut self, ids: &Identities, known: &Known, parent: u32, level: u32) -> Result<u32, String> {
        let Level { object_type, form, place, .. } =
            self.folders.levels.get(level as usize).expect("a level is asked only where it was given out");
        let Some(object_type) = ids.types.get(object_type) else {
            return Err(format!("there is no object type {object_type}"));
        };
        let folder = object_type.forms.get(*form).and_then(|form| form.folders.get(*place));
        let folder = folder.expect("a level is that of a folder");
        let mut frame = ids.frame(object_type, &Map::new());
        if let Some(slot) = object_type.layout.find("parent") {
            if self.folders.parent.as_ref().is_none_or(|(known, _)| *known != parent) {
                let of_root = || (parent == self.root).then(|| ids.root_document());
                let document = known.document(&self.tables.keys.key(parent)).or_else(of_root);
                self.folders.parent = Some((parent, document));
            }
            let document = self.folders.parent.as_ref().and_then(|(_, document)| document.clone());
            frame.set(slot, Value::Map(document.unwrap_or_default()));
        }
        let id = text(&folder.id, &frame).map_err(|error| format!("its folder {} has no id: {error}", folder.text))?;
        Ok(self.tables.keys.add(&ObjectKey { object_type: folder.folder_type.clone(), id }))
    }

    /// Makes a folder what those who need it say, unless an object has its key.
    pub(super) fn settle_folder(&mut self, folder: u32, round: &mut Round) {
        if self.node(folder).is_some_and(|node| node.kind != Kind::Folder) {
            return;
        }
        let node = self.first_seat(folder).map(|(level, parent)| Node {
            name: self.folders.texts_of(level).0.into(),
            parent,
            named: parent,
            level,
            kind: Kind::Folder,
            is_found: false,
        });
        self.set_node(folder, node, round);
    }

    /// The level of a folder, and what is right above it, as the first who needs it says: by key, whatever came first.
    fn first_seat(&self, folder: u32) -> Option<(u32, u32)> {
        let mut claims = self.claims_of(folder);
        let first = claims.next()?;
        if self.claims_of(folder).all(|(_, other)| other == first.1) {
            return Some(first.1);
        }
        let keys = self.tables.keys.read();
        let least = claims.fold(first, |least, other| {
            let is_less = match (other.0, least.0) {
                (Claim::Member(other), Claim::Member(least)) => keys.cmp(other, least).is_lt(),
                (Claim::Always(other, below), Claim::Always(least, least_below)) => {
                    other.cmp(&least).then_with(|| keys.cmp(below, least_below)).is_lt()
                }
                (other, least) => other < least,
            };
            if is_less { other } else { least }
        });
        Some(least.1)
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("there are fewer folders of forms than 2^32")
}
