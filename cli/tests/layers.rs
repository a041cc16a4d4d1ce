//! Layers of specs as their author meets them: `check`, `fmt`, `schema`, and one catalogue in every command.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use calipso_store::{Embedded, Options, work};
use tempfile::TempDir;

const FETCHER: &str = "schema: fetcher/v1\nname: rooms\ndescription: Rooms.\nsource: none\nunder: host\nemits: [room]\nat: parent\n\
                       steps:\n  - {run: cat /rooms, parse: {json: {must_be: list_of_maps}}, as: rooms}\n  \
                       - {emit: room, each: room in rooms, set: {name: \"{{ room.name }}\"}}\n";
const ROOM: &str = "schema: object_type/v1\nname: room\ndescription: A room.\nsource: none\nattributes:\n  name: {type: text, description: Name.}\n\
                    other_attributes: rejected\nforms: [{form: room, id: \"{{ self.name }}\", name: \"{{ self.name }}\", parent: {type: environment}}]\n";

struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("the folder can be made");
        fs::write(file, text).expect("the file can be written");
    }

    /// A type and a fetcher of it, without mistakes.
    fn layer(&self, name: &str) {
        self.write(&format!("{name}/object_types/room.yaml"), ROOM);
        self.write(&format!("{name}/fetchers/rooms.yaml"), FETCHER);
    }

    fn run_in(&self, folder: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_calipso"))
            .args(args)
            .current_dir(self.dir.path().join(folder))
            .env("CALIPSO_STORE", self.dir.path().join("store.db"))
            .env_remove("CALIPSO_SPECS")
            .output()
            .expect("the program runs")
    }

    /// Exit code, and all that is said.
    fn run(&self, args: &[&str]) -> (i32, String) {
        said(&self.run_in("", args))
    }
}

fn said(output: &Output) -> (i32, String) {
    let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn a_folder_is_checked_over_the_built_in_specs_unless_it_stands_alone() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    let (code, text) = sandbox.run(&["check", "mine"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("2 specs checked over the built-in ones: 0 errors, 0 warnings"), "{text}");
    let (code, text) = sandbox.run(&["check", "--alone", "mine"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("no object type is named `host`") && text.contains("leave out `--alone`"), "{text}");
    assert_eq!(sandbox.run(&["check", "--alone"]).0, 2);
    let (code, text) = sandbox.run(&["check", "nothing"]);
    assert!(code == 2 && text.contains("there is no `nothing`"), "{text}");
    sandbox.write("empty/README.md", "Nothing yet.");
    let (code, text) = sandbox.run(&["check", "empty"]);
    assert!(code == 2 && text.contains("no spec in these folders"), "{text}");
}

#[test]
fn the_folder_of_the_built_in_specs_stands_for_them() {
    let sandbox = Sandbox::new();
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let (code, text) = sandbox.run(&["check", "--strict", &specs.to_string_lossy()]);
    assert!(code == 0 && !text.contains("over the built-in ones"), "{text}");
    let (code, text) = sandbox.run(&["check", &specs.join("object_types/host.yaml").to_string_lossy()]);
    assert!(code == 0 && text.contains("1 file checked: 0 errors"), "{text}");
}

#[test]
fn a_file_is_checked_with_the_layer_around_it() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    sandbox.write("mine/fetchers/bad.yaml", "schema: fetcher/v1\nname: bad\n");
    let (code, text) = sandbox.run(&["check", "mine/fetchers/rooms.yaml"]);
    assert!(code == 0 && text.contains("1 file checked") && text.contains("other files have"), "{text}");
    let (code, text) = sandbox.run(&["check", "mine/fetchers/bad.yaml"]);
    assert!(code == 1 && text.contains("mine/fetchers/bad.yaml:1"), "{text}");
    // From inside of the layer, and from inside of the folder of the kind.
    for (folder, file) in [("mine", "fetchers/rooms.yaml"), ("mine/fetchers", "rooms.yaml")] {
        let (code, text) = said(&sandbox.run_in(folder, &["check", file]));
        assert!(code == 0 && text.contains("1 file checked over the built-in ones: 0 errors"), "{folder}: {text}");
    }
    fs::rename(sandbox.dir.path().join("mine/fetchers/rooms.yaml"), sandbox.dir.path().join("mine/fetchers/rooms.yml"))
        .expect("it can be renamed");
    let (code, text) = sandbox.run(&["check", "mine/fetchers/rooms.yml"]);
    assert!(code == 1 && text.contains("spec/never-read") && text.contains("rename it to `rooms.yaml`"), "{text}");
}

#[test]
fn a_scan_refuses_specs_that_nobody_reads() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    sandbox.write("mine/fetcher/rooms.yaml", FETCHER);
    let (code, text) = sandbox.run(&["test", "--specs", "mine", "no such test"]);
    assert!(code == 1 && text.contains("did you mean `fetchers/`?"), "{text}");
}

