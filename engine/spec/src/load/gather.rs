//! What the files of all layers are, and which of them count: a later layer replaces, extends or adds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::Str;

use super::{
    Extended, KINDS, Layer, LeftOut, Loaded, name_of, name_range,
    unread::{self, Role},
};
use crate::{
    decode::{Cx, Fields, help},
    diag::{Diagnostic, Label},
    yaml::{self, Node, NodeKind},
};

/// Kinds of which a later layer may write only what it adds.
pub(crate) const EXTENDABLE: &[&str] = &["distribution", "object_type", "link_type", "clique_type"];

/// One spec file, parsed.
pub(crate) struct Parsed {
    pub kind: &'static str,
    pub name: Str,
    /// Number of its layer.
    pub layer: usize,
    pub shown: Arc<str>,
    pub text: Arc<str>,
    pub node: Node,
}

/// The files that count.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The spec of each kind and name that is in force.
    pub chosen: BTreeMap<(usize, Str), Parsed>,
    /// What later layers add to one, in the order of the layers.
    pub extensions: Vec<Parsed>,
    /// Tests by kind, and by layer and file.
    pub tests: BTreeMap<(usize, Str), Parsed>,
    /// Specs whose files are not YAML, or of another schema.
    pub unread: BTreeSet<(usize, Str)>,
    /// Texts of all files by shown path.
    pub texts: BTreeMap<Arc<str>, Arc<str>>,
}

/// A spec that took another's place.
struct Replaced {
    kind_idx: usize,
    name: Str,
    layer: usize,
    by: Label,
    is_meant: bool,
    earlier: Arc<str>,
    /// What layers in between added to it.
    extensions: Vec<Arc<str>>,
}

/// Reads all files; reports those that are not read as specs or tests.
pub(crate) fn gather(layers: &[Layer], loaded: &mut Loaded) -> Gathered {
    let mut gathered = Gathered::default();
    let mut replaced = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        // A layer that is a folder is shown with the folder, so that the path can be opened.
        let prefix = if layer.name.as_ref() == "built-in" || layer.name.is_empty() {
            String::new()
        } else {
            format!("{}/", layer.name.trim_end_matches('/'))
        };
        for (path, text) in &layer.files {
            gathered.texts.insert(Arc::from(format!("{prefix}{path}")), Arc::clone(text));
        }
        let mut here: BTreeMap<(usize, Str), Arc<str>> = BTreeMap::new();
        for (path, text) in &layer.files {
            let (kind_idx, is_test) = match unread::role(path) {
                Role::Spec(kind_idx) => (kind_idx, false),
                Role::Test(kind_idx) => (kind_idx, true),
                Role::Other => continue,
            };
            let shown: Arc<str> = Arc::from(format!("{prefix}{path}"));
            loaded.files.insert(Arc::clone(&shown), Arc::clone(text));
            let stem = stem_of(path);
            let Some(node) = read(loaded, &shown, text, if is_test { "test" } else { KINDS[kind_idx].1 }) else {
                gathered.unread.insert((kind_idx, stem));
                continue;
            };
            let name = name_of(&node).unwrap_or_else(|| stem.clone());
            let parsed = Parsed {
                kind: KINDS[kind_idx].1,
                name,
                layer: number,
                shown: Arc::clone(&shown),
                text: Arc::clone(text),
                node,
            };
            if is_test {
                gathered.tests.insert((kind_idx, format!("{number:04} {path}").into()), parsed);
                continue;
            }
            loaded.n_specs += 1;
            let key = (kind_idx, parsed.name.clone());
            if let Some(first) = here.get(&key) {
                loaded.diagnostics.push(duplicate_error(&parsed, first));
                continue;
            }
            here.insert(key.clone(), shown);
            gathered.take(key, parsed, loaded, &mut replaced);
        }
        unread::report(layer, &prefix, number, &gathered.tests, loaded);
    }
    for one in replaced {
        gathered.say_replaced(one, loaded);
    }
    for extension in &gathered.extensions {
        let of_it = || {
            let is_of_it = |test: &&Parsed| tested(&test.node) == Some((extension.kind, extension.name.as_ref()));
            gathered.tests.values().filter(is_of_it)
        };
        let has_own_tests = of_it().any(|test| test.layer >= extension.layer);
        loaded.extended.extend(of_it().filter(|test| test.layer < extension.layer).map(|test| Extended {
            test: Arc::clone(&test.shown),
            by: Arc::clone(&extension.shown),
            has_own_tests,
        }));
    }
    gathered
}

impl Gathered {
    /// A spec of a layer: the first of its name, one that adds to it, or one that takes its place.
    fn take(&mut self, key: (usize, Str), parsed: Parsed, loaded: &mut Loaded, replaced: &mut Vec<Replaced>) {
        let is_meant = is_true(&parsed.node, "overrides");
        let extends = EXTENDABLE.contains(&parsed.kind) && is_true(&parsed.node, "extends");
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if is_meant && extends {
            help(
                cx.report(
                    "spec/extends-conflict",
                    &key_range(&parsed.node, "overrides"),
                    "a spec either adds to another or takes its place",
                    "and `extends` is there, too",
                ),
                "keep one of `extends` and `overrides`",
            );
        } else if is_meant && !self.chosen.contains_key(&key) && !self.unread.contains(&key) {
            help(
                cx.report(
                    "spec/overrides-nothing",
                    &key_range(&parsed.node, "overrides"),
                    format!("there is no {} `{}` in an earlier layer", parsed.kind, parsed.name),
                    "takes nobody's place",
                ),
                "correct the name, or leave out `overrides`",
            );
        }
        loaded.diagnostics.append(&mut cx.diagnostics);
        if extends {
            self.extensions.push(parsed);
            return;
        }
        let range = name_range(&parsed.node);
        let by = Label { file: Arc::clone(&parsed.shown), range, text: "replaces it".to_owned() };
        let (kind, layer) = (parsed.kind, parsed.layer);
        let Some(earlier) = self.chosen.insert(key.clone(), parsed) else { return };
        let mut dropped = Vec::new();
        self.extensions.retain(|known| {
            let is_of_it = known.kind == kind && known.name == key.1;
            if is_of_it {
                dropped.push(Arc::clone(&known.shown));
            }
            !is_of_it
        });
        let (kind_idx, name) = key;
        replaced.push(Replaced { kind_idx, name, layer, by, is_meant, earlier: earlier.shown, extensions: dropped });
    }

