//! Small changes of a spec that a test of it should notice: what `test --mutate` tries, one at a time.
//!
//! A change is made in the tree of the file and the file is written again from it, so that no change can be cut wrongly
//! out of a text. Whether the changed spec is still valid, only loading it says.

mod expr;
mod pattern;
mod walk;

use std::{collections::BTreeSet, sync::Arc};

use calipso_model::Str;

use crate::{
    checked::At,
    load::{KINDS, Layer},
    yaml::{self, Node, NodeKind},
};

/// One change of one spec.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Kind of the spec.
    pub kind: &'static str,
    /// Name of the spec.
    pub spec: Str,
    /// Where it is made.
    pub at: At,
    /// What kind of change it is, such as `drop when`.
    pub what: String,
    /// Where it is made in the words of the spec, which stay the same when lines move: `rules[device].from.when`.
    pub path: String,
    /// What stands there.
    pub before: String,
    /// What stands there then; empty: nothing.
    pub after: String,
    /// Number of the layer.
    layer: usize,
    /// Path of the file in it.
    file: Str,
    /// The whole file with the change.
    text: Arc<str>,
}

impl Mutation {
    /// What names the change in a list of exceptions: kind of change, place, and what becomes of what where one place can
    /// be changed in several ways.
    #[must_use]
    pub fn name(&self) -> String {
        if self.after.is_empty() {
            format!("{} at {}", self.what, self.path)
        } else {
            format!("{} at {} ({} -> {})", self.what, self.path, self.before, self.after)
        }
    }

    /// The layers with the change made.
    #[must_use]
    pub fn applied(&self, layers: &[Layer]) -> Vec<Layer> {
        let mut layers = layers.to_vec();
        let mut files = layers.get_mut(self.layer).into_iter().flat_map(|layer| layer.files.iter_mut());
        if let Some((_, text)) = files.find(|(path, _)| *path == self.file) {
            *text = Arc::clone(&self.text);
        }
        layers
    }
}

/// Every mutation of the specs in force, of the layers that `wanted` accepts, in the order of files.
///
/// # Shape
/// A file that a later one replaces is not changed; one that cannot be read is left out.
#[must_use]
pub fn changes(layers: &[Layer], wanted: impl Fn(usize) -> bool) -> Vec<Mutation> {
    let mut files: Vec<(usize, usize, usize, Str, Node)> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        for (file_idx, (path, text)) in layer.files.iter().enumerate() {
            let folder = path.split('/').rev().nth(1);
            let Some(kind) = KINDS.iter().position(|(known, _)| Some(*known) == folder) else { continue };
            if !path.ends_with(".yaml") || path.ends_with(".test.yaml") {
                continue;
            }
            let Ok(node) = yaml::read(text) else { continue };
            let Some(name) = node.get("name").and_then(Node::as_text).map(Str::from) else { continue };
            let extends = matches!(node.get("extends").map(|node| &node.kind), Some(NodeKind::Bool(true)));
            if !extends {
                files.retain(|(_, _, other_kind, other, _)| !(*other_kind == kind && *other == name));
            }
            files.push((number, file_idx, kind, name, node));
        }
    }
    let platforms: BTreeSet<String> =
        files.iter().filter_map(|(.., node)| node.get("platform")?.as_text().map(str::to_owned)).collect();
    let mut found = Vec::new();
    for (number, file_idx, kind, name, node) in files {
        let Some(layer) = layers.get(number).filter(|_| wanted(number)) else { continue };
        let Some((path, text)) = layer.files.get(file_idx) else { continue };
        let Some((_, kind)) = KINDS.get(kind) else { continue };
        let file = format!("{}{path}", shown_folder(layer));
        let edits = walk::edits(kind, &node, text, &platforms);
        for edit in edits {
            let (line, column) = crate::diag::line_column(text, edit.start);
            let mut changed = node.clone();
            for (path, value) in &edit.parts {
                apply(&mut changed, path, value.as_ref());
            }
            let mut written = String::new();
            write(&changed, &mut written);
            found.push(Mutation {
                kind,
                spec: name.clone(),
                at: At { file: file.clone().into(), line, column },
                what: edit.what,
                path: edit.path,
                before: edit.before,
                after: edit.after,
                layer: number,
                file: path.clone(),
                text: written.into(),
            });
        }
    }
    found
}

/// How paths of a layer's files begin in messages.
fn shown_folder(layer: &Layer) -> String {
    match layer.name.as_ref() {
        "" | "built-in" => String::new(),
        folder => format!("{}/", folder.trim_end_matches('/')),
    }
}

/// Puts another value in a place, or takes out what stands there.
fn apply(node: &mut Node, path: &[usize], value: Option<&NodeKind>) {
    let Some((first, rest)) = path.split_first() else {
        if let Some(value) = value {
            node.kind = value.clone();
        }
        return;
    };
    let gone = rest.is_empty() && value.is_none();
    match &mut node.kind {
        NodeKind::Map(entries) if *first < entries.len() => {
            if gone {
                entries.remove(*first);
            } else if let Some((_, inner)) = entries.get_mut(*first) {
                apply(inner, rest, value);
            }
        }
        NodeKind::List(items) if *first < items.len() => {
            if gone {
                items.remove(*first);
            } else if let Some(inner) = items.get_mut(*first) {
                apply(inner, rest, value);
            }
        }
        _ => {}
    }
}

/// Writes a tree as JSON, which is YAML too.
fn write(node: &Node, out: &mut String) {
    let quoted = |text: &str, out: &mut String| out.push_str(&serde_json::Value::from(text).to_string());
    match &node.kind {
        NodeKind::Null => out.push_str("null"),
        NodeKind::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        NodeKind::Int(number) => out.push_str(&number.to_string()),
        NodeKind::Float(number) => out.push_str(&format!("{number:?}")),
        NodeKind::Text { text, .. } => quoted(text, out),
        NodeKind::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write(item, out);
            }
            out.push(']');
        }
        NodeKind::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                quoted(&key.name, out);
                out.push_str(": ");
                write(value, out);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests;
