//! Where every object lies: under its parent or in a folder of it, with its paths. Kept up to date by what changed.
//!
//! Whatever comes in, in one change or in many, the places are those that the objects as they are now lead to.

use std::collections::{BTreeMap, BTreeSet};

use calipso_derive::Changes;
use calipso_model::{Map, Object, ObjectKey, Str, Value};
use calipso_spec::checked::Folder;

use crate::{
    identity::{Identities, Identity, place::Misplaced, text},
    known::{Known, Standing},
};

/// The places of all objects of one environment.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Types that the environment has fetchers for: their folders are there even when empty, where the type says so.
    emitted: BTreeSet<Str>,
    /// Whether the root has its folders yet.
    begun: bool,
    /// The parent that an object names, and the folders that it needs.
    seats: BTreeMap<ObjectKey, Seat>,
    /// By the parent that they name: objects.
    children: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Folders, and who needs each; the first says how it is.
    folders: BTreeMap<ObjectKey, BTreeMap<Claim, FolderSeat>>,
    /// Folders that a form needs below a parent whether or not somebody is in them.
    always_folders: BTreeMap<Claim, Vec<ObjectKey>>,
    nodes: BTreeMap<ObjectKey, Node>,
    /// By the object or folder right above: nodes.
    below: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Where circles of parents are cut.
    circles: BTreeSet<ObjectKey>,
}

#[derive(Debug)]
struct Seat {
    parent: ObjectKey,
    folders: Vec<ObjectKey>,
    misplaced: Vec<String>,
}

/// Who needs a folder. Those of members count before those that are always there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Member(ObjectKey),
    /// The type and number of a form, below a parent.
    Always(Str, usize, ObjectKey),
}

#[derive(Debug, PartialEq)]
struct FolderSeat {
    text: Str,
    parent: ObjectKey,
    parent_text: Option<Str>,
}

/// One object or folder.
#[derive(Debug)]
struct Node {
    name: Str,
    object_name: Str,
    parent: ObjectKey,
    parent_text: Option<Str>,
    kind: Kind,
    /// Path by ids and path by names; none while it is not known.
    paths: Option<(Str, Str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Object,
    Folder,
    /// Somebody gave it; it is not placed again.
    Given,
}

impl Places {
    /// No places yet.
    pub(crate) fn new(emitted: BTreeSet<Str>) -> Self {
        Self { emitted, ..Self::default() }
    }

    /// Brings the places up to date after some objects came, changed or went. Returns the objects and folders that are different
    /// now, with their common fields.
    pub(crate) fn apply(&mut self, ids: &Identities, known: &Known, changed: &BTreeSet<ObjectKey>) -> Changes {
        let mut round = Round::default();
        let root = ids.root();
        if !self.begun {
            self.begun = true;
            self.always(ids, &root, Some(&ids.root_document()), &mut round);
        }
        let mut moved: BTreeSet<&ObjectKey> = changed.iter().collect();
        let children: Vec<ObjectKey> =
            changed.iter().filter_map(|key| self.children.get(key)).flatten().cloned().collect();
        moved.extend(&children);
        for key in &moved {
            self.seat(ids, known, key, &mut round);
        }
        for key in changed {
            self.always(ids, key, parent_document(ids, known, key).as_ref(), &mut round);
        }
        let folders: Vec<ObjectKey> = std::mem::take(&mut round.folders).into_iter().collect();
        for key in &folders {
            self.settle_folder(key, &mut round);
        }
        round.shown.extend(changed.iter().cloned());
        let around = self.around(&round.moved);
        self.find_paths(&root, &around);
        round.shown.extend(around);
        self.shown(ids, known, &round.shown)
    }

