//! The specs in force: those of the server, and over them those of one environment.

use std::sync::Arc;

use calipso_spec::{Layer, Loaded, SpecText};
use calipso_store::work::spec::{self, SpecRow};
use tokio::sync::Semaphore;

use crate::{problem::Problem, service::Service};

/// Checks of files that are not kept, at once.
const CHECKS: usize = 2;

/// Catalogues with the specs of single environments, remembered until one of these says something else.
#[derive(Debug)]
pub struct Catalogues {
    /// How many checks may run at once.
    pub checks: Arc<Semaphore>,
    known: calipso_spec::CatalogueCache<Loaded>,
}

impl Default for Catalogues {
    fn default() -> Self {
        Self { checks: Arc::new(Semaphore::new(CHECKS)), known: calipso_spec::CatalogueCache::default() }
    }
}

/// The catalogue for an environment; that of the server where the environment has no specs of its own.
///
/// # Errors
/// The store cannot be used.
pub async fn of(service: &Service, environment: Option<&str>) -> Result<Arc<Loaded>, Problem> {
    let Some(environment) = environment else { return Ok(Arc::clone(&service.loaded)) };
    let rows = spec::of(service.backend.as_ref(), environment).await?;
    if rows.is_empty() {
        return Ok(Arc::clone(&service.loaded));
    }
    let own = texts(rows.iter().map(|task| &task.row));
    let known = &service.environments.catalogues.known;
    if let Some(loaded) = known.find(environment, &own) {
        return Ok(loaded);
    }
    let loaded = Arc::new(checked(service, environment, own.clone()).await?);
    known.keep(environment, own, &loaded);
    Ok(loaded)
}

fn texts<'r>(rows: impl Iterator<Item = &'r SpecRow>) -> Vec<SpecText> {
    rows.map(|row| SpecText { kind: row.kind.clone(), name: row.name.clone(), text: row.text.clone() }).collect()
}

/// The server's layers with the specs of an environment over them, checked.
///
/// # Errors
/// A row cannot be a spec at all.
pub async fn with_rows(service: &Service, environment: &str, rows: &[SpecRow]) -> Result<Loaded, Problem> {
    checked(service, environment, texts(rows.iter())).await
}

async fn checked(service: &Service, environment: &str, own: Vec<SpecText>) -> Result<Loaded, Problem> {
    let (layers, environment) = (service.layers.clone(), environment.to_owned());
    let loaded = tokio::task::spawn_blocking(move || calipso_spec::in_force(&layers, &environment, &own));
    loaded.await.map_err(Problem::bug)?.map_err(|wrong| {
        let sentences: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Problem::bug(sentences.join("; "))
    })
}

/// The server's layers with one more over them, checked, aside from what answers other requests.
///
/// # Errors
/// The check itself failed.
pub async fn load(service: &Service, layer: Layer) -> Result<Loaded, Problem> {
    let mut layers = service.layers.clone();
    layers.push(layer);
    tokio::task::spawn_blocking(move || calipso_spec::load(&layers)).await.map_err(Problem::bug)
}
