//! A misspelt word anywhere in a catalogue is found.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use calipso_model::Str;
use calipso_spec::{Layer, load};

fn base() -> BTreeMap<String, String> {
    let text = fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui/base.case")))
        .expect("the base is there");
    text.split("=== ")
        .filter(|section| !section.trim().is_empty())
        .filter_map(|section| section.split_once('\n'))
        .map(|(path, body)| (path.trim().to_owned(), body.to_owned()))
        .collect()
}

/// The words of a text with their places.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    for (place, character) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = character.is_ascii_alphanumeric() || character == '_';
        match (start, inside) {
            (None, true) => start = Some(place),
            (Some(from), false) => {
                found.push((from, &text[from..place]));
                start = None;
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_misspelt_word_is_found() {
    let base = base();
    let mut missed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut n_words, mut n_missed) = (0, 0);
    for (path, text) in &base {
        for (place, word) in words(text) {
            let line_start = text[..place].rfind('\n').map_or(0, |at| at + 1);
            let line = text[line_start..].lines().next().unwrap_or_default();
            // Prose says what it likes.
            let prose = ["description:", "source:", "because:", "text:"]
                .iter()
                .any(|key| line.find(key).is_some_and(|at| line_start + at + key.len() <= place));
            if word.len() < 2 || prose || word.chars().all(|c| c.is_ascii_digit()) {
                continue;
            }
            n_words += 1;
            let changed = format!("{}{word}zz{}", &text[..place], &text[place + word.len()..]);
            let files = base
                .iter()
                .map(|(other, text)| {
                    let text = if other == path { &changed } else { text };
                    (Str::from(other.as_str()), Arc::from(text.as_str()))
                })
                .collect();
            let loaded = load(&[Layer { name: "built-in".into(), files }]);
            if loaded.diagnostics.is_empty() {
                n_missed += 1;
                missed.entry(path).or_default().push(format!("{word} in `{}`", line.trim()));
            }
        }
    }
    assert!(n_missed * 8 < n_words, "{n_missed} of {n_words}");
}
