//! Whole scans over inline recordings: what is found, what is kept when something fails, what a second scan writes.

#[cfg(test)]
#[path = "scan/bench.rs"]
mod bench;
#[cfg(test)]
#[path = "scan/beside.rs"]
mod beside;
#[cfg(test)]
#[path = "scan/neighbours.rs"]
mod neighbours;
#[cfg(test)]
#[path = "scan/resident.rs"]
mod resident;
#[cfg(test)]
#[path = "scan/work.rs"]
mod work;

use std::{collections::BTreeMap, sync::Arc};

use bench::{Bench, answers, answers_without_second_machine, keys};
use calipso_model::{ObjectKey, Value};
use calipso_pipeline::{ScanMode, test_connections};
use calipso_transport::{Fault, Faulty, Once, Recording, Replay, Scrubber};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a run-time")
}

#[test]
fn a_scan_finds_places_links_and_commits_and_a_second_one_writes_nothing() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        let report = bench.scan(&answers(), ScanMode::Full).await;
        assert!(report.is_complete(), "{:?}", report.failures);
        assert_eq!((report.revision_before, report.revision_after), (0, 1));
        assert_eq!(report.objects["card"], 3);
        assert_eq!(report.links["machine-card"], 3);
        assert_eq!(report.cliques["machine"], 2);
        let machine = bench.document("machine", "m1").await;
        assert_eq!(machine.get("release"), Some(&Value::from("Stone")));
        assert_eq!(machine.get("kinds").unwrap().to_json(), r#"["plain","released"]"#);
        assert_eq!(machine.text("id_path").unwrap().as_ref(), "/shop/shop-rooms/r1/m1");
        let card = bench.document("card", "m1|c/1").await;
        assert_eq!(card.text("object_name").unwrap().as_ref(), "c/1");
        assert_eq!(card.text("parent_id").unwrap().as_ref(), "m1-cards");
        assert_eq!(card.text("parent_type").unwrap().as_ref(), "cards_folder");
        assert_eq!(card.text("name_path").unwrap().as_ref(), "/shop/Rooms/Red/m1/Cards/c/1");
        assert_eq!(card.get("machine_room"), Some(&Value::from("r1")));
        assert_eq!(card.get("speed"), Some(&Value::Int(10)));
        let unknown_speed = bench.document("card", "m1|c2").await;
        assert_eq!(unknown_speed.get("speed"), None);
        // Every machine has its folder, also one without cards; so has the environment.
        assert!(keys(&bench.state().await).contains(&"rooms_folder/shop-rooms".to_owned()));
        let report = bench.scan(&answers(), ScanMode::Full).await;
        assert_eq!((report.revision_before, report.revision_after), (1, 1));
        assert_eq!(report.changed_objects.written + report.changed_links.written + report.changed_cliques.written, 0);
    });
}

#[test]
fn what_a_complete_answer_leaves_out_goes_with_all_below_it() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let report = bench.scan(&answers_without_second_machine(), ScanMode::Full).await;
        assert!(report.is_complete(), "{:?}", report.failures);
        assert_eq!(report.revision_after, 2);
        let keys = keys(&bench.state().await);
        assert!(keys.contains(&"machine/m1".to_owned()));
        assert!(!keys.iter().any(|key| key.contains("m2")), "{keys:?}");
    });
}

#[test]
fn every_fault_of_every_request_removes_nothing_and_is_named() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let before = keys(&bench.state().await);
        let recording = || Recording::from_answers(&answers()).unwrap();
        let mut n_faults = 0;
        for place in 0..recording().entries().count() {
            for fault in Fault::ALL {
                let fresh = Bench::new().await;
                fresh.scan(&answers(), ScanMode::Full).await;
                let wanted = fresh.request_texts(&answers()).get(place).cloned().unwrap();
                let spoiled = wanted.clone();
                let door = Faulty::new(Replay::new(recording()), move |call| {
                    (bench::request_text(&call.key) == spoiled).then_some(fault)
                });
                let report = fresh.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
                let after = keys(&fresh.state().await);
                // A command that succeeds and says nothing does say something: that there is none.
                let says_none = wanted.starts_with("exec") && matches!(fault, Fault::EmptyBody);
                if says_none {
                    continue;
                }
                n_faults += 1;
                let lost: Vec<&String> = before.iter().filter(|key| !after.contains(key)).collect();
                assert!(lost.is_empty(), "{fault:?} of {wanted} removed {lost:?}");
                let unharmed = report.changed_objects.written == 0 && report.is_complete();
                assert!(!report.is_complete() || unharmed, "{fault:?} of {wanted} was taken for an answer");
                if !report.is_complete() {
                    assert!(!report.failures.is_empty(), "{fault:?} of {wanted} is not named");
                    assert!(!report.stale_scopes().is_empty());
                }
                let healed = fresh.scan(&answers(), ScanMode::Full).await;
                assert!(healed.is_complete() && healed.stale_scopes().is_empty());
                assert_eq!(keys(&fresh.state().await), before);
            }
        }
        assert!(n_faults > 50, "only {n_faults} faults were tried");
    });
}

