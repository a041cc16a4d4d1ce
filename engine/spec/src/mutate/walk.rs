//! Finds the changes of one file: goes through it by the table of keys.

use std::collections::BTreeSet;

use crate::{
    keys::{Holds, KINDS, block},
    yaml::{Node, NodeKind},
};

use super::{expr, pattern};

/// One change: what is put where.
pub(super) struct Edit {
    pub(super) what: String,
    pub(super) path: String,
    pub(super) before: String,
    pub(super) after: String,
    /// Where in the text it is made.
    pub(super) start: usize,
    /// Places by numbers of entries and elements, with what stands there then; nothing: it is taken out.
    pub(super) parts: Vec<(Vec<usize>, Option<NodeKind>)>,
}

/// Keys that are no behaviour, that only humans read, that nothing can do without, or that a test cannot see: names,
/// budgets, what is secret, what becomes of several fetchers' contributions.
const LEFT_ALONE: &[&str] = &[
    "aliases",
    "as",
    "answer_as",
    "attribute",
    "because",
    "description",
    "emit",
    "emits",
    "example",
    "extends",
    "features",
    "of",
    "one_of",
    "other_attributes",
    "fields",
    "focal_point",
    "form",
    "identifiers",
    "keyed_by",
    "let",
    "limits",
    "lookup",
    "merge",
    "name",
    "narrow_by",
    "platform",
    "refers_to",
    "retry",
    "role",
    "schema",
    "secret",
    "source",
    "stop",
    "target",
    "timeout_secs",
    "transport",
    "type",
    "under",
    "unit",
    "variances",
    "versions",
    "with",
];

/// Optional keys whose absence is no valid spec, or no other one.
const NEEDED: &[&str] = &[
    "at",
    "base",
    "connect",
    "do",
    "each",
    "first_of",
    "http",
    "key",
    "link",
    "attributes",
    "other_attributes",
    "own",
    "other",
    "parse",
    "run",
    "set",
    "settings",
    "sql",
    "steps",
    "test",
    "value",
    "values",
    "via",
    "from",
    "commands",
    "derive",
    "fields",
    "json",
    "yaml",
    "xml",
    "lines",
    "regex",
    "table",
    "key_values",
    "blocks",
    "named",
    "columns",
    "of",
    "login",
    "session",
    "send",
    "pages",
    "items",
    "optional",
    "headers",
    "query",
    "one_of",
    "require_any",
    "forms",
    "implicit_links",
    "constraints",
    "where",
    "start",
];

/// Keys that hold regular expressions.
const PATTERNS: &[&str] =
    &["after", "before", "keep", "skip", "continues", "match", "start", "end", "pair", "pairs", "more", "header"];

/// Blocks that mean as much as their only entry.
const CONDITIONS: &[&str] = &["`environment`", "a list condition", "a version condition", "`cardinality`"];

/// Lists of blocks that may be empty.
const MAY_BE_EMPTY: &[&str] = &["folders", "commands", "derive", "values", "pages", "replaces", "wrap"];

/// The changes of a file; `platforms` are those of all distributions.
pub(super) fn edits(kind: &str, root: &Node, text: &str, platforms: &BTreeSet<String>) -> Vec<Edit> {
    let mut walk = Walk { text, platforms, found: Vec::new(), position: Vec::new(), path: Vec::new() };
    if let Some((_, name)) = KINDS.iter().find(|(known, _)| *known == kind) {
        walk.block(name, root);
    }
    number_alike(&mut walk.found);
    walk.found
}

/// One text may hold the same words several times; their changes are told apart by numbers.
fn number_alike(edits: &mut [Edit]) {
    let mut seen: std::collections::BTreeMap<(String, String, String), usize> = std::collections::BTreeMap::new();
    for edit in edits {
        let times =
            seen.entry((edit.what.clone(), edit.path.clone(), format!("{} {}", edit.before, edit.after))).or_default();
        *times += 1;
        if *times > 1 {
            edit.path = format!("{}~{times}", edit.path);
        }
    }
}

struct Walk<'t> {
    text: &'t str,
    platforms: &'t BTreeSet<String>,
    found: Vec<Edit>,
    position: Vec<usize>,
    path: Vec<String>,
}

