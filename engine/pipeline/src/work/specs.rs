//! The specs of an environment: those of all environments, and its own over them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use calipso_model::Str;
use calipso_spec::{
    Diagnostic, Layer, Loaded, Misnamed, Severity, SpecText, Specs,
    diag::{self, Files},
    layer_of, load,
};
use calipso_store::{Backend, StoreError, work::spec};

/// Gives the specs of an environment.
#[async_trait]
pub trait SpecSource: Send + Sync {
    /// The specs that count for an environment.
    ///
    /// # Errors
    /// [`SpecsError`]: nothing is scanned with specs that are wrong.
    async fn specs(&self, store: &dyn Backend, environment: &str) -> Result<Arc<Specs>, SpecsError>;
}

/// Why there are no specs.
#[derive(Debug, thiserror::Error)]
pub enum SpecsError {
    /// The store refused.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Documents that cannot be specs.
    #[error("the environment's own specs cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Misnamed(Vec<Misnamed>),
    /// Specs with mistakes.
    #[error("{}", first(.0))]
    Wrong(Box<Mistakes>),
    /// A fault of ours while reading them.
    #[error("the specs could not be read: {0}")]
    Fault(String),
}

/// What is wrong with specs.
#[derive(Clone, Debug, Default)]
pub struct Mistakes {
    /// Every mistake, warnings included.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that they point into.
    pub files: Files,
}

impl Mistakes {
    /// The mistakes that are errors, as `check` prints them.
    #[must_use]
    pub fn text(&self) -> String {
        let errors: Vec<Diagnostic> = self.errors().cloned().collect();
        diag::text(&errors, &self.files, false)
    }

    fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error)
    }
}

/// How many errors there are, and the first of them.
fn first(mistakes: &Mistakes) -> String {
    let n_errors = mistakes.errors().count();
    let first = mistakes.errors().next().map(|found| {
        let file = &found.primary.file;
        let text = mistakes.files.get(file).map(AsRef::as_ref).unwrap_or_default();
        let (line, column) = diag::line_column(text, found.primary.range.start);
        format!("{file}:{line}:{column}: {} [{}]", found.message, found.code)
    });
    match (n_errors, first) {
        (1, Some(first)) => format!("the specs have an error: {first}"),
        (_, Some(first)) => format!("the specs have {n_errors} errors, the first of them: {first}"),
        (_, None) => "the specs have errors".to_owned(),
    }
}

/// Layers of specs for all environments; the documents of an environment are laid over them.
///
/// # Shape
/// What was loaded is kept until a document of the environment changes.
pub struct LayeredSpecs {
    layers: Arc<Vec<Layer>>,
    known: Mutex<BTreeMap<Str, Kept>>,
}

/// Specs, and the documents that they were made of: kind, name and text of each.
struct Kept {
    texts: Vec<(Str, Str, Str)>,
    specs: Arc<Specs>,
}

impl LayeredSpecs {
    /// Over these layers, later ones over earlier ones.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers: Arc::new(layers), known: Mutex::default() }
    }

    /// What is kept for an environment; the empty name stands for all without documents.
    fn kept(&self, name: &str, texts: &[(Str, Str, Str)]) -> Option<Arc<Specs>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|kept| kept.texts == texts).map(|kept| Arc::clone(&kept.specs))
    }
}

#[async_trait]
impl SpecSource for LayeredSpecs {
    async fn specs(&self, store: &dyn Backend, environment: &str) -> Result<Arc<Specs>, SpecsError> {
        let rows = spec::of(store, environment).await?;
        // By what they say: a document that is removed and made again is another one.
        let kept_as: Vec<(Str, Str, Str)> =
            rows.iter().map(|task| (task.row.kind.clone(), task.row.name.clone(), task.row.text.clone())).collect();
        let name: Str = if rows.is_empty() { "".into() } else { environment.into() };
        if let Some(specs) = self.kept(&name, &kept_as) {
            return Ok(specs);
        }
        let texts: Vec<SpecText> = rows
            .into_iter()
            .map(|task| SpecText { kind: task.row.kind, name: task.row.name, text: task.row.text })
            .collect();
        let own = layer_of(&format!("specs of {environment}"), &texts).map_err(SpecsError::Misnamed)?;
        let layers = Arc::clone(&self.layers);
        let loaded: Loaded = tokio::task::spawn_blocking(move || {
            let mut all = layers.as_ref().clone();
            all.push(own);
            load(&all)
        })
        .await
        .map_err(|error| SpecsError::Fault(error.to_string()))?;
        if loaded.has_errors() {
            let mistakes = Mistakes { diagnostics: loaded.diagnostics, files: loaded.files };
            return Err(SpecsError::Wrong(Box::new(mistakes)));
        }
        let specs = Arc::new(loaded.specs);
        let kept = Kept { texts: kept_as, specs: Arc::clone(&specs) };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name, kept);
        Ok(specs)
    }
}

/// The same specs for every environment, checked before: for programs that have loaded them already.
#[async_trait]
impl SpecSource for Arc<Specs> {
    async fn specs(&self, _store: &dyn Backend, _environment: &str) -> Result<Arc<Specs>, SpecsError> {
        Ok(Arc::clone(self))
    }
}
