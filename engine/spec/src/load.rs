//! Reads layers of spec files into one checked catalogue, and reports every mistake.

mod build;
mod folder;
mod gather;
mod unread;

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::Str;
use calipso_parse::Parser;

use crate::{
    check,
    checked::Specs,
    decode::Cx,
    diag::{self, Diagnostic, Files, Severity},
    lower,
    spec_test::{self, SpecTest},
    yaml::{self, Node, NodeKind},
};

pub use folder::read_layer;
pub(crate) use gather::Parsed;

/// A folder of specs.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// What it is called in messages; `built-in` or a folder.
    pub name: Str,
    /// Path below the folder, and text, of every file.
    pub files: Vec<(Str, Arc<str>)>,
}

/// What came of loading.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The catalogue: whatever could be understood.
    pub specs: Specs,
    /// Parsers by name.
    pub parsers: BTreeMap<Str, Arc<Parser>>,
    /// The tests beside the specs.
    pub tests: Vec<SpecTest>,
    /// Every mistake, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// Texts by shown path.
    pub files: Files,
    /// How many spec files were read, tests not counted.
    pub n_specs: usize,
    /// Tests that do not run, as another spec took the place of theirs and brought tests of its own.
    pub left_out: Vec<LeftOut>,
    /// Tests of specs that a later layer adds to: they may expect exactly what was there before.
    pub extended: Vec<Extended>,
}

/// A test of a spec that a later layer adds to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extended {
    /// The test's file.
    pub test: Arc<str>,
    /// Path of the extension's file.
    pub by: Arc<str>,
    /// Whether the extension has tests of its own.
    pub has_own_tests: bool,
}

/// A test that does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The test's file.
    pub test: Arc<str>,
    /// The spec that took the place of what it tests.
    pub by: Arc<str>,
}

impl Loaded {
    /// Whether there is an error among the mistakes.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Folder and kind, in the order of the reference.
pub const KINDS: &[(&str, &str)] = &[
    ("distributions", "distribution"),
    ("connections", "connection"),
    ("object_types", "object_type"),
    ("parsers", "parser"),
    ("fetchers", "fetcher"),
    ("link_types", "link_type"),
    ("clique_types", "clique_type"),
];

/// Loads and checks layers. A later layer adds specs, replaces those of the same kind and name, or extends them.
#[must_use]
pub fn load(layers: &[Layer]) -> Loaded {
    let mut loaded = Loaded::default();
    let gathered = gather::gather(layers, &mut loaded);
    let sites = build::lower_all(&mut loaded, &gathered);
    for parsed in gathered.tests.values() {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if let Some(test) = spec_test::spec_test(&mut cx, &parsed.node, &gathered.texts) {
            loaded.tests.push(test);
        }
        loaded.diagnostics.append(&mut cx.diagnostics);
    }
    let broken = loaded
        .diagnostics
        .iter()
        .filter(|known| known.severity == Severity::Error)
        .map(|known| Arc::clone(&known.primary.file))
        .collect();
    lower::clique_type::resolve_paths(&mut loaded.specs);
    let read = check::Read {
        files: &gathered.chosen,
        extensions: &gathered.extensions,
        tests: &gathered.tests,
        unread: &gathered.unread,
        broken,
    };
    let mut found = check::Catalogue::new(&loaded, read, sites).check();
    loaded.diagnostics.append(&mut found);
    diag::sort(&mut loaded.diagnostics);
    diag::bound(&mut loaded.diagnostics);
    diag::name_lookalikes(&mut loaded.diagnostics, &loaded.files);
    loaded
}

/// Whether a path of a layer is that of a spec, not of a test or of something else.
#[must_use]
pub fn is_spec(path: &str) -> bool {
    matches!(unread::role(path), unread::Role::Spec(_))
}

fn name_of(node: &Node) -> Option<Str> {
    node.get("name").and_then(Node::as_text).map(Str::from)
}

/// The few properties of a text that are read before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// What it says under `name`.
    pub name: Option<Str>,
    /// Whether it has the key `environment`.
    pub selects: bool,
    /// Whether it only adds to the spec of its name.
    pub extends: bool,
    /// Whether keys can be added at its end: it is a map, a line for each key.
    pub is_open: bool,
}

/// Looks at the text of one spec.
#[must_use]
pub fn peek(text: &str) -> Peek {
    let Ok(node) = yaml::read(text) else { return Peek::default() };
    let is_flow = text.trim_start().starts_with('{');
    Peek {
        name: name_of(&node),
        selects: node.get("environment").is_some(),
        extends: gather::is_true(&node, "extends"),
        is_open: matches!(node.kind, NodeKind::Map(_)) && !is_flow,
    }
}

pub(crate) fn name_range(node: &Node) -> std::ops::Range<usize> {
    node.get("name").map_or(0..0, |node| node.range.clone())
}