    /// Objects that are not where their type says, and why; by key.
    pub(crate) fn misplaced(&self) -> Vec<Misplaced> {
        let seats = self.seats.iter().flat_map(|(key, seat)| {
            seat.misplaced.iter().map(|sentence| Misplaced { key: key.clone(), sentence: sentence.clone() })
        });
        let circles = self.circles.iter().map(|key| {
            let sentence = "its parents lead back to itself".to_owned();
            Misplaced { key: key.clone(), sentence }
        });
        let mut all: Vec<Misplaced> = seats.chain(circles).collect();
        all.sort();
        all
    }

    /// Finds the seat of one object anew.
    fn seat(&mut self, ids: &Identities, known: &Known, key: &ObjectKey, round: &mut Round) {
        if let Some(former) = self.seats.remove(key) {
            remove_from(&mut self.children, &former.parent, key);
            for folder in former.folders {
                self.unclaim(&folder, &Claim::Member(key.clone()), round);
            }
        }
        let node = match known.row(key).map(|row| &row.standing) {
            None => None,
            Some(Standing::Unknown(why)) => {
                let seat = Seat { parent: ids.root(), folders: Vec::new(), misplaced: vec![why.clone()] };
                self.seats.insert(key.clone(), seat);
                None
            }
            Some(Standing::Given) => {
                let document = known.row(key).map(|row| row.document.clone()).unwrap_or_default();
                let name = document.text("name").unwrap_or(&key.id).clone();
                let parent = document.text("parent_type").cloned().zip(document.text("parent_id").cloned());
                let parent = parent
                    .map(|(object_type, id)| ObjectKey { object_type, id })
                    .filter(|parent| parent_document(ids, known, parent).is_some());
                let (object_name, parent) = (name.clone(), parent.unwrap_or_else(|| ids.root()));
                Some(Node { name, object_name, parent, parent_text: None, kind: Kind::Given, paths: None })
            }
            Some(Standing::Known(identity, doubts)) => Some(self.member(ids, known, key, (identity, doubts), round)),
        };
        self.set_node(key, node, round);
    }

    fn member(
        &mut self,
        ids: &Identities,
        known: &Known,
        key: &ObjectKey,
        (identity, doubts): (&Identity, &[String]),
        round: &mut Round,
    ) -> Node {
        let mut seat = Seat { parent: identity.parent.clone(), folders: Vec::new(), misplaced: doubts.to_vec() };
        let mut place = (identity.parent.clone(), None);
        match parent_document(ids, known, &identity.parent) {
            Some(document) => {
                for folder in ids.folders(&key.object_type, identity.form) {
                    match folder_key(ids, &key.object_type, folder, &document) {
                        Ok(made) => {
                            let (parent, parent_text) =
                                std::mem::replace(&mut place, (made.clone(), Some(folder.text.clone())));
                            let around = FolderSeat { text: folder.text.clone(), parent, parent_text };
                            self.claim(&made, Claim::Member(key.clone()), around, round);
                            seat.folders.push(made);
                        }
                        Err(sentence) => {
                            seat.misplaced.push(sentence);
                            break;
                        }
                    }
                }
            }
            None => {
                seat.misplaced.push(format!("its parent {} is not known", identity.parent));
                place = (ids.root(), None);
            }
        }
        self.children.entry(seat.parent.clone()).or_default().insert(key.clone());
        self.seats.insert(key.clone(), seat);
        let (name, object_name) = (identity.name.clone(), identity.object_name.clone());
        Node { name, object_name, parent: place.0, parent_text: place.1, kind: Kind::Object, paths: None }
    }

