//! What stays in memory between scans leads to the same as reading the store anew before each.

use std::{sync::Arc, time::Duration};

use calipso_model::{ObjectKey, Value};
use calipso_pipeline::{ScanMode, ScanReport};
use calipso_transport::{Fault, Faulty, Once, Recording, Replay};
use proptest::prelude::*;

use crate::{
    bench::{self, Bench, answers, answers_without_second_machine},
    runtime,
};

#[test]
fn what_is_kept_is_within_the_budget() {
    runtime().block_on(async {
        for (bench, n_objects) in
            [(Bench::new().await, 7), (Bench::forgetful().await, 0), (Bench::with_room(6).await, 0)]
        {
            for _ in 0..2 {
                bench.scan(&answers(), ScanMode::Full).await;
                assert_eq!(bench.n_kept(), n_objects);
            }
        }
    });
}

/// One scan of a sequence.
#[derive(Clone, Debug)]
struct Step {
    cloud: usize,
    /// Which request gets which fault.
    fault: Option<(usize, usize)>,
    mode: usize,
    clear: bool,
    /// Whether the process ends before it.
    restart: bool,
}

/// The clouds that are scanned: as it is, smaller, renamed, faster, with a machine that moved, with nothing.
fn clouds() -> Vec<Value> {
    let text = answers().to_json();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        Value::from_json(&text.replace(from, to)).unwrap()
    };
    vec![
        answers(),
        answers_without_second_machine(),
        changed("\"title\":\"Red\"", "\"title\":\"Crimson\""),
        changed("speed 10", "speed 99"),
        changed(
            r#"[{"host":"m1"},{"host":"m2"}],"next":null},"get":"/rooms/r1/machines"},{"body":{"machines":[]}"#,
            r#"[{"host":"m1"}],"next":null},"get":"/rooms/r1/machines"},{"body":{"machines":[{"host":"m2"}]}"#,
        ),
        changed(r#"[{"host":"m1"},{"host":"m2"}]"#, "[]"),
    ]
}

fn mode(number: usize) -> ScanMode {
    let machine = ObjectKey::new("machine", "m1");
    match number {
        0 => ScanMode::Partial(machine),
        1 => ScanMode::PartialInventory(machine),
        2 => ScanMode::Inventory,
        3 => ScanMode::Links,
        4 => ScanMode::Cliques,
        _ => ScanMode::Full,
    }
}

fn step() -> impl Strategy<Value = Step> {
    let fault = proptest::option::weighted(0.3, (0..13_usize, 0..Fault::ALL.len()));
    (0..6_usize, fault, 0..9_usize, proptest::bool::weighted(0.1), proptest::bool::weighted(0.2))
        .prop_map(|(cloud, fault, mode, clear, restart)| Step { cloud, fault, mode, clear, restart })
}

async fn made(bench: &Bench, step: &Step, cloud: &Value) -> Option<ScanReport> {
    let spoiled = step.fault.map(|(place, fault)| (bench.request_texts(cloud)[place].clone(), Fault::ALL[fault]));
    let door = Faulty::new(Replay::new(Recording::from_answers(cloud).unwrap()), move |call| {
        spoiled.as_ref().filter(|(wanted, _)| bench::request_text(&call.key) == *wanted).map(|(_, fault)| *fault)
    });
    bench.run(Arc::new(Once::new(door)), mode(step.mode), step.clear).await.ok()
}

/// A report without what a clock or a restart changes.
fn told(report: Option<ScanReport>) -> Option<String> {
    report.map(|mut report| {
        report.seconds = 0.0;
        report.id = None;
        report.to_value().to_json()
    })
}

#[test]
fn what_another_process_wrote_is_seen_even_where_it_made_no_revision() {
    runtime().block_on(async {
        let at = |seconds: u64| jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut first = Bench::new().await;
        first.scan(&answers(), ScanMode::Full).await;
        let mut second = first.beside();
        second.now = at(60);
        // The list of rooms is not answered: no revision, but scopes that are out of date.
        let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), |call| {
            bench::request_text(&call.key).ends_with("/rooms").then_some(Fault::Timeout)
        });
        let report = second.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
        assert_eq!((report.revision_before, report.revision_after), (1, 1));
        assert!(!report.stale_scopes().is_empty());
        // A scan that asks nothing tells what is stored.
        first.now = at(120);
        let seen = first.scan(&answers(), ScanMode::Links).await;
        assert_eq!(seen.stale_scopes(), report.stale_scopes(), "the first process sees what the second wrote");
        let scopes = first.scopes().await;
        second.now = at(180);
        second.scan(&answers(), ScanMode::Cliques).await;
        assert_eq!(second.scopes().await, scopes);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_scanned_the_store_holds_the_same(steps in proptest::collection::vec(step(), 1..10)) {
        runtime().block_on(async {
            let clouds = clouds();
            let (mut kept, mut forgetful) = (Bench::new().await, Bench::forgetful().await);
            for (number, step) in steps.iter().enumerate() {
                for bench in [&mut kept, &mut forgetful] {
                    bench.now = jiff::Timestamp::UNIX_EPOCH + Duration::from_secs(60 * number as u64);
                }
                if step.restart {
                    kept.restart();
                }
                let of_kept = told(made(&kept, step, &clouds[step.cloud]).await);
                let of_forgetful = told(made(&forgetful, step, &clouds[step.cloud]).await);
                assert_eq!(of_kept, of_forgetful, "the reports of step {number}, {step:?}");
                assert_eq!(kept.state().await, forgetful.state().await, "the objects after step {number}, {step:?}");
                assert_eq!(kept.scopes().await, forgetful.scopes().await, "the scopes after step {number}, {step:?}");
            }
        });
    }
}
