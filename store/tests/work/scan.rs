//! Requests for scans: who gets them, who keeps them, how they end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use calipso_store::{
    Collection, RecordQuery, Records, StoreError,
    work::{
        self, Beat, Level, Progress, ScanOnly, ScanStatus, ScanTask,
        scan::{beat, cancel, claim, finish, forget_old, hand_back, record, state, submit},
    },
};
use tokio::sync::Mutex;

use crate::{Bench, NOW, TTL, full};

async fn done(records: &dyn Records, task: &mut work::Versioned<ScanTask>, now: i64) -> Beat {
    finish(records, task, ScanStatus::Completed, None, Some(1), Some(2), None, now).await.unwrap()
}

#[tokio::test]
async fn a_request_goes_from_hand_to_hand() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let asked = submit(store, full("a"), NOW).await.unwrap();
    assert_eq!(asked.id.len(), 24);
    assert_eq!(asked.row.status, ScanStatus::Pending);
    assert_eq!(asked.row.log_level.as_ref(), "info");
    let mut task = claim(store, "w1", NOW + 1, TTL).await.unwrap().unwrap();
    assert_eq!((task.id.clone(), task.row.attempts, task.row.holder.as_deref()), (asked.id.clone(), 1, Some("w1")));
    assert!(claim(store, "w2", NOW + 2, TTL).await.unwrap().is_none());
    let progress = Progress { phase: "fetch".into(), objects: 7, ..Progress::default() };
    assert_eq!(beat(store, &mut task, progress.clone(), NOW + 10_000, TTL).await.unwrap(), Beat::Go);
    assert_eq!(done(store, &mut task, NOW + 20_000).await, Beat::Go);
    let kept = work::get::<ScanTask>(store, &asked.id).await.unwrap().unwrap();
    assert_eq!(kept, task);
    assert_eq!((kept.row.progress, kept.row.report_id, kept.row.revision), (progress, Some(1), Some(2)));
    assert_eq!(kept.row.end_timestamp, Some(work::stamp(NOW + 20_000)));
    assert!(claim(store, "w2", NOW + 100_000_000, TTL).await.unwrap().is_none(), "it is done");
}

#[tokio::test]
async fn what_only_workers_write_cannot_be_asked_for() {
    let bench = Bench::new(&[]).await;
    let sly = ScanTask {
        status: ScanStatus::Completed,
        attempts: 9,
        holder: Some("me".into()),
        error: Some("no".into()),
        log_level: "WARN".into(),
        ..full("a")
    };
    let asked = submit(&*bench.store, sly, NOW).await.unwrap();
    assert_eq!(
        asked.row,
        ScanTask { log_level: "warning".into(), submit_timestamp: work::stamp(NOW), updated_millis: NOW, ..full("a") }
    );
    for (wrong, what) in [
        (full(""), "needs an environment"),
        (ScanTask { object_id: Some("x".into()), ..full("a") }, "by its type and its id"),
        (ScanTask { log_level: "loud".into(), ..full("a") }, "`loud` is no level"),
        (
            ScanTask {
                object_id: Some("x".into()),
                object_type: Some("t".into()),
                only: Some(ScanOnly::Links),
                ..full("a")
            },
            "for a whole environment",
        ),
    ] {
        let error = submit(&*bench.store, wrong, NOW).await.unwrap_err();
        assert!(matches!(&error, StoreError::Invalid { what: said } if said.contains(what)), "{error}");
    }
}

#[tokio::test]
async fn the_oldest_whose_time_has_come_is_first() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let late = submit(store, ScanTask { not_before_millis: NOW + 60_000, ..full("a") }, NOW).await.unwrap();
    let second = submit(store, full("b"), NOW + 1).await.unwrap();
    let third = submit(store, full("c"), NOW + 2).await.unwrap();
    let same = submit(store, full("b"), NOW + 3).await.unwrap();
    let mut taken = Vec::new();
    while let Some(task) = claim(store, "w", NOW + 10, TTL).await.unwrap() {
        taken.push(task);
    }
    let ids: Vec<_> = taken.iter().map(|task| task.id.clone()).collect();
    assert_eq!(ids, [second.id, third.id], "one of an environment at a time, and none too early");
    assert_eq!(done(store, &mut taken[0], NOW + 20).await, Beat::Go);
    assert_eq!(claim(store, "w", NOW + 30, TTL).await.unwrap().unwrap().id, same.id);
    assert_eq!(claim(store, "w", NOW + 60_000, TTL).await.unwrap().unwrap().id, late.id);
}

