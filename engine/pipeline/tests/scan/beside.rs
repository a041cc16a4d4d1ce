//! Several scans of one environment at the same time: none waits for another, and none undoes what was asked for later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use calipso_model::{ObjectKey, Value};
use calipso_pipeline::{ScanError, ScanMode, ScanReport};
use calipso_transport::{Call, Door, Exchange, Faulty, Once, Recording, Replay};
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{
    bench::{Bench, answers, request_text},
    runtime,
};

/// A door that answers one request only when it is let.
struct Paused {
    inner: Replay,
    at: &'static str,
    reached: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl Door for Paused {
    async fn exchange(&self, call: Call) -> Exchange {
        if request_text(&call.key).ends_with(self.at) {
            self.reached.add_permits(1);
            self.go.acquire().await.expect("it is not closed").forget();
        }
        self.inner.exchange(call).await
    }
}

/// A scan that waits in the middle.
struct UnderWay {
    task: JoinHandle<Result<ScanReport, ScanError>>,
    go: Arc<Semaphore>,
}

impl UnderWay {
    /// Begins a scan that waits at a request, and returns when it does.
    async fn begin(bench: &Arc<Bench>, cloud: &Value, mode: ScanMode, at: &'static str) -> Self {
        let (reached, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let inner = Replay::new(Recording::from_answers(cloud).unwrap());
        let door = Paused { inner, at, reached: Arc::clone(&reached), go: Arc::clone(&go) };
        let bench = Arc::clone(bench);
        let task = tokio::spawn(async move { bench.run(Arc::new(Once::new(door)), mode, false).await });
        reached.acquire().await.unwrap().forget();
        Self { task, go }
    }

    async fn end(self) -> Result<ScanReport, ScanError> {
        self.go.add_permits(1);
        self.task.await.unwrap()
    }
}

fn changed(changes: &[(&str, &str)]) -> Value {
    let mut text = answers().to_json();
    for (from, to) in changes {
        assert!(text.contains(from), "no {from} in {text}");
        text = text.replace(from, to);
    }
    Value::from_json(&text).unwrap()
}

fn machine(id: &str) -> ScanMode {
    ScanMode::Partial(ObjectKey::new("machine", id))
}

async fn speed(bench: &Bench) -> Option<Value> {
    bench.document("card", "m1|c/1").await.get("speed").cloned()
}

#[test]
fn a_small_scan_ends_while_a_long_one_goes_on_and_is_not_undone_by_it() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        // The long one has the old speed by the time it waits for the other machine's cards.
        let long = changed(&[("Red", "Crimson")]);
        let long = UnderWay::begin(&bench, &long, ScanMode::Full, "m2 cards").await;
        let small = bench.scan(&changed(&[("speed 10", "speed 99")]), machine("m1")).await;
        assert_eq!((small.revision_before, small.revision_after), (1, 2));
        assert_eq!(speed(&bench).await, Some(Value::Int(99)));
        let long = long.end().await.unwrap();
        assert_eq!((long.revision_before, long.revision_after), (2, 3));
        assert_eq!(long.changed_objects.removed, 0);
        assert_eq!(speed(&bench).await, Some(Value::Int(99)), "what was asked for later stays");
        assert_eq!(bench.document("room", "r1").await.text("name").unwrap().as_ref(), "Crimson");
        assert_eq!(bench.n_kept(), 7, "the last one leaves the environment in memory");
        // The next whole scan is later than both.
        bench.scan(&answers(), ScanMode::Full).await;
        assert_eq!(speed(&bench).await, Some(Value::Int(10)));
    });
}

#[test]
fn a_small_scan_that_began_earlier_undoes_nothing_either() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        let small = UnderWay::begin(&bench, &changed(&[("speed 10", "speed 50")]), machine("m1"), "cards --json").await;
        let whole = bench.scan(&changed(&[("speed 10", "speed 99")]), ScanMode::Full).await;
        assert_eq!(whole.revision_after, 2);
        let small = small.end().await.unwrap();
        assert_eq!((small.revision_before, small.revision_after), (2, 2));
        assert_eq!(speed(&bench).await, Some(Value::Int(99)));
    });
}

