//! A picture in Mermaid's language.

use std::fmt::Write as _;

use calipso_model::LinkState;

use crate::Picture;

/// The picture in Mermaid's language.
#[must_use]
pub fn mermaid(picture: &Picture) -> String {
    let mut text = String::from("graph LR\n");
    for (index, node) in picture.nodes.iter().enumerate() {
        let _ = writeln!(text, "  n{index}[\"{}<br/>{}\"]", escaped(&node.kind()), escaped(&node.name));
    }
    for line in &picture.lines {
        let arrow = if line.state == LinkState::Down { "-.-" } else { "---" };
        let _ = writeln!(text, "  n{} {arrow}|\"{}\"| n{}", line.from, escaped(&line.label), line.to);
    }
    let _ = writeln!(text, "  style n{} stroke-width:3px", picture.focal);
    text
}

/// Mermaid has no escapes in quoted labels but HTML entities.
fn escaped(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use crate::{mermaid, tests::picture};

    #[test]
    fn hostile_names_stay_text() {
        let text = mermaid(&picture(&["a", "<script>\n#"], &[(0, 1)]));
        assert!(text.contains("#lt;script#gt; #35;"), "{text}");
    }
}
