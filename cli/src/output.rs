//! How data are printed: lined-up tables, trees, JSON, YAML.

use std::{borrow::Cow, fmt::Write as _};

use calipso_model::{Map, Value, shown};
pub use calipso_picture::wrap;
use unicode_width::UnicodeWidthStr as _;

/// A table with a header, columns as wide as their widest cell; hidden characters are written out.
#[must_use]
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    fitted(header, rows, usize::MAX)
}

/// A table of a maximum width in columns of the terminal: the widest columns shrink, and their cells take more lines.
#[must_use]
pub fn fitted(header: &[&str], rows: &[Vec<String>], most: usize) -> String {
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().take(header.len()).map(|cell| shown::line(cell)).collect()).collect();
    let mut widths: Vec<usize> = header.iter().map(|title| title.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    // No word is torn apart, unless there is no other way.
    let words: Vec<usize> = (0..header.len())
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| longest_word(cell)).max().unwrap_or(0))
        .collect();
    narrow(&mut widths, header, most, &words);
    narrow(&mut widths, header, most, &[]);
    let mut text = String::new();
    lay(&mut text, &header.iter().map(|title| Cow::Borrowed(*title)).collect::<Vec<_>>(), &widths);
    for row in &rows {
        lay(&mut text, row, &widths);
    }
    text
}

/// Takes from the widest columns until the table fits, or none can give more.
fn narrow(widths: &mut [usize], header: &[&str], most: usize, words: &[usize]) {
    let gaps = 2 * widths.len().saturating_sub(1);
    let mut total = gaps.saturating_add(widths.iter().sum());
    while total > most {
        let least = |column: usize| {
            let title = header.get(column).map_or(0, |title| title.width());
            title.max(NARROWEST).max(words.get(column).copied().unwrap_or(0))
        };
        let widest =
            (0..widths.len()).filter(|column| widths[*column] > least(*column)).max_by_key(|column| widths[*column]);
        let Some(widest) = widest else { return };
        widths[widest] -= 1;
        total -= 1;
    }
}

/// The widest part of a cell that is only cut where there is no other way.
fn longest_word(cell: &str) -> usize {
    cell.split_inclusive([' ', '-', '|', '/']).map(|word| word.trim_end().width()).max().unwrap_or(0)
}

