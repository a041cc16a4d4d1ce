//! The specs in force: those of the server, and over them those of one environment.

use std::sync::Arc;

use calipso_spec::{Layer, Loaded, SpecText};
use calipso_store::{
    Backend,
    work::spec::{self, SpecRow},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// How many checks of files that are not kept may run at once.
const CHECKS: usize = 2;

/// The specs of the server, and of environments that have some of their own.
pub struct Catalogues {
    layers: Arc<[Layer]>,
    server: Arc<Loaded>,
    own: calipso_spec::CatalogueCache<Loaded>,
    checks: Arc<Semaphore>,
}

impl Catalogues {
    /// The layers of the server's specs, the built-in ones first; and what was loaded of them, without errors.
    #[must_use]
    pub fn new(layers: Vec<Layer>, server: Arc<Loaded>) -> Self {
        let checks = Arc::new(Semaphore::new(CHECKS));
        Self { layers: layers.into(), server, own: calipso_spec::CatalogueCache::default(), checks }
    }

    /// The specs of the server, which count for every environment without specs of its own.
    #[must_use]
    pub fn server(&self) -> &Arc<Loaded> {
        &self.server
    }

    /// The specs in force for an environment; remembered as long as the environment's own specs say the same.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn of(&self, backend: &dyn Backend, environment: &str) -> Result<Arc<Loaded>, Problem> {
        let rows = spec::of(backend, environment).await?;
        if rows.is_empty() {
            return Ok(Arc::clone(&self.server));
        }
        let own = texts(rows.iter().map(|task| &task.row));
        if let Some(loaded) = self.own.find(environment, &own) {
            return Ok(loaded);
        }
        let loaded = Arc::new(self.loaded(environment, own.clone()).await?);
        self.own.keep(environment, own, &loaded);
        Ok(loaded)
    }

    /// What would be in force for an environment if these were its own specs; mistakes are in what comes back.
    ///
    /// # Errors
    /// A row cannot be a spec at all.
    pub(crate) async fn with(&self, environment: &str, own: &[SpecRow]) -> Result<Loaded, Problem> {
        self.loaded(environment, texts(own.iter())).await
    }

    async fn loaded(&self, environment: &str, own: Vec<SpecText>) -> Result<Loaded, Problem> {
        let (layers, environment) = (Arc::clone(&self.layers), environment.to_owned());
        let loading = tokio::task::spawn_blocking(move || calipso_spec::in_force(&layers, &environment, &own));
        loading.await.map_err(Problem::bug)?.map_err(|wrong| {
            let sentences: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Problem::bug(sentences.join("; "))
        })
    }

    /// The right to check files that are not kept; nothing when others do so already.
    #[must_use]
    pub fn check_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.checks).try_acquire_owned().ok()
    }

    /// The server's layers with one more over them.
    pub(crate) fn with_layer(&self, layer: Layer) -> Vec<Layer> {
        let mut layers = self.layers.to_vec();
        layers.push(layer);
        layers
    }
}

fn texts<'r>(rows: impl Iterator<Item = &'r SpecRow>) -> Vec<SpecText> {
    rows.map(|row| SpecText { kind: row.kind.clone(), name: row.name.clone(), text: row.text.clone() }).collect()
}