    /// Says that a spec is out of use, and what becomes of its tests: they test what took its place, unless that has
    /// tests of its own.
    fn say_replaced(&mut self, one: Replaced, loaded: &mut Loaded) {
        let kind = KINDS[one.kind_idx].1;
        let is_of_it = |test: &Parsed| tested(&test.node) == Some((kind, one.name.as_ref()));
        let has_own = self.tests.values().any(|test| is_of_it(test) && test.layer >= one.layer);
        let mut n_earlier = 0;
        self.tests.retain(|_, test| {
            let is_earlier = is_of_it(test) && test.layer < one.layer;
            n_earlier += usize::from(is_earlier);
            if is_earlier && has_own {
                loaded.left_out.push(LeftOut { test: Arc::clone(&test.shown), by: Arc::clone(&one.by.file) });
            }
            !(is_earlier && has_own)
        });
        if one.is_meant {
            return;
        }
        let mut advice = format!("the earlier one is {}", one.earlier);
        if !one.extensions.is_empty() {
            advice.push_str(&format!("; what {} adds to it is out of use as well", one.extensions.join(" and ")));
        }
        if n_earlier > 0 {
            advice.push_str(if has_own {
                "; its tests are left out, as the new one has tests of its own"
            } else {
                "; its tests now test this one"
            });
        }
        let or = if EXTENDABLE.contains(&kind) { ", or `extends: true` to add to it" } else { "" };
        advice.push_str(&format!(". Say `overrides: true` if that is meant{or}"));
        let message = format!("this replaces the {kind} `{}` of an earlier layer", one.name);
        loaded.diagnostics.push(Diagnostic::new("spec/replaced", one.by, message).help(advice));
    }
}

/// One file as YAML, if it is a file of that kind.
fn read(loaded: &mut Loaded, shown: &Arc<str>, text: &str, kind: &str) -> Option<Node> {
    match yaml::read(text) {
        Ok(node) => {
            let mut cx = Cx::new(shown, text);
            let fits = schema_fits(&mut cx, &node, &format!("{kind}/v1"));
            loaded.diagnostics.append(&mut cx.diagnostics);
            fits.then_some(node)
        }
        Err(mistakes) => {
            for mistake in mistakes {
                let label = Label { file: Arc::clone(shown), range: mistake.range, text: mistake.label };
                let mut diagnostic = Diagnostic::new("yaml/syntax", label, mistake.message);
                diagnostic.help = mistake.help;
                loaded.diagnostics.push(diagnostic);
            }
            None
        }
    }
}

fn duplicate_error(parsed: &Parsed, first: &str) -> Diagnostic {
    let range = name_range(&parsed.node);
    let label = Label { file: Arc::clone(&parsed.shown), range, text: "declared again".to_owned() };
    let message = format!("two specs are named `{}` and are both a {}", parsed.name, parsed.kind);
    Diagnostic::new("spec/duplicate", label, message).help(format!("the other one is {first}; rename one of them"))
}

/// The name that a file gives its spec.
pub(super) fn stem_of(path: &str) -> Str {
    let file = path.rsplit('/').next().unwrap_or_default();
    Str::from(file.strip_suffix(".yaml").unwrap_or(file))
}

/// Kind and name of the spec that a test is of.
fn tested(node: &Node) -> Option<(&str, &str)> {
    let of = node.get("of")?;
    of.entries().first().and_then(|(kind, name)| Some((kind.name.as_ref(), name.as_text()?)))
}

/// Whether a key at the top is `true`.
pub(super) fn is_true(node: &Node, key: &str) -> bool {
    matches!(node.get(key).map(|node| &node.kind), Some(NodeKind::Bool(true)))
}

fn key_range(node: &Node, key: &str) -> std::ops::Range<usize> {
    node.entry(key).map_or(0..0, |(key, _)| key.range.clone())
}

fn schema_fits(cx: &mut Cx<'_>, node: &Node, wanted: &str) -> bool {
    let Some(fields) = Fields::open(cx, node, "a spec") else { return false };
    let mut fields = fields;
    let Some(schema) = fields.need(cx, "schema") else { return true };
    let NodeKind::Text { text, .. } = &schema.kind else {
        cx.wrong_type(schema, "schema", "text");
        return false;
    };
    if text.as_ref() == wanted {
        return true;
    }
    let kind = wanted.split('/').next().unwrap_or_default();
    if text.split('/').next() == Some(kind) {
        help(
            cx.report(
                "spec/wrong-schema",
                &schema.range,
                format!("this program reads `{wanted}`, not `{text}`"),
                "a version that it does not know",
            ),
            format!("write `schema: {wanted}`, or use a program that reads the version"),
        );
        return false;
    }
    help(
        cx.report(
            "spec/wrong-schema",
            &schema.range,
            format!("the schema here is `{wanted}`, not `{text}`"),
            "the folder says what kind of spec this is",
        ),
        format!("write `schema: {wanted}`, or move the file"),
    );
    false
}
