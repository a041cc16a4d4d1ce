//! Places objects under their parents: folders, then paths over the whole graph.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Map, Object, ObjectKey, Str, Value};
use calipso_spec::checked::Folder;

use crate::{
    answer::Why,
    identity::{Identities, Identity, ROOT, text},
};

/// An object that could not be placed where its type says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Misplaced {
    pub(crate) key: ObjectKey,
    pub(crate) sentence: String,
}

/// All objects with their common fields, folders included, by key.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    pub(crate) misplaced: Vec<Misplaced>,
}

/// One object or folder before its paths are known.
struct Node {
    name: Str,
    object_name: Str,
    parent: ObjectKey,
    parent_text: Option<Str>,
    attributes: Map,
    is_folder: bool,
}

/// Places everything that is known.
///
/// # Shape
/// `emitted` names the types that this environment has fetchers for: only their folders are there when empty. `given` are
/// documents that are there already and may be parents; they are not placed again.
pub(crate) fn place(
    ids: &Identities,
    merged: BTreeMap<ObjectKey, Map>,
    emitted: &BTreeSet<Str>,
    given: &BTreeMap<ObjectKey, Map>,
) -> Placement {
    let mut placement = Placement::default();
    let mut found: Vec<(Identity<'_>, &Map)> = Vec::with_capacity(merged.len());
    for (key, attributes) in &merged {
        // What is known of an object is kept, whatever of it makes no name or place.
        let misplaced = |why: Why| Misplaced { key: key.clone(), sentence: why.sentence };
        match ids.presumed(key, attributes) {
            Ok((identity, doubts)) => {
                found.push((identity, attributes));
                placement.misplaced.extend(doubts.into_iter().map(misplaced));
            }
            Err(why) => placement.misplaced.push(misplaced(why)),
        }
    }
    let root = ids.root();
    let root_document = Map::from_pairs(vec![
        ("id".into(), Value::Str(root.id.clone())),
        ("name".into(), Value::Str(root.id.clone())),
        ("type".into(), Value::text(ROOT)),
    ]);
    let seen: BTreeMap<ObjectKey, Map> = found
        .iter()
        .map(|(identity, attributes)| (identity.key.clone(), with_identity(attributes, identity)))
        .chain(given.iter().map(|(key, document)| (key.clone(), document.clone())))
        .chain([(root.clone(), root_document)])
        .collect();
    let mut nodes: BTreeMap<ObjectKey, Node> = BTreeMap::new();
    let mut folders = Folders { ids, nodes: BTreeMap::new(), misplaced: Vec::new() };
    for (identity, attributes) in &found {
        let (parent, parent_text) = match seen.get(&identity.parent) {
            Some(document) => {
                let around: &[Folder] = identity.form.map_or(&[], |form| &form.folders);
                folders.chain(identity, around, &identity.parent, document)
            }
            None => {
                let sentence = format!("its parent {} is not known", identity.parent);
                placement.misplaced.push(Misplaced { key: identity.key.clone(), sentence });
                (root.clone(), None)
            }
        };
        nodes.insert(
            identity.key.clone(),
            Node {
                name: identity.name.clone(),
                object_name: identity.object_name.clone(),
                parent,
                parent_text,
                attributes: (*attributes).clone(),
                is_folder: false,
            },
        );
    }
    for (key, document) in given {
        let name = document.text("name").unwrap_or(&key.id).clone();
        let parent = document.text("parent_type").cloned().zip(document.text("parent_id").cloned());
        let parent = parent.map(|(object_type, id)| ObjectKey { object_type, id }).filter(|key| seen.contains_key(key));
        nodes.insert(
            key.clone(),
            Node {
                object_name: name.clone(),
                name,
                parent: parent.unwrap_or_else(|| root.clone()),
                parent_text: None,
                attributes: Map::new(),
                is_folder: false,
            },
        );
    }
    folders.always(&seen, emitted);
    placement.misplaced.append(&mut folders.misplaced);
    for (key, folder) in folders.nodes {
        nodes.entry(key).or_insert(folder);
    }
    let mut paths = Paths { nodes: &nodes, root: &root, known: BTreeMap::new(), circles: BTreeSet::new() };
    for key in nodes.keys() {
        paths.of(key);
    }
    let Paths { known, circles, .. } = paths;
    for key in &circles {
        let sentence = "its parents lead back to itself".to_owned();
        placement.misplaced.push(Misplaced { key: key.clone(), sentence });
    }
    for (key, node) in nodes.iter().filter(|(key, _)| !given.contains_key(*key)) {
        let Some((id_path, name_path)) = known.get(key) else { continue };
        let (parent, parent_text) =
            if circles.contains(key) { (&root, &None) } else { (&node.parent, &node.parent_text) };
        let mut doc = node.attributes.clone();
        let fields: [(&str, Value); 10] = [
            ("environment", Value::Str(ids.environment.clone())),
            ("type", Value::Str(key.object_type.clone())),
            ("id", Value::Str(key.id.clone())),
            ("name", Value::Str(node.name.clone())),
            ("object_name", Value::Str(node.object_name.clone())),
            ("parent_type", Value::Str(parent.object_type.clone())),
            ("parent_id", Value::Str(parent.id.clone())),
            ("id_path", Value::text(id_path)),
            ("name_path", Value::text(name_path)),
            ("show_in_tree", Value::Bool(true)),
        ];
        for (name, value) in fields {
            doc.insert(name, value);
        }
        match parent_text {
            Some(text) => doc.insert("parent_text", text.clone()),
            None => {
                doc.remove("parent_text");
            }
        }
        if node.is_folder {
            doc.insert("text", node.name.clone());
        }
        placement.objects.insert(key.clone(), Object { key: key.clone(), doc });
    }
    placement.misplaced.sort();
    placement
}

/// What others see of an object before it is placed.
pub(crate) fn with_identity(attributes: &Map, identity: &Identity<'_>) -> Map {
    let mut document = attributes.clone();
    document.insert("type", identity.key.object_type.clone());
    document.insert("id", identity.key.id.clone());
    document.insert("name", identity.name.clone());
    document.insert("object_name", identity.object_name.clone());
    document
}

struct Folders<'a> {
    ids: &'a Identities,
    nodes: BTreeMap<ObjectKey, Node>,
    misplaced: Vec<Misplaced>,
}

