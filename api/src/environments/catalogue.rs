//! The specs in force: those of the server, and over them those of one environment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use calipso_model::Str;
use calipso_spec::{Layer, Loaded, SpecText, layer_of};
use calipso_store::work::spec::{self, SpecRow};
use tokio::sync::Semaphore;

use crate::{problem::Problem, service::Service};

/// What the layer of an environment's own specs is called in diagnostics.
pub const LAYER: &str = "environment";

/// At most so many catalogues are remembered.
const REMEMBERED: usize = 32;

/// Checks of files that are not kept, at once.
const CHECKS: usize = 2;

/// The specs that a catalogue was made with: kind, name and text. What counts is what they say, not when it was written.
type Texts = Vec<(Str, Str, Str)>;

/// Catalogues with the specs of single environments, remembered until one of these changes.
#[derive(Debug)]
pub struct Catalogues {
    /// How many checks may run at once.
    pub checks: Arc<Semaphore>,
    known: Mutex<BTreeMap<Str, (Texts, Arc<Loaded>)>>,
}

impl Default for Catalogues {
    fn default() -> Self {
        Self { checks: Arc::new(Semaphore::new(CHECKS)), known: Mutex::default() }
    }
}

/// The catalogue for an environment; that of the server where the environment has no specs of its own.
///
/// # Errors
/// The store cannot be used.
pub async fn of(service: &Service, environment: Option<&str>) -> Result<Arc<Loaded>, Problem> {
    let Some(environment) = environment else { return Ok(Arc::clone(&service.loaded)) };
    let own = spec::of(service.backend.as_ref(), environment).await?;
    if own.is_empty() {
        return Ok(Arc::clone(&service.loaded));
    }
    let texts: Texts =
        own.iter().map(|task| (task.row.kind.clone(), task.row.name.clone(), task.row.text.clone())).collect();
    let known = |name: &str| {
        let known = service.environments.catalogues.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).filter(|(of, _)| *of == texts).map(|(_, loaded)| Arc::clone(loaded))
    };
    if let Some(loaded) = known(environment) {
        return Ok(loaded);
    }
    let rows: Vec<SpecRow> = own.into_iter().map(|task| task.row).collect();
    let loaded = Arc::new(with_rows(service, &rows).await?);
    let mut known = service.environments.catalogues.known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= REMEMBERED {
        known.pop_first();
    }
    known.insert(environment.into(), (texts, Arc::clone(&loaded)));
    Ok(loaded)
}

/// The server's layers with the specs of an environment over them, checked.
///
/// # Errors
/// A row cannot be a spec at all.
pub async fn with_rows(service: &Service, rows: &[SpecRow]) -> Result<Loaded, Problem> {
    let texts: Vec<SpecText> = rows
        .iter()
        .map(|row| SpecText { kind: row.kind.clone(), name: row.name.clone(), text: Arc::from(row.text.as_ref()) })
        .collect();
    let layer = layer_of(LAYER, &texts).map_err(|wrong| {
        let sentences: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Problem::bug(sentences.join("; "))
    })?;
    load(service, layer).await
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
