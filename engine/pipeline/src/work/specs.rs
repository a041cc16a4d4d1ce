//! The specs of an environment: those of all environments, and its own over them.

use std::sync::Arc;

use async_trait::async_trait;
use calipso_model::Str;
use calipso_spec::{
    CatalogueCache, Diagnostic, Layer, Loaded, Misnamed, Severity, SpecText, Specs,
    diag::{self, Files},
    in_force,
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
    #[error(transparent)]
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

/// An environment's own specs, as they are stored.
///
/// # Errors
/// The store refused.
pub async fn own_specs(store: &dyn Backend, environment: &str) -> Result<Vec<SpecText>, StoreError> {
    let rows = spec::of(store, environment).await?.into_iter();
    Ok(rows.map(|task| SpecText { kind: task.row.kind, name: task.row.name, text: task.row.text }).collect())
}

/// Layers of specs for all environments; the documents of an environment are laid over them.
///
/// # Shape
/// What was loaded is kept until the documents of the environment say something else.
pub struct LayeredSpecs {
    layers: Arc<Vec<Layer>>,
    known: CatalogueCache<Specs>,
}

impl LayeredSpecs {
    /// Over these layers, later ones over earlier ones.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        Self { layers: Arc::new(layers), known: CatalogueCache::default() }
    }

    /// With what these layers say, where it was loaded already: environments without specs of their own share it.
    #[must_use]
    pub fn with_loaded(self, specs: Specs) -> Self {
        self.known.keep("", Vec::new(), &Arc::new(specs));
        self
    }
}

#[async_trait]
impl SpecSource for LayeredSpecs {
    async fn specs(&self, store: &dyn Backend, environment: &str) -> Result<Arc<Specs>, SpecsError> {
        let own = own_specs(store, environment).await?;
        // All environments without specs of their own share one catalogue.
        let name = if own.is_empty() { "" } else { environment };
        if let Some(specs) = self.known.find(name, &own) {
            return Ok(specs);
        }
        let (layers, named, texts) = (Arc::clone(&self.layers), Str::from(name), own.clone());
        let loaded: Loaded = tokio::task::spawn_blocking(move || in_force(&layers, &named, &texts))
            .await
            .map_err(|error| SpecsError::Fault(error.to_string()))?
            .map_err(SpecsError::Misnamed)?;
        if loaded.has_errors() {
            let mistakes = Mistakes { diagnostics: loaded.diagnostics, files: loaded.files };
            return Err(SpecsError::Wrong(Box::new(mistakes)));
        }
        let specs = Arc::new(loaded.specs);
        self.known.keep(name, own, &specs);
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
