//! YAML with positions: text to a tree whose keys and values carry byte ranges. Hides the YAML library.

mod advice;
mod suspect;

use std::{collections::BTreeMap, ops::Range};

use calipso_model::{Map, Str, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Maximum size of a file, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
const MAX_EVENTS: usize = 100_000;
const MAX_DEPTH: usize = 64;
/// Reading stops after this many mistakes.
const MOST_ERRORS: usize = 50;

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub range: Range<usize>,
    pub kind: NodeKind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// `inside`: where the text begins in the file, if every byte of it stands there as it is.
    Text {
        text: Str,
        inside: Option<usize>,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key with its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub name: Str,
    pub range: Range<usize>,
}

/// What is wrong with a file as YAML.
#[derive(Clone, Debug)]
pub(crate) struct YamlError {
    pub range: Range<usize>,
    pub message: String,
    pub label: String,
    pub help: Option<String>,
}

impl YamlError {
    fn new(range: Range<usize>, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { range, message: message.into(), label: label.into(), help: None }
    }

    fn help(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// A key with its value.
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|(key, _)| key.name.as_ref() == name),
            _ => None,
        }
    }

    /// The elements, if this is a list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            NodeKind::List(items) => items,
            _ => &[],
        }
    }

    /// The entries, if this is a map.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The map that begins at a byte, at any depth.
    pub fn starting_at(&self, offset: usize) -> Option<&Node> {
        if self.range.start == offset && matches!(self.kind, NodeKind::Map(_)) {
            return Some(self);
        }
        if offset < self.range.start || offset >= self.range.end.max(self.range.start + 1) {
            return None;
        }
        match &self.kind {
            // Both stand in the order of the file.
            NodeKind::Map(entries) => {
                let behind = entries.partition_point(|(_, value)| value.range.start <= offset);
                entries.get(behind.checked_sub(1)?)?.1.starting_at(offset)
            }
            NodeKind::List(items) => {
                let behind = items.partition_point(|item| item.range.start <= offset);
                items.get(behind.checked_sub(1)?)?.starting_at(offset)
            }
            _ => None,
        }
    }

    /// In the words of messages.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "a bool",
            NodeKind::Int(_) => "a whole number",
            NodeKind::Float(_) => "a number",
            NodeKind::Text { .. } => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a map",
        }
    }

    /// The value without positions.
    pub fn value(&self) -> Value {
        match &self.kind {
            NodeKind::Null => Value::Null,
            NodeKind::Bool(flag) => Value::Bool(*flag),
            NodeKind::Int(number) => Value::Int(*number),
            NodeKind::Float(number) => Value::Float(*number),
            NodeKind::Text { text, .. } => Value::Str(text.clone()),
            NodeKind::List(items) => Value::list(items.iter().map(Self::value).collect()),
            NodeKind::Map(entries) => Value::Map(Map::from_pairs(
                entries.iter().map(|(key, value)| (key.name.clone(), value.value())).collect(),
            )),
        }
    }
}

/// Reads one document.
///
/// # Errors
/// All mistakes up to the first that makes the rest unreadable.
pub(crate) fn read(text: &str) -> Result<Node, Vec<YamlError>> {
    if text.len() > MAX_BYTES {
        return Err(vec![YamlError::new(0..0, "the file is larger than 1 MiB", "this file")]);
    }
    let mut builder = Builder { text, offsets: offsets(text), open: Vec::new(), root: None, errors: Vec::new() };
    for (n_events, event) in Parser::new_from_str(text).enumerate() {
        if n_events > MAX_EVENTS {
            builder.errors.push(YamlError::new(0..0, "the file has more than 100,000 YAML nodes", "this file"));
            break;
        }
        match event {
            Ok((event, span)) => {
                let range = builder.byte(span.start.index())..builder.byte(span.end.index());
                if !builder.take(event, range) || builder.errors.len() >= MOST_ERRORS {
                    break;
                }
            }
            Err(error) => {
                let start = builder.byte(error.marker().index()).min(text.len());
                let end =
                    text.get(start..).and_then(|tail| tail.chars().next()).map_or(start, |c| start + c.len_utf8());
                let found = suspect::find(text, start);
                builder.errors.push(found.unwrap_or_else(|| advice::of(text, start, end, error.info())));
                break;
            }
        }
    }
    if !builder.errors.is_empty() {
        return Err(builder.errors);
    }
    builder.root.ok_or_else(|| {
        vec![YamlError::new(0..0, "the file is empty", "nothing is here").help("a spec begins with `schema: KIND/v1`")]
    })
}