impl Walk<'_> {
    fn block(&mut self, name: &str, node: &Node) {
        let Some(keys) = block(name) else { return };
        self.both_ends(name, node);
        for (number, (key, value)) in node.entries().iter().enumerate() {
            let Some(known) = keys.keys.iter().find(|known| known.name == key.name.as_ref()) else { continue };
            if LEFT_ALONE.contains(&known.name) && !is_kept(name, known.name) {
                continue;
            }
            // What holds one condition only is dropped with it: the block around it is not asked for itself.
            let is_alone = node.entries().len() == 1 && CONDITIONS.contains(&name);
            let is_optional = !known.required && !NEEDED.contains(&known.name);
            let says_nothing = known.name == "environment" && is_for_all(value, self.platforms);
            let drops = is_optional && !is_alone && !is_usual(name, known.name, value) && !says_nothing;
            self.inside(number, known.name, |walk| {
                if drops {
                    walk.drop_it(format!("drop {}", known.name), value, known.name);
                }
                walk.value(name, known.name, known.holds, value);
            });
        }
    }

    fn inside(&mut self, number: usize, name: &str, go: impl FnOnce(&mut Self)) {
        self.position.push(number);
        self.path.push(name.to_owned());
        go(self);
        self.path.pop();
        self.position.pop();
    }

    fn element(&mut self, number: usize, label: &str, go: impl FnOnce(&mut Self)) {
        self.inside(number, &format!("[{label}]"), go);
    }

    fn value(&mut self, block: &str, key: &str, holds: Holds, node: &Node) {
        match holds {
            Holds::Expr | Holds::Each => self.expr(node, holds == Holds::Each),
            Holds::Value => self.tree(key, node),
            Holds::Values => {
                for (number, (name, value)) in node.entries().iter().enumerate() {
                    self.inside(number, &name.name, |walk| {
                        if key != "connect" {
                            walk.drop_it(format!("drop an entry of {key}"), value, &name.name);
                        }
                        walk.tree(key, value);
                    });
                }
            }
            Holds::Constant => self.constant(key, node),
            Holds::Bool => {
                if let NodeKind::Bool(flag) = node.kind
                    && flag
                {
                    self.replace(format!("flip {key}"), node, NodeKind::Bool(false));
                }
            }
            Holds::Word(words) => {
                let given = node.as_text().unwrap_or_default();
                for word in alternatives(given, words) {
                    self.replace(format!("change {key}"), node, text(word));
                }
            }
            // One of one is the condition itself.
            Holds::Texts if node.items().len() == 1 && CONDITIONS.contains(&block) => {}
            Holds::Texts => {
                for (number, item) in node.items().iter().enumerate() {
                    let label = item.as_text().unwrap_or_default().to_owned();
                    self.element(number, &label, |walk| {
                        walk.drop_it(format!("drop an entry of {key}"), item, "");
                    });
                }
            }
            Holds::Counts => {
                for (number, item) in node.items().iter().enumerate() {
                    let label = one_line_value(item);
                    self.element(number, &label, |walk| {
                        if node.items().len() > 1 {
                            walk.drop_it(format!("drop an entry of {key}"), item, "");
                        }
                    });
                }
            }
            Holds::Text if PATTERNS.contains(&key) || (key == "fields" && block.contains("block")) => {
                self.pattern(node)
            }
            // Other words of a command find no answer in any test; only what is put into them is changed.
            Holds::Text if ["run", "sql", "command"].contains(&key) => self.template(node, false),
            Holds::Text | Holds::Count | Holds::Number | Holds::NamedTextLists => {}
            Holds::Block(name) => self.block(name, node),
            Holds::Blocks(name) => self.blocks(key, name, node),
            Holds::Steps => self.blocks(key, "a step", node),
            Holds::Named(name) => {
                for (number, (entry, value)) in node.entries().iter().enumerate() {
                    self.inside(number, &entry.name, |walk| walk.block(name, value));
                }
            }
            Holds::NamedTexts => {
                for (number, (entry, value)) in node.entries().iter().enumerate() {
                    self.inside(number, &entry.name, |walk| {
                        walk.drop_it(format!("drop an entry of {key}"), value, &entry.name);
                        if key == "lists" {
                            walk.pattern(value);
                        }
                    });
                }
            }
            Holds::Maps => self.constant(key, node),
        }
    }

    fn blocks(&mut self, key: &str, block: &str, node: &Node) {
        let items = node.items();
        for (number, item) in items.iter().enumerate() {
            let label = label(item, number, items);
            self.element(number, &label, |walk| {
                // A step whose result is used cannot be left out; `check` would refuse it.
                if items.len() > 1 || MAY_BE_EMPTY.contains(&key) {
                    walk.drop_it(format!("drop an entry of {key}"), item, "");
                }
                walk.block(block, item);
            });
        }
    }

    /// Drops the same part of the keys of both ends of a join: what was told apart by it meets then.
    fn both_ends(&mut self, name: &str, node: &Node) {
        let (one, other) = match name {
            "a rule" => ("from", "to"),
            "a derived attribute" => ("own", "other"),
            _ => return,
        };
        let end = |name: &str| {
            let (number, (_, end)) =
                node.entries().iter().enumerate().find(|(_, (key, _))| key.name.as_ref() == name)?;
            let (inner, (_, key)) =
                end.entries().iter().enumerate().find(|(_, (key, _))| key.name.as_ref() == "key")?;
            Some(([number, inner], key, expr::key_parts(key.as_text()?)))
        };
        let (Some((one_place, one_key, ones)), Some((other_place, _, alternatives))) = (end(one), end(other)) else {
            return;
        };
        if ones.len() != alternatives.len() || ones.len() < 2 {
            return;
        }
        for number in 0..ones.len() {
            // What is the same words at both ends always meets.
            if ones[number] == alternatives[number] && expr::is_literal(&ones[number]) {
                continue;
            }
            let without = |parts: &[String]| {
                let kept: Vec<&str> = parts
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| *index != number)
                    .map(|(_, part)| part.as_str())
                    .collect();
                format!("[{}]", kept.join(", "))
            };
            let position = |inner: [usize; 2]| self.position.iter().copied().chain(inner).collect::<Vec<_>>();
            self.found.push(Edit {
                what: "drop a part of both keys".to_owned(),
                path: self.shown_path(),
                before: format!("[{}], [{}]", ones.join(", "), alternatives.join(", ")),
                after: format!("{}, {}", without(&ones), without(&alternatives)),
                start: one_key.range.start,
                parts: vec![
                    (position(one_place), Some(text(&without(&ones)))),
                    (position(other_place), Some(text(&without(&alternatives)))),
                ],
            });
        }
    }

    fn expr(&mut self, node: &Node, is_each: bool) {
        let Some(source) = node.as_text() else { return };
        for (what, before, after, whole) in expr::changed(source, is_each) {
            self.part(what, node, before, after, whole);
        }
    }

    fn template(&mut self, node: &Node, around: bool) {
        let Some(source) = node.as_text() else { return };
        for (what, before, after, whole) in expr::changed_template(source, around) {
            self.part(what, node, before, after, whole);
        }
    }

    fn pattern(&mut self, node: &Node) {
        let Some(source) = node.as_text() else { return };
        for (what, before, after, whole) in pattern::changed(source) {
            self.part(what, node, before, after, whole);
        }
    }

    /// A value: every text of it may be a template.
    fn tree(&mut self, key: &str, node: &Node) {
        match &node.kind {
            NodeKind::Map(entries) => {
                for (number, (name, value)) in entries.iter().enumerate() {
                    self.inside(number, &name.name, |walk| {
                        if entries.len() > 1 {
                            walk.drop_it(format!("drop an entry of {key}"), value, &name.name);
                        }
                        walk.tree(key, value);
                    });
                }
            }
            NodeKind::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.element(number, &(number + 1).to_string(), |walk| walk.tree(key, item));
                }
            }
            NodeKind::Text { text: source, .. } if source.contains("{{") => self.template(node, true),
            _ => self.constant(key, node),
        }
    }

    /// Constants: each of them another one, each entry of a list or map once left out.
    fn constant(&mut self, key: &str, node: &Node) {
        let what = format!("change {key}");
        match &node.kind {
            NodeKind::Null => {}
            NodeKind::Bool(flag) => self.replace(what, node, NodeKind::Bool(!flag)),
            NodeKind::Int(number) => self.replace(what, node, NodeKind::Int(number + 1)),
            NodeKind::Float(number) => self.replace(what, node, NodeKind::Float(number + 1.0)),
            NodeKind::Text { text: source, .. } if key == "state" => {
                self.replace(what, node, text(if source.as_ref() == "up" { "down" } else { "up" }));
            }
            NodeKind::Text { text: source, .. } => self.replace(what, node, text(&format!("{source}x"))),
            NodeKind::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    let label = label(item, number, items);
                    self.element(number, &label, |walk| {
                        walk.drop_it(format!("drop an entry of {key}"), item, "");
                        walk.constant(key, item);
                    });
                }
            }
            NodeKind::Map(entries) => {
                for (number, (name, value)) in entries.iter().enumerate() {
                    if name.name.as_ref() == "versions" {
                        continue;
                    }
                    self.inside(number, &name.name, |walk| {
                        if !matches!(value.kind, NodeKind::Map(_)) {
                            walk.drop_it(format!("drop an entry of {key}"), value, &name.name);
                        }
                        walk.constant(key, value);
                    });
                }
            }
        }
    }

    fn drop_it(&mut self, what: String, node: &Node, key: &str) {
        let before = if key.is_empty() { one_line_value(node) } else { format!("{key}: {}", one_line_value(node)) };
        self.push(what, before, String::new(), node, None);
    }

    fn replace(&mut self, what: String, node: &Node, by: NodeKind) {
        let after = one_line_value(&Node { range: 0..0, kind: by.clone() });
        self.push(what, one_line_value(node), after, node, Some(by));
    }

    fn part(&mut self, what: &str, node: &Node, before: String, after: String, whole: String) {
        let after = if after.is_empty() { "nothing".to_owned() } else { after };
        self.push(what.to_owned(), before, after, node, Some(text(&whole)));
    }

    fn push(&mut self, what: String, before: String, after: String, node: &Node, by: Option<NodeKind>) {
        let start = self.start(node, &before);
        self.found.push(Edit {
            what,
            path: self.shown_path(),
            before: one_line(&before),
            after: one_line(&after),
            start,
            parts: vec![(self.position.clone(), by)],
        });
    }

    /// Where the changed words stand in the text, if they stand there once; otherwise where the value begins.
    fn start(&self, node: &Node, before: &str) -> usize {
        let whole = self.text.get(node.range.clone()).unwrap_or_default();
        let mut found = whole.match_indices(before);
        match (found.next(), found.next()) {
            (Some((offset, _)), None) => node.range.start + offset,
            _ => node.range.start,
        }
    }

    fn shown_path(&self) -> String {
        let mut shown = String::new();
        for part in &self.path {
            if !shown.is_empty() && !part.starts_with('[') {
                shown.push('.');
            }
            shown.push_str(part);
        }
        shown
    }
}

