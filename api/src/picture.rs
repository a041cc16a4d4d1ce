//! Graphs as pictures: boxes for a terminal, Graphviz, Mermaid.

mod boxes;
mod wrap;

use std::{collections::BTreeMap, fmt::Write as _};

use calipso_model::{LinkState, ObjectKey, Value};

pub use boxes::draw;
pub use wrap::wrap;

/// A node of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The object.
    pub key: ObjectKey,
    /// Its display name.
    pub name: String,
    /// Whether what is known of it may be out of date.
    pub stale: bool,
}

impl Node {
    /// What it is, and whether that may be out of date.
    fn kind(&self) -> String {
        format!("{}{}", self.key.object_type, if self.stale { " [stale]" } else { "" })
    }
}

/// A line of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Index of the source node.
    pub from: usize,
    /// Index of the target node.
    pub to: usize,
    /// Link type.
    pub link_type: String,
    /// Name of the link.
    pub label: String,
    /// Whether the link is up.
    pub state: LinkState,
}

/// A graph to draw; the node at `focal` stands first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Lines between them.
    pub lines: Vec<Line>,
    /// Index of the node in the middle.
    pub focal: usize,
}

/// The picture in Graphviz' language.
#[must_use]
pub fn dot(picture: &Picture) -> String {
    let mut text = String::from("graph clique {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (number, node) in picture.nodes.iter().enumerate() {
        let bold = if number == picture.focal { ", penwidth=2" } else { "" };
        let _ = writeln!(text, "  n{number} [label=\"{}\\n{}\"{bold}];", dot_text(&node.kind()), dot_text(&node.name));
    }
    for line in &picture.lines {
        let style = if line.state == LinkState::Down { ", style=dashed" } else { "" };
        let _ = writeln!(text, "  n{} -- n{} [label=\"{}\"{style}];", line.from, line.to, dot_text(&line.label));
    }
    text.push_str("}\n");
    text
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}

/// The picture in Mermaid's language.
#[must_use]
pub fn mermaid(picture: &Picture) -> String {
    let mut text = String::from("graph LR\n");
    for (number, node) in picture.nodes.iter().enumerate() {
        let _ = writeln!(text, "  n{number}[\"{}<br/>{}\"]", mermaid_text(&node.kind()), mermaid_text(&node.name));
    }
    for line in &picture.lines {
        let arrow = if line.state == LinkState::Down { "-.-" } else { "---" };
        let _ = writeln!(text, "  n{} {arrow}|\"{}\"| n{}", line.from, mermaid_text(&line.label), line.to);
    }
    let _ = writeln!(text, "  style n{} stroke-width:3px", picture.focal);
    text
}

/// Mermaid has no escapes in quoted labels but HTML entities.
fn mermaid_text(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '\n' | '\r' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

/// Nodes and links as data.
#[must_use]
pub fn data(picture: &Picture) -> Value {
    let node = |number: usize| picture.nodes.get(number).map_or(Value::Null, |node| Value::text(&node.key.to_string()));
    let pairs = |entries: Vec<(&str, Value)>| Value::Map(entries.into_iter().collect());
    pairs(vec![
        ("focal_point", node(picture.focal)),
        (
            "nodes",
            Value::list(
                picture
                    .nodes
                    .iter()
                    .map(|node| {
                        pairs(vec![
                            ("type", Value::from(node.key.object_type.clone())),
                            ("id", Value::from(node.key.id.clone())),
                            ("name", Value::text(&node.name)),
                            ("stale", Value::Bool(node.stale)),
                        ])
                    })
                    .collect(),
            ),
        ),
        (
            "links",
            Value::list(
                picture
                    .lines
                    .iter()
                    .map(|line| {
                        pairs(vec![
                            ("link_type", Value::text(&line.link_type)),
                            ("source", node(line.from)),
                            ("target", node(line.to)),
                            ("name", Value::text(&line.label)),
                            ("state", Value::text(line.state.as_str())),
                        ])
                    })
                    .collect(),
            ),
        ),
    ])
}

/// Distance of every node from the focal point, in links; nodes that it cannot reach come after all others.
fn layers(picture: &Picture) -> Vec<usize> {
    let mut near: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for line in &picture.lines {
        near.entry(line.from).or_default().push(line.to);
        near.entry(line.to).or_default().push(line.from);
    }
    let mut distance = vec![usize::MAX; picture.nodes.len()];
    let mut front = vec![picture.focal];
    if let Some(focal) = distance.get_mut(picture.focal) {
        *focal = 0;
    }
    let mut depth = 0;
    while !front.is_empty() {
        depth += 1;
        let mut next = Vec::new();
        for node in front {
            for other in near.get(&node).into_iter().flatten() {
                if let Some(known) = distance.get_mut(*other)
                    && *known == usize::MAX
                {
                    *known = depth;
                    next.push(*other);
                }
            }
        }
        front = next;
    }
    for known in &mut distance {
        *known = (*known).min(depth);
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn picture(nodes: &[&str], lines: &[(usize, usize)]) -> Picture {
        Picture {
            nodes: nodes
                .iter()
                .map(|name| Node { key: ObjectKey::new("thing", *name), name: (*name).to_owned(), stale: false })
                .collect(),
            lines: lines
                .iter()
                .map(|(from, to)| Line {
                    from: *from,
                    to: *to,
                    link_type: "thing-thing".to_owned(),
                    label: "x".to_owned(),
                    state: LinkState::Up,
                })
                .collect(),
            focal: 0,
        }
    }

    #[test]
    fn hostile_names_stay_text() {
        let nasty = picture(&["a\"]; x -- y [label=\"", "<script>\n#"], &[(0, 1)]);
        assert!(dot(&nasty).contains("a\\\"]; x -- y [label=\\\""));
        assert!(mermaid(&nasty).contains("#lt;script#gt; #35;"));
    }

    #[test]
    fn layers_count_links() {
        assert_eq!(layers(&picture(&["a", "b", "c", "alone"], &[(0, 1), (2, 1)])), [0, 1, 2, 3]);
    }
}
