//! What can only be known when all specs are read together.

use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use calipso_expr::Expr;
use calipso_model::Str;
use calipso_parse::Parser;

use crate::{
    checked::{At, Specs},
    decode::{Site, in_scalar},
    diag::{Diagnostic, Files, Label, Lines, Severity, whole_characters},
    load::{KINDS, Loaded, Parsed},
    spec_test::SpecTest,
    yaml::Node,
};

mod attributes;
mod cliques;
mod connections;
mod distributions;
pub(crate) mod exprs;
mod fetchers;
mod groups;
mod links;
mod names;
mod shapes;
mod steps;
mod test_files;
mod types;
mod variances;

/// The files, as they were read.
pub(crate) struct Read<'c> {
    pub files: &'c BTreeMap<(usize, Str), Parsed>,
    pub extensions: &'c [Parsed],
    pub tests: &'c BTreeMap<(usize, Str), Parsed>,
    /// Specs whose files are not YAML, or of another schema.
    pub unread: &'c BTreeSet<(usize, Str)>,
    /// Files in which an error was found already.
    pub broken: BTreeSet<Arc<str>>,
}

/// Everything a check may look at.
pub(crate) struct Catalogue<'c> {
    pub specs: &'c Specs,
    pub tests: &'c [SpecTest],
    pub parsers: &'c BTreeMap<Str, Arc<Parser>>,
    pub read: Read<'c>,
    texts: &'c Files,
    by_path: BTreeMap<&'c str, (&'c Parsed, Lines)>,
    /// Comparisons of names that may still be made for "did you mean".
    comparisons: Cell<usize>,
    said: OnceCell<BTreeMap<&'static str, Arc<[Str]>>>,
    sites: BTreeMap<usize, Site>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub file: Arc<str>,
    pub range: Range<usize>,
}

impl Span {
    pub fn label(&self, text: impl Into<String>) -> Label {
        Label { file: Arc::clone(&self.file), range: self.range.clone(), text: text.into() }
    }

    /// A mistake here.
    pub fn report(&self, code: &'static str, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.label(label), message)
    }
}

/// A map of a spec, for finding the places of its keys.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'c> {
    file: &'c Arc<str>,
    pub node: &'c Node,
}

impl<'c> Spot<'c> {
    /// The map itself: its first key.
    pub fn here(&self) -> Span {
        let range = self.node.entries().first().map_or(self.node.range.clone(), |(key, _)| key.range.clone());
        Span { file: Arc::clone(self.file), range }
    }

    /// What stands under a key; where there is none, the map itself.
    pub fn value(&self, key: &str) -> Span {
        self.node.get(key).map_or_else(|| self.here(), |node| self.at(node))
    }

    /// A key's own place.
    pub fn key(&self, key: &str) -> Span {
        self.node
            .entry(key)
            .map_or_else(|| self.here(), |(key, _)| Span { file: Arc::clone(self.file), range: key.range.clone() })
    }

    /// A place inside.
    pub fn at(&self, node: &Node) -> Span {
        Span { file: Arc::clone(self.file), range: node.range.clone() }
    }

    /// The map under a key.
    pub fn inside(&self, key: &str) -> Option<Spot<'c>> {
        self.node.get(key).map(|node| Spot { file: self.file, node })
    }

    /// The maps of the list under a key.
    pub fn each(&self, key: &str) -> impl Iterator<Item = Spot<'c>> {
        let file = self.file;
        self.node.get(key).map(Node::items).unwrap_or_default().iter().map(move |node| Spot { file, node })
    }

    /// The element of a list of texts, or the list.
    pub fn element(&self, key: &str, text: &str) -> Span {
        self.node
            .get(key)
            .and_then(|list| list.items().iter().find(|item| item.as_text() == Some(text)))
            .map_or_else(|| self.value(key), |item| self.at(item))
    }
}

impl<'c> Catalogue<'c> {
    pub fn new(loaded: &'c Loaded, read: Read<'c>, sites: Vec<Site>) -> Self {
        let by_path = (read.files.values().chain(read.extensions).chain(read.tests.values()))
            .map(|parsed| (parsed.shown.as_ref(), (parsed, Lines::new(&parsed.text))))
            .collect();
        Self {
            by_path,
            comparisons: Cell::new(MOST_COMPARISONS),
            said: OnceCell::new(),
            specs: &loaded.specs,
            tests: &loaded.tests,
            parsers: &loaded.parsers,
            read,
            texts: &loaded.files,
            sites: sites.into_iter().map(|site| (site.id, site)).collect(),
        }
    }

