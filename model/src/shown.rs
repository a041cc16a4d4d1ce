//! Text on its way to a person: what steers a terminal, or cannot be seen, is written out.

use std::{borrow::Cow, fmt::Write as _};

/// Whether a character steers a terminal, turns the direction of what follows, or shows nothing.
///
/// # Source
/// Unicode 16: general categories Cc, Zl, Zp; `Bidi_Control`; `Default_Ignorable_Code_Point`; interlinear annotations.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(u32::from(character),
            0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e
            | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

/// One line of text, with every hidden character written as JSON would escape it; line breaks, too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_, _| 0)
}

/// Text of several lines, with every other hidden character written as JSON would escape it. JSON and YAML that went
/// through it mean the same as before.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character, _| usize::from(matches!(character, '\n' | '\t')))
}

/// As [`lines`]; colours stay.
#[must_use]
pub fn coloured(text: &str) -> Cow<'_, str> {
    escaped(text, |character, rest| match character {
        '\n' | '\t' => 1,
        '\u{1b}' => colour(rest),
        _ => 0,
    })
}

/// Length of the sequence that sets a colour at the beginning of a text; 0 when it begins otherwise.
fn colour(text: &str) -> usize {
    let Some(parameters) = text.strip_prefix("\u{1b}[") else { return 0 };
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    if parameters.as_bytes().get(length) == Some(&b'm') { length + 3 } else { 0 }
}

/// `keep` says how many bytes stay as they are, of the hidden character and what follows it.
fn escaped(text: &str, keep: impl Fn(char, &str) -> usize) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_hidden) {
        let (plain, hidden) = rest.split_at(at);
        out.push_str(plain);
        let Some(character) = hidden.chars().next() else { break };
        let kept = keep(character, hidden);
        if kept == 0 {
            escape(&mut out, character);
            rest = &hidden[character.len_utf8()..];
        } else {
            out.push_str(&hidden[..kept]);
            rest = &hidden[kept..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn escape(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steers a terminal: 7-bit and 8-bit introducers, delete. Turns direction. Shows nothing.
    const NASTY: &str = "a\u{1b}[31mb\u{9b}c\u{9d}d\u{7f}e\u{202e}f\u{2066}g\u{200b}h\u{feff}i\u{e0041}j\u{2028}k";

    #[test]
    fn nothing_hidden_is_left() {
        for shown in [line(NASTY), lines(NASTY)] {
            assert!(!shown.contains(is_hidden), "{shown}");
            assert_eq!(
                shown,
                "a\\u001b[31mb\\u009bc\\u009dd\\u007fe\\u202ef\\u2066g\\u200bh\\ufeffi\\udb40\\udc41j\\u2028k"
            );
        }
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("a\nb\tc\rd"), "a\\nb\\tc\\rd");
        assert_eq!(lines("a\nb\tc\rd"), "a\nb\tc\\rd");
    }

    #[test]
    fn colours_stay_and_nothing_else_does() {
        assert_eq!(coloured("\u{1b}[1;31mred\u{1b}[0m"), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(coloured("\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}"), "\\u001b]0;title\\u0007\\u001b[2J\\u001b");
    }

    #[test]
    fn json_means_the_same() {
        let text = serde_json::to_string(NASTY).expect("text is JSON");
        assert_eq!(serde_json::from_str::<String>(&lines(&text)).expect("it still is"), NASTY);
    }
}