    /// Finds the folders anew that are there even when empty, below one parent.
    fn always(&mut self, ids: &Identities, parent: &ObjectKey, document: Option<&Map>, round: &mut Round) {
        let types = ids.types.iter().filter(|(name, _)| self.emitted.contains(*name));
        let mut wanted: Vec<(ObjectKey, Claim, FolderSeat)> = Vec::new();
        let mut claims: BTreeSet<Claim> = BTreeSet::new();
        for (name, object_type) in types {
            for (number, form) in object_type.forms.iter().enumerate() {
                let last = form.folders.iter().rposition(|folder| folder.always);
                let Some(last) = last.filter(|_| form.parent_type == parent.object_type) else { continue };
                let claim = Claim::Always(name.clone(), number, parent.clone());
                claims.insert(claim.clone());
                let Some(document) = document else { continue };
                let mut place = (parent.clone(), None);
                for folder in form.folders.iter().take(last + 1) {
                    let Ok(made) = folder_key(ids, name, folder, document) else { break };
                    let (parent, parent_text) =
                        std::mem::replace(&mut place, (made.clone(), Some(folder.text.clone())));
                    wanted.push((made, claim.clone(), FolderSeat { text: folder.text.clone(), parent, parent_text }));
                }
            }
        }
        for claim in &claims {
            for folder in self.always_folders.remove(claim).unwrap_or_default() {
                self.unclaim(&folder, claim, round);
            }
        }
        for (folder, claim, seat) in wanted {
            self.always_folders.entry(claim.clone()).or_default().push(folder.clone());
            self.claim(&folder, claim, seat, round);
        }
    }

    fn claim(&mut self, folder: &ObjectKey, claim: Claim, seat: FolderSeat, round: &mut Round) {
        self.folders.entry(folder.clone()).or_default().insert(claim, seat);
        round.folders.insert(folder.clone());
    }

    fn unclaim(&mut self, folder: &ObjectKey, claim: &Claim, round: &mut Round) {
        if let Some(claims) = self.folders.get_mut(folder) {
            claims.remove(claim);
            if claims.is_empty() {
                self.folders.remove(folder);
            }
        }
        round.folders.insert(folder.clone());
    }

    /// Makes a folder what those who need it say, unless an object has its key.
    fn settle_folder(&mut self, key: &ObjectKey, round: &mut Round) {
        if self.nodes.get(key).is_some_and(|node| node.kind != Kind::Folder) {
            return;
        }
        let node = self.folders.get(key).and_then(|claims| claims.values().next()).map(|seat| Node {
            name: seat.text.clone(),
            object_name: seat.text.clone(),
            parent: seat.parent.clone(),
            parent_text: seat.parent_text.clone(),
            kind: Kind::Folder,
            paths: None,
        });
        self.set_node(key, node, round);
    }

    /// Puts a node in place of the one of its key; of an object that went, a folder of its key may remain.
    fn set_node(&mut self, key: &ObjectKey, node: Option<Node>, round: &mut Round) {
        let former = self.nodes.remove(key);
        if node.is_none()
            && self.folders.contains_key(key)
            && former.as_ref().is_some_and(|node| node.kind != Kind::Folder)
        {
            round.folders.insert(key.clone());
        }
        let place = |node: &Node| (node.name.clone(), node.parent.clone());
        let is_where_it_was = former.as_ref().map(place) == node.as_ref().map(place);
        let looks_the_same = match (&former, &node) {
            (Some(former), Some(node)) => former.kind == node.kind && former.parent_text == node.parent_text,
            (former, node) => former.is_none() && node.is_none(),
        };
        if !is_where_it_was {
            if let Some(former) = &former {
                remove_from(&mut self.below, &former.parent, key);
            }
            if let Some(node) = &node {
                self.below.entry(node.parent.clone()).or_default().insert(key.clone());
            }
            round.moved.insert(key.clone());
        }
        if !looks_the_same {
            round.shown.insert(key.clone());
        }
        if let Some(mut node) = node {
            if is_where_it_was {
                node.paths = former.and_then(|former| former.paths);
            }
            self.nodes.insert(key.clone(), node);
        }
    }

    /// Some nodes and all that lie below them.
    fn around(&self, moved: &BTreeSet<ObjectKey>) -> BTreeSet<ObjectKey> {
        let mut around = moved.clone();
        let mut rest: Vec<ObjectKey> = moved.iter().cloned().collect();
        while let Some(key) = rest.pop() {
            for below in self.below.get(&key).into_iter().flatten() {
                if around.insert(below.clone()) {
                    rest.push(below.clone());
                }
            }
        }
        around
    }

