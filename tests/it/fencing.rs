//! Workers as processes: one that sleeps or dies loses its work to another, and what it writes when it wakes is refused.
//!
//! The scenarios know no backend but an address, which [`open`] understands.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use calipso_model::{ConnectionConfig, Environment, ObjectKey, Secret, Value};
use calipso_pipeline::{
    CancellationToken, Doors, LayeredSpecs, NoSecrets, Quiet, ScanError, ScanMode, ScanReport, ScanRequest, SpecSource,
    Worker, WorkerSettings, plan, scan, work::Parts,
};
use calipso_spec::Layer;
use calipso_store::{
    Backend, Collection, Embedded, Expect, Mongo, MongoOptions, Options,
    work::{self, ScanStatus, ScanTask},
};
use calipso_transport::{Call, Door, Exchange, Once, Recording, Replay, Scrubber};

use crate::cloud::root;

/// Tells the test binary that it is one of the processes, and of which store.
const ADDRESS: &str = "CALIPSO_IT_STORE";
/// Its name as a worker.
const NAME: &str = "CALIPSO_IT_NAME";
/// Milliseconds that each answer takes.
pub const DELAY: &str = "CALIPSO_IT_DELAY";
/// Whether the world it sees has one machine less.
const FEWER: &str = "CALIPSO_IT_FEWER";
/// Whether it makes one scan by itself instead of working on requests.
pub const ONE_SCAN: &str = "CALIPSO_IT_ONE_SCAN";

/// How long leases last here.
const LEASE: Duration = Duration::from_millis(2000);
/// The environment.
const SHOP: &str = "shop";

/// The store at an address: `file PATH` or `mongo DATABASE URI`.
pub async fn open(address: &str) -> Arc<dyn Backend> {
    let words: Vec<&str> = address.split(' ').collect();
    match words.as_slice() {
        ["file", path] => Arc::new(Embedded::open(Path::new(path), Options::default()).expect("the store opens")),
        ["mongo", database, uri] => {
            let options = MongoOptions::new(Secret::new(*uri), *database);
            Arc::new(Mongo::connect(options).await.expect("the store answers"))
        }
        _ => panic!("`{address}` is no store that these tests know"),
    }
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The specs of a small shop of machines.
pub fn layer() -> Layer {
    calipso_spec::read_layer(&root().join("engine/pipeline/tests/specs")).expect("the specs can be read")
}

pub fn shop() -> Environment {
    let mut environment = Environment {
        name: SHOP.into(),
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
        let fields = Value::from_json(fields).expect("it is JSON").as_map().expect("it is a map").clone();
        environment.connections.insert(role.into(), ConnectionConfig { spec: spec.into(), fields });
    }
    environment
}

/// What the sources of the shop say: of two machines, or of the first only.
pub fn replay(fewer: bool) -> Replay {
    let path = root().join("engine/pipeline/tests/scan/answers.json");
    let mut text = std::fs::read_to_string(path).expect("the answers can be read");
    if fewer {
        text = text.replace(r#"{"host": "m1"}, {"host": "m2"}"#, r#"{"host": "m1"}"#);
    }
    let answers = Value::from_json(&text).expect("they are JSON");
    Replay::new(Recording::from_answers(&answers).expect("they are answers"))
}

/// A door whose answers take their time.
struct Slow {
    inner: Replay,
    delay: Duration,
    /// Whether to say on standard output that it was asked.
    loud: bool,
}

#[async_trait]
impl Door for Slow {
    async fn exchange(&self, call: Call) -> Exchange {
        if self.loud {
            println!("\nasked");
        }
        tokio::time::sleep(self.delay).await;
        self.inner.exchange(call).await
    }
}

/// One scan that no request asked for.
async fn scan_once(store: Arc<dyn Backend>, holder: &str, door: Slow) -> Result<ScanReport, ScanError> {
    let specs = Arc::new(calipso_spec::load(&[layer()]).specs);
    let request = ScanRequest {
        plan: Arc::new(plan(&specs, &shop()).expect("the shop has a plan")),
        door: Arc::new(Once::new(door)),
        store,
        residents: Arc::default(),
        secrets: &NoSecrets,
        scrubber: Arc::new(Scrubber::new()),
        mode: ScanMode::Full,
        clear: false,
        now: jiff::Timestamp::now(),
        holder: holder.into(),
        is_live: false,
        max_tasks: 0,
        lease: LEASE,
        cancel: CancellationToken::new(),
    };
    scan(&request, &Quiet).await
}

/// What the other processes do; in the run of all tests it does nothing.
#[test]
fn process() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let text = |name: &str| std::env::var(name).unwrap_or_default();
    let (name, fewer) = (text(NAME), !text(FEWER).is_empty());
    let delay = Duration::from_millis(text(DELAY).parse().unwrap_or(0));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a run-time");
    runtime.block_on(async {
        let store = open(&address).await;
        if !text(ONE_SCAN).is_empty() {
            let outcome = scan_once(store, &name, Slow { inner: replay(fewer), delay, loud: true }).await;
            match outcome {
                Ok(report) => println!("\nkept as revision {}", report.revision_after),
                Err(error) => println!("\nrefused: {error}"),
            }
            return;
        }
        let settings = WorkerSettings {
            name: name.as_str().into(),
            lease: LEASE,
            poll: Duration::from_millis(50),
            beat: Duration::from_millis(50),
            is_live: false,
            ..WorkerSettings::default()
        };
        let doors: Doors = Arc::new(move |_| Arc::new(Slow { inner: replay(fewer), delay, loud: false }));
        let specs: Arc<dyn SpecSource> = Arc::new(LayeredSpecs::new(vec![layer()]));
        let clock: calipso_pipeline::Clock = Arc::new(jiff::Timestamp::now);
        let worker = Worker::new(settings, Parts { store, specs, secrets: Arc::new(NoSecrets), doors, clock });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        // It works until nobody holds the other end of its standard input any more.
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stopped.cancel();
        });
        worker.run(stop).await;
    });
}

