//! A small shop of rooms, machines and cards, its answers, and a store in memory of the test's own folder.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use calipso_model::{ConnectionConfig, Environment, Map, Object, ObjectKey, Secret, SecretLocation, Str, Value};
use calipso_pipeline::{
    Plan, Quiet, Residents, ScanError, ScanMode, ScanReport, ScanRequest, SecretSource, plan, scan,
};
use calipso_store::{Backend, Durability, Embedded, Expect, Options};
use calipso_transport::{Door, Once, Recording, Replay, RequestKey, Scrubber};

pub struct Secrets;

impl SecretSource for Secrets {
    fn resolve(&self, _reference: &str, _place: &SecretLocation) -> Result<Secret, String> {
        Ok(Secret::new("hidden"))
    }

    fn known_hosts(&self) -> PathBuf {
        "known_hosts".into()
    }
}

pub struct Bench {
    pub plan: Arc<Plan>,
    /// When the next scan begins.
    pub now: jiff::Timestamp,
    /// What stays in memory from one scan to the next.
    residents: Arc<Residents>,
    store: Arc<dyn Backend>,
    stolen: tokio::sync::Mutex<Option<calipso_store::Lease>>,
    _folder: Arc<tempfile::TempDir>,
}

fn map(json: &str) -> Map {
    Value::from_json(json).unwrap().as_map().unwrap().clone()
}

/// The plan is the same for all tests.
static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();

/// The specs of the shop.
pub fn layer() -> calipso_spec::Layer {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs");
    calipso_spec::read_layer(&folder).unwrap()
}

fn planned() -> Arc<Plan> {
    planned_from(layer())
}

/// The plan for a shop with one fetcher called otherwise.
pub fn renamed(fetcher: &str, other: &str) -> Arc<Plan> {
    let mut layer = layer();
    for (path, text) in &mut layer.files {
        *path = path.replace(fetcher, other).into();
        *text = text.replace(&format!("name: {fetcher}\n"), &format!("name: {other}\n")).into();
    }
    planned_from(layer)
}

fn planned_from(layer: calipso_spec::Layer) -> Arc<Plan> {
    let loaded = calipso_spec::load(&[layer]);
    let wrong: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == calipso_spec::Severity::Error)
        .map(|found| format!("{}: {}", found.code, found.message))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let plan = plan(&Arc::new(loaded.specs), &environment("shop")).unwrap();
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    Arc::new(plan)
}