    fn find_paths(&mut self, root: &ObjectKey, around: &BTreeSet<ObjectKey>) {
        for key in around {
            self.circles.remove(key);
            if let Some(node) = self.nodes.get_mut(key) {
                node.paths = None;
            }
        }
        for key in around {
            self.find_path(root, key);
        }
    }

    fn find_path(&mut self, root: &ObjectKey, key: &ObjectKey) {
        let mut way: Vec<ObjectKey> = Vec::new();
        let mut on_way: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut at = key.clone();
        let start = loop {
            if at == *root {
                break None;
            }
            let Some(node) = self.nodes.get(&at) else { break None };
            if node.paths.is_some() {
                break node.paths.clone();
            }
            if !on_way.insert(at.clone()) {
                // A circle is cut at the smallest of its members, whichever was met first.
                let from = way.iter().position(|member| *member == at).unwrap_or(0);
                let members = way.get(from..).unwrap_or_default();
                if let Some(smallest) = members.iter().min().cloned() {
                    let cut = way.iter().position(|member| *member == smallest).unwrap_or(0);
                    way.truncate(cut + 1);
                    self.circles.insert(smallest);
                }
                break None;
            }
            let up = node.parent.clone();
            way.push(at);
            at = up;
        };
        let root_path: Str = format!("/{}", root.id).into();
        let (mut id_path, mut name_path) = start.unwrap_or_else(|| (root_path.clone(), root_path));
        for key in way.into_iter().rev() {
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            id_path = format!("{id_path}/{}", key.id.trim()).into();
            name_path = format!("{name_path}/{}", node.name).into();
            node.paths = Some((id_path.clone(), name_path.clone()));
        }
    }

    /// Objects and folders as they are seen now; what is no node any more is gone.
    fn shown(&self, ids: &Identities, known: &Known, keys: &BTreeSet<ObjectKey>) -> Changes {
        let mut changes = Changes::default();
        let root = ids.root();
        for key in keys {
            let Some(node) = self.nodes.get(key) else {
                changes.remove.push(key.clone());
                continue;
            };
            let Some((id_path, name_path)) = &node.paths else { continue };
            if node.kind == Kind::Given {
                continue;
            }
            let is_cut = self.circles.contains(key);
            let (parent, parent_text) = if is_cut { (&root, None) } else { (&node.parent, node.parent_text.as_ref()) };
            let is_folder = node.kind == Kind::Folder;
            let mut doc = match known.row(key) {
                Some(row) if !is_folder => row.document.clone(),
                _ => Map::new(),
            };
            let of = |text: &Str| Value::Str(text.clone());
            let (environment, id, object_type) = (of(&ids.environment), of(&key.id), of(&key.object_type));
            let (name, object_name) = (of(&node.name), of(&node.object_name));
            let (parent_id, parent_type) = (of(&parent.id), of(&parent.object_type));
            let (parent_text, id_path, name_path) = (parent_text.map(of), of(id_path), of(name_path));
            let names = &ids.names;
            let mut fields: Vec<(&Str, Option<&Value>)> = vec![
                (&names.environment, Some(&environment)),
                (&names.id, Some(&id)),
                (&names.id_path, Some(&id_path)),
                (&names.name, Some(&name)),
                (&names.name_path, Some(&name_path)),
                (&names.object_name, Some(&object_name)),
                (&names.parent_id, Some(&parent_id)),
                (&names.parent_text, parent_text.as_ref()),
                (&names.parent_type, Some(&parent_type)),
                (&names.show_in_tree, Some(&Value::Bool(true))),
            ];
            if is_folder {
                fields.push((&names.text, Some(&name)));
            }
            fields.push((&names.object_type, Some(&object_type)));
            doc.merge(fields.into_iter());
            changes.upsert.push(Object { key: key.clone(), doc });
        }
        changes
    }
}

/// What one change touches.
#[derive(Debug, Default)]
struct Round {
    /// Folders of which somebody came or went.
    folders: BTreeSet<ObjectKey>,
    /// Nodes that came, went, or lie elsewhere or under another name.
    moved: BTreeSet<ObjectKey>,
    /// Nodes that look different.
    shown: BTreeSet<ObjectKey>,
}

/// What is seen of an object that may be a parent.
fn parent_document(ids: &Identities, known: &Known, key: &ObjectKey) -> Option<Map> {
    match known.row(key) {
        Some(row) => (!matches!(row.standing, Standing::Unknown(_))).then(|| row.document.clone()),
        None => (*key == ids.root()).then(|| ids.root_document()),
    }
}

fn folder_key(ids: &Identities, object_type: &str, folder: &Folder, document: &Map) -> Result<ObjectKey, String> {
    let Some(object_type) = ids.types.get(object_type) else {
        return Err(format!("there is no object type {object_type}"));
    };
    let mut frame = ids.frame(object_type, &Map::new());
    frame.bind(&object_type.layout, "parent", Value::Map(document.clone()));
    let id = text(&folder.id, &frame).map_err(|error| format!("its folder {} has no id: {error}", folder.text))?;
    Ok(ObjectKey { object_type: folder.folder_type.clone(), id })
}

fn remove_from(sets: &mut BTreeMap<ObjectKey, BTreeSet<ObjectKey>>, key: &ObjectKey, member: &ObjectKey) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(member);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use calipso_model::Environment;
    use calipso_spec::{Layer, checked::Distribution};
    use proptest::prelude::*;