impl Folders<'_> {
    /// Makes folders from the outside in; returns the innermost one, or the parent itself.
    fn chain(
        &mut self,
        owner: &Identity<'_>,
        folders: &[Folder],
        parent: &ObjectKey,
        document: &Map,
    ) -> (ObjectKey, Option<Str>) {
        let mut place = (parent.clone(), None);
        for folder in folders {
            match self.folder(&owner.key.object_type, folder, &place, document) {
                Ok(key) => place = (key, Some(folder.text.clone())),
                Err(sentence) => {
                    self.misplaced.push(Misplaced { key: owner.key.clone(), sentence });
                    break;
                }
            }
        }
        place
    }

    fn folder(
        &mut self,
        object_type: &str,
        folder: &Folder,
        around: &(ObjectKey, Option<Str>),
        document: &Map,
    ) -> Result<ObjectKey, String> {
        let Some(object_type) = self.ids.types.get(object_type) else {
            return Err(format!("there is no object type {object_type}"));
        };
        let mut frame = self.ids.frame(object_type, &Map::new());
        if let Some(slot) = object_type.layout.find("parent") {
            frame.set(slot, Value::Map(document.clone()));
        }
        let id = text(&folder.id, &frame).map_err(|error| format!("its folder {} has no id: {error}", folder.text))?;
        let key = ObjectKey { object_type: folder.folder_type.clone(), id };
        self.nodes.entry(key.clone()).or_insert_with(|| Node {
            name: folder.text.clone(),
            object_name: folder.text.clone(),
            parent: around.0.clone(),
            parent_text: around.1.clone(),
            attributes: Map::new(),
            is_folder: true,
        });
        Ok(key)
    }

    /// Folders that are there even when empty: under every object of the type that may be a parent.
    fn always(&mut self, seen: &BTreeMap<ObjectKey, Map>, emitted: &BTreeSet<Str>) {
        let types = self.ids.types.clone();
        for (name, object_type) in types.iter().filter(|(name, _)| emitted.contains(*name)) {
            for form in &object_type.forms {
                let Some(last) = form.folders.iter().rposition(|folder| folder.always) else { continue };
                let from = ObjectKey::new(form.parent_type.clone(), "");
                for (key, document) in seen.range(from..).take_while(|(key, _)| key.object_type == form.parent_type) {
                    let mut place = (key.clone(), None);
                    for folder in form.folders.iter().take(last + 1) {
                        let Ok(made) = self.folder(name, folder, &place, document) else { break };
                        place = (made, Some(folder.text.clone()));
                    }
                }
            }
        }
    }
}