/// A key or a value that is neither a list nor a map.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// As it is written, quotes and the head of a block included.
    pub range: Range<usize>,
}

/// All scalars of a text in their order; none where it cannot be read. One that is not written has no place.
pub(crate) fn scalars(text: &str) -> Option<Vec<Scalar>> {
    let offsets = offsets(text);
    let index = |character: usize| match &offsets {
        None => character.min(text.len()),
        Some(offsets) => offsets.get(character).copied().unwrap_or(text.len()),
    };
    let mut found = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        if let Event::Scalar(_, style, ..) = event {
            let range = index(span.start.index())..index(span.end.index());
            let written = text.get(range.clone())?;
            let end = match style {
                ScalarStyle::Literal | ScalarStyle::Folded => range.start + written.trim_end_matches('\n').len(),
                _ => range.end,
            };
            if end > range.start {
                found.push(Scalar { range: range.start..end });
            }
        }
    }
    Some(found)
}

/// A template at the beginning of a line's rest, up to what ends it: a comment, or a bracket that it did not open.
fn unquoted(line: &str) -> &str {
    let mut depth = 0usize;
    let mut last = '{';
    for (index, character) in line.char_indices() {
        match character {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' if depth == 0 => return line.get(..index).unwrap_or(line).trim_end(),
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => return line.get(..index).unwrap_or(line).trim_end(),
            '#' if depth == 0 && last == ' ' => return line.get(..index).unwrap_or(line).trim_end(),
            _ => {}
        }
        last = character;
    }
    line.trim_end()
}

/// Byte offset of every character, where they differ from character numbers.
fn offsets(text: &str) -> Option<Vec<usize>> {
    (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect())
}

enum Open {
    List {
        items: Vec<Node>,
        start: usize,
    },
    /// `seen`: the names of the entries, with their places among them.
    Map {
        entries: Vec<(Key, Node)>,
        seen: BTreeMap<Str, usize>,
        key: Option<Key>,
        start: usize,
    },
}

struct Builder<'t> {
    text: &'t str,
    offsets: Option<Vec<usize>>,
    open: Vec<Open>,
    root: Option<Node>,
    errors: Vec<YamlError>,
}

