//! Graphs as pictures: where the boxes stand, as data; and the picture as text for a terminal, for Graphviz, for Mermaid, as JSON.

mod boxes;
mod data;
mod dot;
mod layout;
mod mermaid;
mod wrap;

use std::collections::BTreeMap;

use calipso_model::{LinkState, ObjectKey};

pub use boxes::draw;
pub use data::data;
pub use dot::dot;
pub use layout::{Rectangle, Rows, rows};
pub use mermaid::mermaid;
pub use wrap::wrap;

/// A node of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub key: ObjectKey,
    /// Its display name.
    pub name: String,
    /// Whether what is known of it may be out of date.
    pub stale: bool,
}

impl Node {
    /// The object's type, marked where it may be out of date.
    fn kind(&self) -> String {
        format!("{}{}", self.key.object_type, if self.stale { " [stale]" } else { "" })
    }
}

/// A line between two nodes, for a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Index of the source node.
    pub from: usize,
    /// Index of the target node.
    pub to: usize,
    pub link_type: String,
    /// Name of the link.
    pub label: String,
    /// Whether the link is up.
    pub state: LinkState,
}

/// A graph to draw; the node at `focal` stands first.
///
/// # Shape
/// Names and labels are drawn as they are: the caller takes out what a terminal would obey.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    pub nodes: Vec<Node>,
    /// Lines between them.
    pub lines: Vec<Line>,
    /// Index of the node in the middle.
    pub focal: usize,
}

impl Picture {
    /// Distance of every node from the focal point.
    fn distances(&self) -> Vec<usize> {
        distances(self.nodes.len(), self.focal, self.lines.iter().map(|line| (line.from, line.to)))
    }
}

/// Distance of every node from one of them, in links; nodes that cannot be reached come after all others.
#[must_use]
pub fn distances(n_nodes: usize, focal: usize, links: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut neighbours: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (from, to) in links {
        neighbours.entry(from).or_default().push(to);
        neighbours.entry(to).or_default().push(from);
    }
    let mut found: BTreeMap<usize, usize> = BTreeMap::from([(focal, 0)]);
    let (mut front, mut depth) = (vec![focal], 0);
    while !front.is_empty() {
        depth += 1;
        let mut next = Vec::new();
        for other in front.iter().filter_map(|node| neighbours.get(node)).flatten() {
            if !found.contains_key(other) {
                found.insert(*other, depth);
                next.push(*other);
            }
        }
        front = next;
    }
    (0..n_nodes).map(|node| found.get(&node).copied().unwrap_or(depth)).collect()
}

#[cfg(test)]
mod tests {
    use calipso_model::{LinkState, ObjectKey};

    use super::{Line, Node, Picture, distances};

    /// A picture of things with these names.
    pub(super) fn picture(names: &[&str], lines: &[(usize, usize)]) -> Picture {
        let node = |name: &&str| Node { key: ObjectKey::new("thing", *name), name: (*name).to_owned(), stale: false };
        let line = |(from, to): &(usize, usize)| Line {
            from: *from,
            to: *to,
            link_type: "thing-thing".to_owned(),
            label: "x".to_owned(),
            state: LinkState::Up,
        };
        Picture { nodes: names.iter().map(node).collect(), lines: lines.iter().map(line).collect(), focal: 0 }
    }

    #[test]
    fn distances_count_links() {
        assert_eq!(distances(4, 0, [(0, 1), (2, 1)].into_iter()), [0, 1, 2, 3]);
        assert_eq!(distances(1, 0, std::iter::empty()), [0]);
        assert_eq!(distances(0, 0, std::iter::empty()), [0_usize; 0]);
        assert_eq!(distances(3, 2, [(0, 1), (2, 1)].into_iter()), [2, 1, 0]);
    }
}
