//! Formats the text of a spec: indentation, spacing and the order of its first keys. Comments, quotes and line breaks are
//! their author's, and what the text means never changes: it is read again before it is handed out.

use std::ops::Range;

use pretty_yaml::config::{FormatOptions, LanguageOptions, LayoutOptions, LineBreak};

use crate::{
    diag::line_column,
    yaml::{self, Node, NodeKind},
};

/// The first keys of every spec, in their order.
const FIRST: &[&str] = &["schema", "name", "description", "source"];

/// Why a text is not formatted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFormatted {
    /// It cannot be read.
    #[error("{line}:{column}: {sentence}")]
    NotYaml {
        /// Line, counted from 1.
        line: u32,
        /// 1-based column in characters.
        column: u32,
        /// What is wrong.
        sentence: String,
    },
    /// Formatted, it would mean something else.
    #[error("formatting would change what it means, so it stays as it is")]
    Changed,
}

/// The text as it should be.
///
/// # Shape
/// Formatting what comes back changes nothing.
/// # Errors
/// The text is not YAML of specs, or the formatter would change its meaning.
pub fn format(text: &str) -> Result<String, NotFormatted> {
    let before = read(text)?;
    let ordered = first_keys_first(text, &before);
    let pretty = pretty_yaml::format_text(&ordered, &options()).map_err(|_| NotFormatted::Changed)?;
    let restore = restore(&ordered, &pretty).ok_or(NotFormatted::Changed)?;
    let after = read(&restore).map_err(|_| NotFormatted::Changed)?;
    if is_same_tree(&before, &after, true) { Ok(restore) } else { Err(NotFormatted::Changed) }
}

fn options() -> FormatOptions {
    FormatOptions {
        // Where a line ends is its author's choice: a record that fits one line of theirs stays on it.
        layout: LayoutOptions { print_width: usize::from(u16::MAX), indent_width: 2, line_break: LineBreak::Lf },
        language: LanguageOptions {
            brace_spacing: false,
            trailing_comma: false,
            // A space at the end of a line of a block is a part of its text.
            trim_trailing_whitespaces: false,
            ..LanguageOptions::default()
        },
    }
}

fn read(text: &str) -> Result<Node, NotFormatted> {
    yaml::read(text).map_err(|mistakes| {
        let first = mistakes.into_iter().next();
        let (start, sentence) = first.map_or((0, "it cannot be read".to_owned()), |one| (one.range.start, one.message));
        let (line, column) = line_column(text, start);
        NotFormatted::NotYaml { line, column, sentence }
    })
}

/// Moves the first keys to the beginning, each with the comments above it. What stands above the first key of all stays.
fn first_keys_first(text: &str, node: &Node) -> String {
    let entries = node.entries();
    let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    let ranks: Vec<usize> = entries.iter().map(|(key, _)| rank(&key.name)).collect();
    let is_flow = text.get(node.range.start..).is_some_and(|rest| rest.starts_with('{'));
    if is_flow || ranks.is_sorted() {
        return text.to_owned();
    }
    let line_start = |at: usize| text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
    let mut starts: Vec<usize> = Vec::new();
    for (number, (key, _)) in entries.iter().enumerate() {
        let mut start = line_start(key.range.start);
        let comment_above = |start: usize| {
            let above = line_start(start.saturating_sub(1));
            (above < start && text.get(above..start).is_some_and(|line| line.starts_with('#'))).then_some(above)
        };
        if number > 0 {
            while let Some(above) = comment_above(start) {
                start = above;
            }
        }
        starts.push(start);
    }
    let end_of = |number: usize| starts.get(number + 1).copied().unwrap_or(text.len());
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|number| ranks[*number]);
    let mut out = text.get(..starts[0]).unwrap_or_default().to_owned();
    for number in order {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(text.get(starts[number]..end_of(number)).unwrap_or_default());
    }
    out
}

