//! Reads layers of spec files into one checked catalogue, and reports every mistake.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use calipso_model::Str;
use calipso_parse::{Parser, ParserSpec};

use crate::{
    check,
    checked::{Distribution, Specs},
    decode::{Cx, Fields, Site, help},
    diag::{self, Diagnostic, Files, Label, Severity},
    lower::{self, parser::Named},
    spec_test::{self, SpecTest},
    yaml::{self, Node, NodeKind},
};

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

/// Reads every text file below a folder.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn read_layer(folder: &Path) -> std::io::Result<Layer> {
    fn walk(folder: &Path, root: &Path, files: &mut Vec<(Str, Arc<str>)>) -> std::io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::path);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                walk(&path, root, files)?;
            } else {
                let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
                let bytes = std::fs::read(&path)?;
                files.push((shown.into(), String::from_utf8_lossy(&bytes).into()));
            }
        }
        Ok(())
    }
    let mut files = Vec::new();
    walk(folder, folder, &mut files)?;
    Ok(Layer { name: folder.to_string_lossy().into(), files })
}

/// One spec file, parsed.
pub(crate) struct Parsed {
    pub kind: &'static str,
    pub name: Str,
    pub shown: Arc<str>,
    pub text: Arc<str>,
    pub node: Node,
}

/// Loads and checks layers; a later layer replaces specs of the same kind and name.
#[must_use]
pub fn load(layers: &[Layer]) -> Loaded {
    let mut loaded = Loaded::default();
    let mut chosen: BTreeMap<(usize, Str), Parsed> = BTreeMap::new();
    let mut extensions: Vec<Parsed> = Vec::new();
    let mut tests: BTreeMap<(usize, Str), Parsed> = BTreeMap::new();
    let mut texts: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    let mut unread: BTreeSet<(usize, Str)> = BTreeSet::new();
    for (number, layer) in layers.iter().enumerate() {
        // A layer that is a folder is shown with the folder, so that the path can be opened.
        let prefix = if layer.name.as_ref() == "built-in" || layer.name.is_empty() {
            String::new()
        } else {
            format!("{}/", layer.name.trim_end_matches('/'))
        };
        for (path, text) in &layer.files {
            texts.insert(Arc::from(format!("{prefix}{path}")), Arc::clone(text));
        }
        let mut here: BTreeMap<(usize, Str), Arc<str>> = BTreeMap::new();
        for (path, text) in layer.files.iter().filter(|(path, _)| path.ends_with(".yaml") || path.ends_with(".yml")) {
            let shown: Arc<str> = Arc::from(format!("{prefix}{path}"));
            let Some(place) = KINDS.iter().position(|(folder, _)| path.split('/').rev().nth(1) == Some(*folder)) else {
                continue;
            };
            loaded.files.insert(Arc::clone(&shown), Arc::clone(text));
            let node = match yaml::read(text) {
                Ok(node) => node,
                Err(mistakes) => {
                    for mistake in mistakes {
                        let label = Label { file: Arc::clone(&shown), range: mistake.range, text: mistake.label };
                        let mut diagnostic = Diagnostic::new("yaml/syntax", label, mistake.message);
                        diagnostic.help = mistake.help;
                        loaded.diagnostics.push(diagnostic);
                    }
                    unread.insert((place, stem_of(path)));
                    continue;
                }
            };
            let is_test = path.ends_with(".test.yaml");
            let kind = KINDS[place].1;
            let wanted = if is_test { "test/v1".to_owned() } else { format!("{kind}/v1") };
            let mut cx = Cx::new(&shown, text);
            let fits = schema_fits(&mut cx, &node, &wanted);
            loaded.diagnostics.append(&mut cx.diagnostics);
            if !fits {
                unread.insert((place, stem_of(path)));
                continue;
            }
            let stem = stem_of(path);
            let name = name_of(&node).unwrap_or_else(|| stem.clone());
            let key_name = if is_test { stem } else { name.clone() };
            let parsed = Parsed { kind, name, shown: Arc::clone(&shown), text: Arc::clone(text), node };
            if is_test {
                tests.insert((place, key_name), parsed);
                continue;
            }
            loaded.n_specs += 1;
            if let Some(first) = here.get(&(place, key_name.clone())) {
                let range = name_range(&parsed.node);
                let label = Label { file: Arc::clone(&shown), range, text: "declared again".to_owned() };
                loaded.diagnostics.push(
                    Diagnostic::new(
                        "spec/duplicate",
                        label,
                        format!("two specs are named `{}` and are both a {kind}", parsed.name),
                    )
                    .help(format!("the other one is {first}; rename one of them")),
                );
                continue;
            }
            here.insert((place, key_name.clone()), Arc::clone(&shown));
            if kind == "distribution" && number > 0 && is_extension(&parsed.node) {
                extensions.push(parsed);
                continue;
            }
            let label =
                Label { file: Arc::clone(&shown), range: name_range(&parsed.node), text: "replaces it".to_owned() };
            if let Some(earlier) = chosen.insert((place, key_name.clone()), parsed) {
                tests.retain(|(kind, stem), test| {
                    !(*kind == place
                        && stem.strip_suffix(".test") == Some(key_name.as_ref())
                        && test.shown.as_ref() < earlier.shown.as_ref()
                        && !test.shown.starts_with(&prefix))
                });
                loaded.diagnostics.push(
                    Diagnostic::new(
                        "spec/replaced",
                        label,
                        format!("this replaces the {kind} `{key_name}` of an earlier layer"),
                    )
                    .help(format!("the earlier one is {}", earlier.shown)),
                );
            }
        }
    }
    let sites = lower_all(&mut loaded, &chosen, &extensions, &unread);
    for parsed in tests.values() {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if let Some(test) = spec_test::spec_test(&mut cx, &parsed.node, &texts) {
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
    check::paths::settle(&mut loaded.specs);
    let read = check::Read { files: &chosen, extensions: &extensions, tests: &tests, unread: &unread, broken };
    let mut found = check::Catalogue::new(&loaded, read, sites).check();
    loaded.diagnostics.append(&mut found);
    diag::sort(&mut loaded.diagnostics);
    diag::bound(&mut loaded.diagnostics);
    diag::name_lookalikes(&mut loaded.diagnostics, &loaded.files);
    loaded
}

/// The name that a file gives its spec.
fn stem_of(path: &str) -> Str {
    let file = path.rsplit('/').next().unwrap_or_default();
    Str::from(file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file))
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

fn entry<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    match &node.kind {
        NodeKind::Map(entries) => entries.iter().find(|(key, _)| key.name.as_ref() == name).map(|(_, node)| node),
        _ => None,
    }
}

fn name_of(node: &Node) -> Option<Str> {
    match &entry(node, "name")?.kind {
        NodeKind::Text { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// What a text says of itself before anything of it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// Its `name`.
    pub name: Option<Str>,
    /// Whether it has the key `environment`.
    pub selects: bool,
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
        selects: entry(&node, "environment").is_some(),
        is_open: matches!(node.kind, NodeKind::Map(_)) && !is_flow,
    }
}

pub(crate) fn name_range(node: &Node) -> std::ops::Range<usize> {
    entry(node, "name").map_or(0..0, |node| node.range.clone())
}

fn is_extension(node: &Node) -> bool {
    matches!(entry(node, "extends").map(|node| &node.kind), Some(NodeKind::Bool(true)))
}

fn lower_all(
    loaded: &mut Loaded,
    chosen: &BTreeMap<(usize, Str), Parsed>,
    extensions: &[Parsed],
    unread: &BTreeSet<(usize, Str)>,
) -> Vec<Site> {
    let (mut diagnostics, mut sites) = (Vec::new(), Vec::new());
    loaded.parsers = parsers(chosen, &mut diagnostics);
    // A parser that could not be read stands in for itself, so that only its own mistake is reported.
    let mut named = loaded.parsers.clone();
    let stand_in = Parser::new(&ParserSpec::Yaml).ok().map(Arc::new);
    let parser_kind = KINDS.iter().position(|(_, kind)| *kind == "parser");
    for (_, name) in chosen.keys().chain(unread).filter(|(kind, _)| Some(*kind) == parser_kind) {
        if let Some(stand_in) = &stand_in {
            named.entry(name.clone()).or_insert_with(|| Arc::clone(stand_in));
        }
    }
    let named = &named;
    for parsed in chosen.values() {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        let cx = &mut cx;
        let node = &parsed.node;
        match parsed.kind {
            "distribution" => {
                if let Some((distribution, _)) = lower::distribution::distribution(cx, node) {
                    loaded.specs.distributions.insert(distribution.head.name.clone(), Arc::new(distribution));
                }
            }
            "connection" => {
                if let Some(connection) = lower::connection::connection(cx, node, named) {
                    loaded.specs.connections.insert(connection.head.name.clone(), Arc::new(connection));
                }
            }
            "object_type" => {
                if let Some(object_type) = lower::object_type::object_type(cx, node) {
                    loaded.specs.object_types.insert(object_type.head.name.clone(), Arc::new(object_type));
                }
            }
            "fetcher" => {
                if let Some(fetcher) = lower::fetcher::fetcher(cx, node, named) {
                    loaded.specs.fetchers.insert(fetcher.head.name.clone(), Arc::new(fetcher));
                }
            }
            "link_type" => {
                if let Some(link_type) = lower::link_type::link_type(cx, node) {
                    loaded.specs.link_types.insert(link_type.head.name.clone(), Arc::new(link_type));
                }
            }
            "clique_type" => {
                if let Some(clique_type) = lower::clique_type::clique_type(cx, node) {
                    loaded.specs.clique_types.insert(clique_type.head.name.clone(), Arc::new(clique_type));
                }
            }
            _ => {}
        }
        diagnostics.append(&mut cx.diagnostics);
        sites.append(&mut cx.sites);
    }
    for parsed in extensions {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if let Some((extension, _)) = lower::distribution::distribution(&mut cx, &parsed.node) {
            match loaded.specs.distributions.get(&extension.head.name) {
                Some(base) => {
                    let merged = Arc::new(merge(base, extension));
                    loaded.specs.distributions.insert(merged.head.name.clone(), merged);
                }
                None => {
                    help(
                        cx.report(
                            "distribution/extends-nothing",
                            &name_range(&parsed.node),
                            format!("there is no distribution `{}` to extend", extension.head.name),
                            "no earlier layer has it",
                        ),
                        "correct the name, or leave out `extends: true` and write the whole distribution",
                    );
                }
            }
        }
        diagnostics.append(&mut cx.diagnostics);
        sites.append(&mut cx.sites);
    }
    loaded.diagnostics.append(&mut diagnostics);
    sites
}

/// A distribution with what a later layer adds: its commands come before, everything else after.
fn merge(base: &Distribution, more: Distribution) -> Distribution {
    let mut merged = base.clone();
    merged.versions.extend(more.versions.into_iter().filter(|version| !base.versions.contains(version)));
    merged.variances.extend(more.variances);
    merged.values.extend(more.values);
    merged.commands = more.commands.into_iter().chain(merged.commands).collect();
    merged.settings.extend(more.settings);
    merged.replaces.extend(more.replaces);
    merged
}

/// Parser specs; those that name another are resolved, circles reported.
fn parsers(chosen: &BTreeMap<(usize, Str), Parsed>, diagnostics: &mut Vec<Diagnostic>) -> Named {
    enum Known<'p> {
        Ready(Arc<Parser>),
        Alias(Str, std::ops::Range<usize>, &'p Parsed),
    }
    let mut known: BTreeMap<Str, Known<'_>> = BTreeMap::new();
    for parsed in chosen.values().filter(|parsed| parsed.kind == "parser") {
        let mut cx = Cx::new(&parsed.shown, &parsed.text);
        if let Some(mut fields) = Fields::open(&mut cx, &parsed.node, "a parser") {
            lower::head(&mut cx, &mut fields);
            if let Some(node) = fields.need(&mut cx, "parse") {
                match lower::parser::choose(&mut cx, node) {
                    Some(lower::parser::Chosen::Named(name, range)) => {
                        known.insert(parsed.name.clone(), Known::Alias(name, range, parsed));
                    }
                    Some(lower::parser::Chosen::Spec(spec)) => {
                        if let Some(parser) = lower::parser::compile(&mut cx, node, &spec) {
                            lower::parser::named_groups(&mut cx, node, &parser);
                            known.insert(parsed.name.clone(), Known::Ready(parser));
                        }
                    }
                    None => {}
                }
            }
            fields.finish(&mut cx);
        }
        diagnostics.append(&mut cx.diagnostics);
    }
    let mut named = Named::new();
    for (name, entry) in &known {
        let (mut here, mut seen) = (entry, vec![name.clone()]);
        loop {
            match here {
                Known::Ready(parser) => {
                    named.insert(name.clone(), Arc::clone(parser));
                    break;
                }
                Known::Alias(target, range, parsed) => {
                    let mut cx = Cx::new(&parsed.shown, &parsed.text);
                    if seen.contains(target) {
                        // The circle is reported once, at the first of its parsers.
                        if seen.iter().min() != Some(name) {
                            break;
                        }
                        let listed: Vec<String> = seen.iter().map(|name| format!("`{name}`")).collect();
                        help(
                            cx.report(
                                "parse/named-circle",
                                range,
                                format!("the parsers {} name each other", listed.join(", ")),
                                "goes round in a circle",
                            ),
                            "one of them needs a parser of its own",
                        );
                    } else if let Some(next) = known.get(target) {
                        seen.push(target.clone());
                        here = next;
                        continue;
                    } else {
                        lower::parser::unknown(&mut cx, target, range, known.keys());
                    }
                    diagnostics.append(&mut cx.diagnostics);
                    break;
                }
            }
        }
    }
    named
}