/// One of the processes; it ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn start(address: &str, name: &str, variables: &[(&str, &str)]) -> Self {
        let binary = std::env::current_exe().expect("the test binary has a path");
        let child = Command::new(binary)
            .args(["--exact", "fencing::process", "--nocapture"])
            .env(ADDRESS, address)
            .env(NAME, name)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        Self(child)
    }

    /// Sends a signal by name.
    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &command]).status().expect("a shell runs").success(), "{command}");
    }

    /// Lets it end by itself.
    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("it can be waited for").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: it did not come to pass");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(
    store: &dyn Backend,
    id: &str,
    what: &str,
    wanted: impl Fn(&ScanTask) -> bool,
) -> work::Versioned<ScanTask> {
    eventually(what, || async {
        let task = work::get::<ScanTask>(store, id).await.expect("the store answers").expect("the request is there");
        Some(task).filter(|task| wanted(&task.row))
    })
    .await
}

async fn ask(store: &dyn Backend) -> String {
    let task = ScanTask { environment: SHOP.into(), ..ScanTask::default() };
    work::scan::submit(store, task, now()).await.expect("the store takes it").id.to_string()
}

/// A new store with the shop.
async fn furnished(address: &str) -> Arc<dyn Backend> {
    let store = open(address).await;
    store.put_environment(&shop(), Expect::Nothing).await.expect("the store takes it");
    store
}

/// A request that a slow worker is in the middle of.
async fn begun(store: &dyn Backend, address: &str) -> (String, Process) {
    let id = ask(store).await;
    let first = Process::start(address, "first", &[(DELAY, "400")]);
    until(store, &id, "the first worker asks", |task| {
        task.progress.phase.as_ref() == "fetch" && task.progress.steps_planned > 0
    })
    .await;
    (id, first)
}

async fn second_machine(store: &dyn Backend, revision: u64) -> bool {
    store.object(SHOP, Some(revision), &ObjectKey::new("machine", "m2")).await.expect("it can be read").is_some()
}

