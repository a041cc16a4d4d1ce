//! The worker: requests from a store, run to their end, cancelled, lost, handed back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use calipso_model::{Map, Value};
use calipso_pipeline::{
    CancellationToken, Doors, LayeredSpecs, SpecSource, Worker, WorkerSettings,
    work::{KeepRevisions, Parts, Retention, SpecsError},
};
use calipso_store::{
    Backend, Collection, Durability, Embedded, Expect, Options, Page, RecordQuery, Records, Store,
    work::{
        self, ConnectionTest, Level, Message, MessageFilter, Recurrence, ScanOnly, ScanStatus, ScanTask, Schedule,
        SpecRow, TestStatus, conntest, message, scan, schedule,
    },
};
use calipso_transport::{Call, Door, Exchange, Fault, Faulty, Recording, Replay};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::bench::{self, answers, answers_without_second_machine};

/// A door that opens for those who have a permit.
struct Gate {
    inner: Replay,
    permits: Arc<Semaphore>,
    asked: Arc<AtomicU64>,
}

#[async_trait]
impl Door for Gate {
    async fn exchange(&self, call: Call) -> Exchange {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        self.inner.exchange(call).await
    }
}

/// A door that is a fault of ours.
struct Broken;

#[async_trait]
impl Door for Broken {
    async fn exchange(&self, _call: Call) -> Exchange {
        panic!("a fault of ours")
    }
}

fn replay(answers: &Value) -> Replay {
    Replay::new(Recording::from_answers(answers).unwrap())
}

fn settings(name: &str) -> WorkerSettings {
    WorkerSettings {
        name: name.into(),
        lease: Duration::from_secs(60),
        poll: Duration::from_millis(10),
        beat: Duration::from_millis(20),
        grace: Duration::from_secs(20),
        test_timeout: Duration::from_secs(20),
        is_live: false,
        ..WorkerSettings::default()
    }
}

struct Site {
    store: Arc<Embedded>,
    specs: Arc<LayeredSpecs>,
    permits: Arc<Semaphore>,
    asked: Arc<AtomicU64>,
    _folder: tempfile::TempDir,
}

/// A worker that runs.
struct AtWork {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl AtWork {
    async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

impl Site {
    async fn new(environments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { durability: Durability::Process, ..Options::default() };
        let store = Arc::new(Embedded::open(&folder.path().join("store"), options).unwrap());
        for name in environments {
            store.put_environment(&bench::environment(name), Expect::Nothing).await.unwrap();
        }
        let specs = Arc::new(LayeredSpecs::new(vec![bench::layer()]));
        Self { store, specs, permits: Arc::new(Semaphore::new(0)), asked: Arc::default(), _folder: folder }
    }

    /// Doors to a recording, closed until permits are given.
    fn gates(&self) -> Doors {
        let (permits, asked) = (Arc::clone(&self.permits), Arc::clone(&self.asked));
        Arc::new(move |_| {
            Arc::new(Gate { inner: replay(&answers()), permits: Arc::clone(&permits), asked: Arc::clone(&asked) })
        })
    }

    fn open(&self) {
        self.permits.add_permits(1000);
    }

    fn begin(&self, settings: WorkerSettings, doors: Doors) -> AtWork {
        let parts = Parts {
            store: Arc::clone(&self.store) as Arc<dyn Backend>,
            specs: Arc::clone(&self.specs) as Arc<dyn SpecSource>,
            secrets: Arc::new(bench::Secrets),
            doors,
            clock: Arc::new(jiff::Timestamp::now),
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(settings, parts);
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { worker.run(stop).await }
        });
        AtWork { stop, running }
    }

    fn begin_replay(&self, name: &str) -> AtWork {
        self.begin(settings(name), Arc::new(|_| Arc::new(replay(&answers()))))
    }

    async fn ask(&self, task: ScanTask) -> String {
        scan::submit(&*self.store, task, now()).await.unwrap().id.to_string()
    }

    async fn task(&self, id: &str) -> ScanTask {
        work::get::<ScanTask>(&*self.store, id).await.unwrap().unwrap().row
    }

    /// The request once it is as wanted.
    async fn until(&self, id: &str, wanted: impl Fn(&ScanTask) -> bool) -> ScanTask {
        let id = id.to_owned();
        eventually(|| async { Some(self.task(&id).await).filter(|task| wanted(task)) }).await
    }

    async fn ended(&self, id: &str) -> ScanTask {
        self.until(id, |task| task.status.is_final()).await
    }

