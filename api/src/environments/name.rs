//! Names that new environments may have: what everybody can read, type and tell from the others.

use calipso_model::Str;
use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark, is_nfc};
use unicode_security::skeleton;

use crate::access::EVERY;

/// Longest name of an environment, in bytes.
const LONGEST: usize = 100;

/// What may stand in a name besides letters, marks and digits. None of `/ \ * ? # %`, which paths and patterns know.
const OTHERS: &str = " !&'()+,-.:;=@_";

/// Letters that nobody sees: fillers of Hangul, which count as letters.
const BLANK_LETTERS: &[char] = &['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

/// Marks that change nothing that is seen: the grapheme joiner, vowels that are not written, variation selectors.
fn is_blank_mark(c: char) -> bool {
    matches!(c, '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Why an environment cannot have a name; as the end of a sentence that begins with "a name".
#[must_use]
pub fn wrong_environment_name(name: &str) -> Option<String> {
    if name.trim().is_empty() || name.trim() != name {
        return Some("is not empty and has no blanks around it".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!("has at most {LONGEST} bytes"));
    }
    if name == EVERY {
        return Some("is not `*`, which stands for all environments".to_owned());
    }
    let is_usable = |c: char| {
        let is_written = c.is_alphanumeric() && !BLANK_LETTERS.contains(&c);
        is_written || (is_combining_mark(c) && !is_blank_mark(c)) || OTHERS.contains(c)
    };
    if let Some(odd) = name.chars().find(|c| !is_usable(*c)) {
        let shown = if odd.is_ascii_graphic() { format!("`{odd}`") } else { format!("U+{:04X}", u32::from(odd)) };
        return Some(format!("is of letters, digits, blanks and `{}`; it holds {shown}", OTHERS.trim()));
    }
    if !name.starts_with(char::is_alphanumeric) {
        return Some("begins with a letter or a digit".to_owned());
    }
    if !is_nfc(name) {
        return Some(
            "is written in the normalization form C of Unicode, which has one way to write each letter".to_owned(),
        );
    }
    None
}

/// The environment that a name could be taken for: one that differs from it in case, in the way it is written, or in nothing
/// that is seen.
#[must_use]
pub fn environment_twin<'n>(name: &str, known: impl IntoIterator<Item = &'n Str>) -> Option<&'n Str> {
    let (folded, looks) = (folded(name), looks(name));
    known.into_iter().filter(|other| other.as_ref() != name).find(|other| {
        // Among names of ASCII only case counts: `pod1` and `podl` may both be there.
        let is_plain = name.is_ascii() && other.is_ascii();
        self::folded(other) == folded || (!is_plain && self::looks(other) == looks)
    })
}

/// A name without what is case or form only.
fn folded(name: &str) -> String {
    // Twice: some letters become others in upper case, as ß and SS.
    let upper: String = name.nfkc().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

/// What a name looks like (UTS 39).
fn looks(name: &str) -> String {
    skeleton(&folded(name)).collect()
}

#[cfg(test)]
mod tests {
    use calipso_model::Str;

    use super::{environment_twin as twin, wrong_environment_name as wrong};

    #[test]
    fn names_are_seen_as_they_are() {
        for name in ["a", "my-cloud.2", "Cloud 7 (old)", "北京", "München", "हिन्दी", "2nd", "a...", "O'Hare"]
        {
            assert_eq!(wrong(name), None, "{name}");
        }
        for name in [
            "",
            " a",
            "a ",
            "*",
            "...",
            ".",
            "-rf",
            "_a",
            "a/b",
            "a\\b",
            "a?",
            "a#b",
            "a%20b",
            "a*",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{ad}b",
            "\u{feff}a",
            "a\u{3164}b",
            "\u{3164}",
            "a\u{34f}",
            "a\u{fe0f}",
            "a\u{7f}",
            "a\nb",
            "a\u{9b}b",
            "a\u{a0}b",
            "a\u{2028}b",
            "a\u{e000}",
            "Mu\u{308}nchen",
            "a<b",
            "a`b",
            "a$b",
        ] {
            assert!(wrong(name).is_some(), "{name:?}");
        }
        assert!(wrong(&"x".repeat(101)).is_some());
        assert!(wrong("a\u{202e}b").is_some_and(|told| told.ends_with("U+202E") && !told.contains('\u{202e}')));
    }

    #[test]
    fn names_have_no_twins() {
        let of = |name: &str, known: &[&str]| {
            let known: Vec<Str> = known.iter().map(|name| Str::from(*name)).collect();
            twin(name, &known).map(ToString::to_string)
        };
        for (name, other) in [
            ("Cloud", "cloud"),
            ("STRASSE", "straße"),
            ("München", "mu\u{308}nchen"),
            ("ﬁne", "fine"),
            ("\u{441}loud", "cloud"),
            ("cl\u{3bf}ud", "Cloud"),
            ("\u{ff43}loud", "cloud"),
            ("CLOUD", "\u{441}loud"),
        ] {
            assert_eq!(of(name, &["else", other]).as_deref(), Some(other), "{name}");
            assert_eq!(of(other, &[name]).as_deref(), Some(name), "{other}");
        }
        for (name, other) in
            [("cloud", "cloud"), ("cloud-1", "cloud-2"), ("pod1", "podl"), ("farm", "fam"), ("北京", "上海")]
        {
            assert_eq!(of(name, &[other]), None, "{name}");
        }
    }
}
