//! From nodes to typed values: takes the keys of a map one by one and reports every mistake at its place.

use std::{
    collections::BTreeSet,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use calipso_expr::nearest;
use calipso_model::{Str, Value};

use crate::{
    checked::At,
    diag::{Diagnostic, Label, Lines, MOST_OF_A_FILE, whole_characters},
    yaml::{Key, Node, NodeKind},
};

/// One file while it is read, and where its mistakes go.
pub(crate) struct Cx<'f> {
    pub file: Arc<str>,
    pub text: &'f str,
    lines: Lines,
    /// Mistakes that were left out because there were too many.
    n_more: usize,
    spare: Option<Diagnostic>,
    pub diagnostics: Vec<Diagnostic>,
    pub sites: Vec<Site>,
    /// Names that were reported as unknown: each is reported once.
    pub unknown_names: BTreeSet<Str>,
}

/// Where an expression stands.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Address of the expression's own text: the same for all of its clones.
    pub id: usize,
    pub file: Arc<str>,
    /// The whole scalar.
    pub whole: Range<usize>,
    /// Where the expression's text begins, if every byte of it stands there as it is.
    pub inside: Option<usize>,
}

impl<'f> Cx<'f> {
    /// Begins to read a file.
    pub fn new(file: &Arc<str>, text: &'f str) -> Self {
        Self {
            file: Arc::clone(file),
            text,
            lines: Lines::new(text),
            n_more: 0,
            spare: None,
            diagnostics: Vec::new(),
            sites: Vec::new(),
            unknown_names: BTreeSet::new(),
        }
    }
}