#[test]
fn what_a_renamed_fetcher_knew_stays_until_its_replacement_has_answered() {
    runtime().block_on(async {
        let mut bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let before = keys(&bench.state().await);
        bench.plan = bench::renamed("web_rooms", "web_halls");
        let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), |call| {
            let text = bench::request_text(&call.key);
            (text.contains("/rooms") && !text.contains("machines")).then_some(Fault::Timeout)
        });
        let report = bench.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
        assert_eq!(keys(&bench.state().await), before, "nothing was read, so nothing goes");
        let stale = report.stale_scopes();
        assert!(stale.iter().any(|scope| &*scope.fetcher == "web_rooms"), "{stale:?}");
        // With an answer the new one takes the place of the old.
        let report = bench.scan(&answers(), ScanMode::Full).await;
        assert!(report.is_complete() && report.stale_scopes().is_empty(), "{:?}", report.failures);
        assert_eq!(keys(&bench.state().await), before);
        let without = bench.scan(&answers_without_second_machine(), ScanMode::Full).await;
        assert!(without.is_complete() && !bench.has("machine", "m2").await);
    });
}

#[test]
fn what_a_fetcher_refused_that_was_replaced_goes_when_the_new_one_says_so() {
    runtime().block_on(async {
        let mut bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        bench.plan = bench::renamed("web_rooms", "web_halls");
        let text = answers().to_json();
        let (whole, second) = (r#""floor":2"#, r#",{"floor":2,"id":"r2","title":"Blue"}"#);
        assert!(text.contains(whole) && text.contains(second), "{text}");
        let bad = Value::from_json(&text.replace(whole, r#""floor":"two""#)).unwrap();
        for _ in 0..2 {
            bench.scan(&bad, ScanMode::Full).await;
            assert!(bench.has("room", "r2").await, "it was named, though not properly");
            assert!(bench.has("room", "r1").await);
        }
        let gone = bench.scan(&Value::from_json(&text.replace(second, "")).unwrap(), ScanMode::Full).await;
        assert!(gone.is_complete() && gone.stale_scopes().is_empty(), "{:?}", gone.stale_scopes());
        assert!(bench.has("room", "r1").await && !bench.has("room", "r2").await);
    });
}

#[test]
fn a_failed_element_spoils_only_what_depends_on_it() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let changed = answers().to_json().replace("speed 10", "speed 99").replace("speed 20", "speed 77");
        let changed = Value::from_json(&changed).unwrap();
        let door = Faulty::new(Replay::new(Recording::from_answers(&changed).unwrap()), |call| {
            bench::request_text(&call.key).contains("tool-speed c/1").then_some(Fault::Timeout)
        });
        let report = bench.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
        assert_eq!(report.n_incomplete, 1);
        let failure = &report.failures[0];
        assert_eq!(failure.host.as_deref(), Some("m1"));
        assert!(failure.at.contains("machine_cards.yaml:"), "{}", failure.at);
        assert_eq!(bench.document("card", "m1|c/1").await.get("speed"), Some(&Value::Int(10)), "kept as it was");
        assert_eq!(bench.document("card", "m2|c3").await.get("speed"), Some(&Value::Int(77)));
        assert!(bench.has("card", "m1|c2").await);
        let stale = report.stale_scopes();
        assert_eq!((stale.len(), stale[0].parent.id.as_ref()), (1, "m1"));
    });
}

#[test]
fn the_result_does_not_depend_on_the_schedule() {
    let first = runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        bench.state().await
    });
    for seed in 0..20 {
        let state = runtime().block_on(async {
            let bench = Bench::new().await;
            let door = Replay::new(Recording::from_answers(&answers()).unwrap()).shuffled(seed);
            bench.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
            bench.state().await
        });
        assert_eq!(state, first, "seed {seed}");
    }
}

#[test]
fn a_partial_scan_touches_one_object_and_what_is_below() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let changed = answers().to_json().replace("speed 10", "speed 99").replace("speed 20", "speed 77");
        let changed = Value::from_json(&changed).unwrap();
        let report = bench.scan(&changed, ScanMode::Partial(ObjectKey::new("machine", "m1"))).await;
        assert!(report.is_complete(), "{:?}", report.failures);
        assert_eq!(bench.document("card", "m1|c/1").await.get("speed"), Some(&Value::Int(99)));
        assert_eq!(bench.document("card", "m2|c3").await.get("speed"), Some(&Value::Int(20)), "a neighbour stays");
        let gone = answers_without_second_machine();
        bench.scan(&gone, ScanMode::Partial(ObjectKey::new("machine", "m1"))).await;
        assert!(bench.has("machine", "m2").await, "nobody asked for the neighbour");
        bench.scan(&gone, ScanMode::Partial(ObjectKey::new("machine", "m2"))).await;
        assert!(!bench.has("machine", "m2").await);
        assert!(!bench.has("card", "m2|c3").await);
        for mode in [ScanMode::Partial, ScanMode::PartialInventory] {
            let unknown = bench.try_scan(&gone, mode(ObjectKey::new("machine", "m9"))).await;
            assert!(unknown.unwrap_err().to_string().contains("machine/m9"));
        }
    });
}

