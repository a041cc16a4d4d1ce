//! Scans beside each other, parts of the cloud, clouds that change, faults, scans that are given up, processes that are killed:
//! whatever happened, the store holds what a fresh scan into an empty store holds, and what is derived fits its scopes.

use std::{
    io::{BufRead, BufReader},
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use calipso_model::{ObjectKey, Value};
use calipso_pipeline::{
    CancellationToken, NoSecrets, Plan, Quiet, Residents, ScanError, ScanMode, ScanReport, ScanRequest, plan, scan,
};
use calipso_store::{Backend, Expect, StoreError};
use calipso_transport::{Call, Door, Exchange, Fault, Faulty, Once, Recording, Replay, Scrubber};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    cloud::root,
    fencing::{DELAY, ONE_SCAN, Process, eventually, file, layer, mongo, open, shop},
};

/// Random numbers that are the same for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// The shop as it is, and as it may become.
fn clouds() -> Vec<Value> {
    let path = root().join("engine/pipeline/tests/scan/answers.json");
    let text =
        Value::from_json(&std::fs::read_to_string(path).expect("the answers can be read")).expect("JSON").to_json();
    let changes = [
        ("", ""),
        (r#"{"host":"m1"},{"host":"m2"}"#, r#"{"host":"m1"}"#),
        ("\"title\":\"Red\"", "\"title\":\"Crimson\""),
        ("speed 10", "speed 99"),
        (r#"[{\"name\": \"c/1\"}, {\"name\": \"c2\"}]"#, r#"[{\"name\": \"c2\"}]"#),
        (r#"[{"host":"m1"},{"host":"m2"}]"#, "[]"),
    ];
    changes
        .iter()
        .map(|(from, to)| {
            assert!(text.contains(from), "no {from} in {text}");
            Value::from_json(&text.replace(from, to)).expect("it is JSON")
        })
        .collect()
}

/// A door that lets through so many requests, and the others when it is told to.
struct Paused<D> {
    inner: D,
    permits: Arc<Semaphore>,
}

#[async_trait]
impl<D: Door> Door for Paused<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        self.permits.acquire().await.expect("it is not closed").forget();
        self.inner.exchange(call).await
    }
}

/// A scan that is under way.
struct UnderWay {
    task: JoinHandle<Result<ScanReport, ScanError>>,
    permits: Arc<Semaphore>,
}

/// Those who work by another plan at the same time are refused.
static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();

/// A process that works on a store.
struct Site {
    store: Arc<dyn Backend>,
    residents: Arc<Residents>,
    minutes: i64,
}

impl Site {
    async fn new(address: &str) -> Self {
        let store = open(address).await;
        store.put_environment(&shop(), Expect::Anything).await.expect("the store takes it");
        Self { store, residents: Arc::new(Residents::new(1_000_000)), minutes: 0 }
    }

    async fn scan(
        store: Arc<dyn Backend>,
        residents: Arc<Residents>,
        door: impl Door + 'static,
        mode: ScanMode,
        minutes: i64,
    ) -> Result<ScanReport, ScanError> {
        let planned = || {
            let specs = Arc::new(calipso_spec::load(&[layer()]).specs);
            Arc::new(plan(&specs, &shop()).expect("the shop has a plan"))
        };
        let request = ScanRequest {
            plan: Arc::clone(PLAN.get_or_init(planned)),
            door: Arc::new(Once::new(door)),
            store,
            residents,
            secrets: &NoSecrets,
            scrubber: Arc::new(Scrubber::new()),
            mode,
            clear: false,
            now: jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(60 * minutes.unsigned_abs()),
            holder: "test".into(),
            is_live: false,
            max_tasks: 0,
            lease: Duration::from_secs(3600),
            cancel: CancellationToken::new(),
        };
        scan(&request, &Quiet).await
    }

    /// Begins a scan that waits after some requests.
    fn begin(&mut self, cloud: &Value, mode: ScanMode, n_requests: usize, fault: Option<(usize, Fault)>) -> UnderWay {
        self.minutes += 1;
        let permits = Arc::new(Semaphore::new(n_requests));
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let spoil = move |_: &Call| {
            let number = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault)
        };
        let door = Faulty::new(Replay::new(Recording::from_answers(cloud).expect("they are answers")), spoil);
        let door = Paused { inner: door, permits: Arc::clone(&permits) };
        let (store, residents, minutes) = (Arc::clone(&self.store), Arc::clone(&self.residents), self.minutes);
        UnderWay { task: tokio::spawn(Self::scan(store, residents, door, mode, minutes)), permits }
    }

    /// What is derived from the stored scopes by somebody who knows nothing else is what is stored.
    async fn assert_derived(&mut self, after: &str) {
        for mode in [ScanMode::Links, ScanMode::Cliques] {
            self.minutes += 1;
            // A scan that was given up gives its lease back a moment later.
            let report = eventually("the environment is free", || async {
                let nobody = Replay::new(Recording::from_answers(&clouds()[0]).expect("they are answers"));
                match Self::scan(Arc::clone(&self.store), Arc::default(), nobody, mode.clone(), self.minutes).await {
                    Err(ScanError::Store(StoreError::LeaseHeld { .. })) => None,
                    scanned => Some(scanned.expect("it can be derived")),
                }
            })
            .await;
            // One that was given up in the middle of its commit may have been committed since.
            assert_eq!(report.revision_after, report.revision_before, "{after}");
        }
    }

    /// After a whole scan of a cloud the store holds what a new one holds.
    async fn assert_as_from_scratch(&mut self, cloud: &Value, after: &str) {
        self.minutes += 1;
        let door = || Replay::new(Recording::from_answers(cloud).expect("they are answers"));
        let (store, residents) = (Arc::clone(&self.store), Arc::clone(&self.residents));
        let report = Self::scan(store, residents, door(), ScanMode::Full, self.minutes).await.expect("it can be kept");
        let folder = tempfile::tempdir().expect("a temporary directory");
        let fresh = Self::new(&file(&folder)).await;
        let (store, residents) = (Arc::clone(&fresh.store), Arc::clone(&fresh.residents));
        let anew = Self::scan(store, residents, door(), ScanMode::Full, self.minutes).await.expect("it can be kept");
        assert_eq!(report.failures, anew.failures, "{after}");
        let (kept, wanted) = (everything(&*self.store).await, everything(&*fresh.store).await);
        let more: Vec<&String> = kept.iter().filter(|line| !wanted.contains(line)).collect();
        let missing: Vec<&String> = wanted.iter().filter(|line| !kept.contains(line)).collect();
        assert!(more.is_empty() && missing.is_empty(), "{after}: too much: {more:#?}, missing: {missing:#?}");
    }
}

