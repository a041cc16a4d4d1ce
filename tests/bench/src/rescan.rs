//! A recorded cloud scanned again and again: unchanged, and with one host in a hundred changed; beside each other with the
//! environment in memory, and read anew from the store each time.
//!
//! `cargo run --release -p calipso-bench --bin rescan -- RECORDING`

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use calipso_model::{Environment, Str, Value};
use calipso_pipeline::{
    CancellationToken, NoSecrets, Observer, Phase, Plan, Residents, ScanMode, ScanReport, ScanRequest, plan, scan,
};
use calipso_spec::environment::from_value;
use calipso_store::{Backend, Embedded, Expect, Options};
use calipso_transport::{Call, Door, Exchange, Once, Recording, Replay, Reply, RequestKey, Scrubber};

/// The same as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("which recording?")?;
    let recording = Recording::read(Path::new(&folder))?;
    let layer = calipso_spec::read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs"))?;
    let specs = Arc::new(calipso_spec::load(&[layer]).specs);
    let environment = environment_of(&recording)?;
    let plan = Arc::new(plan(&specs, &environment)?);
    let steps = [("first", 0), ("unchanged", 0), ("1 % of the hosts changed", 100), ("unchanged", 100)];
    for (memory, residents) in [("read from the store each time", 0), ("kept in memory", usize::MAX)] {
        let bench = Bench::new(Arc::clone(&plan), Residents::new(residents)).await?;
        println!("{memory}");
        let mut first = None;
        for (step, one_in) in steps {
            let (report, clock) = bench.scan(recording.clone(), one_in).await?;
            let after = clock.after_fetching();
            let whole = *first.get_or_insert(after);
            println!(
                "  {step}: {} objects, {} changed; load {:.2} s, fetch {:.2} s, after fetching {:.2} s (1/{:.0} of the first)",
                report.objects.values().sum::<usize>(),
                report.changed_objects.written + report.changed_objects.removed,
                clock.load().as_secs_f64(),
                clock.fetch().as_secs_f64(),
                after.as_secs_f64(),
                whole.as_secs_f64() / after.as_secs_f64(),
            );
        }
    }
    Ok(())
}

fn environment_of(recording: &Recording) -> Result<Environment> {
    let about = recording.meta();
    let value = about.get("environment").or_else(|| about.get("about")?.as_map()?.get("environment"));
    let value = value.context("the recording does not say of which environment it is")?;
    // Where a secret was scrubbed stands a reference instead; a replay asks for none.
    let value = Value::from_json(&value.to_json().replace("\"***\"", "\"env:CALIPSO_SECRET\""))?;
    let (written, mistakes) = from_value(&value, &calipso_spec::checked::Specs::default());
    ensure!(mistakes.is_empty(), "the environment of the recording has mistakes");
    Ok(written.environment)
}

struct Bench {
    plan: Arc<Plan>,
    residents: Arc<Residents>,
    store: Arc<dyn Backend>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(plan: Arc<Plan>, residents: Residents) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = Embedded::open(&folder.path().join("store"), Options::default())?;
        let store: Arc<dyn Backend> = Arc::new(store);
        store.put_environment(&plan.environment, Expect::Anything).await?;
        Ok(Self { plan, residents: Arc::new(residents), store, _folder: folder })
    }

    async fn scan(&self, recording: Recording, one_in: usize) -> Result<(ScanReport, Clock)> {
        let request = ScanRequest {
            plan: Arc::clone(&self.plan),
            door: Arc::new(Once::new(Changed { inner: Replay::new(recording), one_in })),
            store: Arc::clone(&self.store),
            residents: Arc::clone(&self.residents),
            secrets: &NoSecrets,
            scrubber: Arc::new(Scrubber::new()),
            mode: ScanMode::Full,
            clear: false,
            now: jiff::Timestamp::now(),
            holder: "bench".into(),
            is_live: false,
            max_tasks: 0,
            lease: calipso_pipeline::scan::LEASE,
            cancel: CancellationToken::new(),
        };
        let clock = Clock::default();
        let report = scan(&request, &clock).await?;
        clock.end();
        Ok((report, clock))
    }
}

/// When each part of a scan began, and the end.
#[derive(Default)]
struct Clock(Mutex<Vec<(Option<Phase>, Instant)>>);

impl Observer for Clock {
    fn phase(&self, phase: Phase) {
        self.note(Some(phase));
    }
}

impl Clock {
    fn note(&self, phase: Option<Phase>) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((phase, Instant::now()));
    }

    fn end(&self) {
        self.note(None);
    }

    fn between(&self, from: Phase, to: Option<Phase>) -> Duration {
        let noted = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = |wanted: Option<Phase>| noted.iter().find(|(phase, _)| *phase == wanted).map(|(_, at)| *at);
        at(Some(from)).zip(at(to)).map_or(Duration::ZERO, |(from, to)| to - from)
    }

    fn load(&self) -> Duration {
        self.between(Phase::Load, Some(Phase::Fetch))
    }

    fn fetch(&self) -> Duration {
        self.between(Phase::Fetch, Some(Phase::Derive))
    }

    fn after_fetching(&self) -> Duration {
        self.between(Phase::Derive, None)
    }
}

/// A recorded cloud in which the cards of some hosts have another MTU.
struct Changed {
    inner: Replay,
    /// One host in so many; 0: none.
    one_in: usize,
}

impl Changed {
    fn is_other(&self, host: &Str) -> bool {
        let number = host.bytes().fold(0_usize, |number, byte| number.wrapping_mul(31).wrapping_add(byte.into()));
        self.one_in > 0 && number % self.one_in == 0
    }
}

#[async_trait]
impl Door for Changed {
    async fn exchange(&self, call: Call) -> Exchange {
        let host = match &call.key {
            RequestKey::Exec(key) => Some(key.host.clone()),
            _ => None,
        };
        let exchange = self.inner.exchange(call).await;
        let reply = exchange.reply.map(|reply| match reply {
            Reply::Exec { exit, stdout, stderr } if host.is_some_and(|host| self.is_other(&host)) => {
                Reply::Exec { exit, stdout: stdout.replace("1500", "1480").into(), stderr }
            }
            other => other,
        });
        Exchange { reply, ..exchange }
    }
}
