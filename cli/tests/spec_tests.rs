//! `calipso test` as an author of specs meets it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const TYPE: &str = "schema: object_type/v1
name: thing
description: A thing.
source: none
attributes:
  name: {type: text, description: Name.}
  kind: {type: text, description: Kind.}
  list: {type: list, description: A list.}
other_attributes: rejected
forms: [{form: thing, id: \"{{ self.name }}\", name: \"{{ self.name }}\", parent: {type: environment}}]
";

const FETCHER: &str = "schema: fetcher/v1
name: things
description: Things.
source: none
under: host
emits: [thing]
at: parent
steps:
  - run: cat /things
    parse: {json: {must_be: list_of_maps}}
    as: things
  - {emit: thing, each: thing in things, when: thing.name != 'none', set: {name: \"{{ thing.name }}\", kind: \"{{ thing.kind | default }}\", list: \"{{ thing.list | default }}\"}}
";

/// A folder of specs with one fetcher and the cases of its test.
struct Specs(TempDir);

impl Specs {
    fn new(fetcher: &str, cases: &str) -> Self {
        let specs = Self(TempDir::new().expect("a temporary directory"));
        specs.write("object_types/thing.yaml", TYPE);
        specs.write("fetchers/things.yaml", fetcher);
        specs.cases(cases);
        specs
    }

    /// One case, whose keys stand in `rest`, four spaces in.
    fn one(rest: &str) -> Self {
        Self::new(FETCHER, rest)
    }

    fn cases(&self, rest: &str) {
        let head =
            "schema: test/v1\nof: {fetcher: things}\ncases:\n  - name: one\n    parent: {type: host, id: h, host: h}\n";
        let rest: String = rest.lines().map(|line| format!("    {line}\n")).collect();
        self.write("fetchers/things.test.yaml", &format!("{head}{rest}"));
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.0.path().join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).expect("a file")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calipso"));
        command.arg("test").args(args).arg("--specs").arg(self.0.path());
        command.env_remove("CALIPSO_SPECS").env("CALIPSO_STORE", self.0.path().join("store.db"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program runs")
    }

    /// Whether the tests of the fetcher pass, and what is printed.
    fn things(&self) -> (bool, String) {
        let output = self.run(&["--no-coverage", "things.test"]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

const TWO: &str = r#"answers: {commands: [{run: cat /things, stdout: '[{"name": "a", "kind": "x"}, {"name": "b", "list": [{"n": 1}, {"n": 2}]}]'}]}"#;

#[test]
fn a_failure_stands_at_its_own_line_field_by_field() {
    let specs = Specs::one(&format!(
        "{TWO}\nexpect:\n  objects_exact:\n    - {{type: thing, id: a, kind: x}}\n    - type: thing\n      id: b\n      list:\n        - {{n: 1}}\n        - {{n: 3}}"
    ));
    let (passed, text) = specs.things();
    assert!(!passed);
    assert!(text.contains("things.test.yaml:14:16: thing/b: list [1].n: expected 3, found 2"), "{text}");
    assert_eq!(text.matches("expected").count(), 1, "only what differs: {text}");
}

#[test]
fn answers_that_nothing_asks_for_fail() {
    let specs = Specs::one(
        "answers:\n  commands:\n    - {run: cat /things, stdout: '[]'}\n    - {run: never asked, stdout: x}\nexpect: {none: true}",
    );
    let (passed, text) = specs.things();
    assert!(!passed && text.contains("things.test.yaml:9:11: nothing asked for this answer"), "{text}");
    specs.cases("answers: {commands: [{run: cat /things, stdout: '[]'}]}\nexpect: {none: true}");
    assert!(specs.things().0);
}

#[test]
fn a_case_must_use_the_fetcher_in_an_environment_that_exists() {
    let environment = |driver: &str, version: &str| {
        format!(
            "environment: {{distribution: Debian, version: {version}, mechanism_drivers: [{driver}], type_drivers: [vxlan]}}\n"
        )
    };
    let asked = FETCHER.replace("under: host", "environment: {mechanism_drivers: {any_of: [LXB]}}\nunder: host");
    let rest = format!("{TWO}\nexpect: {{objects: [{{type: thing, id: a}}]}}");
    let specs = Specs::new(&asked, &format!("{}{rest}", environment("OVS", "zed")));
    let (passed, text) = specs.things();
    assert!(!passed && text.contains("does not use things") && text.contains("things.test.yaml:6:"), "{text}");
    specs.cases(&format!("{}{rest}", environment("LXB", "zed")));
    assert!(specs.things().0, "{}", specs.things().1);
    specs.cases(&format!("{}expect: {{applies: false}}", environment("OVS", "zed")));
    assert!(specs.things().0, "{}", specs.things().1);
    specs.cases(&format!("{}expect: {{applies: false}}", environment("LXB", "zed")));
    assert!(!specs.things().0);
    specs.cases(&format!("{}{rest}", environment("LXB", "nonsense")));
    let (passed, text) = specs.things();
    assert!(!passed && text.contains("has no version `nonsense`"), "{text}");
}

#[test]
fn a_recording_beside_the_test_is_found() {
    let specs = Specs::one("answers_dir: rec\nexpect: {objects_exact: [{type: thing, id: a}]}");
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before/meta.json");
    specs.write("fetchers/rec/meta.json", &fs::read_to_string(recordings).expect("the demo's recording"));
    specs.write(
        "fetchers/rec/hosts/h.jsonl",
        r#"{"attempt":0,"exit":0,"host":"h","millis":1,"role":"hosts","stage":"work","stderr":"","stdout":"[{\"name\": \"a\"}]","words":["cat","/things"]}"#,
    );
    let (passed, text) = specs.things();
    assert!(passed, "{text}");
}

#[test]
fn a_known_object_without_an_id_gets_it_from_its_form() {
    let looks_up = "schema: fetcher/v1
name: things
description: Things.
source: none
under: host
emits: [thing]
steps:
  - {lookup: box, as: boxes}
  - {emit: thing, each: box in boxes, set: {name: \"{{ box.id }}\"}}
";
    let specs = Specs::new(
        looks_up,
        "objects: [{type: box, label: a}, {type: box, id: given, label: b}]\nexpect: {objects_exact: [{type: thing, id: a-box}, {type: thing, id: given}]}",
    );
    let form = TYPE.replace("name: thing", "name: box").replace("self.name", "self.label ~ '-box'");
    specs.write("object_types/box.yaml", &form.replace("other_attributes: rejected\n", ""));
    let (passed, text) = specs.things();
    assert!(passed, "{text}");
}

#[test]
fn what_a_search_finds_is_expected_text_by_text() {
    let specs = Specs::one(&format!("{TWO}\nexpect: {{objects: [{{type: thing, id: a}}]}}"));
    specs.write("object_types/thing.yaml", &TYPE.replace("other_attributes", "search: [kind]\nother_attributes"));
    let expecting = |search: &str| {
        let head = "schema: test/v1\nof: {object_type: thing}\ncases:\n  - name: one\n    objects: [{type: thing, name: a, kind: Web}, {type: thing, name: b, list: [web]}]\n";
        specs.write("object_types/thing.test.yaml", &format!("{head}    expect:\n      search:\n        {search}\n"));
        let output = specs.run(&["--no-coverage", "thing.test"]);
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let (passed, text) = expecting("{web: [a], Web: [], a: [a], b: [b]}");
    assert!(!passed && text.contains("thing.test.yaml:8:20: a search for Web[0]: not expected, found \"a\""), "{text}");
    assert!(expecting("{web: [a], we: [a], b: [b], list: []}").0, "{}", expecting("{}").1);
}

#[test]
fn json_is_json_whatever_is_wrong() {
    let specs = Specs::one("expect: {objcts: []}");
    let output = specs.run(&["-o", "json"]);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("this is JSON");
    assert_eq!(output.status.code(), Some(1));
    assert!(data["errors"].to_string().contains("objcts") && data["passed"] == 0, "{data}");
    specs.cases(&format!("{TWO}\nexpect: {{objects_exact: [{{type: thing, id: a, kind: y}}]}}"));
    let output = specs.run(&["--no-coverage", "--json", "things.test"]);
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("this is JSON");
    assert_eq!(data["errors"], serde_json::json!([]));
    assert!(data["failed"][0]["problems"].to_string().contains(r#"expected \"y\", found \"x\""#), "{data}");
}

#[test]
fn results_are_annotations_and_junit() {
    let specs = Specs::one(&format!("{TWO}\nexpect: {{objects: [{{type: thing, id: a, kind: \"<&\"}}]}}"));
    let file = specs.0.path().join("out.xml");
    let output = specs.run(&["--no-coverage", "--format", "github", "--junit", &file.to_string_lossy(), "things.test"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("::error file=") && text.contains("line=7,col="), "{text}");
    let xml = fs::read_to_string(file).expect("the results");
    assert!(xml.contains("failures=\"1\"") && xml.contains("&lt;&amp;") && !xml.contains("\"<&"), "{xml}");
}

#[test]
fn update_rewrites_only_what_differs() {
    let rest = format!(
        "{TWO}\nexpect:\n  objects_exact:\n    # the first\n    - {{type: thing, id: a, kind: y}}   # a kind\n    - type: thing\n      id: b\n      list: [{{n: 1}}]\n    - {{type: thing, id: gone}}"
    );
    let specs = Specs::one(&rest);
    let output = specs.run(&["--update", "things.test"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = specs.read("fetchers/things.test.yaml");
    assert!(text.contains("    # the first\n"), "{text}");
    assert!(text.contains("- {type: thing, id: a, kind: x}   # a kind\n"), "{text}");
    assert!(text.contains("list: [{n: 1}, {\"n\": 2}]") && !text.contains("gone"), "{text}");
    assert!(specs.things().0, "{}", specs.things().1);
}

#[test]
fn update_ends_with_tests_that_pass_whatever_they_expected() {
    for expect in [
        "{objects_exact: []}",
        "{objects_exact: [{type: thing, id: x}, {type: thing, id: y}], outcome: incomplete}",
        "\n  objects_exact:\n    - {type: thing, id: x}\n  outcome: incomplete",
        "\n  objects_exact:\n    - {type: thing, id: x}\n    - {type: thing, id: y}",
    ] {
        let specs = Specs::one(&format!("{TWO}\nexpect: {expect}"));
        let output = specs.run(&["--update", "things.test"]);
        let text = specs.read("fetchers/things.test.yaml");
        assert!(output.status.success(), "{expect}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
        assert!(specs.things().0 && text.contains("id: b"), "{expect}: {text}\n{}", specs.things().1);
    }
    // An outcome that is added, and entries that are added where it stands.
    let silent = "answers: {commands: [{run: cat /things, error: timeout}]}";
    let specs = Specs::one(&format!("{silent}\nexpect:\n  objects_exact:\n    - {{type: thing, id: x}}"));
    assert!(specs.run(&["--update", "things.test"]).status.success());
    assert!(specs.things().0, "{}", specs.read("fetchers/things.test.yaml"));
}

#[test]
fn watch_runs_again_when_a_file_changes() {
    let specs = Specs::one(&format!("{TWO}\nexpect: {{objects: [{{type: thing, id: z}}]}}"));
    let mut child = specs
        .command(&["--no-coverage", "--watch", "things.test"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let first = lines.find(|line| line.contains(" failed"));
    assert_eq!(first.as_deref(), Some("0 passed, 1 failed"));
    specs.cases(&format!("{TWO}\nexpect: {{objects: [{{type: thing, id: a}}]}}"));
    // Another run may have seen the file while it was written.
    let passed = lines.any(|line| line == "1 passed, 0 failed");
    child.kill().expect("it can be ended");
    child.wait().expect("it has ended");
    assert!(passed);
}

#[test]
fn changes_that_no_test_notices_are_listed_until_they_are_excepted() {
    let rest = |more: &str| {
        format!(
            "{TWO}\nexpect: {{objects_exact: [{{type: thing, id: a, kind: x}}, {{type: thing, id: b, list: [{{n: 1}}, {{n: 2}}]}}]}}{more}"
        )
    };
    let specs = Specs::one(&rest(""));
    let output = specs.run(&["--mutate", "--at-least", "0", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("this is JSON");
    let names = |data: &serde_json::Value| -> Vec<String> {
        let list = data["unnoticed"].as_array().expect("a list");
        list.iter().map(|change| change["change"].as_str().expect("a text").to_owned()).collect()
    };
    let change = "drop when at steps[emit thing].when";
    assert!(names(&data).iter().any(|name| name == change), "{data}");
    assert!(data["noticed"].as_u64() > Some(0));
    let at = data["unnoticed"].as_array().and_then(|list| list.iter().find(|found| found["change"] == change));
    assert!(at.expect("it is there")["at"].as_str().expect("a place").contains("fetchers/things.yaml:12:"));
    // The same seed chooses the same changes.
    let sample = || specs.run(&["--mutate", "--at-least", "0", "--json", "--seed", "7", "--count", "4"]).stdout;
    assert_eq!(sample(), sample());
    // An exception with its reason; it is an error as soon as the change is noticed.
    let head = "schema: test/v1\nof: {fetcher: things}\n";
    let excepted = specs
        .read("fetchers/things.test.yaml")
        .replace(head, &format!("{head}unnoticed:\n  - {{change: '{change}', because: nothing is called so}}\n"));
    specs.write("fetchers/things.test.yaml", &excepted);
    let output = specs.run(&["--mutate", "--at-least", "0", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("nothing is called so"), "{text}");
    let noticed = excepted.replace(r#"[{"name": "a""#, r#"[{"name": "none"}, {"name": "a""#);
    specs.write("fetchers/things.test.yaml", &noticed);
    let output = specs.run(&["--mutate", "--at-least", "0"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("is listed as unnoticed, but the case at"), "{text}");
    // A sample counts what it chose, and every exception is tried beside it.
    for seed in ["1", "2", "3"] {
        let output = specs.run(&["--mutate", "--at-least", "0", "--json", "--count", "1", "--seed", seed]);
        let data: serde_json::Value = serde_json::from_slice(&output.stdout).expect("this is JSON");
        assert!(
            data["counted"].as_u64().expect("a number") + data["refused"].as_u64().expect("a number") == 1,
            "{data}"
        );
        assert_eq!(data["stale"].as_array().map(Vec::len), Some(1), "{data}");
    }
}

#[test]
fn a_test_is_made_of_a_recording() {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let specs = Specs::one(&format!("{TWO}\nexpect: {{objects: [{{type: thing, id: a}}]}}"));
    let output = specs.run(&["--from-recording", &recording.to_string_lossy(), "--of", "linux_bridges"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("fetcher: linux_bridges") && text.contains("type: vconnector"), "{text}");
    // What was printed is a test that passes.
    specs.write("fetchers/linux_bridges.test.yaml", &text);
    let output = specs.run(&["--no-coverage", "fetchers/linux_bridges.test.yaml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