impl Builder<'_> {
    /// Byte offset of a character number.
    fn byte(&self, character: usize) -> usize {
        match &self.offsets {
            None => character.min(self.text.len()),
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.text.len()),
        }
    }

    /// False where reading cannot go on.
    fn take(&mut self, event: Event<'_>, range: Range<usize>) -> bool {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                if self.root.is_some() {
                    self.errors.push(
                        YamlError::new(range, "a spec file holds one document", "a second one begins here")
                            .help("put it into a file of its own"),
                    );
                    return false;
                }
            }
            Event::Alias(_) => {
                self.errors.push(
                    YamlError::new(range.clone(), "specs have no aliases", "an alias")
                        .help("write the value again: a mistake must stand where it is made"),
                );
                self.add(Node { range, kind: NodeKind::Null });
            }
            Event::Scalar(text, style, anchor, tag) => {
                // A block scalar ends with its last line, not with what stands behind it.
                let range = match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        let written = self.text.get(range.clone()).unwrap_or_default();
                        range.start..range.start + written.trim_end().len()
                    }
                    _ => range,
                };
                self.refuse(anchor, tag.is_some(), &range);
                if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)
                    && let Some(error) = suspect::swallowed(self.text, &range)
                {
                    self.errors.push(error);
                    return false;
                }
                let kind = self.scalar(&text, style, &range);
                self.scalar_node(text.as_ref(), Node { range, kind });
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), &range);
                return self.begin(Open::List { items: Vec::new(), start: range.start }, &range);
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(anchor, tag.is_some(), &range);
                return self.begin(
                    Open::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None, start: range.start },
                    &range,
                );
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let node = match self.open.pop() {
                    Some(Open::List { items, start }) => {
                        let end = self.end(range.end, start, items.last().map(|item| item.range.end));
                        Node { range: start..end, kind: NodeKind::List(items) }
                    }
                    Some(Open::Map { entries, start, .. }) => {
                        let start = entries.first().map_or(start, |(key, _)| start.min(key.range.start));
                        let end = self.end(range.end, start, entries.last().map(|(_, value)| value.range.end));
                        Node { range: start..end, kind: NodeKind::Map(entries) }
                    }
                    None => return false,
                };
                self.add(node);
            }
        }
        true
    }

    /// The end of a collection: its bracket in flow style, the end of its last element in block style.
    fn end(&self, given: usize, start: usize, last: Option<usize>) -> usize {
        let flow = self.text.as_bytes().get(start).is_some_and(|byte| b"[{".contains(byte));
        if flow { given } else { last.unwrap_or(given) }
    }

    fn refuse(&mut self, anchor: usize, tag: bool, range: &Range<usize>) {
        if anchor != 0 {
            self.errors.push(
                YamlError::new(range.clone(), "specs have no anchors", "has an anchor")
                    .help("write the value where it is used"),
            );
        }
        if tag {
            self.errors.push(YamlError::new(range.clone(), "specs have no tags", "has a tag").help("leave out `!…`"));
        }
    }

    fn begin(&mut self, open: Open, range: &Range<usize>) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.errors.push(YamlError::new(range.clone(), "the file is nested more than 64 levels deep", "here"));
            return false;
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            let braces = self.text.get(range.start.saturating_sub(1)..).is_some_and(|text| text.starts_with("{{"));
            self.errors.push(if braces {
                let start = range.start - 1;
                let line = self.text.get(start..).and_then(|text| text.lines().next()).unwrap_or_default();
                let whole = unquoted(line);
                YamlError::new(
                    start..start + whole.len(),
                    "a template begins with `{{` here without a quote",
                    "read as a map in a map",
                )
                .help(&format!("quote it: \"{}\"", whole.replace('"', "'")))
            } else {
                YamlError::new(range.clone(), "keys are text", "this is a list or a map")
            });
            return false;
        }
        self.open.push(open);
        true
    }

    fn scalar(&self, text: &str, style: ScalarStyle, range: &Range<usize>) -> NodeKind {
        let written = self.text.get(range.clone()).unwrap_or_default();
        match style {
            ScalarStyle::Plain => plain(text, (written == text).then_some(range.start)),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let exact = written.get(1..written.len().saturating_sub(1)) == Some(text);
                NodeKind::Text { text: text.into(), inside: exact.then_some(range.start + 1) }
            }
            // Blanks behind the last line cannot be seen, and would make a text of an expression.
            ScalarStyle::Folded => NodeKind::Text { text: text.trim_end().into(), inside: None },
            ScalarStyle::Literal => NodeKind::Text { text: text.trim_end_matches('\n').into(), inside: None },
        }
    }

    fn scalar_node(&mut self, text: &str, node: Node) {
        if let Some(Open::Map { key: key @ None, .. }) = self.open.last_mut() {
            // Keys are read as they are written: `yes:`, `1:`.
            *key = Some(Key { name: text.into(), range: node.range });
            return;
        }
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, seen, key, .. }) => {
                let Some(key) = key.take() else { return };
                if let Some((first, _)) = seen.get(&key.name).and_then(|index| entries.get(*index)) {
                    let line = self.text.get(..first.range.start).unwrap_or_default().matches('\n').count() + 1;
                    self.errors.push(
                        YamlError::new(
                            key.range,
                            format!("the key `{}` stands twice in one map", key.name),
                            format!("it stands on line {line} already"),
                        )
                        .help("keep one of them"),
                    );
                    return;
                }
                if key.name.as_ref() == "<<" {
                    self.errors.push(
                        YamlError::new(key.range, "specs have no merge keys", "a merge key")
                            .help("write the keys again"),
                    );
                    return;
                }
                seen.insert(key.name.clone(), entries.len());
                entries.push((key, node));
            }
        }
    }
}

/// A plain scalar after YAML 1.2's core schema.
fn plain(text: &str, inside: Option<usize>) -> NodeKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return NodeKind::Null,
        "true" | "True" | "TRUE" => return NodeKind::Bool(true),
        "false" | "False" | "FALSE" => return NodeKind::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(number) = text.strip_prefix('+').unwrap_or(text).parse() {
            return NodeKind::Int(number);
        }
    } else if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte))
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return NodeKind::Float(number);
    }
    NodeKind::Text { text: text.into(), inside }
}
