//! Where a text that is not YAML went wrong: the reader stops where it can go on no longer, and the mistake stands before
//! that, where a quote or a bracket was opened, or a colon is missing.

use std::ops::Range;

use super::YamlError;

/// What a line holds, without its comment.
struct Line<'t> {
    start: usize,
    text: &'t str,
    indent: usize,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let here = start;
        start += line.len();
        let text = line.trim_end();
        Line { start: here, text, indent: text.len() - text.trim_start().len() }
    })
}

/// Whether a line begins with a key: `name:`, `- name:`.
fn is_key(text: &str) -> bool {
    let text = text.trim_start();
    let text = text.strip_prefix("- ").unwrap_or(text).trim_start();
    let name: usize = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').map(char::len_utf8).sum();
    let behind = text.get(name..).unwrap_or_default();
    name > 0 && (behind == ":" || behind.starts_with(": "))
}

/// A quote that goes on over lines that begin like keys was not meant to.
pub(super) fn swallowed(text: &str, range: &Range<usize>) -> Option<YamlError> {
    let written = text.get(range.clone())?;
    let mut behind = written.split('\n').skip(1);
    behind.any(is_key).then(|| unclosed_quote(text, range.start))
}

fn unclosed_quote(text: &str, start: usize) -> YamlError {
    let rest = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let quote = rest.chars().next().unwrap_or('"');
    YamlError::new(start..start + rest.len(), "this quote is not closed on its line", "it opens here")
        .help(&format!("write `{quote}` where the text ends"))
}

/// What is left open while lines are read.
struct Open {
    offset: usize,
    bracket: char,
    line: usize,
    indent: usize,
}

/// Looks for the mistake that made the reader stop at a byte.
pub(super) fn find(text: &str, stopped: usize) -> Option<YamlError> {
    let mut open: Vec<Open> = Vec::new();
    let mut block: Option<usize> = None;
    // The last line of words without a colon before the reader stopped, with its number.
    let mut wordy: Option<(usize, YamlError)> = None;
    let stopped_line = text.get(..stopped).map_or(0, |before| before.matches('\n').count());
    for (number, line) in lines(text).enumerate() {
        let body = line.text.trim_start();
        if let Some(indent) = block {
            if body.is_empty() || line.indent > indent {
                continue;
            }
            block = None;
        }
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if line.start > stopped && open.is_empty() {
            break;
        }
        // A bracket that is open where the next key of the same map stands was forgotten.
        if let Some(first) = open.first()
            && number > first.line
            && line.indent <= first.indent
            && is_key(body)
        {
            let last = open.last().unwrap_or(first);
            return Some(unclosed_bracket(last));
        }
        match scan(&line, number, &mut open) {
            Scan::Quote(offset) => return Some(unclosed_quote(text, offset)),
            Scan::Behind(quote, range) => {
                let whole = text.get(quote..line.start + line.text.len()).unwrap_or_default();
                let other = if whole.contains('"') { '\'' } else { '"' };
                return Some(
                    YamlError::new(range, "text goes on behind the closing quote", "not part of the quoted text")
                        .help(&format!("quote the whole: {other}{}{other}", without_comment(whole))),
                );
            }
            Scan::Stray(offset, bracket) => {
                return Some(
                    YamlError::new(offset..offset + 1, format!("nothing opened this `{bracket}`"), "closes nothing")
                        .help("remove it, or open it before"),
                );
            }
            Scan::Nothing => {}
        }
        let end = without_comment(line.text);
        if open.is_empty() && (end.ends_with('|') || end.ends_with('>') || end.ends_with("|-") || end.ends_with(">-")) {
            block = Some(line.indent);
        }
        if open.is_empty() && line.start <= stopped {
            wordy = missing_colon(&line).map(|error| (number, error)).or(wordy);
        }
    }
    let near = wordy.filter(|(number, _)| number + 2 >= stopped_line).map(|(_, error)| error);
    open.last().map(unclosed_bracket).or(near)
}

fn unclosed_bracket(open: &Open) -> YamlError {
    let close = if open.bracket == '[' { ']' } else { '}' };
    YamlError::new(open.offset..open.offset + 1, format!("this `{}` is not closed", open.bracket), "it opens here")
        .help(&format!("write `{close}` where it ends"))
}