    /// Runs every check.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let facts = attributes::Facts::new(self);
        let world = variances::World::new(self);
        names::check(self, &mut found);
        steps::check(self, &mut found);
        connections::check(self, &mut found);
        shapes::check(self, &facts, &mut found);
        types::check(self, &facts, &mut found);
        links::check(self, &facts, &world, &mut found);
        cliques::check(self, &facts, &world, &mut found);
        distributions::check(self, &world, &mut found);
        fetchers::check(self, &facts, &world, &mut found);
        groups::check(self, &mut found);
        test_files::check(self, &mut found);
        found.retain(|diagnostic| !self.follows(diagnostic));
        self.without_consequences(found)
    }

    /// Leaves out what follows from another finding: a selector that holds nowhere because a value in it is declared
    /// nowhere, and a type that was reported as unknown in the same file already.
    fn without_consequences(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        crate::diag::sort(&mut found);
        let unknown: BTreeSet<(Arc<str>, usize)> = found
            .iter()
            .filter(|known| known.code == "environment/unknown-value")
            .map(|known| (Arc::clone(&known.primary.file), known.primary.range.start))
            .collect();
        // A name with another error is not also reported as misspelt.
        let places: BTreeSet<(Arc<str>, usize)> = found
            .iter()
            .filter(|known| known.code != "expr/misspelt-attribute")
            .map(|known| (Arc::clone(&known.primary.file), known.primary.range.start))
            .collect();
        let mut types = BTreeSet::new();
        let wrong = found.iter().any(|known| known.severity == Severity::Error);
        found.retain(|diagnostic| {
            let here = &diagnostic.primary;
            match diagnostic.code {
                // Something that seems unused may be what a broken spec refers to.
                "spec/unreached" | "distribution/rule-unused" | "type/never-emitted" => {
                    !wrong && self.read.broken.is_empty()
                }
                "link/never-applies" => {
                    let places = (Arc::clone(&here.file), here.range.start)..(Arc::clone(&here.file), here.range.end);
                    unknown.range(places).next().is_none()
                }
                "expr/misspelt-attribute" => !places.contains(&(Arc::clone(&here.file), here.range.start)),
                "fetcher/unknown-type" => types.insert((Arc::clone(&here.file), diagnostic.message.clone())),
                _ => true,
            }
        });
        found
    }

    /// Whether a finding only repeats that something could not be read.
    fn follows(&self, diagnostic: &Diagnostic) -> bool {
        if self.read.broken.is_empty() {
            return false;
        }
        match diagnostic.code {
            // These say that something is nowhere; it may be in what could not be read.
            "distribution/rule-unused" | "spec/unreached" | "fetcher/never-under" => true,
            "via/unknown-role" => self.lacks("connection"),
            "environment/unknown-value" | "link/never-applies" | "clique/never-linked"
                if self.lacks("distribution") =>
            {
                true
            }
            "step/unused-result"
            | "type/identity-not-emitted"
            | "fetcher/undeclared-emit"
            | "clique/unreachable-step"
            | "clique/never-linked" => self.is_broken(&diagnostic.primary.file),
            _ => false,
        }
    }

    /// Whether the file of some spec of a kind could not be read at all.
    fn lacks(&self, kind: &str) -> bool {
        let kind_idx = KINDS.iter().position(|(_, known)| *known == kind);
        self.read.unread.iter().any(|(unread, _)| Some(*unread) == kind_idx)
    }

    /// Whether an error was found in a file before the checks.
    pub fn is_broken(&self, file: &Arc<str>) -> bool {
        self.read.broken.contains(file)
    }

    /// Whether the file of a spec had an error before the checks.
    pub fn is_broken_spec(&self, kind: &str, name: &str) -> bool {
        self.spot(kind, name).is_none_or(|spot| self.is_broken(spot.file))
            || self
                .read
                .extensions
                .iter()
                .any(|more| more.kind == kind && more.name.as_ref() == name && self.is_broken(&more.shown))
    }

    /// What environments can say, by key of a selector; nothing where a distribution could not be read.
    pub fn environment_values(&self) -> &BTreeMap<&'static str, Arc<[Str]>> {
        self.said.get_or_init(|| {
            let broken = self.specs.distributions.keys().any(|name| self.is_broken_spec("distribution", name));
            if broken || self.lacks("distribution") {
                return BTreeMap::new();
            }
            let mut said = distributions::declared(self);
            let versions = self.specs.distributions.values().flat_map(|known| known.versions.iter().cloned());
            said.entry("version").or_default().extend(versions);
            said.into_iter()
                .filter(|(_, words)| !words.is_empty())
                .map(|(key, words)| (key, words.into_iter().collect()))
                .collect()
        })
    }

    /// Whether a spec of that name was written, even if it could not be read.
    pub fn declared(&self, kind: &str, name: &str) -> bool {
        let kind_idx = KINDS.iter().position(|(_, known)| *known == kind);
        kind_idx.is_some_and(|kind_idx| {
            let key = (kind_idx, Str::from(name));
            self.read.files.contains_key(&key) || self.read.unread.contains(&key)
        })
    }

    /// The file of a spec.
    pub fn spot(&self, kind: &str, name: &str) -> Option<Spot<'c>> {
        let kind_idx = KINDS.iter().position(|(_, known)| *known == kind)?;
        let parsed = self.read.files.get(&(kind_idx, Str::from(name)))?;
        Some(Spot { file: &parsed.shown, node: &parsed.node })
    }

    /// The file of a spec, and those of later layers that extend it.
    pub fn spots(&self, kind: &'static str, name: &'c str) -> impl Iterator<Item = Spot<'c>> {
        let more = self.read.extensions.iter().filter(move |more| more.kind == kind && more.name.as_ref() == name);
        self.spot(kind, name).into_iter().chain(more.map(|more| Spot { file: &more.shown, node: &more.node }))
    }

    /// An element of a list of texts of a spec, in whichever of its files it stands.
    pub fn element(&self, kind: &'static str, name: &'c str, key: &str, text: &str) -> Option<Span> {
        let holds = |spot: &Spot<'_>| {
            spot.node.get(key).is_some_and(|list| list.items().iter().any(|item| item.as_text() == Some(text)))
        };
        let found = self.spots(kind, name).find(holds).or_else(|| self.spot(kind, name));
        found.map(|spot| spot.element(key, text))
    }

    /// The map that begins where a checked item says it stands.
    pub fn at(&self, at: &At) -> Option<Spot<'c>> {
        let offset = self.offset(at)?;
        let (parsed, _) = self.by_path.get(at.file.as_ref())?;
        parsed.node.starting_at(offset).map(|node| Spot { file: &parsed.shown, node })
    }

    fn offset(&self, at: &At) -> Option<usize> {
        let (parsed, lines) = self.by_path.get(at.file.as_ref())?;
        lines.offset(&parsed.text, at.line, at.column)
    }

    /// The place of a key of a checked item; of the item, or its line, where there is none.
    pub fn span(&self, at: &At, key: &str) -> Span {
        match self.at(at) {
            Some(spot) => spot.value(key),
            None => {
                let start = self.offset(at).unwrap_or(0);
                Span { file: Arc::from(at.file.as_ref()), range: start..start + 1 }
            }
        }
    }

    /// `did you mean …?`, or nothing.
    pub fn mean<'k>(&self, name: &str, known: impl IntoIterator<Item = &'k Str>) -> Option<String> {
        let left = self.comparisons.get();
        let mut n_compared = 0;
        let known = known.into_iter().take(left).inspect(|_| n_compared += 1).map(AsRef::as_ref);
        let near = calipso_expr::nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.comparisons.set(left - n_compared);
        near
    }

    /// Where bytes of an expression stand.
    pub fn expr(&self, expr: &Expr, start: usize, end: usize) -> Option<Span> {
        let site = self.sites.get(&(expr.source().as_ptr() as usize))?;
        let text = self.texts.get(&site.file)?;
        let inner = expr.source().get(start..end.max(start)).unwrap_or_default();
        let span = site.inside.map(|inside| inside + start);
        let range = whole_characters(text, in_scalar(text, &site.whole, span, inner));
        Some(Span { file: Arc::clone(&site.file), range })
    }
}

/// Names that are compared with misspelt ones in one check; of thousands of misspelt names only the first get advice.
const MOST_COMPARISONS: usize = 200_000;

/// Calls with every step of a list, inner ones behind the one around them.
pub(crate) fn walk<'s>(steps: &'s [crate::checked::Step], found: &mut Vec<&'s crate::checked::Step>) {
    for step in steps {
        found.push(step);
        match &step.verb {
            crate::checked::Verb::Do(block) => walk(&block.steps, found),
            crate::checked::Verb::FirstOf(blocks) => blocks.iter().for_each(|block| walk(&block.steps, found)),
            _ => {}
        }
    }
}