/// Paths found so far.
struct Paths<'a> {
    nodes: &'a BTreeMap<ObjectKey, Node>,
    root: &'a ObjectKey,
    known: BTreeMap<&'a ObjectKey, (String, String)>,
    circles: BTreeSet<ObjectKey>,
}

impl<'a> Paths<'a> {
    fn of(&mut self, key: &'a ObjectKey) {
        let mut way: Vec<&'a ObjectKey> = Vec::new();
        let mut at = key;
        let start = loop {
            if at == self.root {
                break None;
            }
            if let Some(known) = self.known.get(at) {
                break Some(known.clone());
            }
            let Some(node) = self.nodes.get(at) else { break None };
            if way.contains(&at) {
                // A circle is cut at the smallest of its members, whichever was met first.
                let from = way.iter().position(|member| *member == at).unwrap_or(0);
                let members = way.get(from..).unwrap_or_default();
                if let Some(smallest) = members.iter().min() {
                    self.circles.insert((*smallest).clone());
                    let cut = way.iter().position(|member| member == smallest).unwrap_or(0);
                    way.truncate(cut + 1);
                }
                break None;
            }
            way.push(at);
            at = &node.parent;
        };
        let root_path = format!("/{}", self.root.id);
        let (mut id_path, mut name_path) = start.unwrap_or_else(|| (root_path.clone(), root_path));
        for key in way.into_iter().rev() {
            let Some(node) = self.nodes.get(key) else { continue };
            id_path = format!("{id_path}/{}", key.id.trim());
            name_path = format!("{name_path}/{}", node.name);
            self.known.insert(key, (id_path.clone(), name_path.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_parents_is_cut_once_and_everything_keeps_a_path() {
        let key = |id: &str| ObjectKey::new("thing", id);
        let node = |parent: &str| Node {
            name: "n".into(),
            object_name: "n".into(),
            parent: key(parent),
            parent_text: None,
            attributes: Map::new(),
            is_folder: false,
        };
        let nodes: BTreeMap<ObjectKey, Node> =
            [("a", "c"), ("b", "a"), ("c", "b"), ("d", "c")].map(|(id, parent)| (key(id), node(parent))).into();
        for first in ["a", "b", "c", "d"] {
            let root = ObjectKey::new(ROOT, "env");
            let mut paths = Paths { nodes: &nodes, root: &root, known: BTreeMap::new(), circles: BTreeSet::new() };
            let (start, _) = nodes.get_key_value(&key(first)).unwrap();
            paths.of(start);
            for key in nodes.keys() {
                paths.of(key);
            }
            assert_eq!(paths.circles, BTreeSet::from([key("a")]), "from {first}");
            assert_eq!(paths.known[&key("d")].0, "/env/a/b/c/d");
        }
    }
}
