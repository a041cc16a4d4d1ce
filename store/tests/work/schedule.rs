//! Schedules that ask for scans.

use std::sync::Arc;

use calipso_store::{
    Collection, RecordQuery, Records,
    work::{
        self, Recurrence, ScanOnly, ScanStatus, ScanTask, Schedule, ScheduleStatus,
        scan::{claim, finish},
        schedule::{create, due, remove},
    },
};

use crate::{Bench, NOW, TTL, full};

const HOUR: i64 = 3_600_000;

fn hourly() -> Schedule {
    Schedule {
        environment: "a".into(),
        recurrence: Recurrence::Hourly,
        first_timestamp: work::stamp(NOW),
        ..Schedule::default()
    }
}

async fn kept(records: &dyn Records, id: &str) -> Schedule {
    work::get::<Schedule>(records, id).await.unwrap().unwrap().row
}

async fn end_the_scan(bench: &Bench, now: i64) {
    let mut task = claim(&*bench.store, "w", now, TTL).await.unwrap().unwrap();
    let _ = finish(&*bench.store, &mut task, ScanStatus::Completed, None, None, None, None, now).await.unwrap();
}

async fn n_scans(records: &dyn Records) -> u64 {
    records.count(Collection::Scans, &RecordQuery::all()).await.unwrap()
}

#[tokio::test]
async fn each_planned_time_asks_once_and_what_was_missed_is_one_scan() {
    let bench = Bench::new(&["a"]).await;
    let store = &*bench.store;
    let wanted = Schedule { only: Some(ScanOnly::Links), clear: true, log_level: "WARN".into(), ..hourly() };
    let made = create(store, wanted, NOW - 10).await.unwrap();
    assert_eq!((made.row.scheduled_timestamp.clone(), made.row.time_zone.as_ref()), (Some(work::stamp(NOW)), "UTC"));
    assert_eq!(due(store, NOW - 1).await.unwrap(), 0);
    assert_eq!(due(store, NOW).await.unwrap(), 1);
    assert_eq!(due(store, NOW).await.unwrap(), 0);
    let row = kept(store, &made.id).await;
    assert_eq!((row.status, row.missed), (ScheduleStatus::Ongoing, 0));
    assert_eq!(row.scheduled_timestamp, Some(work::stamp(NOW + HOUR)));
    assert_eq!(row.last_timestamp, Some(work::stamp(NOW)));
    let (scans, _) = work::list::<ScanTask>(store, &RecordQuery::all(), &calipso_store::Page::first(9)).await.unwrap();
    let scan = &scans[0].row;
    assert_eq!((scan.only, scan.clear, scan.log_level.as_ref()), (Some(ScanOnly::Links), true, "warning"));
    assert_eq!((scan.schedule_id.clone(), scan.status), (Some(made.id.clone()), ScanStatus::Pending));
    end_the_scan(&bench, NOW + 1).await;
    // Nobody worked for three hours and a half.
    assert_eq!(due(store, NOW + 4 * HOUR + HOUR / 2).await.unwrap(), 1);
    let row = kept(store, &made.id).await;
    assert_eq!((row.missed, row.scheduled_timestamp), (3, Some(work::stamp(NOW + 5 * HOUR))));
    // Its scan still waits: the next time is passed over.
    assert_eq!(due(store, NOW + 5 * HOUR).await.unwrap(), 0);
    let row = kept(store, &made.id).await;
    assert_eq!((row.missed, row.scheduled_timestamp), (4, Some(work::stamp(NOW + 6 * HOUR))));
    assert_eq!(n_scans(store).await, 2);
    assert!(remove(store, &made.id).await.unwrap() && !remove(store, &made.id).await.unwrap());
}

