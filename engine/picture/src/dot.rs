//! A picture in Graphviz' language.

use std::fmt::Write as _;

use calipso_model::LinkState;

use crate::Picture;

/// The picture in Graphviz' language.
#[must_use]
pub fn dot(picture: &Picture) -> String {
    let mut text = String::from("graph clique {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (index, node) in picture.nodes.iter().enumerate() {
        let bold = if index == picture.focal { ", penwidth=2" } else { "" };
        let _ = writeln!(text, "  n{index} [label=\"{}\\n{}\"{bold}];", escaped(&node.kind()), escaped(&node.name));
    }
    for line in &picture.lines {
        let style = if line.state == LinkState::Down { ", style=dashed" } else { "" };
        let _ = writeln!(text, "  n{} -- n{} [label=\"{}\"{style}];", line.from, line.to, escaped(&line.label));
    }
    text.push_str("}\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use crate::{dot, tests::picture};

    #[test]
    fn hostile_names_stay_text() {
        let text = dot(&picture(&["a\"]; x -- y [label=\"", "b"], &[(0, 1)]));
        assert!(text.contains("a\\\"]; x -- y [label=\\\""), "{text}");
    }
}
