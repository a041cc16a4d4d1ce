//! Objects, links and cliques as rows, trees and data.

use std::collections::BTreeMap;

use calipso_model::{Clique, Link, LinkRef, Map, Object, ObjectKey, Str, Value};

use crate::{
    args::OutputFormat,
    output::{fitted, json, printable, yaml},
};

/// A list in a shape; `rows` are only made when a table is wanted.
#[must_use]
pub fn list<T>(
    shape: OutputFormat,
    items: &[T],
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    data: impl Fn(&T) -> Value,
) -> String {
    list_within(shape, usize::MAX, items, header, row, data)
}

/// As [`list`], a table at most `width` columns wide.
#[must_use]
pub fn list_within<T>(
    shape: OutputFormat,
    width: usize,
    items: &[T],
    header: &[&str],
    row: impl Fn(&T) -> Vec<String>,
    data: impl Fn(&T) -> Value,
) -> String {
    match shape {
        OutputFormat::Table | OutputFormat::Tree => fitted(header, &items.iter().map(row).collect::<Vec<_>>(), width),
        OutputFormat::Json => json(&Value::list(items.iter().map(data).collect())),
        OutputFormat::Yaml => yaml(&Value::list(items.iter().map(data).collect())),
    }
}

/// One value in a shape.
#[must_use]
pub fn value(shape: OutputFormat, value: &Value) -> String {
    match shape {
        OutputFormat::Json => json(value),
        OutputFormat::Yaml | OutputFormat::Table | OutputFormat::Tree => yaml(value),
    }
}

/// A key as data.
#[must_use]
pub fn key_data(key: &ObjectKey) -> Value {
    Value::Map(
        [("type", Value::Str(key.object_type.clone())), ("id", Value::Str(key.id.clone()))].into_iter().collect(),
    )
}

/// A link as data: the field names of the original.
#[must_use]
pub fn link_data(link: &Link) -> Value {
    let label = |name: &str| link.attributes.get(name).cloned().unwrap_or_else(|| Value::text(""));
    let pairs: Map = [
        ("link_type", Value::Str(link.link_type.clone())),
        ("source_type", Value::Str(link.source.object_type.clone())),
        ("source_id", Value::Str(link.source.id.clone())),
        ("target_type", Value::Str(link.target.object_type.clone())),
        ("target_id", Value::Str(link.target.id.clone())),
        ("link_name", Value::Str(link.name.clone())),
        ("state", Value::text(link.state.as_str())),
        ("host", Value::from(link.host.clone())),
        ("switch", Value::from(link.switch.clone())),
        ("source_label", label("source_label")),
        ("target_label", label("target_label")),
        ("attributes", Value::Map(link.attributes.clone())),
        ("implicit", Value::Bool(link.implicit)),
        ("rule", Value::Str(link.rule.clone())),
    ]
    .into_iter()
    .collect();
    Value::Map(pairs)
}

/// The key of a link as data, out of the link.
#[must_use]
pub fn link_key_data(link: &Link) -> Value {
    link_ref_data(&LinkRef {
        link_type: link.link_type.clone(),
        source: link.source.clone(),
        target: link.target.clone(),
    })
}

/// The key of a link as data.
#[must_use]
pub fn link_ref_data(link: &LinkRef) -> Value {
    Value::Map(
        [
            ("link_type", Value::Str(link.link_type.clone())),
            ("source", key_data(&link.source)),
            ("target", key_data(&link.target)),
        ]
        .into_iter()
        .collect(),
    )
}

/// A clique as data.
#[must_use]
pub fn clique_data(clique: &Clique) -> Value {
    let pairs: Map = [
        ("focal_point", key_data(&clique.focal_point)),
        ("focal_point_type", Value::Str(clique.focal_point.object_type.clone())),
        ("clique_type", Value::Str(clique.clique_type.clone())),
        ("constraints", Value::Map(clique.constraints.clone())),
        ("nodes", Value::list(clique.nodes.iter().map(key_data).collect())),
        ("links", Value::list(clique.links.iter().map(link_ref_data).collect())),
    ]
    .into_iter()
    .collect();
    Value::Map(pairs)
}

/// Time since when objects may be out of date.
pub type StaleSince = BTreeMap<ObjectKey, Str>;

/// Objects as a tree by parents; objects whose parent is not among them stand at the margin.
#[must_use]
pub fn tree(objects: &[Object], stale: &StaleSince) -> String {
    let known: BTreeMap<&ObjectKey, &Object> = objects.iter().map(|object| (&object.key, object)).collect();
    let parent = |object: &Object| -> Option<ObjectKey> {
        let key = ObjectKey::new(object.text("parent_type")?, object.text("parent_id")?);
        known.contains_key(&key).then_some(key)
    };
    let mut below: BTreeMap<Option<ObjectKey>, Vec<&Object>> = BTreeMap::new();
    for object in objects {
        below.entry(parent(object)).or_default().push(object);
    }
    for children in below.values_mut() {
        children
            .sort_by(|a, b| (&a.key.object_type, label(a), &a.key.id).cmp(&(&b.key.object_type, label(b), &b.key.id)));
    }
    let mut out = String::new();
    branch(&below, stale, None, "", &mut out, 0);
    out
}

/// A number with its noun.
#[must_use]
pub fn count(number: usize, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// A time to the second, as people read it.
#[must_use]
pub fn second(time: &str) -> String {
    printable(&time.chars().take(19).collect::<String>().replacen('T', " ", 1))
}

/// A time to the minute, precise enough to see whether data is a day or a week old.
#[must_use]
pub fn day(time: &str) -> String {
    printable(&time.chars().take(16).collect::<String>().replacen('T', " ", 1))
}

fn label(object: &Object) -> &str {
    object.text("object_name").or_else(|| object.text("text")).unwrap_or_else(|| object.name())
}

fn branch(
    below: &BTreeMap<Option<ObjectKey>, Vec<&Object>>,
    stale: &StaleSince,
    at: Option<&ObjectKey>,
    indent: &str,
    out: &mut String,
    depth: usize,
) {
    let Some(children) = below.get(&at.cloned()) else { return };
    let last = children.len().saturating_sub(1);
    for (number, object) in children.iter().enumerate() {
        let (corner, bar) = match (depth, number == last) {
            (0, _) => ("", ""),
            (_, true) => ("└─ ", "   "),
            (_, false) => ("├─ ", "│  "),
        };
        let folder = object.key.object_type.ends_with("_folder");
        let kind = if folder { String::new() } else { format!("  ({})", object.key.object_type) };
        let doubt = stale.get(&object.key).map(|since| format!("  [stale since {}]", day(since))).unwrap_or_default();
        out.push_str(&format!("{indent}{corner}{}{kind}{doubt}\n", printable(label(object))));
        branch(below, stale, Some(&object.key), &format!("{indent}{bar}"), out, depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_stands_by_parents() {
        let object = |id: &str, parent: &str| Object {
            key: ObjectKey::new("thing", id),
            doc: [("name", id), ("parent_type", "thing"), ("parent_id", parent)].into_iter().collect(),
        };
        let stale = [(ObjectKey::new("thing", "d"), "2026-01-02T03:04:05Z".into())].into();
        let text = tree(&[object("b", "a"), object("c", "b"), object("a", "nobody"), object("d", "a")], &stale);
        let doubt = "  [stale since 2026-01-02 03:04]";
        assert_eq!(text, format!("a  (thing)\n├─ b  (thing)\n│  └─ c  (thing)\n└─ d  (thing){doubt}\n"));
    }
}
