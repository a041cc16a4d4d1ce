//! The first hour of an author of specs: `spec new` and `try`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// A kind, its folder, and a name of that kind.
const NEW: &[(&str, &str, &str)] = &[
    ("distribution", "distributions", "acme"),
    ("connection", "connections", "acme_api"),
    ("object_type", "object_types", "disk"),
    ("parser", "parsers", "disk_list"),
    ("fetcher", "fetchers", "kernel-2.of_host"),
    ("link_type", "link_types", "instance-otep"),
    ("clique_type", "clique_types", "cards"),
];

struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> (i32, String) {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_calipso"))
            .args(args)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("CALIPSO_STORE", self.path("store.db"))
            .env_remove("CALIPSO_CONFIG")
            .env_remove("XDG_DATA_HOME")
            .env("CALIPSO_SECRET", "hush-hush-4711")
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), said)
    }

    fn good(&self, args: &[&str]) -> String {
        let (code, said) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {said}");
        said
    }

    fn bad(&self, code: i32, args: &[&str], wanted: &[&str]) {
        let (ended, said) = self.run(args);
        assert_eq!(ended, code, "{args:?}: {said}");
        for wanted in wanted {
            assert!(said.contains(wanted), "{args:?}: {wanted:?} is not in {said}");
        }
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the folder can be made");
        fs::write(file, text).expect("the file can be written");
    }

    /// A copy of the demo's recording with one more answer of compute-1.
    fn recording(&self, words: &str, stdout: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
        for (name, is_host) in [("meta.json", false), ("http.jsonl", false), ("sql.jsonl", false), ("", true)] {
            if !is_host {
                self.write(&format!("cloud/{name}"), &fs::read_to_string(from.join(name)).expect("it is recorded"));
                continue;
            }
            for entry in fs::read_dir(from.join("hosts")).expect("there are hosts") {
                let entry = entry.expect("it can be read");
                let mut text = fs::read_to_string(entry.path()).expect("it is recorded");
                let name = entry.file_name().to_string_lossy().into_owned();
                if name == "compute-1.jsonl" {
                    text.push_str(&format!(
                        "{{\"host\":\"compute-1\",\"role\":\"hosts\",\"words\":{words},\"exit\":0,\"stderr\":\"\",\"stdout\":{stdout},\"attempt\":0,\"millis\":1,\"stage\":\"work\"}}\n"
                    ));
                }
                self.write(&format!("cloud/hosts/{name}"), &text);
            }
        }
    }
}

#[test]
fn every_kind_begins_with_a_spec_that_is_right_and_a_test_that_passes() {
    let sandbox = Sandbox::new();
    for (kind, folder, name) in NEW {
        let said = sandbox.good(&["spec", "new", kind, name, "--in", "mine"]);
        for file in [format!("mine/{folder}/{name}.yaml"), format!("mine/{folder}/{name}.test.yaml")] {
            assert!(said.contains(&file), "{file} is not in {said}");
            let text = fs::read_to_string(sandbox.path(&file)).expect("it was written");
            assert!(text.starts_with("schema: "), "there are no schemas: {text}");
            for word in ["NAME", "KEY-OF", "FROM", "TO"] {
                assert!(!text.contains(word), "{word} was not filled in: {text}");
            }
        }
        let said = sandbox.good(&["test", "--specs", "mine", name]);
        assert!(!said.contains("0 passed"), "{kind}: {said}");
    }
    let said = sandbox.good(&["check", "mine"]);
    assert!(said.contains("7 specs checked") && said.contains("0 errors"), "{said}");
    // Only that nobody uses it yet is said of what is new.
    assert_eq!(said.matches("warning[").count(), said.matches("warning[spec/unreached]").count(), "{said}");
    sandbox.good(&["fmt", "--check", "mine"]);
    // All of them together, every rule and branch reached.
    sandbox.good(&["test", "--specs", "mine"]);
}

#[test]
fn two_of_one_kind_do_not_meet() {
    let sandbox = Sandbox::new();
    for (kind, _, name) in NEW.iter().filter(|(kind, ..)| *kind != "link_type") {
        sandbox.good(&["spec", "new", kind, &format!("{name}_1"), "--in", "mine"]);
        sandbox.good(&["spec", "new", kind, &format!("{name}_2"), "--in", "mine"]);
    }
    sandbox.good(&["check", "mine"]);
    sandbox.good(&["test", "--specs", "mine"]);
}

