//! What the specs of one environment may cost: too much is a failure at its line, the report is not complete, and what else was
//! found stays.

use std::{path::Path, path::PathBuf, sync::Arc, time::Instant};

use calipso_model::{ConnectionConfig, Environment, Map, Secret, SecretLocation, Value};
use calipso_pipeline::{Quiet, ScanError, ScanMode, ScanReport, ScanRequest, SecretSource, plan, scan};
use calipso_spec::{Layer, Severity, load, read_layer};
use calipso_store::{Backend, Durability, Embedded, Expect, Options};
use calipso_transport::{Once, Recording, Replay, Scrubber};

struct Secrets;

impl SecretSource for Secrets {
    fn resolve(&self, _reference: &str, _place: &SecretLocation) -> Result<Secret, String> {
        Ok(Secret::new("hidden"))
    }

    fn known_hosts(&self) -> PathBuf {
        "known_hosts".into()
    }
}

/// The shop of the other tests, with files of another layer.
fn scanned(files: &[(&str, &str)]) -> Result<ScanReport, ScanError> {
    let layer = read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs")).expect("the specs are there");
    let files = files.iter().map(|(path, text)| ((*path).into(), Arc::from(*text))).collect();
    let loaded = load(&[layer, Layer { name: "own".into(), files }]);
    let wrong: Vec<&String> = loaded
        .diagnostics
        .iter()
        .filter(|found| found.severity == Severity::Error)
        .map(|found| &found.message)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let map = |json: &str| Value::from_json(json).expect("JSON").as_map().cloned().unwrap_or_else(Map::new);
    let connection = |spec: &str, fields: &str| (spec.into(), map(fields));
    let connections = [
        ("web", connection("web", r#"{"url": "http://web.invalid", "password": "env:P"}"#)),
        ("hosts", connection("shell", r#"{"password": "env:P"}"#)),
    ];
    let environment = Environment {
        name: "shop".into(),
        distribution: "Plain".into(),
        version: "2".into(),
        mechanism_drivers: vec!["A".into()],
        type_drivers: vec!["t".into()],
        connections: connections
            .into_iter()
            .map(|(role, (spec, fields))| (role.into(), ConnectionConfig { spec, fields }))
            .collect(),
        ..Environment::default()
    };
    let plan = Arc::new(plan(&Arc::new(loaded.specs), &environment).expect("a plan"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a run-time");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options { durability: Durability::Process, ..Options::default() };
        let store: Arc<dyn Backend> = Arc::new(Embedded::open(&folder.path().join("store"), options).expect("a store"));
        store.put_environment(&environment, Expect::Anything).await.expect("it is kept");
        let answers = Value::from_json(include_str!("scan/answers.json")).expect("JSON");
        let request = ScanRequest {
            plan,
            door: Arc::new(Once::new(Replay::new(Recording::from_answers(&answers).expect("answers")))),
            store,
            residents: Arc::default(),
            secrets: &Secrets,
            scrubber: Arc::new(Scrubber::new()),
            mode: ScanMode::Full,
            clear: false,
            now: jiff::Timestamp::UNIX_EPOCH,
            holder: "test".into(),
            is_live: false,
            max_tasks: 0,
            lease: calipso_pipeline::scan::LEASE,
            cancel: calipso_pipeline::CancellationToken::new(),
        };
        let start = Instant::now();
        let scanned = scan(&request, &Quiet).await;
        assert!(start.elapsed().as_secs() < 120, "a scan must end soon: {:?}", start.elapsed());
        scanned
    })
}

/// 2 MB of text out of one word.
const LONG: &str = "'xxxxxxxx' | replace('x', 'yyyyyyyyyyyyyyyy') | replace('y', 'zzzzzzzzzzzzzzzz') | replace('z', 'wwwwwwwwwwwwwwww') | replace('w', 'vvvvvvvvvvvvvvvv') | replace('v', 'uuuu')";

/// A fetcher of the shop with these steps.
fn fetcher(steps: &str) -> String {
    format!(
        "schema: fetcher/v1\nname: own_cards\ndescription: Heavy.\nsource: made up\nunder: machine\nextends: [card]\nat: parent\nsteps:\n{steps}"
    )
}

fn complete(report: &ScanReport) -> bool {
    assert_eq!(report.objects.get("machine"), Some(&2), "what else was found stays");
    assert_eq!(report.links.get("machine-card"), Some(&3));
    report.is_complete()
}

#[test]
fn the_shop_itself_is_far_within_the_bounds() {
    assert!(complete(&scanned(&[]).expect("a report")));
}

#[test]
fn a_rule_that_is_given_up_makes_the_report_incomplete_at_its_line() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let [near, far] = ["n", "m"]
        .map(|name| (0..6).map(|place| format!("{name}{place} in {digits}")).collect::<Vec<String>>().join("; "));
    let link = format!(
        "schema: link_type/v1\nname: room-machine\ndescription: Heavy.\nsource: made up\nfrom: room\nto: machine\nrules:\n  - name: heavy\n    from: {{each: \"{near}\", key: \"['x']\"}}\n    to: {{each: \"{far}\", key: \"['x']\"}}\n"
    );
    let report = scanned(&[("link_types/room-machine.yaml", &link)]).expect("a report");
    assert!(!complete(&report));
    assert_eq!(report.links.get("room-machine"), None);
    let told: Vec<String> = report.given_up.iter().map(|(at, sentence)| format!("{at}: {sentence}")).collect();
    assert!(told.len() == 1 && told[0].starts_with("own/link_types/room-machine.yaml:8:"), "{told:?}");
    let said = report.to_value().to_json();
    assert!(said.contains(r#""complete":false"#) && said.contains("given up"), "{said}");
}

#[test]
fn steps_that_make_too_much_text_fail_at_their_line() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let steps = format!(
        "  - let: heavy\n    each: \"a in {digits}; b in {digits}; c in {digits}\"\n    value: \"{{{{ a ~ ({LONG}) }}}}\"\n  - emit: card\n    set: {{host: \"{{{{ parent.host }}}}\", card_name: \"{{{{ heavy | length | string }}}}\"}}\n"
    );
    let report = scanned(&[("fetchers/own_cards.yaml", &fetcher(&steps))]).expect("a report");
    assert!(!complete(&report));
    let told: Vec<String> =
        report.failures.iter().map(|failure| format!("{} {}", failure.at, failure.sentence)).collect();
    assert!(
        told.iter().all(|told| told.starts_with("own/fetchers/own_cards.yaml:9:") && told.contains("bytes of text")),
        "{told:?}"
    );
    assert!(!told.is_empty() && told.len() < 10, "{told:?}");
}

#[test]
fn steps_that_work_without_end_fail_at_their_line() {
    let digits = "[0,1,2,3,4,5,6,7,8,9]";
    let many: Vec<String> = ('a'..='l').map(|name| format!("{name} in {digits}")).collect();
    let steps = format!(
        "  - let: heavy\n    each: \"{}\"\n    when: a > 100\n    value: \"{{{{ b }}}}\"\n  - emit: card\n    set: {{host: \"{{{{ parent.host }}}}\", card_name: \"{{{{ heavy | length | string }}}}\"}}\n",
        many.join("; ")
    );
    let report = scanned(&[("fetchers/own_cards.yaml", &fetcher(&steps))]).expect("a report");
    assert!(!complete(&report));
    let told: Vec<String> =
        report.failures.iter().map(|failure| format!("{} {}", failure.at, failure.sentence)).collect();
    assert!(!told.is_empty() && told.len() < 10 && told.iter().all(|told| told.contains("elements")), "{told:?}");
}