/// One row, on as many lines as its cells need.
fn lay(text: &mut String, cells: &[Cow<'_, str>], widths: &[usize]) {
    let wrapped: Vec<Vec<&str>> = cells.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(1);
    for number in 0..height {
        let mut line = String::new();
        for (cell, width) in wrapped.iter().zip(widths) {
            let part = cell.get(number).copied().unwrap_or("");
            line.push_str(part);
            line.push_str(&" ".repeat(width.saturating_sub(part.width()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// No column is made narrower than this.
const NARROWEST: usize = 6;

/// One line of text without anything that steers a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    shown::line(text).into_owned()
}

/// A difference for a terminal with colours: what came is green, what went is red, what changed is yellow.
#[must_use]
pub fn marked(text: &str, colour: bool) -> Cow<'_, str> {
    if !colour {
        return Cow::Borrowed(text);
    }
    let painted = text.split_inclusive('\n').map(|line| {
        let code = match line.get(..2) {
            Some("+ ") => "32",
            Some("- ") => "31",
            Some("~ ") => "33",
            _ => return line.to_owned(),
        };
        format!("\u{1b}[{code}m{}\u{1b}[0m\n", line.trim_end_matches('\n'))
    });
    Cow::Owned(painted.collect())
}

/// Indented JSON, keys in order, with a line break at the end.
#[must_use]
pub fn json(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a value has text keys and finite numbers only");
    text.push('\n');
    // Hidden characters only stand in quoted text, where an escape means the same.
    shown::lines(&text).into_owned()
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
    shown::lines(&text).into_owned()
}

/// A key with its value as block YAML, indented by this number of columns.
#[must_use]
pub fn yaml_entry(key: &str, value: &Value, indent: usize) -> String {
    let mut text = format!("{:indent$}{}:", "", yaml_text(key));
    yaml_below(&mut text, value, indent + 2);
    shown::lines(&text).into_owned()
}

/// A scalar as YAML.
#[must_use]
pub fn yaml_flow(value: &Value) -> String {
    shown::line(&yaml_scalar(value)).into_owned()
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
        Value::Str(lines) if can_be_block(lines) => {
            text.push_str(if lines.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in lines.lines() {
                let _ = writeln!(text, "{:width$}{line}", "", width = if line.is_empty() { 0 } else { indent });
            }
        }
        scalar => {
            let _ = writeln!(text, " {}", yaml_scalar(scalar));
        }
    }
}

/// Whether a text of several lines can stand as it is: what is hidden can only be seen in quotes, and the first line says
/// where the others begin.
fn can_be_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    body.contains('\n')
        && text.len() - body.len() <= 1
        && !text.starts_with([' ', '\n'])
        && !text.contains(['\t', '\r'])
        && shown::lines(text) == text
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
        assert_eq!(text, "TYPE      ID\ninstance  a\\u001b[31m\nh         b\n");
        let wide =
            table(&["NAME", "X"], &[vec!["\u{7db2}\u{7d61}".into(), "1".into()], vec!["net".into(), "2".into()]]);
        assert_eq!(wide, "NAME  X\n\u{7db2}\u{7d61}  1\nnet   2\n");
    }

    #[test]
    fn only_marks_at_the_margin_are_painted() {
        let text = "+ a\n    - b\nc\n";
        assert_eq!(marked(text, false), text);
        assert_eq!(marked(text, true), "\u{1b}[32m+ a\u{1b}[0m\n    - b\nc\n");
    }

    #[test]
    fn no_word_is_torn_apart_while_there_is_another_way() {
        let rows = vec![vec!["vconnector-host_pnic".to_owned(), "no vconnector has 10.30.0.21 here".to_owned()]];
        let text = fitted(&["LINK TYPE", "BUT"], &rows, 26);
        assert!(text.contains("vconnector\n") && text.contains("10.30.0.21\n"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 26), "{text}");
    }

    #[test]
    fn a_table_gives_way_where_it_is_widest() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let rows =
            [row("instance", "compute-1|instance-00000001|fa:16:3e:87"), row("h", "two words here that are long")];
        let text = fitted(&["TYPE", "ID"], &rows, 30);
        assert_eq!(
            text,
            "TYPE      ID\ninstance  compute-1|\n          instance-00000001|\n          fa:16:3e:87\nh         two words here that\n          are long\n"
        );
        assert!(text.lines().all(|line| line.width() <= 30));
        assert_eq!(wrap("aaaaaaaaaa", 4), ["aaaa", "aaaa", "aa"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_in_data() {
        let value = Value::from_json("{\"k\u{9b}\":\"a\u{9d}\u{202e}\u{7f}\"}").expect("this is JSON");
        assert_eq!(json(&value), "{\n  \"k\\u009b\": \"a\\u009d\\u202e\\u007f\"\n}\n");
        assert_eq!(yaml(&value), "\"k\\u009b\": \"a\\u009d\\u202e\\u007f\"\n");
        assert_eq!(Value::from_json(&json(&value)).expect("it still is JSON"), value);
    }

    #[test]
    fn yaml_is_read_as_it_was_meant() {
        let value = Value::from_json(
            r#"{"a":[{"x":1,"y":[]},[1,"no"]],"b: c":"1.0","d":{"e":null},"f":"plain-text","g":"two\nlines"}"#,
        )
        .expect("this is JSON");
        assert_eq!(
            yaml(&value),
            "a:\n  - x: 1\n    \"y\": []\n  -\n    - 1\n    - \"no\"\n\"b: c\": \"1.0\"\nd:\n  e: null\nf: plain-text\ng: |-\n  two\n  lines\n"
        );
    }
}
