//! Text in pieces that fit a width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The text in pieces of at most so many columns, cut after a space or a mark where there is one.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.width() > width {
        let (mut used, mut end) = (0, 0);
        // After a word or a part of a name, else after some mark in it.
        let (mut good, mut fair) = (0, 0);
        let mut space = 0;
        for (at, character) in rest.char_indices() {
            let wide = character.width().unwrap_or(0);
            if used + wide > width {
                // The space that does not fit is where the line ends anyway.
                if character == ' ' {
                    (good, space) = (at, at);
                }
                break;
            }
            used += wide;
            end = at + character.len_utf8();
            if character == ' ' {
                space = end;
            }
            if " |/,".contains(character) {
                good = end;
            } else if "-:_=".contains(character) {
                fair = end;
            }
        }
        let fits = end.max(rest.chars().next().map_or(1, char::len_utf8));
        // A word that fits on a line of its own is not torn apart for the sake of a short line before it.
        let next = rest.get(space..).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let whole = (space > 0 && next.width() <= width).then_some(space);
        let cut = whole.or_else(|| [good, fair].into_iter().find(|cut| *cut > fits / 3)).unwrap_or(fits);
        let (piece, after) = rest.split_at(cut);
        pieces.push(piece.trim_end());
        rest = after.trim_start();
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}
