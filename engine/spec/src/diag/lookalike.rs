//! Look-alike characters: a mistake at one of them names its code point.

use super::{Diagnostic, Files};

/// Letters that look like Latin ones: Cyrillic, Greek, full width.
const LETTERS: &[(char, char)] = &[
    ('а', 'a'),
    ('в', 'b'),
    ('с', 'c'),
    ('ԁ', 'd'),
    ('е', 'e'),
    ('һ', 'h'),
    ('і', 'i'),
    ('ј', 'j'),
    ('к', 'k'),
    ('ӏ', 'l'),
    ('м', 'm'),
    ('п', 'n'),
    ('о', 'o'),
    ('р', 'p'),
    ('ԛ', 'q'),
    ('г', 'r'),
    ('ѕ', 's'),
    ('т', 't'),
    ('ц', 'u'),
    ('ѵ', 'v'),
    ('ԝ', 'w'),
    ('х', 'x'),
    ('у', 'y'),
    ('А', 'A'),
    ('В', 'B'),
    ('С', 'C'),
    ('Е', 'E'),
    ('Н', 'H'),
    ('І', 'I'),
    ('Ј', 'J'),
    ('К', 'K'),
    ('М', 'M'),
    ('О', 'O'),
    ('Р', 'P'),
    ('Ѕ', 'S'),
    ('Т', 'T'),
    ('Х', 'X'),
    ('У', 'Y'),
    ('α', 'a'),
    ('ε', 'e'),
    ('ι', 'i'),
    ('κ', 'k'),
    ('ν', 'v'),
    ('ο', 'o'),
    ('ρ', 'p'),
    ('τ', 't'),
    ('υ', 'u'),
    ('χ', 'x'),
    ('ɑ', 'a'),
    ('ı', 'i'),
    ('ɡ', 'g'),
    ('‐', '-'),
    ('‑', '-'),
    ('–', '-'),
    ('—', '-'),
    ('−', '-'),
    ('’', '\''),
    ('‘', '\''),
    ('“', '"'),
    ('”', '"'),
    ('：', ':'),
    ('，', ','),
    ('｛', '{'),
    ('｝', '}'),
    ('＿', '_'),
    ('．', '.'),
];

/// Whether nothing, or only a blank, is seen of a character.
fn unseen(character: char) -> bool {
    matches!(character,
        '\u{a0}' | '\u{ad}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}' | '\u{3000}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{fe00}'..='\u{fe0f}' | '\u{7f}'..='\u{9f}')
}

/// The character that one is taken for: a letter, a sign, or nothing.
fn taken_for(character: char) -> Option<Option<char>> {
    if character.is_ascii() && !character.is_ascii_control() {
        return None;
    }
    if unseen(character) {
        return Some(None);
    }
    if let Some((_, plain)) = LETTERS.iter().find(|(other, _)| *other == character) {
        return Some(Some(*plain));
    }
    let wide = u32::from(character).checked_sub(0xfee0).filter(|code| (0x21..0x7f).contains(code))?;
    Some(char::from_u32(wide))
}

/// What there is to say of the first such character of a text, and the text as it was meant.
fn explain(text: &str) -> Option<String> {
    // A word of another script is no misspelling; one among Latin letters is.
    let first = text.chars().find(|character| taken_for(*character).is_some())?;
    let code = format!("U+{:04X}", u32::from(first));
    let meant: String =
        text.chars().filter_map(|character| taken_for(character).map_or(Some(character), |plain| plain)).collect();
    let meant = meant.trim();
    if !meant.is_ascii() || meant.is_empty() {
        return None;
    }
    Some(match taken_for(first)? {
        None => format!("there is a character here that cannot be seen, {code}: write `{meant}` without it"),
        Some(plain) => format!("`{first}` is {code}, which only looks like `{plain}`: write `{meant}` anew"),
    })
}

/// Names the code points of characters that look like others, in what mistakes point at.
pub(crate) fn name_lookalikes(diagnostics: &mut [Diagnostic], files: &Files) {
    for diagnostic in diagnostics {
        let Some(text) = files.get(&diagnostic.primary.file).filter(|text| !text.is_ascii()) else { continue };
        let range = diagnostic.primary.range.clone();
        // A name stands on one line; where a whole block is meant, its text is no name.
        let Some(part) = text.get(range.clone()).filter(|part| part.len() <= 200 && !part.contains('\n')) else {
            continue;
        };
        let says = explain(part).or_else(|| {
            // The reader of YAML stops behind what it stumbled over.
            (diagnostic.code == "yaml/syntax").then(|| {
                let start =
                    text.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
                let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
                line.chars().find(|character| taken_for(*character).is_some()).and_then(|character| {
                    explain(&character.to_string()).or_else(|| {
                        Some(format!(
                            "the line holds U+{:04X}, which cannot be seen or looks like another",
                            u32::from(character)
                        ))
                    })
                })
            })?
        });
        if let Some(says) = says {
            diagnostic.help = Some(says);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn the_code_point_is_named() {
        let says = explain("rеgion").expect("a Cyrillic letter is found");
        assert!(says.contains("U+0435") && says.contains("`region`"), "{says}");
        let says = explain("reg\u{200b}ion").expect("a zero-width space is found");
        assert!(says.contains("U+200B") && says.contains("`region`"), "{says}");
        assert_eq!(explain("region"), None);
        assert_eq!(explain("größe"), None);
    }
}