/// All that is stored, as text.
async fn everything(store: &dyn Backend) -> Vec<String> {
    let mut lines = Vec::new();
    let mut take = |line: String| lines.push(line);
    store
        .stream_objects("shop", None, &mut |chunk| {
            chunk.into_iter().for_each(|object| take(format!("{} {}", object.key, Value::Map(object.doc).to_json())));
            Ok(())
        })
        .await
        .expect("they can be read");
    store
        .stream_links("shop", None, &mut |chunk| {
            chunk.into_iter().for_each(|link| take(format!("{link:?}")));
            Ok(())
        })
        .await
        .expect("they can be read");
    store
        .stream_cliques("shop", None, &mut |chunk| {
            chunk.into_iter().for_each(|clique| take(format!("{clique:?}")));
            Ok(())
        })
        .await
        .expect("they can be read");
    lines
}

/// Some turns of everything that can happen, in an order that the seed gives.
async fn a_sequence(address: &str, seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let clouds = clouds();
    let mut site = Site::new(address).await;
    let mut under_way: Vec<UnderWay> = Vec::new();
    for turn in 0..10 {
        let after = format!("seed {seed}, turn {turn}");
        match random.below(8) {
            0..=3 if under_way.len() < 4 => {
                let known = site.store.current("shop").await.expect("it can be read") > 0;
                let part =
                    ["machine/m1", "room/r1", "machine/m2"][random.below(3)].split_once('/').expect("type and id");
                let part = ObjectKey::new(part.0, part.1);
                let is_there = known && site.store.object("shop", None, &part).await.expect("it can be read").is_some();
                let mode = if is_there && random.below(2) == 0 { ScanMode::Partial(part) } else { ScanMode::Full };
                let fault =
                    (random.below(3) == 0).then(|| (random.below(12), Fault::ALL[random.below(Fault::ALL.len())]));
                let (cloud, n_requests) = (&clouds[random.below(clouds.len())], random.below(14));
                under_way.push(site.begin(cloud, mode, n_requests, fault));
            }
            4..=5 if !under_way.is_empty() => {
                let one = under_way.remove(random.below(under_way.len()));
                one.permits.add_permits(1000);
                // An object may have gone before its part was begun, and who is given up in its turn takes others along.
                let ended = one.task.await.expect("it does not panic");
                assert!(
                    matches!(ended, Ok(_) | Err(ScanError::NoObject(_) | ScanError::Forgotten)),
                    "{after}: {ended:?}"
                );
            }
            6 if !under_way.is_empty() => {
                let one = under_way.remove(random.below(under_way.len()));
                one.task.abort();
                let _ = one.task.await;
            }
            7 => {
                for one in under_way.drain(..) {
                    one.permits.add_permits(1000);
                    let _ = one.task.await;
                }
                site.assert_derived(&after).await;
                if random.below(2) == 0 {
                    site.residents = Arc::new(Residents::new(1_000_000));
                }
            }
            _ => {}
        }
    }
    for one in under_way.drain(..) {
        one.permits.add_permits(1000);
        let _ = one.task.await;
    }
    site.assert_derived(&format!("seed {seed}, the end")).await;
    let cloud = &clouds[random.below(clouds.len())];
    site.assert_as_from_scratch(cloud, &format!("seed {seed}, the end")).await;
}