#[test]
fn what_a_later_answer_took_away_does_not_come_back_with_an_earlier_one() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        let long = UnderWay::begin(&bench, &answers(), ScanMode::Full, "m2 cards").await;
        let gone = changed(&[(r#"[{\"name\": \"c/1\"}, {\"name\": \"c2\"}]"#, r#"[{\"name\": \"c2\"}]"#)]);
        bench.scan(&gone, machine("m1")).await;
        assert!(!bench.has("card", "m1|c/1").await);
        long.end().await.unwrap();
        assert!(!bench.has("card", "m1|c/1").await && bench.has("card", "m1|c2").await);
        assert!(bench.has("card", "m2|c3").await);
    });
}

#[test]
fn whoever_is_cancelled_leaves_the_others_and_the_lease_alone() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        let first = UnderWay::begin(&bench, &answers(), ScanMode::Full, "m2 cards").await;
        let second = UnderWay::begin(&bench, &changed(&[("Red", "Crimson")]), ScanMode::Full, "m1 cards --json").await;
        first.task.abort();
        assert!(first.task.await.unwrap_err().is_cancelled());
        let other = bench.beside().try_scan(&answers(), ScanMode::Full).await;
        assert!(matches!(other, Err(ScanError::Store(calipso_store::StoreError::LeaseHeld { .. }))), "{other:?}");
        assert_eq!(second.end().await.unwrap().revision_after, 2);
        // Nobody is at it any more.
        assert_eq!(bench.beside().scan(&answers(), ScanMode::Full).await.revision_after, 3);
    });
}

#[test]
fn when_one_could_not_be_kept_those_that_began_with_it_say_so() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        let first = UnderWay::begin(&bench, &changed(&[("Red", "Crimson")]), ScanMode::Full, "m2 cards").await;
        let second = UnderWay::begin(&bench, &answers(), ScanMode::Full, "m2 cards").await;
        bench.steal_lease().await;
        let lost = first.end().await;
        assert!(matches!(lost, Err(ScanError::Store(calipso_store::StoreError::LeaseLost { .. }))), "{lost:?}");
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            None
        });
        let beside = bench.run(Arc::new(door), ScanMode::Full, false).await;
        assert!(matches!(beside, Err(ScanError::Store(calipso_store::StoreError::LeaseLost { .. }))), "{beside:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody begins beside those whose lease is lost");
        let forgotten = second.end().await;
        assert!(matches!(forgotten, Err(ScanError::Forgotten)), "{forgotten:?}");
        bench.give_back_stolen_lease().await;
        assert_eq!(bench.scan(&changed(&[("Red", "Crimson")]), ScanMode::Full).await.revision_after, 2);
    });
}

#[test]
fn what_was_newer_for_a_scan_that_was_given_up_is_not_newer_for_the_next_one() {
    runtime().block_on(async {
        let bench = Arc::new(Bench::new().await);
        bench.scan(&answers(), ScanMode::Full).await;
        let given_up = UnderWay::begin(&bench, &answers(), ScanMode::Full, "m2 cards").await;
        bench.scan(&changed(&[("speed 10", "speed 99")]), machine("m1")).await;
        given_up.task.abort();
        assert!(given_up.task.await.unwrap_err().is_cancelled());
        let let_go = async {
            while bench.n_kept() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), let_go).await.expect("the last one lets go of the environment");
        let whole = UnderWay::begin(&bench, &changed(&[("speed 10", "speed 50")]), ScanMode::Full, "m2 cards").await;
        bench.scan(&answers(), machine("m2")).await;
        whole.end().await.unwrap();
        assert_eq!(speed(&bench).await, Some(Value::Int(50)));
    });
}
