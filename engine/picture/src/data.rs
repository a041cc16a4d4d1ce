//! A picture as data, for JSON and YAML.

use calipso_model::Value;

use crate::{Line, Node, Picture};

/// Nodes and links as data; links name their ends as `TYPE/ID`.
#[must_use]
pub fn data(picture: &Picture) -> Value {
    let name = |index: usize| picture.nodes.get(index).map_or(Value::Null, |node| Value::text(&node.key.to_string()));
    let node = |node: &Node| {
        map([
            ("type", Value::from(node.key.object_type.clone())),
            ("id", Value::from(node.key.id.clone())),
            ("name", Value::text(&node.name)),
            ("stale", Value::Bool(node.stale)),
        ])
    };
    let link = |line: &Line| {
        map([
            ("link_type", Value::text(&line.link_type)),
            ("source", name(line.from)),
            ("target", name(line.to)),
            ("name", Value::text(&line.label)),
            ("state", Value::text(line.state.as_str())),
        ])
    };
    map([
        ("focal_point", name(picture.focal)),
        ("nodes", Value::list(picture.nodes.iter().map(node).collect())),
        ("links", Value::list(picture.lines.iter().map(link).collect())),
    ])
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().collect())
}