/// A shop of that name.
pub fn environment(name: &str) -> Environment {
    let mut environment = Environment {
        name: name.into(),
        distribution: "Plain".into(),
        version: "2".into(),
        mechanism_drivers: vec!["A".into()],
        type_drivers: vec!["t".into()],
        ..Environment::default()
    };
    for (role, spec, fields) in [
        ("web", "web", r#"{"url": "http://web.invalid", "password": "env:P"}"#),
        ("hosts", "shell", r#"{"password": "env:P"}"#),
    ] {
        environment.connections.insert(role.into(), ConnectionConfig { spec: spec.into(), fields: map(fields) });
    }
    environment
}

impl Bench {
    pub async fn new() -> Self {
        Self::with_residents(Residents::new(1_000_000)).await
    }

    /// One whose every scan begins with what the store has.
    pub async fn forgetful() -> Self {
        Self::with_residents(Residents::default()).await
    }

    /// One that has room for so many objects.
    pub async fn with_room(max_objects: usize) -> Self {
        Self::with_residents(Residents::new(max_objects)).await
    }

    /// How many objects are in memory while nobody scans.
    pub fn n_kept(&self) -> usize {
        self.residents.n_objects()
    }

    async fn with_residents(residents: Residents) -> Self {
        let plan = Arc::clone(PLAN.get_or_init(planned));
        let environment = &plan.environment;
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Backend> = Arc::new(
            Embedded::open(
                &folder.path().join("store"),
                Options { durability: Durability::Process, ..Options::default() },
            )
            .unwrap(),
        );
        store.put_environment(environment, Expect::Anything).await.unwrap();
        Self {
            plan,
            now: jiff::Timestamp::UNIX_EPOCH,
            residents: Arc::new(residents),
            store,
            stolen: tokio::sync::Mutex::default(),
            _folder: Arc::new(folder),
        }
    }

    pub async fn scan(&self, answers: &Value, mode: ScanMode) -> ScanReport {
        self.try_scan(answers, mode).await.unwrap()
    }

    pub async fn try_scan(&self, answers: &Value, mode: ScanMode) -> Result<ScanReport, ScanError> {
        let door = Arc::new(Once::new(Replay::new(Recording::from_answers(answers).unwrap())));
        self.run(door, mode, false).await
    }

    pub async fn scan_through(&self, door: Arc<dyn Door>, mode: ScanMode) -> ScanReport {
        self.run(door, mode, false).await.unwrap()
    }

    pub async fn clear_through(&self, door: Arc<dyn Door>) -> ScanReport {
        self.run(door, ScanMode::Full, true).await.unwrap()
    }

    /// Another process that works on the same store.
    pub fn beside(&self) -> Self {
        Self {
            plan: Arc::clone(&self.plan),
            now: self.now,
            residents: Arc::new(Residents::new(1_000_000)),
            store: Arc::clone(&self.store),
            stolen: tokio::sync::Mutex::default(),
            _folder: Arc::clone(&self._folder),
        }
    }

    /// Forgets what is in memory.
    pub fn restart(&mut self) {
        self.residents = Arc::new(Residents::new(1_000_000));
    }

    pub async fn run(&self, door: Arc<dyn Door>, mode: ScanMode, clear: bool) -> Result<ScanReport, ScanError> {
        let request = ScanRequest {
            plan: Arc::clone(&self.plan),
            door,
            store: Arc::clone(&self.store),
            residents: Arc::clone(&self.residents),
            secrets: &Secrets,
            scrubber: Arc::new(Scrubber::new()),
            mode,
            clear,
            now: self.now,
            holder: "test".into(),
            is_live: false,
            max_tasks: 0,
            lease: calipso_pipeline::scan::LEASE,
            cancel: calipso_pipeline::CancellationToken::new(),
        };
        scan(&request, &Quiet).await
    }

    /// Another process takes the lease as if ours had been silent for too long.
    pub async fn steal_lease(&self) {
        let late = self.now + std::time::Duration::from_secs(1_000_000_000);
        let lease = self.store.acquire("shop", "thief", late.as_millisecond(), calipso_pipeline::scan::LEASE).await;
        *self.stolen.lock().await = Some(lease.unwrap());
    }

    pub async fn give_back_stolen_lease(&self) {
        let lease = self.stolen.lock().await.take().expect("it was stolen");
        self.store.release(&lease).await.unwrap();
    }

    pub async fn has(&self, object_type: &str, id: &str) -> bool {
        self.store.object("shop", None, &ObjectKey::new(object_type, id)).await.unwrap().is_some()
    }

    pub async fn document(&self, object_type: &str, id: &str) -> Map {
        let key = ObjectKey::new(object_type, id);
        self.store.object("shop", None, &key).await.unwrap().unwrap_or_else(|| panic!("there is no {key}")).doc
    }

    /// Everything stored, as text: objects, links, cliques.
    pub async fn state(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut objects: Vec<Object> = Vec::new();
        self.store
            .stream_objects("shop", None, &mut |chunk| {
                objects.extend(chunk);
                Ok(())
            })
            .await
            .unwrap();
        lines.extend(objects.iter().map(|object| format!("{} {}", object.key, Value::Map(object.doc.clone()))));
        self.store
            .stream_links("shop", None, &mut |chunk| {
                lines.extend(chunk.iter().map(|link| format!("link {link:?}")));
                Ok(())
            })
            .await
            .unwrap();
        self.store
            .stream_cliques("shop", None, &mut |chunk| {
                lines.extend(chunk.iter().map(|clique| format!("clique {clique:?}")));
                Ok(())
            })
            .await
            .unwrap();
        lines
    }

    /// Every stored scope, as text.
    pub async fn scopes(&self) -> Vec<String> {
        let scopes = self.store.scopes("shop").await.unwrap();
        scopes.iter().map(|scope| format!("{scope:?}")).collect()
    }

    /// Whether there are objects, links, cliques.
    pub async fn counts(&self) -> (bool, bool, bool) {
        let state = self.state().await;
        let any = |start: &str| state.iter().any(|line| line.starts_with(start));
        (any("machine/"), any("link "), any("clique "))
    }

    /// The requests of a recording in the form of [`request_text`].
    pub fn request_texts(&self, answers: &Value) -> Vec<String> {
        let list = |name: &str| answers.as_map().unwrap().get(name).unwrap().as_list().unwrap().to_vec();
        let text = |value: &Value, name: &str| value.as_map().unwrap().text(name).cloned();
        let http = list("http");
        let http = http.iter().map(|entry| match (text(entry, "get"), text(entry, "post")) {
            (Some(path), _) => format!("http GET {path}"),
            (_, Some(path)) => format!("http POST {path}"),
            _ => panic!("neither get nor post"),
        });
        let commands = list("commands");
        let commands = commands.iter().map(|entry| {
            let of = |name: &str| text(entry, name).unwrap_or_else(|| Str::from(""));
            format!("exec {} {}", of("host"), of("run"))
        });
        // In the order in which a recording keeps inline answers.
        let recording = Recording::from_answers(answers).unwrap();
        assert_eq!(recording.entries().count(), http.len() + commands.len());
        commands.chain(http).collect()
    }
}

/// A request as one line.
pub fn request_text(request: &RequestKey) -> String {
    match request {
        RequestKey::Http(key) => format!("http {} {}", key.method, key.path),
        RequestKey::Exec(key) => format!("exec {} {}", key.host, key.words.join(" ")),
        RequestKey::Sql(key) => format!("sql {}", key.text),
    }
}

/// Keys of objects, links and cliques.
pub fn keys(state: &[String]) -> Vec<String> {
    state.iter().map(|line| line.split(" {").next().unwrap_or(line).to_owned()).collect()
}

/// Two rooms, two machines, three cards.
pub fn answers() -> Value {
    Value::from_json(include_str!("answers.json")).unwrap()
}

/// The same, after the second machine was taken away.
pub fn answers_without_second_machine() -> Value {
    let text = include_str!("answers.json").replace(r#"{"host": "m2"}"#, "");
    Value::from_json(&text.replace(r#"{"host": "m1"}, "#, r#"{"host": "m1"}"#)).unwrap()
}