#[test]
fn a_link_type_joins_types_of_the_layer_by_what_both_have() {
    let sandbox = Sandbox::new();
    sandbox.good(&["spec", "new", "object_type", "disk", "--in", "mine"]);
    sandbox.bad(2, &["spec", "new", "link_type", "disk-shelf", "--in", "mine"], &["`disk-shelf`", "object_type NAME"]);
    sandbox.good(&["spec", "new", "link_type", "disk-instance", "--in", "mine"]);
    sandbox.good(&["spec", "new", "link_type", "disk-network", "--specs", "mine"]);
    let text = |name: &str| fs::read_to_string(sandbox.path(&format!("mine/link_types/{name}.yaml"))).expect("written");
    assert!(text("disk-instance").contains("[from.host, from.name]"), "{}", text("disk-instance"));
    assert!(text("disk-network").contains("key: \"[to.name]\""), "{}", text("disk-network"));
    sandbox.good(&["check", "mine"]);
    sandbox.good(&["test", "--specs", "mine", "disk"]);
}

#[test]
fn nothing_is_overwritten_and_wrong_names_say_what_is_right() {
    let sandbox = Sandbox::new();
    sandbox.write("mine/parsers/a.test.yaml", "mine\n");
    sandbox.bad(2, &["spec", "new", "parser", "a", "--in", "mine"], &["a.test.yaml", "left as it is"]);
    assert!(!sandbox.path("mine/parsers/a.yaml").exists(), "half of it was written");
    assert_eq!(fs::read_to_string(sandbox.path("mine/parsers/a.test.yaml")).expect("it is there"), "mine\n");
    std::os::unix::fs::symlink("elsewhere", sandbox.path("mine/parsers/b.yaml")).expect("a link");
    sandbox.bad(2, &["spec", "new", "parser", "b", "--in", "mine"], &["b.yaml"]);
    assert!(!sandbox.path("mine/parsers/elsewhere").exists(), "written through a link");
    fs::remove_file(sandbox.path("mine/parsers/b.yaml")).expect("the link goes");
    sandbox.bad(2, &["spec", "new", "fetcher", "linux_host_os", "--in", "mine"], &["already", "extends: true"]);
    sandbox.bad(2, &["spec", "new", "rule", "x", "--in", "mine"], &["no kind `rule`", "object_type"]);
    sandbox.bad(2, &["spec", "new", "parser", "x"], &["--in my-specs"]);
    for name in ["../x", "", ".x", "a b", "null", "1", "x.yaml", "x/y", "ä"] {
        sandbox.bad(2, &["spec", "new", "parser", name, "--in", "mine"], &["cannot be the name"]);
    }
    sandbox.bad(2, &["spec", "new", "link_type", "host", "--in", "mine"], &["FROM-TO"]);
}

#[test]
fn an_editor_finds_the_schemas_that_are_there() {
    for schemas in ["schemas", "mine/schemas"] {
        let sandbox = Sandbox::new();
        sandbox.good(&["schema", "--out", schemas]);
        sandbox.good(&["spec", "new", "fetcher", "x", "--in", "mine"]);
        for (file, kind) in [("x.yaml", "fetcher"), ("x.test.yaml", "test")] {
            let text = fs::read_to_string(sandbox.path(&format!("mine/fetchers/{file}"))).expect("it was written");
            let way = text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
            let way = way.unwrap_or_else(|| panic!("no modeline in {text}"));
            assert!(way.ends_with(&format!("{kind}.schema.json")), "{way}");
            assert!(sandbox.path("mine/fetchers").join(way).is_file(), "{way} leads nowhere");
        }
        sandbox.good(&["check", "mine"]);
        sandbox.good(&["fmt", "--check", "mine"]);
        sandbox.good(&["test", "--specs", "mine", "x"]);
    }
}

const ROOMS: &str = "schema: fetcher/v1\nname: rooms\ndescription: Rooms.\nsource: none\nunder: host\nextends: [host]\nat: parent\n\
     when: parent.host != 'controller'\nsteps:\n  - {run: cat /rooms, parse: {json: {must_be: list}}, as: rooms}\n  \
     - {lookup: host_pnic, where: {host: \"{{ parent.host }}\"}, as: cards}\n  \
     - {when: \"rooms | length > 5\", let: many, value: true}\n  \
     - {emit: host, set: {host: \"{{ parent.host }}\", rooms: \"{{ rooms }}\", n_cards: \"{{ cards | length }}\", many: \"{{ many | default }}\"}}\n";

