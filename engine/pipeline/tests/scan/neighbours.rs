//! One bad thing costs itself: refused values, two truths, versions that went back, sources that say nothing.

use std::sync::Arc;

use calipso_model::{ObjectKey, Value};
use calipso_pipeline::{ScanMode, report::Blind};
use calipso_transport::{Fault, Faulty, Once, Recording, Replay};

use crate::{
    bench::{self, Bench, answers, keys},
    runtime,
};

/// The answers of the shop with the machines of the first room as they are given.
fn with_machines(machines: &str) -> Value {
    let text = answers().to_json().replace(r#"[{"host":"m1"},{"host":"m2"}]"#, machines);
    assert!(text.contains(machines), "{text}");
    Value::from_json(&text).unwrap()
}

#[test]
fn a_refused_object_stays_as_it_was_and_its_neighbours_come_and_go() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&with_machines(r#"[{"host":"m1","size":"big"},{"host":"m2"}]"#), ScanMode::Full).await;
        for bad in [r#""size":"huge""#, r#""kinds":7,"size":5"#] {
            let machines = format!(r#"[{{"host":"m1",{bad}}},{{"host":"m3"}}]"#);
            let report = bench.scan(&with_machines(&machines), ScanMode::Full).await;
            assert!(bench.has("machine", "m3").await && !bench.has("machine", "m2").await, "{bad}");
            assert_eq!(bench.document("machine", "m1").await.get("size"), Some(&Value::text("big")), "{bad}");
            assert!(bench.has("card", "m1|c/1").await, "what lies below it is asked as ever");
            let failures: Vec<&str> = report.failures.iter().map(|failure| failure.kind.as_str()).collect();
            assert!(failures.contains(&"attribute"), "{bad}: {:?}", report.failures);
            let stale: Vec<(usize, String)> = report
                .stale_scopes()
                .iter()
                .filter(|stale| &*stale.fetcher == "web_machines")
                .map(|stale| (stale.n_objects, stale.problem.to_string()))
                .collect();
            assert_eq!(stale.len(), 1, "{stale:?}");
            assert!(stale[0].0 == 1 && stale[0].1.contains("machine/m1"), "{stale:?}");
            bench.scan(&with_machines(r#"[{"host":"m1","size":"big"},{"host":"m2"}]"#), ScanMode::Full).await;
        }
        let healed = bench.scan(&answers(), ScanMode::Full).await;
        assert!(healed.is_complete() && healed.stale_scopes().is_empty(), "{:?}", healed.failures);
    });
}

#[test]
fn where_not_even_the_identity_is_known_nothing_of_that_scope_goes_but_other_scopes_go_on() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let report = bench.scan(&with_machines(r#"[{"host":7},{"host":"m1"}]"#), ScanMode::Full).await;
        assert!(bench.has("machine", "m2").await, "m2 may be the one without a name");
        assert!(!report.is_complete());
        let text = answers().to_json().replace(r#"{"floor":2,"id":"r2","title":"Blue"}"#, r#"{"floor":"x","id":"r2"}"#);
        let report = bench.scan(&Value::from_json(&text).unwrap(), ScanMode::Full).await;
        assert_eq!(bench.document("room", "r2").await.get("floor"), Some(&Value::Int(2)));
        assert!(report.failures.iter().any(|failure| failure.sentence.contains("room/r2")), "{:?}", report.failures);
    });
}

#[test]
fn an_object_without_a_name_is_there_all_the_same_and_what_lies_below_it() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let text = answers().to_json().replace(r#""title":"Red""#, r#""title":null"#);
        let report = bench.scan(&Value::from_json(&text).unwrap(), ScanMode::Full).await;
        let room = bench.document("room", "r1").await;
        assert_eq!(room.text("name").map(|name| &**name), Some("r1"));
        let machine = bench.document("machine", "m1").await;
        assert_eq!(machine.text("name_path").map(|path| &**path), Some("/shop/Rooms/r1/m1"));
        let told: Vec<String> = report.misplaced.iter().map(|(key, why)| format!("{key}: {why}")).collect();
        assert!(told.len() == 1 && told[0].contains("room/r1: the name of a room has no value"), "{told:?}");
    });
}

#[test]
fn two_truths_of_one_object_cost_that_object_only_and_do_not_depend_on_their_order() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&with_machines(r#"[{"host":"m1","n":1},{"host":"m2"}]"#), ScanMode::Full).await;
        let orders = [
            r#"[{"host":"m1","n":2},{"host":"m1","n":3},{"host":"m3"}]"#,
            r#"[{"host":"m3"},{"host":"m1","n":3},{"host":"m1","n":2}]"#,
        ];
        let mut states = Vec::new();
        for machines in orders {
            let report = bench.scan(&with_machines(machines), ScanMode::Full).await;
            assert!(bench.has("machine", "m3").await && !bench.has("machine", "m2").await);
            assert_eq!(bench.document("machine", "m1").await.get("n"), Some(&Value::Int(1)), "nobody knows better");
            let told = report.failures.iter().find(|failure| failure.kind.as_str() == "duplicate").unwrap();
            assert!(told.sentence.contains("integer 2 and integer 3"), "{}", told.sentence);
            states.push(bench.state().await);
        }
        assert_eq!(states[0], states[1]);
    });
}