impl Cx<'_> {
    /// Remembers where expressions stand; `inside` is where the text that they are part of begins.
    pub fn remember(&mut self, whole: &Range<usize>, inside: Option<usize>, exprs: Vec<&calipso_expr::Expr>) {
        for expr in exprs {
            self.sites.push(Site {
                id: expr.source().as_ptr() as usize,
                file: Arc::clone(&self.file),
                whole: whole.clone(),
                inside: inside.map(|start| start + expr.offset()),
            });
        }
    }

    /// A label in this file.
    pub fn label(&self, range: &Range<usize>, text: impl Into<String>) -> Label {
        let range = whole_characters(self.text, range.clone());
        Label { file: Arc::clone(&self.file), range, text: text.into() }
    }

    /// Reports a mistake; returns it for adding help.
    pub fn report(
        &mut self,
        code: &'static str,
        range: &Range<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let label = self.label(range, label);
        let diagnostic = Diagnostic::new(code, label, message);
        if self.is_full() {
            self.n_more += 1;
            // The list's last entry counts what is left out.
            let n_more = self.n_more;
            match self.diagnostics.get_mut(MOST_OF_A_FILE) {
                Some(last) => last.message = crate::diag::more(&last.primary, n_more).message,
                None => self.diagnostics.push(crate::diag::more(&diagnostic.primary, n_more)),
            }
            return self.spare.insert(diagnostic);
        }
        self.diagnostics.push(diagnostic);
        self.diagnostics.last_mut().expect("one was just pushed")
    }

    /// Whether so many mistakes were found that more are only counted.
    pub fn is_full(&self) -> bool {
        self.diagnostics.len() >= MOST_OF_A_FILE
    }

    /// Where a range begins, for run-time messages.
    pub fn at(&self, range: &Range<usize>) -> At {
        let (line, column) = self.lines.line_column(self.text, range.start);
        At { file: Str::from(self.file.as_ref()), line, column }
    }

    pub fn wrong_type(&mut self, node: &Node, key: &str, wanted: &str) {
        let advice = self.advice(node, key, wanted);
        let diagnostic = self.report(
            "spec/wrong-type",
            &node.range,
            format!("`{key}` must be {wanted}, not {}", node.kind_name()),
            format!("expected {wanted}"),
        );
        diagnostic.help = advice;
    }

    /// How a value of a wrong type is usually meant.
    fn advice(&self, node: &Node, key: &str, wanted: &str) -> Option<String> {
        let written = self.text.get(node.range.clone()).unwrap_or_default();
        let is_short = written.len() <= 60 && !written.contains('\n');
        match (&node.kind, wanted) {
            (NodeKind::Null, _) => {
                let behind = self.text.get(node.range.start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
                Some(match behind.trim_start_matches([':', ' ']).strip_prefix('#') {
                    Some(_) => "what stands behind ` #` is a comment; quote the text if it is none".to_owned(),
                    None => format!("write a value behind `{key}:`, or remove the key"),
                })
            }
            (NodeKind::Text { .. } | NodeKind::Int(_) | NodeKind::Float(_) | NodeKind::Bool(_), "a list")
                if is_short =>
            {
                Some(format!("write `{key}: [{written}]`"))
            }
            (NodeKind::Text { .. }, "a map") if key == "of" => {
                Some(format!("write `of: {{fetcher: {written}}}`, with the kind of the spec"))
            }
            (NodeKind::List(_) | NodeKind::Map(_), "an expression") if is_short && !written.contains('"') => {
                Some(format!("quote it: `{key}: \"{written}\"`"))
            }
            (NodeKind::Text { text, .. }, "`true` or `false`") => match text.to_lowercase().as_str() {
                "yes" | "on" | "y" => Some("write `true`".to_owned()),
                "no" | "off" | "n" => Some("write `false`".to_owned()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Where a part of a scalar's text stands: at `place`, if every byte of the text stands in the file as it is; where the
/// scalar is folded or escaped, at the one place where the part occurs in it; or else the whole scalar.
pub(crate) fn in_scalar(text: &str, whole: &Range<usize>, offset: Option<usize>, part: &str) -> Range<usize> {
    if let Some(offset) = offset {
        return offset..offset + part.len().max(1);
    }
    let written = text.get(whole.clone()).unwrap_or_default();
    let mut found = written.match_indices(part).filter(|(at, _)| !part.is_empty() && stands_alone(written, *at, part));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => whole.start + at..whole.start + at + part.len(),
        _ => whole.clone(),
    }
}

/// Whether a name does not only occur inside of a longer one.
fn stands_alone(text: &str, at: usize, part: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(word);
    let behind = text.get(at + part.len()..).and_then(|behind| behind.chars().next()).is_some_and(word);
    !(before && part.starts_with(word) || behind && part.ends_with(word))
}

/// Adds help to a diagnostic that was just reported.
pub(crate) fn help(diagnostic: &mut Diagnostic, text: impl Into<String>) {
    diagnostic.help = Some(text.into());
}

/// Keys that hold a name or a word, so that braces in them are a mistake.
const CONSTANT: &[&str] = &[
    "as",
    "answer_as",
    "attribute",
    "emit",
    "emits",
    "extends",
    "fetch",
    "focal_point",
    "from",
    "items",
    "keyed_by",
    "let",
    "lookup",
    "named",
    "path",
    "platform",
    "refers_to",
    "role",
    "stop",
    "take",
    "to",
    "type",
    "under",
    "via",
];

/// The keys of one map, while they are taken.
pub(crate) struct Fields<'n> {
    entries: &'n [(Key, Node)],
    range: Range<usize>,
    known: Vec<&'static str>,
    what: String,
}

impl<'n> Fields<'n> {
    /// Opens a map; anything else is reported.
    pub fn open(cx: &mut Cx<'_>, node: &'n Node, what: &str) -> Option<Self> {
        match &node.kind {
            NodeKind::Map(entries) => {
                Some(Self { entries, range: node.range.clone(), known: Vec::new(), what: what.to_owned() })
            }
            _ => {
                cx.report(
                    "spec/wrong-type",
                    &node.range,
                    format!("{what} must be a map, not {}", node.kind_name()),
                    "expected a map",
                );
                None
            }
        }
    }

    pub fn range(&self) -> &Range<usize> {
        &self.range
    }

    pub fn entries(&self) -> &'n [(Key, Node)] {
        self.entries
    }

    /// The key's own place.
    pub fn key(&self, name: &str) -> Option<&'n Key> {
        self.entries.iter().map(|(key, _)| key).find(|key| key.name.as_ref() == name)
    }

    /// Takes an optional key.
    pub fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.entries.iter().find(|(key, _)| key.name.as_ref() == name).map(|(_, node)| node)
    }

    /// Takes a required key.
    pub fn need(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            let range = self.entries.first().map_or(self.range.clone(), |(key, _)| key.range.clone());
            let what = &self.what;
            help(
                cx.report(
                    "spec/missing-key",
                    &range,
                    format!("{what} lacks the key `{name}`"),
                    format!("`{name}` belongs here"),
                ),
                format!("add `{name}: …`"),
            );
        }
        found
    }

    /// Reports the keys that were not taken.
    pub fn finish(self, cx: &mut Cx<'_>) {
        #[cfg(debug_assertions)]
        if let Some(block) = crate::keys::block(&self.what) {
            for name in &self.known {
                debug_assert!(
                    block.keys.iter().any(|key| key.name == *name),
                    "{}: `{name}` is not in the table of keys",
                    self.what
                );
            }
        }
        for (key, _) in self.entries {
            if self.known.contains(&key.name.as_ref()) {
                continue;
            }
            if cx.is_full() {
                cx.report("spec/unknown-key", &key.range, "", "");
                continue;
            }
            // `timeout` differs from `timeout_secs` in many letters, but means the same.
            let begins = |known: &&str| known.strip_prefix(key.name.as_ref()).is_some_and(|rest| rest.starts_with('_'));
            let near =
                nearest(&key.name, self.known.iter().copied()).or_else(|| self.known.iter().copied().find(begins));
            let mut known = self.known.clone();
            known.sort_unstable();
            let advice = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "known keys are {}",
                    known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            help(
                cx.report(
                    "spec/unknown-key",
                    &key.range,
                    format!("{} has no key `{}`", self.what, key.name),
                    "unknown key",
                ),
                advice,
            );
        }
    }

    pub fn text(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<Str> {
        let node = self.take(name)?;
        // The input of a parser's test may be empty.
        if name == "input" { text(cx, node, name) } else { some_text(cx, node, name) }
    }

    pub fn need_text(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<Str> {
        let node = self.need(cx, name)?;
        some_text(cx, node, name)
    }

    pub fn bool(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<bool> {
        let node = self.take(name)?;
        match node.kind {
            NodeKind::Bool(flag) => Some(flag),
            _ => {
                cx.wrong_type(node, name, "`true` or `false`");
                None
            }
        }
    }

    pub fn count(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<u64> {
        let node = self.take(name)?;
        match node.kind {
            NodeKind::Int(number) if number >= 0 => u64::try_from(number).ok(),
            _ => {
                cx.wrong_type(node, name, "a whole number that is not negative");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn count_in(&mut self, cx: &mut Cx<'_>, name: &'static str, bounds: RangeInclusive<u64>) -> Option<u64> {
        let number = self.count(cx, name)?;
        let node = self.entries.iter().find(|(key, _)| key.name.as_ref() == name).map(|(_, node)| node)?;
        if bounds.contains(&number) {
            return Some(number);
        }
        out_of_range(cx, node, name, &number.to_string(), &format!("{} to {}", bounds.start(), bounds.end()));
        None
    }

    pub fn number(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<f64> {
        let node = self.take(name)?;
        match node.kind {
            NodeKind::Int(number) if number >= 0 => Some(number as f64),
            NodeKind::Float(number) if number >= 0.0 => Some(number),
            _ => {
                cx.wrong_type(node, name, "a number that is not negative");
                None
            }
        }
    }

    pub fn texts(&mut self, cx: &mut Cx<'_>, name: &'static str) -> Option<Vec<(Str, Range<usize>)>> {
        let node = self.take(name)?;
        texts(cx, node, name)
    }

    /// One of the given words.
    pub fn word(&mut self, cx: &mut Cx<'_>, name: &'static str, words: &[&str]) -> Option<Str> {
        let node = self.take(name)?;
        let given = text(cx, node, name)?;
        if words.contains(&given.as_ref()) {
            return Some(given);
        }
        let near = nearest(&given, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let listed = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let diagnostic = cx.report(
            "spec/wrong-type",
            &node.range,
            format!("`{name}` cannot be `{given}`"),
            format!("one of {listed}"),
        );
        diagnostic.help = near;
        None
    }
}

/// Reports a number that a key cannot have.
pub(crate) fn out_of_range(cx: &mut Cx<'_>, node: &Node, key: &str, given: &str, range: &str) {
    cx.report("spec/out-of-range", &node.range, format!("`{key}` cannot be {given}"), format!("it can be {range}"));
}

/// Entries that a map of names, or a list of rules, may have: what reads them is judged with all of them in view.
pub(crate) const MOST_ENTRIES: usize = 1_000;

/// Reports a map or list with more entries than one spec can use.
pub(crate) fn not_endless(cx: &mut Cx<'_>, node: &Node, key: &str) {
    let n_entries = node.entries().len() + node.items().len();
    if n_entries > MOST_ENTRIES {
        let message = format!("`{key}` has {n_entries} entries");
        cx.report("spec/out-of-range", &(node.range.start..node.range.start + 1), message, "at most 1,000 belong here");
    }
}

/// Reports a list that has no element, where one is needed.
pub(crate) fn not_empty(cx: &mut Cx<'_>, node: &Node, key: &str) {
    if matches!(&node.kind, NodeKind::List(items) if items.is_empty())
        || matches!(&node.kind, NodeKind::Map(entries) if entries.is_empty())
    {
        help(
            cx.report("spec/empty", &node.range, format!("`{key}` is empty"), "nothing is in it"),
            "write what belongs there, or leave the key out if it may be absent",
        );
    }
}

/// Text that is not blank.
pub(crate) fn some_text(cx: &mut Cx<'_>, node: &Node, key: &str) -> Option<Str> {
    let found = text(cx, node, key)?;
    if found.trim().is_empty() {
        help(
            cx.report("spec/empty", &node.range, format!("`{key}` is empty"), "nothing is in it"),
            "write what belongs there, or leave the key out if it may be absent",
        );
    }
    Some(found)
}

/// Text; numbers and bools are not.
pub(crate) fn text(cx: &mut Cx<'_>, node: &Node, key: &str) -> Option<Str> {
    match &node.kind {
        NodeKind::Text { text, .. } if CONSTANT.contains(&key) && text.contains("{{") => {
            help(
                cx.report(
                    "expr/template-in-constant",
                    &node.range,
                    format!("`{key}` is a constant and takes no template"),
                    "braces in a constant",
                ),
                "write the name itself",
            );
            None
        }
        NodeKind::Text { text, .. } => Some(text.clone()),
        NodeKind::Int(_) | NodeKind::Float(_) | NodeKind::Bool(_) => {
            let written = cx.text.get(node.range.clone()).unwrap_or_default().to_owned();
            help(
                cx.report(
                    "spec/wrong-type",
                    &node.range,
                    format!("`{key}` must be text, not {}", node.kind_name()),
                    "expected text",
                ),
                format!("quote it: \"{written}\""),
            );
            None
        }
        _ => {
            cx.wrong_type(node, key, "text");
            None
        }
    }
}

/// A list of texts with their places.
pub(crate) fn texts(cx: &mut Cx<'_>, node: &Node, key: &str) -> Option<Vec<(Str, Range<usize>)>> {
    let items = list(cx, node, key)?;
    // An environment or a clique type may have none of these, and say so.
    if !["mechanism_drivers", "type_drivers", "flags", "constraints"].contains(&key) {
        not_empty(cx, node, key);
    }
    Some(items.iter().filter_map(|item| some_text(cx, item, key).map(|text| (text, item.range.clone()))).collect())
}

/// The elements of a list.
pub(crate) fn list<'n>(cx: &mut Cx<'_>, node: &'n Node, key: &str) -> Option<&'n [Node]> {
    match &node.kind {
        NodeKind::List(items) => Some(items),
        _ => {
            cx.wrong_type(node, key, "a list");
            None
        }
    }
}

/// The entries of a map.
pub(crate) fn map<'n>(cx: &mut Cx<'_>, node: &'n Node, key: &str) -> Option<&'n [(Key, Node)]> {
    match &node.kind {
        NodeKind::Map(entries) => Some(entries),
        _ => {
            cx.wrong_type(node, key, "a map");
            None
        }
    }
}

/// A scalar, in list positions of `one_of`.
pub(crate) fn scalar(cx: &mut Cx<'_>, node: &Node, key: &str) -> Option<Value> {
    match node.kind {
        NodeKind::List(_) | NodeKind::Map(_) | NodeKind::Null => {
            cx.wrong_type(node, key, "a scalar");
            None
        }
        _ => Some(node.value()),
    }
}

/// Names without places.
pub(crate) fn names(found: Option<Vec<(Str, Range<usize>)>>) -> Vec<Str> {
    found.unwrap_or_default().into_iter().map(|(name, _)| name).collect()
}