#[test]
fn a_link_in_a_circle_is_an_error_and_not_a_hang() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    std::os::unix::fs::symlink(sandbox.dir.path().join("mine"), sandbox.dir.path().join("mine/again"))
        .expect("a link can be made");
    let (code, text) = sandbox.run(&["check", "mine"]);
    assert!(code == 2 && text.contains("mine/again") && text.contains("leads back"), "{text}");
}

#[test]
fn specs_are_formatted_in_place_or_named() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    let untidy = "name: rooms\nschema: parser/v1   # of rooms\ndescription:   Rooms.\nsource: none\nparse: { lines: {keep: 'a#b'} }\n\n\n";
    sandbox.write("mine/parsers/rooms.yaml", untidy);
    let (code, text) = sandbox.run(&["fmt", "--check", "mine"]);
    assert!(code == 1 && text.contains("not formatted: mine/parsers/rooms.yaml"), "{text}");
    let (code, text) = sandbox.run(&["fmt", "mine"]);
    assert!(code == 0 && text.contains("formatted mine/parsers/rooms.yaml"), "{text}");
    let file = sandbox.dir.path().join("mine/parsers/rooms.yaml");
    let wanted = "schema: parser/v1   # of rooms\nname: rooms\ndescription: Rooms.\nsource: none\nparse: {lines: {keep: 'a#b'}}\n";
    assert_eq!(fs::read_to_string(&file).expect("it can be read"), wanted);
    assert_eq!(sandbox.run(&["fmt", "--check", "mine"]).0, 0);
    sandbox.write("mine/parsers/rooms.yaml", "a: [\n");
    let (code, text) = sandbox.run(&["fmt", "mine"]);
    assert!(code == 1 && text.contains("mine/parsers/rooms.yaml:"), "{text}");
    assert_eq!(fs::read_to_string(&file).expect("it can be read"), "a: [\n");
    assert_eq!(sandbox.run(&["fmt"]).0, 2);
}

#[test]
fn the_modeline_of_the_schemas_resolves_from_the_folder_of_a_kind() {
    let sandbox = Sandbox::new();
    sandbox.layer("mine");
    for (args, folder) in [
        (vec!["schema", "--out", "schemas"], "mine/fetchers"),
        (vec!["schema", "--out", "mine/schemas"], "mine/fetchers"),
        (vec!["schema", "--out", "deep/er/schemas", "--specs", "mine"], "mine/fetchers"),
    ] {
        let (code, text) = sandbox.run(&args);
        assert_eq!(code, 0, "{text}");
        let way = text
            .lines()
            .find_map(|line| line.split_once("$schema="))
            .map(|(_, way)| way)
            .expect("a modeline is printed");
        assert!(sandbox.dir.path().join(folder).join(way).is_file(), "{args:?}: {text}");
    }
    assert_eq!(sandbox.run(&["check", "--strict", "mine"]).0, 0, "schemas in a layer are no stray files");
}

