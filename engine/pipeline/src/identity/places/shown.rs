//! Objects and folders as they are handed over: with names, parents and paths.

use std::collections::{BTreeMap, BTreeSet};

use calipso_derive::Changes;
use calipso_model::{Map, Object, ObjectKey, Str, Value};

use super::{Kind, Node, Places};
use crate::{identity::Identities, known::Known};

impl Places {
    /// Objects and folders as they are seen now, by key; what is no node any more is gone.
    pub(super) fn shown(&self, ids: &Identities, known: &Known, numbers: &BTreeSet<u32>) -> Changes {
        let mut changes = Changes::default();
        let mut made = BTreeMap::new();
        let mut keys: Vec<(ObjectKey, u32)> =
            numbers.iter().map(|number| (self.tables.keys.key(*number), *number)).collect();
        keys.sort();
        for (key, number) in keys {
            let Some(node) = self.node(number) else {
                changes.remove.push(key);
                continue;
            };
            if node.kind == Kind::Given {
                continue;
            }
            let paths = self.paths(ids, known, number, &mut made);
            let doc = self.shown_as(ids, known, &key, (number, node), paths);
            changes.upsert.push(Object { key, doc });
        }
        changes
    }

    /// An object or folder with its common fields; nothing where it is not placed.
    pub(crate) fn document(&self, ids: &Identities, known: &Known, key: &ObjectKey) -> Option<Map> {
        let number = self.tables.keys.number(key)?;
        let node = self.node(number).filter(|node| node.kind != Kind::Given)?;
        let paths = self.paths(ids, known, number, &mut BTreeMap::new());
        Some(self.shown_as(ids, known, key, (number, node), paths))
    }

    fn shown_as(
        &self,
        ids: &Identities,
        known: &Known,
        key: &ObjectKey,
        (number, node): (u32, &Node),
        (id_path, name_path): (Str, Str),
    ) -> Map {
        let is_folder = node.kind == Kind::Folder;
        let of = |text: &Str| Value::Str(text.clone());
        let (mut doc, (name, object_name)) = match known.row(number) {
            Some(row) if !is_folder => {
                let attributes = known.attributes(row);
                let names = ids.names(key, &attributes, row.standing.form());
                (attributes, names)
            }
            _ => {
                let text = self.folder_text(node).unwrap_or(&key.id).clone();
                (Map::new(), (text.clone(), text))
            }
        };
        let is_cut = self.circles.contains(&number);
        let parent = self.tables.keys.key(if is_cut { self.root } else { node.parent });
        let parent_text = self.folders.text(self.parent_text(node)).filter(|_| !is_cut).map(of);
        let (environment, id, object_type) = (of(&ids.environment), of(&key.id), of(&key.object_type));
        let (name, object_name) = (Value::Str(name), Value::Str(object_name));
        let (parent_id, parent_type) = (Value::Str(parent.id), Value::Str(parent.object_type));
        let (id_path, name_path) = (Value::Str(id_path), Value::Str(name_path));
        let names = &ids.fields;
        let fields = [
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
        let text = is_folder.then_some((&names.text, Some(&name)));
        let last = [(&names.object_type, Some(&object_type))];
        doc.merge(fields.into_iter().chain(text).chain(last));
        doc
    }

    /// The words on a folder.
    pub(super) fn folder_text(&self, folder: &Node) -> Option<&Str> {
        self.folders.text(u32::try_from(folder.name).ok()?)
    }
}