    use super::*;
    use crate::{identity::place, scope_values::ScopeValues};

    const BOX: &str = "schema: object_type/v1
name: box
description: A box that may lie in another one.
source: made up
attributes:
  number: {type: integer}
  label: {type: text}
  around: {type: integer}
  group: {type: text}
other_attributes: allowed
forms:
  - form: grouped
    when: self.group is defined
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: box, id: \"{{ self.around }}\"}
    folders:
      - {type: box_folder, id: \"{{ parent.label }}-boxes\", text: Boxes, always: true}
      - {type: box_folder, id: \"{{ parent.label }}-more\", text: More}
  - form: inside
    when: self.around is defined
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: box, id: \"{{ self.around }}\"}
  - form: alone
    id: \"{{ self.number }}\"
    name: \"{{ self.label }}\"
    parent: {type: environment}
";

    fn identities() -> Identities {
        let files = vec![("object_types/box.yaml".into(), BOX.into())];
        let loaded = calipso_spec::load(&[Layer { name: "test".into(), files }]);
        let wrong: Vec<_> =
            loaded.diagnostics.iter().filter(|found| found.severity == calipso_spec::Severity::Error).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let environment = Environment { name: "e".into(), ..Environment::default() };
        let values = ScopeValues::new(&environment, &Distribution::none(""));
        Identities::new(&loaded.specs, values, &environment.name)
    }

    /// One box, or that it is gone.
    #[derive(Clone, Debug)]
    enum Step {
        Put { number: i64, label: Option<u8>, around: Option<i64>, is_grouped: bool },
        Remove(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let number = 0..6_i64;
        let put =
            (number.clone(), proptest::option::weighted(0.9, 0..3_u8), proptest::option::of(0..6_i64), any::<bool>());
        prop_oneof![
            4 => put.prop_map(|(number, label, around, is_grouped)| Step::Put { number, label, around, is_grouped }),
            1 => number.prop_map(Step::Remove),
        ]
    }

    fn box_of(number: i64, label: Option<u8>, around: Option<i64>, is_grouped: bool) -> Map {
        let mut attributes = Map::new();
        attributes.insert("number", number);
        if let Some(label) = label {
            attributes.insert("label", format!("l{label}"));
        }
        if let Some(around) = around {
            attributes.insert("around", around);
            if is_grouped {
                attributes.insert("group", "g");
            }
        }
        attributes
    }

    fn key(number: i64) -> ObjectKey {
        ObjectKey::new("box", number.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn many_changes_lead_where_one_leads(rounds in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..10)) {
            let ids = identities();
            let emitted = BTreeSet::from([Str::from("box")]);
            let mut known = Known::default();
            let mut merged: BTreeMap<ObjectKey, Map> = BTreeMap::new();
            let mut places = Places::new(emitted.clone());
            let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
            for round in rounds {
                let mut changed = BTreeSet::new();
                for step in round {
                    match step {
                        Step::Put { number, label, around, is_grouped } => {
                            let attributes = box_of(number, label, around, is_grouped);
                            merged.insert(key(number), attributes.clone());
                            if known.put(&key(number), ids.row(&key(number), attributes)) {
                                changed.insert(key(number));
                            }
                        }
                        Step::Remove(number) => {
                            merged.remove(&key(number));
                            if known.remove(&key(number)) {
                                changed.insert(key(number));
                            }
                        }
                    }
                }
                let changes = places.apply(&ids, &known, &changed);
                for gone in changes.remove {
                    objects.remove(&gone);
                }
                objects.extend(changes.upsert.into_iter().map(|object| (object.key.clone(), object)));
                let scratch = place(&ids, merged.clone(), &emitted, &BTreeMap::new());
                prop_assert_eq!(&objects, &scratch.objects);
                prop_assert_eq!(places.misplaced(), scratch.misplaced);
            }
        }
    }

    #[test]
    fn a_circle_of_parents_is_cut_at_its_smallest_member_and_heals() {
        let ids = identities();
        let mut known = Known::default();
        let mut places = Places::new(BTreeSet::new());
        let mut put = |number: i64, around: Option<i64>| {
            let row = ids.row(&key(number), box_of(number, Some(0), around, false));
            known.put(&key(number), row);
            let changes = places.apply(&ids, &known, &BTreeSet::from([key(number)]));
            let misplaced: Vec<ObjectKey> = places.misplaced().into_iter().map(|found| found.key).collect();
            let paths: Vec<String> =
                changes.upsert.iter().map(|object| object.doc.text("id_path").unwrap().to_string()).collect();
            (misplaced, paths)
        };
        put(3, Some(1));
        put(1, Some(2));
        put(4, Some(3));
        let (misplaced, paths) = put(2, Some(3));
        assert_eq!(misplaced, [key(1)]);
        assert_eq!(paths, ["/e/1", "/e/1/3/2", "/e/1/3", "/e/1/3/4"]);
        let (misplaced, paths) = put(1, None);
        assert!(misplaced.is_empty());
        assert_eq!(paths, ["/e/1", "/e/1/3/2", "/e/1/3", "/e/1/3/4"]);
    }

    #[test]
    fn what_changes_alone_is_told_alone() {
        let ids = Arc::new(identities());
        let mut known = Known::default();
        for number in 0..4 {
            let around = (number > 0).then(|| number - 1);
            known.put(&key(number), ids.row(&key(number), box_of(number, Some(1), around, false)));
        }
        let mut places = Places::new(BTreeSet::new());
        places.apply(&ids, &known, &(0..4).map(key).collect());
        let mut attributes = box_of(1, Some(1), Some(0), false);
        attributes.insert("colour", "red");
        known.put(&key(1), ids.row(&key(1), attributes));
        let changes = places.apply(&ids, &known, &BTreeSet::from([key(1)]));
        let told: Vec<&ObjectKey> = changes.upsert.iter().map(|object| &object.key).collect();
        assert_eq!((told, changes.remove.len()), (vec![&key(1)], 0));
    }
}
