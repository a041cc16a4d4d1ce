//! Estimates the memory of a parsed value from the text alone, before it is parsed.
//!
//! A text of a few megabytes can hold millions of values: `[[],[],…]` takes thirty times its size. A caller that limits the size of
//! an answer limits what becomes of it by this, too.

use calipso_model::Value;

/// An element of a list: lists grow by doubling.
const ELEMENT: u64 = 2 * size_of::<Value>() as u64;
/// An entry of a map, its key's own text left out.
const ENTRY: u64 = 2 * (size_of::<Value>() as u64 + 16);
/// Memory of a list, a map or a text itself, without its content, in bytes.
const ALLOCATED: u64 = 48;
const TEXT: u64 = 24;

/// An upper bound for the value of a JSON text; of text that is not JSON for what a reader makes before it gives up.
#[must_use]
pub fn of_json(text: &str) -> u64 {
    // By depth: whether we are in a map. Readers give up below 128 levels.
    let mut in_map: Vec<bool> = Vec::with_capacity(128);
    let mut total = ELEMENT;
    let bytes = text.as_bytes();
    let mut offset = 0;
    while let Some(byte) = bytes.get(offset) {
        offset += 1;
        match byte {
            b'"' => {
                let start = offset;
                while let Some(byte) = bytes.get(offset) {
                    offset += 1;
                    match byte {
                        b'\\' => offset += 1,
                        b'"' => break,
                        _ => {}
                    }
                }
                total += TEXT + (offset - start) as u64;
            }
            b'[' | b'{' => {
                if in_map.len() >= 128 {
                    break;
                }
                in_map.push(*byte == b'{');
                total += ALLOCATED;
                // The first element; vectors begin with room for four.
                let empty = bytes.get(offset).is_some_and(|next| matches!(next, b']' | b'}'));
                total += match (empty, byte) {
                    (true, _) => 0,
                    (false, b'[') => 2 * ELEMENT,
                    (false, _) => 2 * ENTRY,
                };
            }
            b']' | b'}' => {
                in_map.pop();
            }
            b',' => total += if in_map.last() == Some(&true) { ENTRY } else { ELEMENT },
            _ => {}
        }
    }
    total
}

/// An upper bound for what a parser makes of lines, each with so many named parts.
pub(crate) fn of_lines(text: &str, n_parts: usize) -> u64 {
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
    lines.saturating_mul(ELEMENT + ALLOCATED + n_parts as u64 * (ENTRY / 2 + TEXT)) + 2 * text.len() as u64
}

/// An upper bound for XML: elements and attributes become entries of maps.
pub(crate) fn of_xml(text: &str) -> u64 {
    let count = |wanted: u8| text.bytes().filter(|byte| *byte == wanted).count() as u64;
    // Each element has a begin and mostly an end.
    count(b'<').saturating_mul((ALLOCATED + 2 * ENTRY + 2 * TEXT) / 2)
        + count(b'=').saturating_mul(ENTRY + 2 * TEXT)
        + 2 * text.len() as u64
}

/// An upper bound for YAML: whatever separates values may begin one.
pub(crate) fn of_yaml(text: &str) -> u64 {
    let n_values = text.bytes().filter(|byte| matches!(byte, b'\n' | b',' | b'[' | b'{' | b':')).count() as u64;
    n_values.saturating_mul(ENTRY / 2 + ALLOCATED + TEXT) + 2 * text.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_values_take_much_and_long_texts_little() {
        let lists = format!("[{}]", vec!["[]"; 1_000].join(","));
        assert!(of_json(&lists) > 30 * lists.len() as u64, "{}", of_json(&lists));
        let text = format!("[\"{}\"]", "x".repeat(10_000));
        assert!(of_json(&text) < 2 * text.len() as u64);
        let maps = format!("[{}]", vec![r#"{"a":1}"#; 1_000].join(","));
        assert!(of_json(&maps) > 20 * maps.len() as u64);
    }

    #[test]
    fn quotes_hide_what_looks_like_structure() {
        let text = format!("[\"{}\"]", r#"\",[{"#.repeat(1_000));
        assert!(of_json(&text) < 2 * text.len() as u64);
    }

    #[test]
    fn what_is_no_json_ends() {
        for text in ["", "\"", "\"\\", "]]]}", &"[".repeat(100_000)] {
            assert!(of_json(text) < 1 << 16, "{}", of_json(text));
        }
    }
}