#[tokio::test]
async fn a_lost_worker_is_followed_and_refused_and_the_fourth_does_not_try() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let asked = submit(store, full("a"), NOW).await.unwrap();
    let mut first = claim(store, "w1", NOW, TTL).await.unwrap().unwrap();
    assert!(claim(store, "w2", NOW + 29_999, TTL).await.unwrap().is_none());
    let mut second = claim(store, "w2", NOW + 30_000, TTL).await.unwrap().unwrap();
    assert_eq!((second.id.clone(), second.row.attempts), (asked.id.clone(), 2));
    // The first wakes up.
    assert_eq!(beat(store, &mut first, Progress::default(), NOW + 30_001, TTL).await.unwrap(), Beat::Lost);
    assert_eq!(done(store, &mut first, NOW + 30_002).await, Beat::Lost);
    assert_eq!(hand_back(store, &mut first, 0, "why", NOW + 30_003).await.unwrap(), Beat::Lost);
    assert_eq!(work::get::<ScanTask>(store, &asked.id).await.unwrap().unwrap(), second);
    assert_eq!(beat(store, &mut second, Progress::default(), NOW + 31_000, TTL).await.unwrap(), Beat::Go);
    let third = claim(store, "w3", NOW + 61_000, TTL).await.unwrap().unwrap();
    assert_eq!(third.row.attempts, 3);
    assert!(claim(store, "w4", NOW + 91_000, TTL).await.unwrap().is_none());
    let ended = work::get::<ScanTask>(store, &asked.id).await.unwrap().unwrap().row;
    assert_eq!(ended.status, ScanStatus::Failed);
    assert!(ended.error.as_deref().unwrap().contains("3 workers") && ended.error.as_deref().unwrap().contains("w3"));
    assert_eq!(done(store, &mut second, NOW + 92_000).await, Beat::Lost);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_good_until_somebody_else_begins() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    submit(store, full("a"), NOW).await.unwrap();
    let mut first = claim(store, "w1", NOW, TTL).await.unwrap().unwrap();
    assert_eq!(beat(store, &mut first, Progress::default(), NOW + 50_000, TTL).await.unwrap(), Beat::Go);
    assert!(claim(store, "w2", NOW + 70_000, TTL).await.unwrap().is_none(), "it lives again");
    // An older request of the same environment is begun while the first sleeps.
    let older = ScanTask { status: ScanStatus::Pending, submit_timestamp: work::stamp(NOW - 1), ..full("a") };
    work::insert(store, "older", older).await.unwrap();
    let other = claim(store, "w2", NOW + 90_000, TTL).await.unwrap().unwrap();
    assert_eq!(other.id.as_ref(), "older");
    assert_eq!(beat(store, &mut first, Progress::default(), NOW + 90_001, TTL).await.unwrap(), Beat::Lost);
    let back = work::get::<ScanTask>(store, &first.id).await.unwrap().unwrap().row;
    assert_eq!((back.status, back.attempts), (ScanStatus::Pending, 0), "it waits for its turn");
    assert!(claim(store, "w3", NOW + 90_002, TTL).await.unwrap().is_none());
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_asks_what_runs() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let waits = submit(store, full("a"), NOW).await.unwrap();
    let ended = cancel(store, &waits.id, "ann", NOW + 1).await.unwrap();
    assert_eq!((ended.status, ended.end_timestamp), (ScanStatus::Aborted, Some(work::stamp(NOW + 1))));
    assert_eq!(ended.error.as_deref(), Some("cancelled by ann"));
    let again = cancel(store, &waits.id, "ann", NOW + 2).await.unwrap_err();
    assert!(matches!(again, StoreError::Finished { status: "aborted", .. }), "{again}");
    let unknown = cancel(store, "none", "ann", NOW + 2).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NotFound { what: "scan", .. }));

    let runs = submit(store, full("b"), NOW).await.unwrap();
    let mut task = claim(store, "w", NOW, TTL).await.unwrap().unwrap();
    let asked = cancel(store, &runs.id, "ann", NOW + 3).await.unwrap();
    assert_eq!((asked.status, asked.cancel_requested), (ScanStatus::Running, true));
    let progress = Progress { objects: 3, ..Progress::default() };
    assert_eq!(beat(store, &mut task, progress, NOW + 4, TTL).await.unwrap(), Beat::Cancel);
    assert_eq!(finish(store, &mut task, ScanStatus::Aborted, None, None, None, None, NOW + 5).await.unwrap(), Beat::Go);
    let row = work::get::<ScanTask>(store, &runs.id).await.unwrap().unwrap().row;
    assert_eq!(
        (row.status, row.error.as_deref(), row.progress.objects),
        (ScanStatus::Aborted, Some("cancelled by ann"), 3)
    );

    // Cancelled while nobody is there to hear of it.
    let runs = submit(store, full("c"), NOW).await.unwrap();
    let mut task = claim(store, "w", NOW, TTL).await.unwrap().unwrap();
    cancel(store, &runs.id, "ann", NOW + 3).await.unwrap();
    assert!(claim(store, "w2", NOW + 30_000, TTL).await.unwrap().is_none());
    assert_eq!(work::get::<ScanTask>(store, &runs.id).await.unwrap().unwrap().row.status, ScanStatus::Aborted);
    assert_eq!(done(store, &mut task, NOW + 30_001).await, Beat::Lost);

    // The end is faster than the wish.
    let runs = submit(store, full("d"), NOW).await.unwrap();
    let mut task = claim(store, "w", NOW, TTL).await.unwrap().unwrap();
    cancel(store, &runs.id, "ann", NOW + 3).await.unwrap();
    assert_eq!(done(store, &mut task, NOW + 4).await, Beat::Go);
    let row = work::get::<ScanTask>(store, &runs.id).await.unwrap().unwrap().row;
    assert_eq!((row.status, row.error), (ScanStatus::Completed, None));
}

