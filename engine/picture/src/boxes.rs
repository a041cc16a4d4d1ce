//! Boxes and lines for a terminal: one row of boxes per distance from the focal point, or a tree where that is too wide.

use unicode_width::UnicodeWidthStr as _;

use crate::{
    Line, Picture,
    layout::{Rectangle, Rows, rows},
};

// The directions in which a line leaves a cell of the grid.
const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

/// Draws the picture at most `width` columns wide; ends with a line break.
#[must_use]
pub fn draw(picture: &Picture, width: usize) -> String {
    if picture.nodes.is_empty() {
        return String::from("nothing to draw\n");
    }
    rows(picture, width).map_or_else(|| tree(picture), |laid| boxed(picture, &laid))
}

/// Boxes in rows with the lines between them.
fn boxed(picture: &Picture, laid: &Rows) -> String {
    let mut out = String::new();
    for (row, nodes) in laid.rows.iter().enumerate() {
        box_row(&mut out, picture, laid, nodes);
        if row + 1 < laid.rows.len() {
            wires(&mut out, nodes, &laid.boxes, &|node| laid.neighbours(picture, node, row + 1));
        }
    }
    let in_one_row = |line: &&Line| laid.row_of[line.from] == laid.row_of[line.to];
    let mut level = picture.lines.iter().filter(in_one_row).peekable();
    if level.peek().is_some() {
        out.push_str("also linked:\n");
        for line in level {
            out.push_str(&format!("  {} — {}\n", title(picture, line.from), title(picture, line.to)));
        }
    }
    out
}