async fn a_sleeper_is_followed_and_does_no_harm_when_it_wakes(address: &str) {
    let store = furnished(address).await;
    let store = &*store;
    let (id, first) = begun(store, address).await;
    first.signal("STOP");
    // The other sees a world with one machine less, so that it shows whose result is kept.
    let second = Process::start(address, "second", &[(FEWER, "1")]);
    let done = until(store, &id, "the second worker takes over", |task| task.status.is_final()).await;
    assert_eq!(done.row.status, ScanStatus::Completed, "{:?}", done.row);
    assert_eq!((done.row.holder.as_deref(), done.row.attempts, done.row.revision), (Some("second"), 2, Some(1)));
    second.end();
    first.signal("CONT");
    // What the first one does next shows that it is alive and has let the former request go.
    let next = ask(store).await;
    let again = until(store, &next, "the first worker works again", |task| task.status.is_final()).await;
    assert_eq!(again.row.holder.as_deref(), Some("first"));
    assert_eq!((again.row.status, again.row.revision), (ScanStatus::Completed, Some(2)));
    first.end();
    let kept = store.record(Collection::Scans, &id).await.expect("it can be read").expect("it is there");
    assert_eq!(
        (kept.version, work::Versioned::<ScanTask>::from_record(&kept).expect("it is one").row),
        (done.version, done.row)
    );
    let revisions = store.revisions(SHOP).await.expect("they can be read").len();
    let reports = store.reports(SHOP).await.expect("they can be read").len();
    assert_eq!((revisions, reports), (2, 2), "each request left one result");
    assert!(!second_machine(store, 1).await && second_machine(store, 2).await);
}

async fn a_dead_worker_is_followed(address: &str) {
    let store = furnished(address).await;
    let store = &*store;
    let (id, mut first) = begun(store, address).await;
    first.0.kill().expect("it can be killed");
    first.0.wait().expect("it can be waited for");
    let second = Process::start(address, "second", &[]);
    let done = until(store, &id, "the second worker takes over", |task| task.status.is_final()).await;
    assert_eq!(done.row.status, ScanStatus::Completed, "{:?}", done.row);
    assert_eq!((done.row.holder.as_deref(), done.row.attempts, done.row.revision), (Some("second"), 2, Some(1)));
    second.end();
    assert_eq!(store.reports(SHOP).await.expect("they can be read").len(), 1);
}

async fn a_commit_that_comes_late_is_refused(address: &str) {
    let store = furnished(address).await;
    // Without a request nothing but the environment's lease stands between it and the store.
    let mut sleeper = Process::start(address, "sleeper", &[(ONE_SCAN, "1"), (DELAY, "300")]);
    let mut lines = BufReader::new(sleeper.0.stdout.take().expect("it is piped")).lines();
    assert!(lines.by_ref().any(|line| line.expect("it can be read") == "asked"), "it ended before it asked");
    sleeper.signal("STOP");
    let report = eventually("the lease runs out", || async {
        let door = Slow { inner: replay(true), delay: Duration::ZERO, loud: false };
        match scan_once(Arc::clone(&store), "other", door).await {
            Ok(report) => Some(report),
            Err(ScanError::Store(calipso_store::StoreError::LeaseHeld { .. })) => None,
            Err(error) => panic!("{error}"),
        }
    })
    .await;
    assert_eq!(report.revision_after, 1);
    sleeper.signal("CONT");
    let said: Vec<String> = lines.map(|line| line.expect("it can be read")).collect();
    let outcome = said.iter().find(|line| line.starts_with("kept") || line.starts_with("refused"));
    assert_eq!(
        outcome.map(String::as_str),
        Some("refused: the lease on environment `shop` is lost: somebody else took it over or it was given back")
    );
    assert_eq!(store.current(SHOP).await.expect("it can be read"), 1);
    assert_eq!(store.reports(SHOP).await.expect("they can be read").len(), 1);
    assert!(!second_machine(&*store, 1).await);
}

/// A new embedded store.
pub fn file(folder: &tempfile::TempDir) -> String {
    format!("file {}", folder.path().join("it.store").display())
}

/// A new database of the server that all tests share.
pub fn mongo() -> String {
    format!("mongo {} {}", calipso_testbed::mongod().database(), calipso_testbed::mongod().uri())
}

/// Each scenario on each store.
macro_rules! on_every_store {
    ($($scenario:ident),+) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    let folder = tempfile::tempdir().expect("a temporary directory");
                    super::$scenario(&super::file(&folder)).await;
                }
            )+
        }

        mod mongo {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $scenario() {
                    super::$scenario(&super::mongo()).await;
                }
            )+
        }
    };
}

on_every_store!(
    a_sleeper_is_followed_and_does_no_harm_when_it_wakes,
    a_dead_worker_is_followed,
    a_commit_that_comes_late_is_refused
);