/// Whether the value of a key is its default.
fn is_usual(block: &str, key: &str, node: &Node) -> bool {
    let says = |word: &str| node.as_text() == Some(word);
    match key {
        // What a step, a join or a link type takes without it depends on what it is; it is changed instead.
        "take" => true,
        "from" | "to" => block == "`cardinality`" && says("many"),
        "others" => says("dropped"),
        "last" => says("word"),
        "default" => node.as_text().is_none_or(str::is_empty) && matches!(node.kind, NodeKind::Null),
        _ => matches!(node.kind, NodeKind::Bool(false)),
    }
}

/// Whether an environment's only condition is its platform, and no distribution has another one: it holds everywhere.
fn is_for_all(environment: &Node, platforms: &BTreeSet<String>) -> bool {
    let [(key, condition)] = environment.entries() else { return false };
    let [(word, wanted)] = condition.entries() else { return false };
    let wanted: BTreeSet<&str> = wanted.items().iter().filter_map(Node::as_text).collect();
    key.name.as_ref() == "platform"
        && word.name.as_ref() == "any_of"
        && !platforms.is_empty()
        && platforms.iter().all(|platform| wanted.contains(platform.as_str()))
}

/// The words that are tried in place of one: of those for several values the ones that differ in what most lists show.
fn alternatives(given: &str, words: &'static [&'static str]) -> Vec<&'static str> {
    let chosen: &[&str] = match given {
        "first" => &["last", "all"],
        "last" | "one" => &["first"],
        "all" => &["first", "distinct"],
        "distinct" => &["all"],
        // A weaker shape is tried by dropping it.
        "map" | "list" | "list_of_maps" => &[],
        given => return words.iter().copied().filter(|word| *word != given).collect(),
    };
    words.iter().copied().filter(|word| chosen.contains(word)).collect()
}