#[test]
fn an_older_version_wins_when_it_was_asked_for_later_and_the_answer_is_complete() {
    runtime().block_on(async {
        let mut bench = Bench::new().await;
        let version = |serial: i64| with_machines(&format!(r#"[{{"host":"m1","serial":{serial}}},{{"host":"m2"}}]"#));
        let serial = async |bench: &Bench| bench.document("machine", "m1").await.get("serial").cloned();
        bench.scan(&version(9), ScanMode::Full).await;
        // Asked for at the same moment: nobody knows which came first.
        let report = bench.scan(&version(8), ScanMode::Full).await;
        assert!(serial(&bench).await == Some(Value::Int(9)) && report.warnings.is_empty(), "{:?}", report.warnings);
        // Asked for later, but a part of an answer only.
        bench.now = "2020-01-01T00:00:00Z".parse().unwrap();
        let part = with_machines(r#"[{"host":"m1","serial":8},{"host":["none"]}]"#);
        bench.scan(&part, ScanMode::Full).await;
        assert_eq!(serial(&bench).await, Some(Value::Int(9)));
        bench.now = "2020-01-02T00:00:00Z".parse().unwrap();
        let report = bench.scan(&version(8), ScanMode::Full).await;
        assert_eq!(serial(&bench).await, Some(Value::Int(8)), "its source went back");
        assert!(
            report.warnings.iter().any(|told| told.contains("machine/m1 from integer 9 to integer 8")),
            "{:?}",
            report.warnings
        );
    });
}

#[test]
fn two_runs_of_one_fetcher_that_disagree_are_told() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        let text =
            answers().to_json().replace(r#""body":{"machines":[]}"#, r#""body":{"machines":[{"host":"m1","n":2}]}"#);
        let text = text.replace(r#"[{"host":"m1"},{"host":"m2"}]"#, r#"[{"host":"m1","n":1},{"host":"m2"}]"#);
        let report = bench.scan(&Value::from_json(&text).unwrap(), ScanMode::Full).await;
        let told: Vec<&String> =
            report.warnings.iter().filter(|told| told.contains("two things of machine/m1")).collect();
        assert_eq!(told.len(), 1, "{:?}", report.warnings);
        assert!(told[0].contains("room/r1") && told[0].contains("room/r2"), "{told:?}");
        assert_eq!(bench.document("machine", "m1").await.get("n"), Some(&Value::Int(2)), "the last one counts");
    });
}

#[test]
fn a_number_that_becomes_another_kind_of_number_is_a_change() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&with_machines(r#"[{"host":"m1","n":1},{"host":"m2"}]"#), ScanMode::Full).await;
        let report = bench.scan(&with_machines(r#"[{"host":"m1","n":1.0},{"host":"m2"}]"#), ScanMode::Full).await;
        assert_eq!(report.changed_objects.written, 1);
        assert!(matches!(bench.document("machine", "m1").await.get("n"), Some(Value::Float(_))));
    });
}

#[test]
fn a_scan_that_could_not_look_says_so() {
    runtime().block_on(async {
        let bench = Bench::new().await;
        bench.scan(&answers(), ScanMode::Full).await;
        let before = keys(&bench.state().await);
        for (fault, wanted) in [(Fault::Forbidden, Blind::Denied), (Fault::Unreachable, Blind::Unreachable)] {
            let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), move |_| Some(fault));
            let report = bench.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
            assert_eq!(report.blind(), Some(wanted), "{:?}", report.failures);
            assert_eq!(report.to_value().as_map().unwrap().text("could_not_look").unwrap().as_ref(), wanted.as_str());
            assert_eq!(keys(&bench.state().await), before);
        }
        let door = Faulty::new(Replay::new(Recording::from_answers(&answers()).unwrap()), |call| {
            bench::request_text(&call.key).starts_with("exec").then_some(Fault::Unreachable)
        });
        let report = bench.scan_through(Arc::new(Once::new(door)), ScanMode::Full).await;
        assert!(report.blind().is_none() && !report.is_complete(), "somebody answered");
        let report = bench.scan(&answers(), ScanMode::Partial(ObjectKey::new("machine", "m1"))).await;
        assert!(report.blind().is_none());
    });
}
