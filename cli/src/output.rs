//! How data are printed: lined-up tables, trees, JSON, YAML.

use std::fmt::Write as _;

use calipso_model::{Map, Value};

/// A table with a header, columns as wide as their widest cell; control characters never reach the terminal.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let n_columns = header.len();
    let mut widths: Vec<usize> = header.iter().map(|title| title.chars().count()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut out = String::new();
        for (number, cell) in cells.enumerate().take(n_columns) {
            if number + 1 == n_columns {
                out.push_str(cell);
            } else {
                let _ = write!(out, "{cell:<width$}  ", width = widths[number]);
            }
        }
        text.push_str(out.trim_end());
        text.push('\n');
    };
    line(&mut header.iter().copied());
    for row in &rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// The text without control characters.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// Indented JSON, keys in order, with a line break at the end.
#[must_use]
pub fn json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a value has text keys and finite numbers only");
    text.push('\n');
    text
}

/// Block YAML; every text that another reader could take for something else is quoted.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Map(map) if !map.is_empty() => yaml_map(&mut text, map, 0),
        Value::List(items) if !items.is_empty() => yaml_list(&mut text, items, 0),
        scalar => {
            text.push_str(&yaml_scalar(scalar));
            text.push('\n');
        }
    }
    text
}

fn yaml_map(text: &mut String, map: &Map, indent: usize) {
    for (key, value) in map {
        let _ = write!(text, "{:indent$}{}:", "", yaml_text(key));
        yaml_below(text, value, indent + 2);
    }
}

fn yaml_list(text: &mut String, items: &[Value], indent: usize) {
    for item in items {
        match item {
            Value::Map(map) if !map.is_empty() => {
                let mut inner = String::new();
                yaml_map(&mut inner, map, indent + 2);
                let _ = write!(text, "{:indent$}- {}", "", inner.trim_start_matches(' '));
            }
            other => {
                let _ = write!(text, "{:indent$}-", "");
                yaml_below(text, other, indent + 2);
            }
        }
    }
}

fn yaml_below(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Map(map) if !map.is_empty() => {
            text.push('\n');
            yaml_map(text, map, indent);
        }
        Value::List(items) if !items.is_empty() => {
            text.push('\n');
            yaml_list(text, items, indent);
        }
        scalar => {
            let _ = writeln!(text, " {}", yaml_scalar(scalar));
        }
    }
}

fn yaml_scalar(value: &Value) -> String {
    match value {
        Value::Str(text) => yaml_text(text),
        Value::Map(_) => "{}".to_owned(),
        Value::List(_) => "[]".to_owned(),
        other => other.to_json(),
    }
}

/// Plain where it is only letters, digits, `_`, `-`, `/`, `.` and begins with a letter; JSON-quoted otherwise.
fn yaml_text(text: &str) -> String {
    const RESERVED: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "_-/.".contains(character))
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::text(text).to_json() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let text = table(&["TYPE", "ID"], &[vec!["instance".into(), "a\x1b[31m".into()], vec!["h".into(), "b".into()]]);
        assert_eq!(text, "TYPE      ID\ninstance  a\u{fffd}[31m\nh         b\n");
    }

    #[test]
    fn yaml_is_read_as_it_was_meant() {
        let value = Value::from_json(
            r#"{"a":[{"x":1,"y":[]},[1,"no"]],"b: c":"1.0","d":{"e":null},"f":"plain-text","g":"two\nlines"}"#,
        )
        .expect("this is JSON");
        assert_eq!(
            yaml(&value),
            "a:\n  - x: 1\n    \"y\": []\n  -\n    - 1\n    - \"no\"\n\"b: c\": \"1.0\"\nd:\n  e: null\nf: plain-text\ng: \"two\\nlines\"\n"
        );
    }
}