#[test]
fn a_fetcher_is_tried_on_a_recording_and_nothing_is_stored() {
    let sandbox = Sandbox::new();
    sandbox.recording("[\"cat\",\"/rooms\"]", "\"[\\\"kitchen\\\", \\\"hall\\\"]\"");
    sandbox.write("mine/fetchers/rooms.yaml", ROOMS);
    let base = ["try", "rooms", "--replay", "cloud", "--specs", "mine"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let said = sandbox.good(&with(&["--at", "compute-1"]));
    for wanted in [
        "rooms under host/compute-1",
        "cat /rooms  at compute-1",
        "answer: [\"kitchen\",\"hall\"]",
        "rooms = [\"kitchen\",\"hall\"]",
        "(3 elements)",
        "its `when` is false",
        "emits 1 object",
        "It would write 1 object\n  host/compute-1",
        "n_cards: 3",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is not in {said}");
    }
    assert!(!sandbox.path("store.db").exists(), "it made a store");
    // For programs the same, whole.
    let said = sandbox.good(&with(&["--at", "host/compute-1", "-o", "json"]));
    let data: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
    assert_eq!(data["objects"][0]["rooms"], serde_json::json!(["kitchen", "hall"]));
    assert_eq!(data["objects"][0]["parent_type"], "availability_zone", "{said}");
    assert_eq!(data["steps"][0]["questions"][0]["outcome"], "answer");
    assert_eq!(data["steps"][2]["skipped"], 1);
    // Another host has no answer: that is a finding, and says where and what.
    sandbox.bad(
        1,
        &with(&["--at", "compute-2"]),
        &["no answer", "cat /rooms", "It would write 0 objects", "rooms.yaml:10"],
    );
    let said = sandbox.good(&with(&["--at", "controller"]));
    assert!(said.contains("`when` is false for this parent"), "{said}");
    sandbox.bad(2, &with(&[]), &["4 are known", "compute-1"]);
    sandbox.bad(2, &with(&["--at", "compute-9"]), &["called `compute-9`", "compute-1"]);
    sandbox.bad(2, &["try", "rooms", "--replay", "cloud"], &["no fetcher `rooms`", "--specs DIR"]);
    sandbox.bad(2, &["try", "rooms", "--specs", "mine"], &["--replay DIR"]);
    sandbox.bad(2, &["try", "rooms", "--replay", "nowhere", "--specs", "mine"], &["nowhere"]);
}

#[test]
fn a_fetcher_is_tried_in_a_stored_environment_that_stays_as_it_is() {
    let sandbox = Sandbox::new();
    sandbox.recording("[\"cat\",\"/rooms\"]", "\"[\\\"kitchen\\\"]\"");
    sandbox.good(&["scan", "lab", "--replay", "cloud"]);
    let before = sandbox.good(&["get", "objects", "lab", "-o", "json"]);
    sandbox.write("mine/fetchers/rooms.yaml", ROOMS);
    let said = sandbox.good(&["try", "rooms", "lab", "--at", "compute-1", "--replay", "cloud", "--specs", "mine"]);
    assert!(said.contains("rooms: [\"kitchen\"]") && said.contains("of lab"), "{said}");
    assert_eq!(sandbox.good(&["get", "objects", "lab", "-o", "json"]), before);
    let revisions = sandbox.good(&["get", "revisions", "lab", "-o", "json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&revisions).expect("JSON").as_array().map(Vec::len), Some(1));
    // One that the environment does not use says why.
    sandbox.write(
        "mine/fetchers/rooms.yaml",
        &ROOMS.replace("under: host", "under: host\nenvironment: {name: {any_of: [other]}}"),
    );
    sandbox.bad(
        2,
        &["try", "rooms", "lab", "--at", "compute-1", "--replay", "cloud", "--specs", "mine"],
        &["does not use", "explain plan lab"],
    );
    sandbox.bad(2, &["try", "rooms", "nowhere", "--at", "compute-1", "--specs", "mine"], &["nowhere", "env list"]);
}

const SAYS: &str = "schema: fetcher/v1\nname: says\ndescription: x\nsource: none\nunder: environment\nemits: [said]\nsteps:\n  \
     - {http: GET /whoami, via: acme_api, as: answer_of_it}\n  - {let: found, value: \"{{ answer_of_it.said }}\"}\n  \
     - {emit: said, set: {name: \"{{ found }}\"}}\n";
const SAID: &str = "schema: object_type/v1\nname: said\ndescription: x\nsource: none\nattributes:\n  name: {type: text, description: x}\n\
     other_attributes: rejected\nforms: [{form: said, id: \"{{ self.name }}\", name: \"{{ self.name }}\", parent: {type: environment}}]\n";

/// A server on a free port that tells everybody their own password.
fn indiscreet() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let copy = stream.try_clone().expect("a second handle");
            let head = BufReader::new(copy).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let body = r#"{"said": "you are hush-hush-4711"}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

#[test]
fn a_living_environment_is_asked_by_its_connections_and_its_secrets_are_not_shown() {
    let sandbox = Sandbox::new();
    sandbox.good(&["spec", "new", "connection", "acme_api", "--in", "mine"]);
    sandbox.write("mine/fetchers/says.yaml", SAYS);
    sandbox.write("mine/object_types/said.yaml", SAID);
    let url = format!("acme_api.url=http://127.0.0.1:{}", indiscreet());
    sandbox.good(&[
        "env",
        "add",
        "lab",
        "--specs",
        "mine",
        "--distribution",
        "Debian",
        "--release",
        "zed",
        "--mechanism-driver",
        "OVS",
        "--type-driver",
        "vxlan",
        "--set",
        &url,
        "--set",
        "acme_api.user=reader",
        "--set",
        "acme_api.password=env:CALIPSO_SECRET",
    ]);
    for shape in ["table", "json", "yaml"] {
        let said = sandbox.good(&["try", "says", "lab", "--specs", "mine", "-o", shape]);
        assert!(said.contains("you are ***"), "{said}");
        assert!(!said.contains("hush"), "a secret is shown: {said}");
    }
    let objects = sandbox.run(&["get", "objects", "lab"]).1;
    assert!(!objects.contains("said"), "it was stored: {objects}");
}

#[test]
fn the_examples_for_ci_hold_commands_that_work() {
    let sandbox = Sandbox::new();
    sandbox.good(&["spec", "new", "fetcher", "kernel", "--in", "my-specs"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/ci");
    let mut commands = Vec::new();
    for (file, key) in [("specs.yml", "- run: calipso "), ("pre-commit-config.yaml", "entry: calipso ")] {
        let text = fs::read_to_string(folder.join(file)).expect("the example is there");
        commands.extend(text.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.to_owned())));
    }
    assert_eq!(commands.len(), 7, "{commands:?}");
    for command in commands {
        let mut words: Vec<&str> = command.split(' ').collect();
        if words == ["fmt"] {
            // The files that a commit changes are added to it.
            words.push("my-specs/fetchers/kernel.yaml");
        }
        sandbox.good(&words);
    }
    assert!(sandbox.path("tests.xml").is_file());
}

#[test]
fn every_fetcher_of_a_recording_can_be_tried_whatever_logged_in_first() {
    let sandbox = Sandbox::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let recording = recording.to_string_lossy();
    for fetcher in ["neutron_networks", "nova_hosts", "nova_aggregates"] {
        let said = sandbox.good(&["try", fetcher, "--at", "region|RegionOne", "--replay", &recording]);
        assert!(said.contains("It would write ") && !said.contains("write 0 objects"), "{fetcher}: {said}");
    }
    sandbox.bad(2, &["try", "networks", "--replay", &recording], &["did you mean `neutron_networks`"]);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo");
    sandbox.bad(2, &["scan", "lab", "--replay", &above.to_string_lossy()], &["no recording", "demo/before"]);
    sandbox.bad(2, &["scan", "lab", "--replay", &recording, "--object", "compute-1"], &["nothing is known of `lab`"]);
    assert!(!sandbox.good(&["env", "list"]).contains("lab"), "a scan that was refused leaves no environment");
}

#[test]
fn a_mistake_in_a_test_stops_neither_try_nor_scan() {
    let sandbox = Sandbox::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let recording = recording.to_string_lossy();
    sandbox.good(&["spec", "new", "object_type", "disk", "--in", "mine"]);
    let test = sandbox.path("mine/object_types/disk.test.yaml");
    let text = fs::read_to_string(&test).expect("it was written");
    fs::write(&test, text.replace("label: first", "lable: first")).expect("it can be written");
    sandbox.bad(1, &["check", "mine"], &["lable"]);
    sandbox.good(&["try", "linux_host_os", "--at", "compute-1", "--replay", &recording, "--specs", "mine"]);
    sandbox.good(&["scan", "lab", "--replay", &recording, "--specs", "mine"]);
    // What is wrong with the type itself does.
    fs::write(sandbox.path("mine/object_types/disk.yaml"), "schema: object_type/v1\n").expect("it can be written");
    sandbox.bad(1, &["scan", "lab", "--replay", &recording, "--specs", "mine"], &["spec/missing-key"]);
}

#[test]
fn a_test_made_of_a_recording_reads_from_top_to_bottom_and_passes() {
    let sandbox = Sandbox::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let text = sandbox.good(&["test", "--from-recording", &recording.to_string_lossy(), "--of", "linux_host_os"]);
    let keys =
        ["schema: test/v1", "of: {fetcher: linux_host_os}", "  - name: ", "    parent:", "    answers:", "    expect:"];
    let places: Vec<Option<usize>> = keys.iter().map(|key| text.find(key)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{text}");
    assert!(text.contains("stdout: |\n"), "what a command says stands line by line: {text}");
    fs::create_dir_all(sandbox.path("mine/fetchers")).expect("a folder");
    fs::write(sandbox.path("mine/fetchers/linux_host_os.test.yaml"), &text).expect("it can be written");
    let said = sandbox.good(&["test", "--specs", "mine", "mine/fetchers/linux_host_os.test.yaml"]);
    assert!(!said.contains("0 passed") && said.contains(" passed, 0 failed"), "{said}");
}