    async fn messages(&self, least: Level) -> Vec<Message> {
        let filter = MessageFilter { at_least: Some(least), ..MessageFilter::default() };
        let (found, _) = message::list(&*self.store, &filter, &Page::first(1000)).await.unwrap();
        found.into_iter().rev().map(|task| task.row).collect()
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn full(environment: &str) -> ScanTask {
    ScanTask { environment: environment.into(), ..ScanTask::default() }
}

/// Asks again until there is an answer.
async fn eventually<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "it did not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_run_and_tells_what_came_of_it() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin_replay("w");
    let id = site.ask(ScanTask { submitted_by: "ann".into(), ..full("shop") }).await;
    let task = site.ended(&id).await;
    assert_eq!((task.status, task.error.clone()), (ScanStatus::Completed, None), "{task:?}");
    assert_eq!((task.revision, task.report_id, task.attempts), (Some(1), Some(1), 1));
    let summary = task.summary.unwrap();
    assert_eq!(summary.get("failures"), Some(&Value::Int(0)));
    assert_eq!(summary.get("cliques"), Some(&Value::Int(2)));
    assert_eq!(task.progress.phase.as_ref(), "commit");
    assert_eq!((task.progress.stage, task.progress.steps_done), (task.progress.stages, task.progress.steps_planned));
    assert!(site.store.report("shop", 1).await.is_ok());
    assert!(scan::state(&*site.store, "shop").await.unwrap().scanned);
    worker.stop().await;
    let said = site.messages(Level::Debug).await;
    let sentences: Vec<&str> = said.iter().map(|message| message.message.as_ref()).collect();
    assert_eq!(sentences.len(), 2, "{sentences:?}");
    assert_eq!(sentences[0], "A scan of shop begins");
    assert!(
        sentences[1].starts_with("The scan of shop is done in ")
            && sentences[1].ends_with(": revision 1; every source answered")
    );
    assert_eq!(
        (said[0].origin_id.as_deref(), said[0].origin_type.as_deref()),
        (Some(id.as_str()), Some("manual scan"))
    );
    assert_eq!(said[0].source_system.as_ref(), "Calipso");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_steps_are_told_as_far_as_the_request_wants() {
    let site = Site::new(&["shop", "quiet"]).await;
    let doors: Doors = Arc::new(|_| {
        Arc::new(Faulty::new(replay(&answers()), |call| {
            bench::request_text(&call.key).contains("tool-speed c/1").then_some(Fault::Timeout)
        }))
    });
    let worker = site.begin(settings("w"), doors);
    let loud = site.ask(full("shop")).await;
    let quiet = site.ask(ScanTask { log_level: "error".into(), ..full("quiet") }).await;
    assert_eq!(site.ended(&loud).await.status, ScanStatus::CompletedWithErrors);
    assert_eq!(site.ended(&quiet).await.status, ScanStatus::CompletedWithErrors);
    worker.stop().await;
    let said = site.messages(Level::Warning).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].message.starts_with("machine_cards on m1: "), "{}", said[0].message);
    assert_eq!(
        (said[0].related_object.as_deref(), said[0].related_object_type.as_deref()),
        (Some("m1"), Some("machine"))
    );
    assert!(said[0].details.text("at").unwrap().contains("machine_cards.yaml:"));
    assert!(said[1].message.contains("1 steps failed"), "{}", said[1].message);
    assert!(site.messages(Level::Debug).await.iter().all(|message| message.environment.as_ref() == "shop"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_and_objects_are_as_asked() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin_replay("w");
    let inventory = ScanTask { only: Some(ScanOnly::Inventory), ..full("shop") };
    let object =
        |id: &str| ScanTask { object_type: Some("machine".into()), object_id: Some(id.into()), ..full("shop") };
    let id = site.ask(inventory).await;
    assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    assert_eq!(site.store.counts("shop", None).await.unwrap().links.len(), 0);
    let id = site.ask(object("m1")).await;
    assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    assert!(!scan::state(&*site.store, "shop").await.unwrap().scanned, "neither was the whole environment");
    let id = site.ask(object("m9")).await;
    let task = site.ended(&id).await;
    assert_eq!(task.status, ScanStatus::Failed);
    assert!(task.error.unwrap().contains("there is no object machine/m9"));
    let id = site.ask(full("gone")).await;
    assert_eq!(site.ended(&id).await.error.as_deref(), Some("there is no environment named `gone`"));
    worker.stop().await;
    // What is asked anew with `clear` replaces everything.
    let fewer: Doors = Arc::new(|_| Arc::new(replay(&answers_without_second_machine())));
    let worker = site.begin(settings("w"), fewer);
    let id = site.ask(ScanTask { clear: true, ..full("shop") }).await;
    assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    worker.stop().await;
    let said = site.messages(Level::Error).await;
    assert_eq!(said.len(), 2);
    assert_eq!(said[1].message.as_ref(), "The scan of gone failed: there is no environment named `gone`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_told_and_a_cancelled_scan_keeps_nothing() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin(settings("w"), site.gates());
    let id = site.ask(full("shop")).await;
    // Log in, list the rooms; the next questions wait.
    site.permits.add_permits(1);
    let task = site.until(&id, |task| task.progress.phase.as_ref() == "fetch" && task.progress.steps_planned > 0).await;
    assert!(task.progress.stages > 1 && task.progress.steps_done < task.progress.steps_planned + 1, "{task:?}");
    assert!(site.store.acquire("shop", "cli", now(), Duration::from_secs(1)).await.is_err());
    scan::cancel(&*site.store, &id, "ann", now()).await.unwrap();
    let task = site.ended(&id).await;
    assert_eq!((task.status, task.error.as_deref()), (ScanStatus::Aborted, Some("cancelled by ann")));
    assert_eq!(site.store.current("shop").await.unwrap(), 0);
    // The environment is free at once.
    let lease = site.store.acquire("shop", "cli", now(), Duration::from_secs(1)).await.unwrap();
    site.store.release(&lease).await.unwrap();
    worker.stop().await;
    let said = site.messages(Level::Warning).await;
    assert_eq!(said[0].message.as_ref(), "The scan of shop was cancelled: cancelled by ann");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_scan_runs_beside_a_long_one() {
    let site = Site::new(&["shop"]).await;
    let (gates, n_doors) = (site.gates(), AtomicU64::new(0));
    let doors: Doors = Arc::new(move |environment| match n_doors.fetch_add(1, Ordering::SeqCst) {
        1 => gates(environment),
        _ => Arc::new(replay(&answers())),
    });
    let worker = site.begin(settings("w"), doors);
    let first = site.ask(full("shop")).await;
    assert_eq!(site.ended(&first).await.status, ScanStatus::Completed);
    let long = site.ask(full("shop")).await;
    site.until(&long, |task| task.progress.phase.as_ref() == "fetch").await;
    let part = ScanTask { object_type: Some("machine".into()), object_id: Some("m1".into()), ..full("shop") };
    let (part, whole) = (site.ask(part).await, site.ask(full("shop")).await);
    let part = site.ended(&part).await;
    assert_eq!((part.status, part.holder.as_deref()), (ScanStatus::Completed, Some("w")), "{part:?}");
    assert_eq!(site.task(&long).await.status, ScanStatus::Running);
    assert_eq!(site.task(&whole).await.status, ScanStatus::Pending, "one whole scan at a time");
    site.open();
    for id in [long, whole] {
        assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    }
    worker.stop().await;
    assert_eq!(site.store.reports("shop").await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_somebody_else_writes_is_waited_for() {
    let site = Site::new(&["shop"]).await;
    let lease = site.store.acquire("shop", "calipso scan", now(), Duration::from_secs(600)).await.unwrap();
    let worker = site.begin_replay("w");
    let id = site.ask(full("shop")).await;
    let task = site.until(&id, |task| task.waits_because.is_some()).await;
    assert_eq!((task.status, task.attempts), (ScanStatus::Pending, 0));
    assert!(task.waits_because.unwrap().contains("being written by `calipso scan`"));
    assert!(task.not_before_millis > now() && task.not_before_millis < now() + 60_000);
    site.store.release(&lease).await.unwrap();
    // As if the time had come.
    let mut task = work::get::<ScanTask>(&*site.store, &id).await.unwrap().unwrap();
    task.row.not_before_millis = 0;
    task.save(&*site.store).await.unwrap();
    assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_lets_scans_end_or_hands_them_back() {
    let site = Site::new(&["shop"]).await;
    let patient = site.begin(settings("w1"), site.gates());
    let id = site.ask(full("shop")).await;
    site.until(&id, |task| task.status == ScanStatus::Running).await;
    patient.stop.cancel();
    site.open();
    patient.running.await.unwrap();
    assert_eq!(site.task(&id).await.status, ScanStatus::Completed, "there was time enough");

    let site = Site::new(&["shop"]).await;
    let hasty = WorkerSettings { grace: Duration::from_millis(30), ..settings("w2") };
    let hasty = site.begin(hasty, site.gates());
    let id = site.ask(full("shop")).await;
    site.until(&id, |task| task.status == ScanStatus::Running).await;
    hasty.stop().await;
    let task = site.task(&id).await;
    assert_eq!((task.status, task.attempts, task.holder), (ScanStatus::Pending, 0, None));
    assert_eq!(task.waits_because.as_deref(), Some("the worker that had begun it was stopped"));
    let next = site.begin_replay("w3");
    assert_eq!(site.ended(&id).await.status, ScanStatus::Completed);
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_taken_over_is_let_go() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin(settings("w1"), site.gates());
    let id = site.ask(full("shop")).await;
    site.until(&id, |task| task.status == ScanStatus::Running && site.asked.load(Ordering::SeqCst) > 0).await;
    // As if it had slept for so long that another took the request.
    eventually(|| async {
        let mut task = work::get::<ScanTask>(&*site.store, &id).await.unwrap().unwrap();
        task.row.holder = Some("w2".into());
        task.row.attempts += 1;
        task.save(&*site.store).await.ok()
    })
    .await;
    // It lets the environment go, and keeps nothing when the answers come after all.
    let lease =
        eventually(|| async { site.store.acquire("shop", "w2", now(), Duration::from_secs(9)).await.ok() }).await;
    site.open();
    worker.stop().await;
    let task = site.task(&id).await;
    assert_eq!((task.status, task.holder.as_deref()), (ScanStatus::Running, Some("w2")));
    assert_eq!(site.store.current("shop").await.unwrap(), 0);
    site.store.release(&lease).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_ours_ends_the_scan_and_not_the_worker() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin(settings("w"), Arc::new(|_| Arc::new(Broken)));
    for _ in 0..2 {
        let id = site.ask(full("shop")).await;
        let task = site.ended(&id).await;
        assert_eq!(task.status, ScanStatus::Failed);
        assert!(task.error.clone().unwrap().contains("a fault of its own"), "{task:?}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_takes_too_long_is_ended() {
    let site = Site::new(&["shop"]).await;
    let short = WorkerSettings { scan_timeout: Some(Duration::from_millis(300)), ..settings("w") };
    let worker = site.begin(short, site.gates());
    let id = site.ask(full("shop")).await;
    let task = site.ended(&id).await;
    assert_eq!((task.status, task.attempts), (ScanStatus::Failed, 1));
    assert!(task.error.unwrap().starts_with("the scan did not end within 0.3 s"));
    assert_eq!(site.store.current("shop").await.unwrap(), 0);
    worker.stop().await;
}

/// Counters and gauges by name and by role or status.
#[derive(Default)]
struct Figures(std::sync::Mutex<std::collections::BTreeMap<String, Arc<AtomicU64>>>);

impl Figures {
    fn of(&self, key: &metrics::Key) -> Arc<AtomicU64> {
        let label = key
            .labels()
            .find(|label| ["role", "status"].contains(&label.key()))
            .map(|label| format!(" {}", label.value()))
            .unwrap_or_default();
        Arc::clone(self.0.lock().unwrap().entry(format!("{}{label}", key.name())).or_default())
    }

    fn read(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map(|figure| figure.load(Ordering::SeqCst)).unwrap_or_default()
    }
}

impl metrics::Recorder for Figures {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[test]
fn figures_are_counted() {
    // The recorder of this thread; the worker must not leave it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let figures = Figures::default();
    metrics::with_local_recorder(&figures, || {
        runtime.block_on(async {
            let site = Site::new(&["shop"]).await;
            let worker = site.begin_replay("w");
            let id = site.ask(full("shop")).await;
            site.ended(&id).await;
            worker.stop().await;
        });
    });
    assert_eq!(figures.read("calipso_scans_total completed"), 1);
    let calls = figures.read("calipso_calls_total web");
    assert!(calls >= 3, "login, rooms, machines: {calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_workers_share_environments_and_requests() {
    let names: Vec<String> = (0..6).map(|n| format!("shop{n}")).collect();
    let site = Site::new(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let workers: Vec<AtWork> = (0..3).map(|n| site.begin_replay(&format!("w{n}"))).collect();
    let mut ids = Vec::new();
    for round in 0..3 {
        for name in &names {
            ids.push((round, site.ask(full(name)).await));
        }
    }
    for (_, id) in &ids {
        let task = site.ended(id).await;
        assert_eq!((task.status, task.attempts, task.revision), (ScanStatus::Completed, 1, Some(1)), "{task:?}");
    }
    for worker in workers {
        worker.stop().await;
    }
    for name in &names {
        assert_eq!(site.store.reports(name).await.unwrap().len(), 3, "each request was run once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_run_and_say_so() {
    let site = Site::new(&["shop"]).await;
    let wanted = Schedule {
        environment: "shop".into(),
        recurrence: Recurrence::Once,
        first_timestamp: work::stamp(now() + 300),
        ..Schedule::default()
    };
    let made = schedule::create(&*site.store, wanted, now()).await.unwrap();
    let worker = site.begin_replay("w");
    let found = eventually(|| async {
        let found = work::all::<ScanTask>(&*site.store, &RecordQuery::all()).await.unwrap();
        found.into_iter().next().filter(|task| task.row.status.is_final())
    })
    .await;
    assert_eq!((found.row.status, found.row.schedule_id), (ScanStatus::Completed, Some(made.id)));
    worker.stop().await;
    assert_eq!(site.messages(Level::Info).await[0].origin_type.as_deref(), Some("scheduled scan"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_may_have_specs_of_its_own() {
    let site = Site::new(&["shop", "plain"]).await;
    let store: &dyn Backend = &*site.store;
    let first = site.specs.specs(store, "plain").await.unwrap();
    assert!(Arc::ptr_eq(&first, &site.specs.specs(store, "shop").await.unwrap()), "loaded once for all");
    let text = "schema: clique_type/v1\nname: machine\ndescription: Our own.\nsource: made up\nfocal_point: machine\npath: [machine-card]\n";
    let row = |text: &str| SpecRow {
        environment: "shop".into(),
        kind: "clique_type".into(),
        name: "machine".into(),
        text: text.into(),
        ..SpecRow::default()
    };
    let mut kept =
        work::insert(store, "s1", row("schema: clique_type/v1\nname: machine\ncolour: red\n")).await.unwrap();
    let error = site.specs.specs(store, "shop").await.unwrap_err();
    let SpecsError::Wrong(mistakes) = &error else { panic!("{error}") };
    assert!(mistakes.text().contains("specs of shop/clique_types/machine.yaml:3"), "{}", mistakes.text());
    assert!(Arc::ptr_eq(&first, &site.specs.specs(store, "plain").await.unwrap()), "nobody else is harmed");
    let worker = site.begin_replay("w");
    let id = site.ask(full("shop")).await;
    let task = site.ended(&id).await;
    assert_eq!(task.status, ScanStatus::Failed);
    assert!(task.error.clone().unwrap().contains("specs of shop/clique_types/machine.yaml:"), "{task:?}");
    // A request is final a moment before its message is written; a worker that has stopped has written it.
    worker.stop().await;
    let said = site.messages(Level::Error).await;
    assert!(said[0].details.text("diagnostics").unwrap().contains("colour"));
    kept.row = row(text);
    kept.save(store).await.unwrap();
    let loaded = site.specs.specs(store, "shop").await;
    let own = loaded.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(own.clique_types["machine"].head.description.as_ref(), "Our own.");
    assert_ne!(first.clique_types["machine"].head.description, own.clique_types["machine"].head.description);
    assert!(Arc::ptr_eq(&own, &site.specs.specs(store, "shop").await.unwrap()), "kept until it changes");
    work::insert(store, "s2", SpecRow { kind: "thing".into(), ..row("") }).await.unwrap();
    let error = site.specs.specs(store, "shop").await.unwrap_err();
    assert!(matches!(&error, SpecsError::Misnamed(_)) && error.to_string().contains("no kind of spec `thing`"));
}

async fn tested(site: &Site, test: ConnectionTest) -> ConnectionTest {
    let id = conntest::submit(&*site.store, test, now()).await.unwrap().id;
    eventually(|| async {
        let test = work::get::<ConnectionTest>(&*site.store, &id).await.unwrap().unwrap().row;
        Some(test).filter(|test| test.status == TestStatus::Response)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_tested_and_configurations_are_not_kept() {
    let site = Site::new(&["shop"]).await;
    let worker = site.begin_replay("w");
    let all = ConnectionTest { environment: "shop".into(), ..ConnectionTest::default() };
    let answer = tested(&site, all.clone()).await;
    assert_eq!(Value::Map(answer.test_results).to_json(), r#"{"hosts":true,"web":true}"#);
    assert!(answer.errors.is_empty() && answer.response_time.is_some());
    let lines = answer.lines.get("web").unwrap().as_list().unwrap();
    assert_eq!(lines[0].to_json(), r#"{"kind":null,"name":"login","ok":true,"sentence":"it works"}"#);

    let config =
        Value::from_json(r#"{"web": {"fields": {"password": "sealed:x"}}, "hosts": {"spec": "shell", "fields": {}}}"#);
    let sent = ConnectionTest {
        test_targets: vec!["web".into(), "moon".into()],
        targets_configuration: Some(config.unwrap().as_map().unwrap().clone()),
        ..all.clone()
    };
    let answer = tested(&site, sent).await;
    assert_eq!(answer.targets_configuration, None);
    assert_eq!(Value::Map(answer.test_results).to_json(), r#"{"moon":false,"web":false}"#);
    assert_eq!(
        answer.errors.text("moon").unwrap().as_ref(),
        "there is no connection for the role moon; there are hosts, web"
    );
    assert!(answer.errors.text("web").unwrap().contains("url"), "{:?}", answer.errors);

    let config = Map::from_pairs(vec![("web".into(), Value::Int(1))]);
    let answer = tested(&site, ConnectionTest { targets_configuration: Some(config), ..all.clone() }).await;
    assert!(answer.errors.text("").unwrap().contains("the role web is no map"));
    let nowhere = ConnectionTest { environment: "gone".into(), test_targets: vec!["web".into()], ..all };
    let answer = tested(&site, nowhere).await;
    assert_eq!(answer.errors.text("").unwrap().as_ref(), "there is no environment named `gone`");
    assert_eq!(Value::Map(answer.test_results).to_json(), r#"{"web":false}"#);
    worker.stop().await;
    let said = site.messages(Level::Warning).await;
    assert_eq!(said[0].message.as_ref(), "Connections of shop do not work: moon, web");
    assert_eq!(said[0].origin_type.as_deref(), Some("connection test"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_does_not_answer_costs_its_time_only() {
    let site = Site::new(&["shop"]).await;
    struct OneSleeps(Replay);
    #[async_trait]
    impl Door for OneSleeps {
        async fn exchange(&self, call: Call) -> Exchange {
            if call.role.as_ref() == "hosts" {
                std::future::pending::<()>().await;
            }
            self.0.exchange(call).await
        }
    }
    let short = WorkerSettings { test_timeout: Duration::from_secs(2), ..settings("w") };
    let worker = site.begin(short, Arc::new(|_| Arc::new(OneSleeps(replay(&answers())))));
    let answer = tested(&site, ConnectionTest { environment: "shop".into(), ..ConnectionTest::default() }).await;
    assert_eq!(Value::Map(answer.test_results).to_json(), r#"{"hosts":false,"web":true}"#);
    assert!(answer.errors.text("hosts").unwrap().contains("did not end within 2 s"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_thrown_away() {
    let site = Site::new(&["shop"]).await;
    let store = &*site.store;
    let worker = site.begin_replay("w");
    for clear in [false, true] {
        let fewer = site.ask(ScanTask { clear, ..full("shop") }).await;
        site.ended(&fewer).await;
    }
    worker.stop().await;
    let old = now() - 40 * 86_400_000;
    message::say(store, Message { message: "old".into(), ..Message::default() }, old).await.unwrap();
    conntest::submit(store, ConnectionTest { environment: "shop".into(), ..ConnectionTest::default() }, old)
        .await
        .unwrap();
    let retention = Retention { scans: 0, revisions: Some(KeepRevisions::Last(1)), ..Retention::default() };
    let none = WorkerSettings { scans: 0, tests: 0, retention, ..settings("w") };
    let worker = site.begin(none, Arc::new(|_| Arc::new(replay(&answers()))));
    eventually(|| async {
        let tests = store.count(Collection::ConnectionTests, &RecordQuery::all()).await.unwrap();
        let scans = store.count(Collection::Scans, &RecordQuery::all()).await.unwrap();
        let old = site.messages(Level::Debug).await.iter().any(|message| message.message.as_ref() == "old");
        let revisions = store.revisions("shop").await.unwrap().len();
        Some(()).filter(|()| (tests, scans, old, revisions) == (0, 1, false, 1))
    })
    .await;
    worker.stop().await;
}