/// A line of words without a colon, directly before the place where the reader stopped, or there.
fn missing_colon(line: &Line<'_>) -> Option<YamlError> {
    let body = without_comment(line.text).trim_start();
    let (start, body) = match body.strip_prefix("- ") {
        Some(rest) => (line.start + line.indent + 2, rest),
        None => (line.start + line.indent, body),
    };
    let name = body.split(' ').next().unwrap_or_default();
    // `name:value` is text; a colon counts with a blank behind it.
    let glued =
        body.split_once(':').filter(|(key, rest)| !rest.is_empty() && !rest.starts_with(' ') && !key.contains(' '));
    let key = glued.map_or(name, |(key, _)| key);
    let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !word || body.contains(": ") || body.ends_with(':') || (glued.is_none() && name.contains(':')) {
        return None;
    }
    let (message, advice) = match glued {
        Some((key, rest)) => {
            (format!("there is no blank behind the colon of `{key}`"), format!("write `{key}: {rest}`"))
        }
        None => {
            let rest = body.strip_prefix(name).unwrap_or_default().trim();
            (format!("there is no colon behind `{name}`"), format!("write `{}`", format!("{name}: {rest}").trim_end()))
        }
    };
    Some(YamlError::new(start..start + body.len(), message, "read as text, not as a key").help(advice.trim_end()))
}

fn without_comment(text: &str) -> &str {
    text.split(" #").next().unwrap_or(text).trim_end()
}

enum Scan {
    Nothing,
    /// A quote that opens here does not close on the line.
    Quote(usize),
    /// Behind a quoted text, which begins at the first place, stands more.
    Behind(usize, Range<usize>),
    /// A bracket that nothing opened.
    Stray(usize, char),
}

/// Reads one line: quotes, and brackets where brackets mean something.
fn scan(line: &Line<'_>, number: usize, open: &mut Vec<Open>) -> Scan {
    let mut characters = line.text.char_indices().peekable();
    // Whether a value may begin here: then a quote or bracket is one.
    let mut fresh = true;
    let mut last = ' ';
    while let Some((offset, character)) = characters.next() {
        let here = line.start + offset;
        match character {
            '#' if last == ' ' => break,
            '"' | '\'' if fresh => {
                let mut closed = None;
                while let Some((end, inner)) = characters.next() {
                    if inner == '\\' && character == '"' {
                        characters.next();
                    } else if inner == character {
                        if character == '\'' && characters.peek().is_some_and(|(_, next)| *next == '\'') {
                            characters.next();
                            continue;
                        }
                        closed = Some(end);
                        break;
                    }
                }
                let Some(end) = closed else { return Scan::Quote(here) };
                let rest = line.text.get(end + 1..).unwrap_or_default();
                let trimmed = rest.trim_start();
                let ends = trimmed.is_empty()
                    || trimmed.starts_with(':')
                    || trimmed.starts_with('#') && rest.starts_with(' ')
                    || !open.is_empty() && trimmed.starts_with([',', ']', '}']);
                if !ends {
                    let from = line.start + line.text.len() - trimmed.len();
                    return Scan::Behind(here, from..line.start + line.text.len());
                }
                fresh = false;
            }
            '[' | '{' if fresh || !open.is_empty() => {
                open.push(Open { offset: here, bracket: character, line: number, indent: line.indent });
                fresh = true;
            }
            ']' | '}' if !open.is_empty() => {
                open.pop();
                fresh = false;
                let rest = line.text.get(offset + 1..).unwrap_or_default().trim_start();
                if open.is_empty() && rest.starts_with([']', '}']) {
                    return Scan::Stray(line.start + line.text.len() - rest.len(), rest.chars().next().unwrap_or(']'));
                }
            }
            ',' if !open.is_empty() => fresh = true,
            ':' if characters.peek().is_none_or(|(_, next)| *next == ' ') => fresh = true,
            '-' if fresh && characters.peek().is_some_and(|(_, next)| *next == ' ') => {}
            ' ' => {}
            _ => fresh = false,
        }
        last = character;
    }
    Scan::Nothing
}