#[test]
fn an_environment_of_a_layer_that_is_not_named_says_which_option_is_missing() {
    let sandbox = Sandbox::new();
    let distribution = "schema: distribution/v1\nname: Mine\ndescription: x\nsource: x\nplatform: openstack\nversions: [\"1\"]\n\
                        variances: [{mechanism_drivers: [OVS], type_drivers: [vxlan]}]\n";
    sandbox.write("mine/distributions/Mine.yaml", distribution);
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let recording = recording.to_string_lossy();
    assert_eq!(sandbox.run(&["scan", "cloud", "--replay", &recording]).0, 0);
    let store = Embedded::open(&sandbox.dir.path().join("store.db"), Options::default()).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a run-time");
    runtime.block_on(async {
        use calipso_store::Store as _;
        let mut found = store.environment("cloud").await.expect("it is there");
        (found.distribution, found.version) = ("Mine".into(), "1".into());
        store.put_environment(&found, calipso_store::Expect::Anything).await.expect("it can be written");
    });
    drop(store);
    let (code, text) = sandbox.run(&["scan", "cloud", "--replay", &recording]);
    assert!(code == 2 && text.contains("--specs DIR"), "{text}");
    let (code, text) = sandbox.run(&["explain", "plan", "cloud", "--specs", "mine"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn the_specs_of_an_environment_count_in_every_command() {
    let sandbox = Sandbox::new();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings/demo/before");
    let recording = recording.to_string_lossy();
    assert_eq!(sandbox.run(&["scan", "cloud", "--replay", &recording]).0, 0);
    let store = Embedded::open(&sandbox.dir.path().join("store.db"), Options::default()).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a run-time");
    let row = |kind: &str, name: &str, text: &str| work::SpecRow {
        environment: "cloud".into(),
        kind: kind.into(),
        name: name.into(),
        text: text.into(),
        ..work::SpecRow::default()
    };
    let link = "schema: link_type/v1\nname: instance-network\ndescription: Own.\nsource: none\nfrom: instance\nto: network\n\
                rules: [{name: by name, from: {each: \"card in [1]\", key: \"[1]\"}, to: {key: \"[1]\"}}]\n";
    let more = "schema: object_type/v1\nname: instance\ndescription: Own.\nsource: none\nextends: true\n\
                derive: [{attribute: label, value: \"vm {{ self.name }}\"}]\n";
    runtime.block_on(async {
        work::insert(&store, "1", row("link_type", "instance-network", link)).await.expect("it can be written");
        work::insert(&store, "2", row("object_type", "instance", more)).await.expect("it can be written");
    });
    drop(store);
    let (code, text) = sandbox.run(&["explain", "plan", "cloud"]);
    assert!(code == 0 && text.contains("instance-network"), "{text}");
    let (code, text) = sandbox.run(&["scan", "cloud", "--replay", &recording]);
    assert_eq!(code, 0, "{text}");
    let (_, text) = sandbox.run(&["get", "objects", "cloud", "alpha-vm1", "-o", "json"]);
    assert!(text.contains("vm alpha-vm1"), "{text}");
    let (code, text) = sandbox.run(&["get", "links", "cloud", "-o", "json", "--limit", "100000"]);
    assert!(code == 0 && text.contains("instance-network"), "{text}");
    let (code, text) = sandbox.run(&["explain", "link", "cloud", "instance-network", "alpha-vm1", "alpha-net1"]);
    assert!(code == 0 && text.contains("specs of cloud/link_types/instance-network.yaml"), "{text}");
}

#[test]
fn tests_of_a_spec_that_another_replaces_are_said_to_be_left_out() {
    let sandbox = Sandbox::new();
    let case = |found: &str| {
        format!(
            "schema: test/v1\nof: {{fetcher: rooms}}\ncases:\n  - name: one\n    parent: {{type: host, id: h, host: h}}\n    \
             answers: {{commands: [{{run: cat /rooms, stdout: '[{{\"name\": \"{found}\"}}]'}}]}}\n    \
             expect: {{objects_exact: [{{type: room, id: {found}}}]}}\n"
        )
    };
    for (layer, found) in [("first", "a"), ("second", "b")] {
        sandbox.layer(layer);
        sandbox.write(&format!("{layer}/fetchers/rooms.test.yaml"), &case(found));
    }
    let (_, text) = sandbox.run(&["test", "--no-coverage", "--specs", "first", "--specs", "second", "rooms"]);
    let wanted = "left out first/fetchers/rooms.test.yaml: second/fetchers/rooms.yaml stands for what it tests";
    assert!(text.contains(wanted) && text.contains("1 passed, 0 failed"), "{text}");
    let (_, text) =
        sandbox.run(&["test", "--no-coverage", "-o", "json", "--specs", "first", "--specs", "second", "rooms"]);
    assert!(text.contains("\"left_out\"") && text.contains("first/fetchers/rooms.test.yaml"), "{text}");
}

#[test]
fn cases_that_miss_what_an_extension_adds_are_left_out_where_it_has_tests() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "mine/link_types/vnic-port.yaml",
        "schema: link_type/v1\nname: vnic-port\ndescription: A card and its port.\nsource: none\nfrom: vnic\nto: port\nrules:\n  \
         - name: by address\n    from: {key: \"[from.mac_address]\"}\n    to: {key: \"[to.mac_address]\"}\n",
    );
    sandbox.write(
        "mine/clique_types/instance_ovs.yaml",
        "schema: clique_type/v1\nname: instance_ovs\ndescription: The ports, too.\nsource: none\nextends: true\npath: [vnic-port]\n",
    );
    let (code, text) = sandbox.run(&["test", "--specs", "mine", "--no-coverage", "instance_ovs"]);
    assert!(code == 1 && text.contains("give it a test of its own"), "{text}");
    sandbox.write(
        "mine/clique_types/instance_ovs.test.yaml",
        "schema: test/v1\nof: {clique_type: instance_ovs}\ncases:\n  - name: no card, no port\n    environment: {distribution: Debian, version: zed, \
         mechanism_drivers: [OVS], type_drivers: [vxlan]}\n    objects: [{type: instance, id: i1, name: one}]\n    expect: {none: true}\n",
    );
    let (code, text) = sandbox.run(&["test", "--specs", "mine", "--no-coverage", "instance_ovs"]);
    assert!(code == 0 && text.contains("left out ") && text.contains("adds to what they test"), "{text}");
}