#[tokio::test]
async fn what_is_handed_back_waits_and_was_no_attempt() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    submit(store, full("a"), NOW).await.unwrap();
    for round in 0..5 {
        let now = NOW + round * 1000;
        let mut task = claim(store, "w", now, TTL).await.unwrap().unwrap();
        assert_eq!(task.row.attempts, 1);
        assert_eq!(hand_back(store, &mut task, now + 1000, "somebody writes", now).await.unwrap(), Beat::Go);
        assert!(claim(store, "w", now + 999, TTL).await.unwrap().is_none());
        let row = work::get::<ScanTask>(store, &task.id).await.unwrap().unwrap().row;
        assert_eq!((row.status, row.holder), (ScanStatus::Pending, None));
        assert_eq!(row.waits_because.as_deref(), Some("somebody writes"));
    }
}

#[tokio::test]
async fn a_partial_scan_does_not_make_an_environment_scanned() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let end = async |task: ScanTask, status, now: i64| {
        submit(store, task, now).await.unwrap();
        let mut task = claim(store, "w", now, TTL).await.unwrap().unwrap();
        assert_eq!(finish(store, &mut task, status, None, None, None, None, now + 1).await.unwrap(), Beat::Go);
    };
    let object = ScanTask { object_type: Some("t".into()), object_id: Some("x".into()), ..full("a") };
    end(object.clone(), ScanStatus::Completed, NOW).await;
    end(ScanTask { only: Some(ScanOnly::Links), ..full("a") }, ScanStatus::Completed, NOW + 10).await;
    let known = state(store, "a").await.unwrap();
    assert!(!known.scanned && known.last_scanned.is_none() && known.last_scan_status.is_none());
    assert_eq!(known.last_partial_scanned, Some(work::stamp(NOW + 11)));
    end(full("a"), ScanStatus::CompletedWithErrors, NOW + 20).await;
    end(full("a"), ScanStatus::Failed, NOW + 30).await;
    end(object, ScanStatus::Completed, NOW + 40).await;
    submit(store, full("a"), NOW + 50).await.unwrap();
    submit(store, full("other"), NOW + 51).await.unwrap();
    let known = state(store, "a").await.unwrap();
    assert!(known.scanned && !known.running);
    assert_eq!(known.last_scanned, Some(work::stamp(NOW + 21)));
    assert_eq!(known.last_scan_status, Some(ScanStatus::Failed));
    assert_eq!(known.pending, 1);
    claim(store, "w", NOW + 60, TTL).await.unwrap().unwrap();
    let known = state(store, "a").await.unwrap();
    assert!(known.running && known.pending == 0);
    // What the state follows from is never forgotten.
    assert_eq!(forget_old(store, 0, Duration::ZERO, NOW + 1_000_000).await.unwrap(), 3);
    let kept = state(store, "a").await.unwrap();
    assert_eq!(kept.last_scanned, known.last_scanned);
    assert_eq!(kept.last_scan_status, known.last_scan_status);
}

#[tokio::test]
async fn a_scan_without_a_request_can_be_told_afterwards() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    assert!(record(store, full("a"), NOW).await.is_err(), "it has not ended");
    record(store, ScanTask { status: ScanStatus::Completed, ..full("a") }, NOW).await.unwrap();
    let known = state(store, "a").await.unwrap();
    assert!(known.scanned && known.last_scanned == Some(work::stamp(NOW)));
    assert!(claim(store, "w", NOW, TTL).await.unwrap().is_none());
}