/// Boxes in a row: frame, type, name on as many lines as the row needs, frame.
fn box_row(out: &mut String, picture: &Picture, laid: &Rows, nodes: &[usize]) {
    let height = nodes.iter().map(|node| laid.boxes[*node].lines.len()).max().unwrap_or(0);
    let mut lines = vec![String::new(); height + 2];
    for node in nodes {
        let shown = &laid.boxes[*node];
        let inner = shown.width - 2;
        let (corner, flat) = if *node == picture.focal {
            (['╔', '╗', '╚', '╝', '║'], '═')
        } else {
            (['┌', '┐', '└', '┘', '│'], '─')
        };
        let text = |text: &str| {
            let free = inner.saturating_sub(text.width());
            format!("{}{}{text}{}{}", corner[4], " ".repeat(free / 2), " ".repeat(free - free / 2), corner[4])
        };
        let rule = |left: char, right: char| format!("{left}{}{right}", String::from(flat).repeat(inner));
        let inside = (0..height).map(|index| text(shown.lines.get(index).map_or("", String::as_str)));
        let parts = std::iter::once(rule(corner[0], corner[1])).chain(inside).chain([rule(corner[2], corner[3])]);
        for (line, part) in lines.iter_mut().zip(parts) {
            let pad = shown.left.saturating_sub(line.width());
            line.push_str(&" ".repeat(pad));
            line.push_str(&part);
        }
    }
    for line in lines {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The lines between two rows: every upper box has a row of its own in which its line turns.
fn wires(out: &mut String, nodes: &[usize], boxes: &[Rectangle], below: &dyn Fn(usize) -> Vec<usize>) {
    let sources: Vec<(usize, Vec<usize>)> = nodes
        .iter()
        .map(|node| (boxes[*node].middle(), below(*node).iter().map(|other| boxes[*other].middle()).collect()))
        .filter(|(_, targets): &(usize, Vec<usize>)| !targets.is_empty())
        .collect();
    let columns = sources
        .iter()
        .flat_map(|(from, targets)| targets.iter().chain(std::iter::once(from)))
        .max()
        .map_or(0, |last| last + 1);
    // A box straight above its only partner needs no turn.
    let turns: Vec<usize> = {
        let mut next = 0;
        sources
            .iter()
            .map(|(from, targets)| {
                if targets.iter().all(|target| target == from) {
                    0
                } else {
                    next += 1;
                    next - 1
                }
            })
            .collect()
    };
    let height = turns.iter().max().map_or(1, |last| last + 1);
    let mut grid = vec![vec![0u8; columns]; height];
    for ((from, targets), turn) in sources.iter().zip(&turns) {
        for target in targets {
            for (row, cells) in grid.iter_mut().enumerate() {
                if row < *turn {
                    cells[*from] |= UP | DOWN;
                } else if row > *turn {
                    cells[*target] |= UP | DOWN;
                } else {
                    cells[*from] |= UP;
                    cells[*target] |= DOWN;
                    let (left, right) = (*from.min(target), *from.max(target));
                    if left < right {
                        cells[left] |= RIGHT;
                        cells[right] |= LEFT;
                        for cell in &mut cells[left + 1..right] {
                            *cell |= LEFT | RIGHT;
                        }
                    }
                }
            }
        }
    }
    for cells in grid {
        let line: String = cells.iter().map(|cell| character(*cell)).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn character(cell: u8) -> char {
    const CHARACTERS: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
    CHARACTERS[usize::from(cell & 15)]
}

/// A tree from the focal point outwards; a node that was shown before is only named.
fn tree(picture: &Picture) -> String {
    let depth = picture.distances();
    let mut shown = vec![false; picture.nodes.len()];
    let mut out = String::new();
    branch(picture, &depth, picture.focal, "", &mut shown, &mut out);
    for node in 0..picture.nodes.len() {
        if !shown[node] {
            branch(picture, &depth, node, "", &mut shown, &mut out);
        }
    }
    out
}

fn branch(picture: &Picture, depth: &[usize], node: usize, indent: &str, shown: &mut [bool], out: &mut String) {
    if indent.is_empty() {
        out.push_str(&title(picture, node));
        out.push('\n');
    }
    shown[node] = true;
    let mut below: Vec<(usize, &str)> = picture
        .lines
        .iter()
        .filter_map(|line| match (line.from == node, line.to == node) {
            (true, _) => Some((line.to, line.label.as_str())),
            (_, true) => Some((line.from, line.label.as_str())),
            _ => None,
        })
        .filter(|(other, _)| depth[*other] > depth[node])
        .collect();
    below.sort();
    below.dedup_by_key(|(other, _)| *other);
    let last = below.len().saturating_sub(1);
    for (index, (other, _)) in below.into_iter().enumerate() {
        let (corner, bar) = if index == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let again = shown[other];
        out.push_str(&format!("{indent}{corner}{}{}\n", title(picture, other), if again { " ↑" } else { "" }));
        if !again {
            branch_below(picture, depth, other, &format!("{indent}{bar}"), shown, out);
        }
    }
}

/// As `branch`, for a node whose own line is already written.
fn branch_below(picture: &Picture, depth: &[usize], node: usize, indent: &str, shown: &mut [bool], out: &mut String) {
    debug_assert!(!indent.is_empty(), "only the root stands at the margin");
    branch(picture, depth, node, indent, shown, out);
}

fn title(picture: &Picture, node: usize) -> String {
    let shown = &picture.nodes[node];
    format!("{} {}", shown.kind(), shown.name)
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use crate::{draw, tests::picture};

    #[test]
    fn a_chain_is_a_column() {
        let text = draw(&picture(&["one", "two"], &[(0, 1)]), 80);
        assert_eq!(
            text,
            "╔═══════╗\n║ thing ║\n║  one  ║\n╚═══════╝\n    │\n┌───────┐\n│ thing │\n│  two  │\n└───────┘\n"
        );
    }

    #[test]
    fn a_fork_has_a_turn() {
        let text = draw(&picture(&["a", "b", "c"], &[(0, 1), (0, 2)]), 80);
        assert!(text.contains("┌────┴─────┐"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn long_names_are_cut_rather_than_the_picture_given_up() {
        let names = [
            "one",
            "instance-00000003|fa:16:3e:77:80:f1|tapcb8665f6-00",
            "instance-00000003|fa:16:3e:b9:4d:c9|tap30697167-a9",
        ];
        let text = draw(&picture(&names, &[(0, 1), (0, 2)]), 80);
        assert!(text.contains('╔') && text.lines().all(|line| line.width() <= 80), "{text}");
        assert!(text.contains("fa:16:3e:77:80:f1|") && text.contains("tapcb8665f6-00"), "{text}");
        // Two columns for each letter.
        let text = draw(&picture(&["\u{7db2}\u{7d61}\u{4e00}"], &[]), 80);
        assert_eq!(text, "╔════════╗\n║ thing  ║\n║ \u{7db2}\u{7d61}\u{4e00} ║\n╚════════╝\n");
    }

    #[test]
    fn what_is_too_wide_becomes_a_tree() {
        let names: Vec<String> = (0..40).map(|number| format!("node-{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines: Vec<(usize, usize)> = (1..40).map(|number| (0, number)).collect();
        let text = draw(&picture(&names, &lines), 80);
        assert!(text.starts_with("thing node-0\n├─ thing node-1\n"), "{text}");
        assert!(text.ends_with("└─ thing node-39\n"), "{text}");
    }
}
