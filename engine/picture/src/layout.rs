//! Where the boxes of a picture stand: in rows, one for each distance from the focal point.

use unicode_width::UnicodeWidthStr as _;

use crate::{Picture, wrap};

/// Columns between two boxes of a row.
const GAP: usize = 2;

/// Columns of a box around its text: a frame and a space on either side.
const FRAME: usize = 4;

/// The text in a box is not cut to fewer columns than this.
const NARROWEST: usize = 12;

/// A box: where it stands in its row, and what is written in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rectangle {
    /// Columns to the left of it.
    pub left: usize,
    /// Columns, with its frame.
    pub width: usize,
    /// The lines of text in it.
    pub lines: Vec<String>,
}

impl Rectangle {
    /// The column in its middle.
    #[must_use]
    pub fn middle(&self) -> usize {
        self.left + self.width / 2
    }
}

/// Boxes in rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The box of each node.
    pub boxes: Vec<Rectangle>,
    /// The nodes of each row, from left to right. The number of a row is the distance of its nodes from the focal point.
    pub rows: Vec<Vec<usize>>,
    /// The row of each node.
    pub row_of: Vec<usize>,
}

impl Rows {
    /// The nodes of a row that lines lead to from a node, once for each line.
    #[must_use]
    pub fn neighbours(&self, picture: &Picture, node: usize, row: usize) -> Vec<usize> {
        let ends = picture.lines.iter().filter_map(|line| match (line.from == node, line.to == node) {
            (true, _) => Some(line.to),
            (_, true) => Some(line.from),
            _ => None,
        });
        ends.filter(|other| self.row_of.get(*other) == Some(&row)).collect()
    }
}

/// Boxes in rows of at most `width` columns; nothing when they do not fit.
#[must_use]
pub fn rows(picture: &Picture, width: usize) -> Option<Rows> {
    let row_of = picture.distances();
    let n_rows = row_of.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); n_rows];
    for (node, row) in row_of.iter().enumerate() {
        rows.get_mut(*row)?.push(node);
    }
    let mut boxes = vec![Rectangle::default(); picture.nodes.len()];
    for nodes in &rows {
        let room = room_of(picture, nodes, width)?;
        for node in nodes {
            let lines = label(picture, *node, room);
            boxes[*node] = Rectangle { left: 0, width: widest(&lines) + FRAME, lines };
        }
    }
    let taken = |boxes: &[Rectangle], nodes: &[usize]| nodes.iter().map(|node| boxes[*node].width + GAP).sum::<usize>();
    let full = rows.iter().map(|nodes| taken(&boxes, nodes)).max().unwrap_or(0);
    if full > width + GAP {
        return None;
    }
    let mut laid = Rows { boxes, rows: Vec::with_capacity(n_rows), row_of };
    for (row, mut nodes) in rows.into_iter().enumerate() {
        if row > 0 {
            // A box stands below the middle of the boxes that lead to it.
            let above = |node: &usize| -> usize {
                let from = laid.neighbours(picture, *node, row - 1);
                let sum: usize = from.iter().map(|other| laid.boxes[*other].middle()).sum();
                sum * 16 / from.len().max(1)
            };
            nodes.sort_by_cached_key(|node| (above(node), *node));
        }
        let mut left = (full.saturating_sub(GAP) - taken(&laid.boxes, &nodes).saturating_sub(GAP)) / 2;
        for node in &nodes {
            laid.boxes[*node].left = left;
            left += laid.boxes[*node].width + GAP;
        }
        laid.rows.push(nodes);
    }
    Some(laid)
}

/// What stands in a box: its type, and its name in lines of at most `room` columns.
fn label(picture: &Picture, node: usize, room: usize) -> Vec<String> {
    let shown = &picture.nodes[node];
    let parts = [shown.kind(), shown.name.clone()];
    parts.iter().flat_map(|text| wrap(text, room).into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| line.width()).max().unwrap_or(0)
}

/// How wide the text in the boxes of a row may be so that the row fits; nothing when it cannot.
fn room_of(picture: &Picture, nodes: &[usize], width: usize) -> Option<usize> {
    let taken =
        |room: usize| nodes.iter().map(|node| widest(&label(picture, *node, room)) + FRAME + GAP).sum::<usize>();
    let most = nodes.iter().map(|node| widest(&label(picture, *node, usize::MAX))).max().unwrap_or(NARROWEST);
    if taken(NARROWEST) > width + GAP {
        return None;
    }
    // Names in pieces are harder to read: the fewer the better.
    (NARROWEST..=most.min(width).max(NARROWEST)).rev().find(|room| taken(*room) <= width + GAP)
}

#[cfg(test)]
mod tests {
    use super::rows;
    use crate::tests::picture;

    #[test]
    fn boxes_stand_below_those_that_lead_to_them() {
        let laid = rows(&picture(&["a", "b", "c", "d"], &[(0, 1), (0, 2), (2, 3)]), 80).unwrap();
        assert_eq!((laid.rows, laid.row_of), (vec![vec![0], vec![1, 2], vec![3]], vec![0, 1, 1, 2]));
        let left: Vec<usize> = laid.boxes.iter().map(|found| found.left).collect();
        assert_eq!((left, laid.boxes[0].width), (vec![5, 0, 11, 5], 9));
        assert_eq!(laid.boxes[3].lines, ["thing", "d"]);
        assert_eq!(rows(&picture(&["a", "b", "c", "d"], &[(0, 1), (0, 2), (0, 3)]), 20), None);
    }
}