#[tokio::test]
async fn once_waits_for_its_environment_and_is_then_finished() {
    let bench = Bench::new(&["a"]).await;
    let store = &*bench.store;
    let made = create(store, Schedule { recurrence: Recurrence::Once, ..hourly() }, NOW - 10).await.unwrap();
    work::scan::submit(store, full("a"), NOW - 5).await.unwrap();
    assert_eq!(due(store, NOW + 1).await.unwrap(), 0);
    assert_eq!(kept(store, &made.id).await.status, ScheduleStatus::Upcoming);
    end_the_scan(&bench, NOW + 2).await;
    assert_eq!(due(store, NOW + 3).await.unwrap(), 1);
    let row = kept(store, &made.id).await;
    assert_eq!((row.status, row.scheduled_timestamp, row.missed), (ScheduleStatus::Finished, None, 0));
    end_the_scan(&bench, NOW + 4).await;
    assert_eq!(due(store, NOW + 1_000_000).await.unwrap(), 0);
}

#[tokio::test]
async fn a_crash_between_asking_and_planning_asks_no_second_time() {
    let bench = Bench::new(&["a"]).await;
    let store = &*bench.store;
    let made = create(store, hourly(), NOW - 10).await.unwrap();
    assert_eq!(due(store, NOW).await.unwrap(), 1);
    // As if the second write had not come to pass.
    let planned = work::get::<Schedule>(store, &made.id).await.unwrap().unwrap();
    store
        .replace(Collection::ScheduledScans, &made.id, planned.version, &work::Row::to_doc(&made.row).unwrap())
        .await
        .unwrap();
    assert_eq!(due(store, NOW + 5).await.unwrap(), 0);
    assert_eq!(kept(store, &made.id).await, planned.row, "planned as before, and nothing missed");
    // The same after the scan has ended.
    end_the_scan(&bench, NOW + 6).await;
    let planned = work::get::<Schedule>(store, &made.id).await.unwrap().unwrap();
    store
        .replace(Collection::ScheduledScans, &made.id, planned.version, &work::Row::to_doc(&made.row).unwrap())
        .await
        .unwrap();
    assert_eq!(due(store, NOW + 7).await.unwrap(), 0);
    assert_eq!(n_scans(store).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_ask_once() {
    let bench = Arc::new(Bench::new(&["a", "b", "c"]).await);
    for environment in ["a", "b", "c"] {
        create(&*bench.store, Schedule { environment: environment.into(), ..hourly() }, NOW - 10).await.unwrap();
    }
    let mut workers = Vec::new();
    for number in 0..8 {
        let bench = Arc::clone(&bench);
        workers.push(tokio::spawn(async move {
            let store = if number % 2 == 0 { Arc::clone(&bench.store) } else { bench.again().await };
            due(&*store, NOW + number).await.unwrap()
        }));
    }
    let mut asked = 0;
    for worker in workers {
        asked += worker.await.unwrap();
    }
    assert_eq!((asked, n_scans(&*bench.store).await), (3, 3));
    for task in work::all::<Schedule>(&*bench.store, &RecordQuery::all()).await.unwrap() {
        assert_eq!((task.row.missed, task.row.scheduled_timestamp), (0, Some(work::stamp(NOW + HOUR))));
    }
}

#[tokio::test]
async fn what_cannot_run_any_more_is_finished_and_says_why_and_stops_no_other() {
    let bench = Bench::new(&["a", "b"]).await;
    let store = &*bench.store;
    let gone = create(store, hourly(), NOW - 10).await.unwrap();
    let broken = Schedule { time_zone: "Nowhere/Else".into(), scheduled_timestamp: Some(work::stamp(NOW)), ..hourly() };
    work::insert(store, "broken", Schedule { environment: "b".into(), ..broken }).await.unwrap();
    create(store, Schedule { environment: "b".into(), ..hourly() }, NOW - 10).await.unwrap();
    store.remove_environment("a", NOW).await.unwrap();
    assert_eq!(due(store, NOW).await.unwrap(), 1);
    let row = kept(store, &gone.id).await;
    assert_eq!(row.status, ScheduleStatus::Finished);
    assert!(row.problem.as_deref().unwrap().contains("no environment named `a`"));
    let row = kept(store, "broken").await;
    assert!(row.problem.as_deref().unwrap().contains("no time zone `Nowhere/Else`"), "{row:?}");
}