#[test]
fn modes_write_only_what_they_name() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        let report = bench.scan(&answers(), ScanMode::Inventory).await;
        assert!(report.changed_objects.written > 0);
        assert_eq!(bench.counts().await, (true, false, false));
        let report = bench.scan(&answers(), ScanMode::Links).await;
        assert_eq!((report.n_runs, report.changed_objects.written), (0, 0));
        assert_eq!(bench.counts().await, (true, true, false));
        bench.scan(&answers(), ScanMode::Cliques).await;
        assert_eq!(bench.counts().await, (true, true, true));
        // One object, and nothing that is derived.
        let fresh = Bench::new().await;
        fresh.scan(&answers(), ScanMode::Inventory).await;
        let changed =
            Value::from_json(&answers().to_json().replace("speed 10", "speed 99").replace("speed 20", "speed 77"));
        fresh.scan(&changed.unwrap(), ScanMode::PartialInventory(ObjectKey::new("machine", "m1"))).await;
        assert_eq!(fresh.document("card", "m1|c/1").await.get("speed"), Some(&Value::Int(99)));
        assert_eq!(fresh.document("card", "m2|c3").await.get("speed"), Some(&Value::Int(20)), "a neighbour stays");
        assert_eq!(fresh.counts().await, (true, false, false));
        // What is gone takes its links and cliques along, whatever the mode.
        bench.scan(&answers_without_second_machine(), ScanMode::Inventory).await;
        let keys = keys(&bench.state().await);
        assert!(!keys.iter().any(|key| key.contains("m2")), "{keys:?}");
    });
}

#[test]
fn a_cleared_scan_replaces_everything_in_one_revision() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), |call| {
            bench::request_text(&call.key).contains("/rooms/r1/machines").then_some(Fault::Unreachable)
        });
        let report = bench.clear_through(Arc::new(Once::new(door))).await;
        assert_eq!(report.revision_after, 2);
        let keys = keys(&bench.state().await);
        assert!(keys.contains(&"room/r1".to_owned()) && !keys.iter().any(|key| key.contains("m1")), "{keys:?}");
    });
}

#[test]
fn a_lost_session_is_opened_again_once_and_a_refused_login_is_told() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        let mut map = answers().as_map().unwrap().clone();
        let http = map.get("http").unwrap().as_list().unwrap();
        let refused = Value::from_json(r#"{"get": "/rooms/r1/machines", "status": 401, "body": {}}"#).unwrap();
        let mut list = vec![refused];
        list.extend(http.iter().cloned());
        map.insert("http", list);
        let report = bench.scan(&Value::Map(map.clone()), ScanMode::Full).await;
        assert!(report.is_complete(), "{:?}", report.failures);
        let wrong = Value::from_json(r#"{"http": [{"post": "/login", "status": 401, "body": {}}]}"#).unwrap();
        let report = bench.scan(&wrong, ScanMode::Full).await;
        assert!(!report.is_complete());
        let text = &report.failures[0].sentence;
        assert!(text.contains("logging in to web failed") && !text.contains("hidden"), "{text}");
        assert!(bench.has("card", "m1|c/1").await, "nothing was removed");
    });
}

#[test]
fn a_page_that_comes_twice_is_no_answer() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let text = answers().to_json().replace(r#""rooms":["#, r#""next":"/rooms","rooms":["#);
        let report = bench.scan(&Value::from_json(&text).unwrap(), ScanMode::Full).await;
        assert!(report.failures.iter().any(|failure| failure.kind.as_str() == "pages"), "{:?}", report.failures);
        assert!(bench.has("room", "r1").await);
    });
}

#[test]
fn connections_are_tested_line_by_line() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        let door = Arc::new(Replay::new(Recording::from_answers(&answers()).unwrap()));
        let lines = test_connections(
            &bench.plan,
            None,
            door,
            &bench::Secrets,
            Arc::new(Scrubber::new()),
            jiff::Timestamp::UNIX_EPOCH,
        )
        .await;
        let lines: BTreeMap<String, bool> =
            lines.into_iter().map(|line| (format!("{}: {}", line.role, line.name), line.ok)).collect();
        let expected = [
            ("hosts: it answers", true),
            ("web: login", true),
            ("web: rooms can be listed", true),
            ("web: there are rooms", true),
        ];
        assert_eq!(lines, expected.map(|(name, ok)| (name.to_owned(), ok)).into());
    });
}
