//! Advice on a text that the YAML reader refuses, in the words of spec authors.

use super::YamlError;

/// What is wrong where the reader stopped, as far as its own words say it.
pub(super) fn of(text: &str, start: usize, end: usize, says: &str) -> YamlError {
    let line = line_of(text, start);
    let plain = |label: &str| YamlError::new(start..end, format!("this is not YAML: {says}"), label);
    if says.contains("found a tab") || says.contains("tabs ") {
        return tab(text, line.0).unwrap_or_else(|| plain("the reader stopped here").help("indent with blanks"));
    }
    if says.contains("mapping values are not allowed") {
        return second_colon(line).unwrap_or_else(|| plain("the reader stopped here"));
    }
    if says.contains("unexpected character") {
        let sign = text.get(start..end).unwrap_or_default();
        return plain("the reader stopped here")
            .help(&format!("a text that begins with `{sign}` stands in quotes: \"{}\"", rest_of(text, start)));
    }
    if says.contains("unknown anchor") {
        return YamlError::new(start..end, "specs have no anchors", "reads as a reference to one")
            .help(&format!("a text that begins with `*` stands in quotes: \"{}\"", rest_of(text, start)));
    }
    if says.contains("unknown escape") {
        let whole = rest_of(text, start);
        let inner = whole.strip_prefix('"').and_then(|whole| whole.strip_suffix('"')).unwrap_or("…");
        return YamlError::new(start..start + whole.len(), "`\\` begins an escape in double quotes", "in this text")
            .help(&format!("write it in single quotes, where `\\` is itself: '{}'", inner.replace('\'', "''")));
    }
    let indented = ["did not find expected '-' indicator", "did not find expected key", "block end", "block entry"];
    if indented.iter().any(|part| says.contains(part)) && text.get(line.0..start).is_some_and(|b| b.trim().is_empty()) {
        let columns: Vec<String> = columns(text, line.0).iter().map(|column| (column + 1).to_string()).collect();
        let begins = start - line.0 + 1;
        return YamlError::new(start..end, "the indentation does not fit", format!("begins in column {begins}")).help(
            &format!(
                "what belongs together begins in one column; the lines before begin in column {}",
                columns.join(", ")
            ),
        );
    }
    plain("the reader stopped here")
}

/// The line around a byte: where it begins, and its text.
fn line_of(text: &str, offset: usize) -> (usize, &str) {
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    (start, text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default())
}

/// From a byte to the end of its line, without a comment.
fn rest_of(text: &str, start: usize) -> &str {
    let rest = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    rest.split(" #").next().unwrap_or(rest).trim_end()
}

/// The first tab in an indentation, from a line on: the reader tells the end of what it read before.
fn tab(text: &str, from: usize) -> Option<YamlError> {
    let mut start = from;
    for line in text.get(from..)?.split_inclusive('\n').take(3) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        if let Some(offset) = line.get(..indent).and_then(|indent| indent.find('\t')) {
            let at = start + offset;
            return Some(
                YamlError::new(at..at + 1, "a tab stands in the indentation", "a tab").help("indent with blanks"),
            );
        }
        start += line.len();
    }
    None
}

/// `key: text: more`.
fn second_colon((start, line): (usize, &str)) -> Option<YamlError> {
    let (key, value) = line.split_once(": ")?;
    let value = value.split(" #").next().unwrap_or(value);
    let written = value.trim();
    if !written.contains(": ") && !written.ends_with(':') || written.starts_with(['"', '\'', '{', '[']) {
        return None;
    }
    let from = start + key.len() + 2 + (value.len() - value.trim_start().len());
    let quote = if written.contains('"') { '\'' } else { '"' };
    let key = key.trim_start().trim_start_matches("- ");
    Some(
        YamlError::new(from..from + written.len(), "a text with a colon and a blank in it", "reads as a map")
            .help(&format!("quote it: {key}: {quote}{written}{quote}")),
    )
}

/// Where the lines around the one that begins at a byte begin, from the inside out.
fn columns(text: &str, before: usize) -> Vec<usize> {
    let mut columns = Vec::new();
    let mut least = usize::MAX;
    for line in text.get(..before).unwrap_or_default().lines().rev() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if body.is_empty() || body.starts_with('#') || indent >= least {
            continue;
        }
        let behind_dash = body.strip_prefix("- ").map(|rest| indent + 2 + (rest.len() - rest.trim_start().len()));
        columns.extend(behind_dash.filter(|column| *column < least));
        columns.push(indent);
        least = indent;
        if indent == 0 {
            break;
        }
    }
    columns
}