/// What is kept as its author wrote it.
enum Fragment<'t> {
    Scalar(&'t str),
    /// A comment behind something, with the spaces before it.
    Behind(&'t str),
    /// A comment on a line of its own.
    Alone,
}

/// Puts quotes, and the spaces before comments, back to how they were.
fn restore(before: &str, after: &str) -> Option<String> {
    let (old, new) = (fragments(before)?, fragments(after)?);
    if old.len() != new.len() {
        return None;
    }
    let mut out = String::with_capacity(after.len());
    let mut done = 0;
    for ((_, old), (range, new)) in old.iter().zip(&new) {
        let text = match (old, new) {
            (Fragment::Scalar(old), Fragment::Scalar(new)) => {
                let is_quoted = |text: &str| text.starts_with(['\'', '"']);
                if is_quoted(old) && is_quoted(new) && !old.contains('\n') { *old } else { *new }
            }
            (Fragment::Behind(old), Fragment::Behind(_)) => *old,
            (Fragment::Alone | Fragment::Behind(_), _) | (_, Fragment::Alone | Fragment::Behind(_)) => {
                after.get(range.clone()).unwrap_or_default()
            }
        };
        out.push_str(after.get(done..range.start)?);
        out.push_str(text);
        done = range.end;
    }
    out.push_str(after.get(done..)?);
    Some(tidy(&out))
}

/// Without spaces at the ends of lines outside of texts, and with one line break at the end.
fn tidy(text: &str) -> String {
    let mut long = yaml::scalars(text).unwrap_or_default();
    long.retain(|scalar| text.get(scalar.range.clone()).is_some_and(|written| written.contains('\n')));
    let mut out = String::with_capacity(text.len());
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.trim_end_matches('\n').len();
        let is_inside = long.iter().any(|scalar| scalar.range.start < end && scalar.range.end >= end);
        out.push_str(if is_inside { line.trim_end_matches('\n') } else { line.trim_end() });
        out.push('\n');
        start += line.len();
    }
    let body = out.trim_end_matches('\n').len();
    out.truncate(body);
    out.push('\n');
    out
}

/// Scalars and comments, in their order.
fn fragments(text: &str) -> Option<Vec<(Range<usize>, Fragment<'_>)>> {
    let scalars = yaml::scalars(text)?;
    let mut found: Vec<(Range<usize>, Fragment<'_>)> = Vec::new();
    let mut done = 0;
    for scalar in &scalars {
        comments(text, done..scalar.range.start, &mut found);
        done = done.max(scalar.range.end);
        found.push((scalar.range.clone(), Fragment::Scalar(text.get(scalar.range.clone())?)));
    }
    comments(text, done..text.len(), &mut found);
    Some(found)
}

/// The comments in a part of the text that holds no scalar.
fn comments<'t>(text: &'t str, part: Range<usize>, found: &mut Vec<(Range<usize>, Fragment<'t>)>) {
    let mut start = part.start;
    for line in text.get(part).unwrap_or_default().split_inclusive('\n') {
        if let Some(hash) = line.find('#') {
            let before = text.get(..start + hash).unwrap_or_default();
            let spaces = before.len() - before.trim_end_matches([' ', '\t']).len();
            let is_alone = before.trim_end_matches([' ', '\t']).ends_with('\n') || before.trim().is_empty();
            let range = start + hash - spaces..start + hash;
            let fragments =
                if is_alone { Fragment::Alone } else { Fragment::Behind(text.get(range.clone()).unwrap_or_default()) };
            found.push((range, fragments));
        }
        start += line.len();
    }
}

/// Whether two trees are the same; the order of keys counts but at the top.
fn is_same_tree(a: &Node, b: &Node, is_top: bool) -> bool {
    match (&a.kind, &b.kind) {
        (NodeKind::Map(a), NodeKind::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, value), (other, beside))| {
                    if is_top {
                        b.iter().any(|(other, beside)| key.name == other.name && is_same_tree(value, beside, false))
                    } else {
                        key.name == other.name && is_same_tree(value, beside, false)
                    }
                })
        }
        (NodeKind::List(a), NodeKind::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_tree(a, b, false))
        }
        (NodeKind::Text { text: a, .. }, NodeKind::Text { text: b, .. }) => a == b,
        _ => a.kind_name() == b.kind_name() && a.value() == b.value(),
    }
}
