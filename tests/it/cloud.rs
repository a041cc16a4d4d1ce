//! Whole scans of recorded clouds, into a store in a temporary directory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use calipso_model::{Environment, Str};
use calipso_pipeline::{NoSecrets, Quiet, ScanMode, ScanReport, ScanRequest, plan, scan};
use calipso_spec::Specs;
use calipso_store::{Backend, Embedded, Expect, embedded::Options};
use calipso_transport::{Door, Once, Recording, Replay, Scrubber};
use tempfile::TempDir;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The catalogue; it must be without errors.
pub fn specs() -> Arc<Specs> {
    let layer = calipso_spec::read_layer(&root().join("specs")).expect("the specs can be read");
    let loaded = calipso_spec::load(&[layer]);
    assert!(!loaded.has_errors(), "{}", calipso_spec::diag::text(&loaded.diagnostics, &loaded.files, false));
    Arc::new(loaded.specs)
}

/// A recording of `tests/recordings`.
pub fn recording(name: &str) -> Recording {
    Recording::read(&root().join("tests/recordings").join(name)).expect("the recording can be read")
}

/// An environment, its store, and the specs.
pub struct Cloud {
    pub specs: Arc<Specs>,
    pub environment: Environment,
    pub store: Arc<dyn Backend>,
    _dir: Option<TempDir>,
}

impl Cloud {
    /// An empty store with the environment that a recording tells of.
    pub async fn new(specs: &Arc<Specs>, recording: &Recording) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let store = Embedded::open(&dir.path().join("store.db"), Options::default()).expect("a new store");
        Self { _dir: Some(dir), ..Self::within(specs, recording, Arc::new(store)).await }
    }

    /// The same within another store.
    pub async fn within(specs: &Arc<Specs>, recording: &Recording, store: Arc<dyn Backend>) -> Self {
        let environment =
            calipso_cli::command::scan::environment_of(recording, "cloud").expect("the recording tells of one");
        store.put_environment(&environment, Expect::Anything).await.expect("the store takes it");
        Self { specs: Arc::clone(specs), environment, store, _dir: None }
    }

    /// Scans through a door, at a time given in seconds since 1970.
    pub async fn scan(&self, door: impl Door + 'static, seconds: i64) -> ScanReport {
        let request = ScanRequest {
            plan: Arc::new(plan(&self.specs, &self.environment).expect("the environment has a plan")),
            door: Arc::new(Once::new(door)),
            store: Arc::clone(&self.store),
            residents: Arc::default(),
            secrets: &NoSecrets,
            scrubber: Arc::new(Scrubber::new()),
            mode: ScanMode::Full,
            clear: false,
            now: format!("2026-01-01T00:00:{:02}Z", seconds % 60).parse().expect("a time"),
            holder: Str::from("test"),
            is_live: false,
            max_tasks: 0,
            lease: calipso_pipeline::scan::LEASE,
            cancel: calipso_pipeline::CancellationToken::new(),
        };
        scan(&request, &Quiet).await.expect("the scan can be made")
    }

    /// Everything at the current revision, as text: objects, links, cliques.
    pub async fn digest(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let name = &self.environment.name;
        self.store
            .stream_objects(name, None, &mut |objects| {
                lines.extend(
                    objects
                        .iter()
                        .map(|object| format!("{} {}", object.key, calipso_model::Value::Map(object.doc.clone()))),
                );
                Ok(())
            })
            .await
            .expect("objects can be read");
        self.store
            .stream_links(name, None, &mut |links| {
                lines.extend(links.iter().map(|link| format!("{link:?}")));
                Ok(())
            })
            .await
            .expect("links can be read");
        self.store
            .stream_cliques(name, None, &mut |cliques| {
                lines.extend(cliques.iter().map(|clique| format!("{clique:?}")));
                Ok(())
            })
            .await
            .expect("cliques can be read");
        lines
    }

    /// Keys of all objects.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        self.store
            .stream_objects(&self.environment.name, None, &mut |objects| {
                keys.extend(objects.iter().map(|object| object.key.to_string()));
                Ok(())
            })
            .await
            .expect("objects can be read");
        keys
    }
}

/// Replays in recorded order.
pub fn replay(name: &str) -> Replay {
    Replay::new(recording(name))
}