/// How often something is tried: as often as the variable says, or else as often as there is time for.
fn times(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

async fn whatever_happens_the_store_holds_what_a_fresh_scan_holds(address: impl Fn() -> String) {
    for seed in 1..=times("CALIPSO_SEQUENCES", 20) {
        a_sequence(&address(), seed).await;
    }
}

/// Kills a process in the middle of a scan, again and again, each time after another number of questions, or after the last one.
async fn killed_scans_leave_whole_revisions(address: &str) {
    let mut random = Random(7);
    let mut site = Site::new(address).await;
    let clouds = clouds();
    for kill in 0..times("CALIPSO_KILLS", 12) {
        let mut process = Process::start(address, &format!("victim {kill}"), &[(ONE_SCAN, "1"), (DELAY, "1")]);
        let mut lines = BufReader::new(process.0.stdout.take().expect("it is piped")).lines();
        let n_asked = 1 + random.below(13);
        let asked = lines.by_ref().map(|line| line.expect("it can be read"));
        let seen =
            asked.take_while(|line| !line.starts_with("kept")).filter(|line| line == "asked").take(n_asked).count();
        process.0.kill().expect("it can be killed");
        process.0.wait().expect("it can be waited for");
        assert!(seen > 0, "it asked nothing, so nothing was killed in the middle");
        // As if the dead one's lease had run out.
        let late = jiff::Timestamp::now().as_millisecond() + 3_600_000;
        let lease = site.store.acquire("shop", "test", late, Duration::from_secs(1)).await.expect("nobody has it");
        site.store.release(&lease).await.expect("it can be given back");
        site.assert_derived(&format!("kill {kill}")).await;
        if kill % 4 == 3 {
            let cloud = &clouds[random.below(clouds.len())];
            site.residents = Arc::new(Residents::new(1_000_000));
            site.assert_as_from_scratch(cloud, &format!("kill {kill}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_on_the_embedded_store() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let number = std::sync::atomic::AtomicUsize::new(0);
    let address = || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        format!("file {}", folder.path().join(format!("{number}.store")).display())
    };
    whatever_happens_the_store_holds_what_a_fresh_scan_holds(address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_on_mongodb() {
    whatever_happens_the_store_holds_what_a_fresh_scan_holds(mongo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_the_embedded_store() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    killed_scans_leave_whole_revisions(&file(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_on_mongodb() {
    killed_scans_leave_whole_revisions(&mongo()).await;
}