/// Whether a key that is left alone elsewhere counts in this block.
fn is_kept(block: &str, key: &str) -> bool {
    match key {
        "versions" => block != "a distribution" && block != "a variance",
        // Of blocks of text; those of connections are a form.
        "fields" => block.contains("block") || block == "a connection",
        // Names and ids of objects; labels have no templates.
        "name" => block == "a form" || block == "`link`",
        _ => false,
    }
}

/// What an element of a list is called: by its name, or by what it does; by its number where another one is called so.
fn label(item: &Node, number: usize, items: &[Node]) -> String {
    let own = called(item);
    let alike = items.iter().filter(|other| called(other) == own).count();
    match own {
        Some(own) if alike == 1 => own,
        Some(own) => {
            let before = items.iter().take(number).filter(|other| called(other).as_ref() == Some(&own)).count();
            format!("{own}~{}", before + 1)
        }
        None => (number + 1).to_string(),
    }
}

fn called(item: &Node) -> Option<String> {
    if let Some(text) = item.as_text() {
        return Some(one_line(text));
    }
    ["name", "form", "attribute", "as", "let", "type"]
        .iter()
        .find_map(|key| item.get(key).and_then(Node::as_text).map(str::to_owned))
        .or_else(|| {
            ["emit", "lookup", "stop", "run", "http", "sql", "command"]
                .iter()
                .find_map(|key| Some(format!("{key} {}", one_line(item.get(key)?.as_text()?))))
        })
}

fn text(text: &str) -> NodeKind {
    NodeKind::Text { text: text.into(), inside: None }
}

/// A value on one line.
fn one_line_value(node: &Node) -> String {
    match &node.kind {
        NodeKind::Text { text, .. } => one_line(text),
        _ => one_line(&node.value().to_json()),
    }
}

fn one_line(text: &str) -> String {
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() <= 160 {
        return joined;
    }
    let short: String = joined.chars().take(157).collect();
    format!("{short}...")
}