#[tokio::test]
async fn history_is_kept_by_number_and_by_age() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    for (environment, number) in [("a", 10), ("b", 2)] {
        for n in 0..number {
            submit(store, full(environment), NOW + n * 1000).await.unwrap();
            let mut task = claim(store, "w", NOW + n * 1000, TTL).await.unwrap().unwrap();
            assert_eq!(done(store, &mut task, NOW + n * 1000).await, Beat::Go);
        }
    }
    submit(store, full("a"), NOW).await.unwrap();
    let week = Duration::from_secs(7 * 86_400);
    assert_eq!(forget_old(store, 4, week, NOW + 20_000).await.unwrap(), 6);
    let count = async |environment: &str| {
        store.count(Collection::Scans, &RecordQuery::all().equals("environment", environment)).await.unwrap()
    };
    assert_eq!((count("a").await, count("b").await), (5, 2), "and what waits");
    assert_eq!(forget_old(store, 4, Duration::from_millis(1500), NOW + 9_000).await.unwrap(), 3);
    assert_eq!((count("a").await, count("b").await), (3, 1));
}

#[tokio::test]
async fn parts_of_an_environment_run_beside_its_whole_at_one_worker() {
    let bench = Bench::new(&[]).await;
    let store = &*bench.store;
    let part = || ScanTask { object_type: Some("t".into()), object_id: Some("o".into()), ..full("a") };
    for (n, task) in [full("a"), full("a"), part(), part()].into_iter().enumerate() {
        submit(store, task, NOW + n as i64).await.unwrap();
    }
    let mut whole = claim(store, "w1", NOW + 10, TTL).await.unwrap().unwrap();
    assert!(!whole.row.is_of_part());
    assert!(claim(store, "w2", NOW + 10, TTL).await.unwrap().is_none(), "another worker is at it");
    let beside = claim(store, "w1", NOW + 10, TTL).await.unwrap().unwrap();
    assert!(beside.row.is_of_part(), "the other whole one waits");
    assert_eq!(done(store, &mut whole, NOW + 11).await, Beat::Go);
    assert!(claim(store, "w2", NOW + 12, TTL).await.unwrap().is_none(), "a part is still under way");
    let whole = claim(store, "w1", NOW + 12, TTL).await.unwrap().unwrap();
    assert!(!whole.row.is_of_part(), "a whole one beside a part");
    // Nobody heard of the worker again: another takes what it had, and with it the environment.
    let late = NOW + 12 + i64::try_from(TTL.as_millis()).unwrap() + 1;
    let taken = claim(store, "w2", late, TTL).await.unwrap().unwrap();
    assert_eq!(taken.row.attempts, 2);
    assert!(claim(store, "w1", late, TTL).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_claim_each_request_runs_once_and_one_of_an_environment_at_a_time() {
    let bench = Arc::new(Bench::new(&[]).await);
    let environments = 5;
    let requests = 40;
    for n in 0..requests {
        submit(&*bench.store, full(&format!("e{}", n % environments)), NOW + n).await.unwrap();
    }
    let running: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let runs: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let mut workers = Vec::new();
    for number in 0..16 {
        let (bench, running, runs) = (Arc::clone(&bench), Arc::clone(&running), Arc::clone(&runs));
        workers.push(tokio::spawn(async move {
            // Half of them come through another connection, as another process would.
            let store = if number % 2 == 0 { Arc::clone(&bench.store) } else { bench.again().await };
            let name = format!("w{number}");
            loop {
                let Some(mut task) = claim(&*store, &name, NOW + 1000, TTL).await.unwrap() else {
                    let open = RecordQuery::all().equals("status", "pending");
                    if store.count(Collection::Scans, &open).await.unwrap() == 0 {
                        return;
                    }
                    tokio::task::yield_now().await;
                    continue;
                };
                let environment = task.row.environment.to_string();
                *runs.lock().await.entry(task.id.to_string()).or_default() += 1;
                {
                    let mut running = running.lock().await;
                    let here = running.entry(environment.clone()).or_default();
                    *here += 1;
                    assert_eq!(*here, 1, "two scans of {environment} at once");
                }
                assert_eq!(beat(&*store, &mut task, Progress::default(), NOW + 1001, TTL).await.unwrap(), Beat::Go);
                *running.lock().await.get_mut(&environment).unwrap() -= 1;
                assert_eq!(done(&*store, &mut task, NOW + 1002).await, Beat::Go);
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let runs = runs.lock().await;
    assert_eq!(runs.len(), requests as usize);
    assert!(runs.values().all(|times| *times == 1), "{runs:?}");
    let completed = RecordQuery::all().equals("status", "completed");
    assert_eq!(bench.store.count(Collection::Scans, &completed).await.unwrap(), requests as u64);
}

#[test]
fn levels_have_many_names() {
    for name in ["panic", "alert", "crit", "CRITICAL", "error", "emerg", "err"] {
        assert_eq!(Level::from_name(name), Some(Level::Error), "{name}");
    }
    assert_eq!(Level::from_name("WARNING"), Some(Level::Warning));
    assert_eq!(Level::from_name("warn"), Some(Level::Warning));
    assert_eq!(Level::from_name("notice"), Some(Level::Info));
    assert_eq!(Level::from_name("DEBUG"), Some(Level::Debug));
    assert_eq!(Level::from_name("loud"), None);
}
