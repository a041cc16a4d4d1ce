//! The program as a user meets it: commands, what they print, how they end.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use calipso_store::{Embedded, Options, RecordQuery, work};
use tempfile::TempDir;

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings").join(name)
}

struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calipso"));
        command
            .args(args)
            .env("CALIPSO_STORE", self.dir.path().join("store.db"))
            .env("COLUMNS", "150")
            .env_remove("CALIPSO_LOG");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program runs")
    }

    /// Standard output of a command that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("output is UTF-8")
    }

    /// Exit code and standard error of a command that must not.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn scan(&self, name: &str, environment: &str) {
        let dir = recording(name);
        self.ok(&["scan", environment, "--replay", &dir.to_string_lossy()]);
    }
}

#[test]
fn the_demo_shows_tree_clique_and_difference() {
    let text = Sandbox::new().ok(&["demo"]);
    for wanted in ["Regions", "(instance)", "╔", "revision 1 → 2", "link "] {
        assert!(text.contains(wanted), "`{wanted}` is not in\n{text}");
    }
}

#[test]
fn what_was_scanned_can_be_read_in_every_shape() {
    let sandbox = Sandbox::new();
    sandbox.scan("demo/before", "cloud");
    let objects = sandbox.ok(&["get", "objects", "cloud", "-o", "json", "--limit", "100000"]);
    assert!(objects.contains("\"type\": \"instance\""));
    assert!(!objects.contains("last_scanned"));
    assert!(sandbox.ok(&["get", "objects", "cloud", "-t", "instance"]).lines().count() > 2);
    assert!(sandbox.ok(&["get", "objects", "cloud", "-o", "tree"]).contains("└─ "));
    assert!(sandbox.ok(&["get", "objects", "cloud", "alpha-vm1", "-o", "yaml"]).contains("type: instance"));
    assert!(sandbox.ok(&["get", "links", "cloud", "alpha-vm1"]).contains("instance-vnic"));
    assert!(sandbox.ok(&["get", "cliques", "cloud", "alpha-vm1", "-o", "json"]).contains("\"nodes\""));
    assert!(sandbox.ok(&["graph", "cloud", "alpha-vm1"]).contains("host_pnic"));
    assert!(sandbox.ok(&["graph", "cloud", "alpha-vm1", "--format", "dot"]).starts_with("graph "));
    assert!(sandbox.ok(&["graph", "cloud", "alpha-vm1", "--format", "mermaid"]).starts_with("graph LR"));
    assert!(sandbox.ok(&["graph", "cloud", "alpha-vm1", "--around", "1", "-f", "json"]).contains("focal_point"));
    assert!(sandbox.ok(&["search", "cloud", "vm1"]).contains("alpha-vm1"));
    assert!(sandbox.ok(&["explain", "plan", "cloud"]).contains("fetcher"));
    assert!(sandbox.ok(&["explain", "clique", "cloud", "alpha-vm1"]).contains("instance-vnic"));
    assert!(sandbox.ok(&["explain", "object", "cloud", "alpha-vm1"]).contains("says that it exists"));
    assert!(sandbox.ok(&["explain", "dangling", "cloud", "--all"]).contains("LINK TYPE"));
    assert!(sandbox.ok(&["get", "reports", "cloud"]).contains("REPORT"));
    assert!(sandbox.ok(&["env", "list"]).contains("cloud"));
    assert!(sandbox.ok(&["completions", "bash"]).contains("calipso"));
}

#[test]
fn a_scan_by_command_is_in_the_history() {
    let sandbox = Sandbox::new();
    sandbox.scan("ovs", "cloud");
    sandbox.ok(&["scan", "cloud", "--links-only"]);
    let store = Embedded::open(&sandbox.dir.path().join("store.db"), Options::default()).expect("the store opens");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a run-time");
    let state = runtime.block_on(work::scan::state(&store, "cloud")).expect("the history can be read");
    assert!(state.scanned && !state.running && state.pending == 0);
    let scans = runtime.block_on(work::all::<work::ScanTask>(&store, &RecordQuery::all())).expect("it can be read");
    let told: Vec<_> = scans.iter().map(|scan| (scan.row.status.as_str(), scan.row.only, scan.row.revision)).collect();
    assert_eq!(told, [("completed", None, Some(1)), ("completed", Some(work::ScanOnly::Links), Some(1))]);
}

#[test]
fn the_same_scan_twice_commits_nothing() {
    let sandbox = Sandbox::new();
    sandbox.scan("demo/before", "cloud");
    sandbox.scan("demo/before", "cloud");
    assert_eq!(sandbox.ok(&["get", "revisions", "cloud"]).lines().count(), 2);
    sandbox.scan("demo/after", "cloud");
    assert_eq!(sandbox.ok(&["get", "revisions", "cloud"]).lines().count(), 3);
    let output = sandbox.run(&["diff", "cloud"]);
    assert_eq!(output.status.code(), Some(1), "a difference is a finding");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("revision 1 → 2"));
    let before = sandbox.ok(&["get", "objects", "cloud", "-o", "json", "--revision", "1", "--limit", "100000"]);
    let after = sandbox.ok(&["get", "objects", "cloud", "-o", "json", "--limit", "100000"]);
    assert!(before != after);
}

#[test]
fn time_zone_and_locale_change_no_byte() {
    let mut seen = Vec::new();
    for (zone, locale) in [("UTC", "C"), ("Pacific/Kiritimati", "de_DE.UTF-8"), ("America/St_Johns", "tr_TR.UTF-8")] {
        let sandbox = Sandbox::new();
        let dir = recording("demo/before");
        let output = sandbox
            .command(&["scan", "cloud", "--replay", &dir.to_string_lossy()])
            .env("TZ", zone)
            .env("LC_ALL", locale)
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut all = String::new();
        for what in ["objects", "links", "cliques"] {
            all.push_str(&sandbox.ok(&["get", what, "cloud", "-o", "json", "--limit", "100000"]));
        }
        seen.push(all);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn failures_say_what_to_do_and_have_their_exit_codes() {
    let sandbox = Sandbox::new();
    let (code, text) = sandbox.fails(&["scan", "nowhere"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("nowhere") && text.contains("env list"), "{text}");
    let (code, text) = sandbox.fails(&["get", "objects", "nowhere"]);
    assert_eq!(code, 2, "{text}");
    assert_eq!(sandbox.fails(&["explain", "link/bad-nam"]).0, 2);
    assert!(sandbox.fails(&["explain", "link/bad-nam"]).1.contains("link/bad-name"));
    assert_eq!(sandbox.fails(&["no-such-command"]).0, 2);
    let (code, text) = sandbox.fails(&["env", "add", "x", "--distribution", "Debain", "--release", "zed"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("Debian"), "{text}");
    let plain = [
        "env",
        "add",
        "x",
        "--distribution",
        "Debian",
        "--release",
        "zed",
        "--set",
        "database.password=visible-secret",
    ];
    let (code, text) = sandbox.fails(&plain);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("env:NAME") && !text.contains("visible-secret"), "{text}");
    sandbox.scan("demo/before", "cloud");
    assert_eq!(sandbox.fails(&["get", "objects", "cloud", "nothing-of-this-name"]).0, 2);
    assert_eq!(sandbox.fails(&["get", "objects", "cloud", "--revision", "99"]).0, 2);
    assert_eq!(sandbox.fails(&["search", "cloud", "nothing-of-this-name"]).0, 1);
}

#[test]
fn wrong_specs_are_shown_in_every_format() {
    let sandbox = Sandbox::new();
    let specs = sandbox.dir.path().join("specs/link_types");
    std::fs::create_dir_all(&specs).expect("the directory can be written");
    std::fs::write(
        specs.join("a-b.yaml"),
        "schema: link_type/v1\nname: a-b\ndescription: d\nsource: s\nfrom: a\nto: b\nruels: []\n",
    )
    .expect("the directory can be written");
    let dir = sandbox.dir.path().join("specs");
    let dir = dir.to_string_lossy();
    let output = sandbox.run(&["check", &dir]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("spec/unknown-key") && text.contains("a-b.yaml:7:1") && text.contains("did you mean `rules`?"),
        "{text}"
    );
    for (format, wanted) in [("json", "\"line\": 7"), ("sarif", "2.1.0"), ("github", "::error file=")] {
        let output = sandbox.run(&["check", &dir, "--format", format]);
        assert!(String::from_utf8_lossy(&output.stdout).contains(wanted), "{format}");
    }
    assert!(sandbox.ok(&["check"]).contains(" 0 errors"));
    assert!(sandbox.ok(&["explain", "spec/unknown-key"]).contains("spec/unknown-key"));
    assert!(sandbox.ok(&["schema", "fetcher"]).contains("fetcher/v1"));
}

#[test]
fn a_sealed_secret_opens_only_where_it_was_sealed() {
    let sandbox = Sandbox::new();
    let file = sandbox.dir.path().join("keys");
    let keys = calipso_vault::Keys::open_or_create(&file).expect("keys can be made");
    let belongs = calipso_model::SecretLocation::role("x", "database").field("password");
    let sealed = keys.seal(&belongs, &calipso_model::Secret::new("hidden-secret")).expect("it can be sealed");
    let add = |environment: &str, key_file: &Path| {
        let set = format!("database.password={sealed}");
        let args = ["env", "add", environment, "--distribution", "Debian", "--release", "zed", "--set", &set];
        let output = sandbox.command(&args).env("CALIPSO_KEY_FILE", key_file).output().expect("the program runs");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(!add("x", &file).contains("database.password"), "{}", add("x", &file));
    let text = add("y", &file);
    assert!(text.contains("database.password") && text.contains("another place"), "{text}");
    let other = sandbox.dir.path().join("other");
    calipso_vault::Keys::open_or_create(&other).expect("keys can be made");
    let text = add("x", &other);
    assert!(text.contains(&keys.sealing_id()) && text.contains("not among the keys"), "{text}");
    assert!(!text.contains("hidden-secret") && !text.contains(&sealed), "{text}");
}

#[test]
fn what_cannot_be_a_store_is_said_and_left_alone() {
    let sandbox = Sandbox::new();
    let file = sandbox.dir.path().join("letter.txt");
    std::fs::write(&file, "dear all\n").expect("a file");
    let (code, text) = sandbox.fails(&["env", "list", "--store", &file.to_string_lossy()]);
    assert!(code == 5 && text.contains("letter.txt` is no store") && !text.contains("remove it"), "{code}: {text}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "dear all\n");
    let (code, text) = sandbox.fails(&["env", "list", "--store", &sandbox.dir.path().to_string_lossy()]);
    assert!(code == 5 && text.contains("which is a folder") && text.contains("store.db"), "{code}: {text}");
    for odd in ["postgres://host/x", ""] {
        let (code, text) = sandbox.fails(&["env", "list", "--store", odd]);
        assert!(code == 2 && text.contains("no place of a store"), "{odd}: {code}: {text}");
    }
    let (_, text) = sandbox.fails(&["scan", "nowhere"]);
    assert!(text.contains("the store is ") && text.contains("store.db"), "{text}");
}

#[test]
fn an_environment_is_added_with_words_for_what_is_missing() {
    let sandbox = Sandbox::new();
    let add = |more: &[&str]| {
        let mut args = vec!["env", "add", "lab", "--mechanism-driver", "OVS", "--type-driver", "vxlan"];
        args.extend(more);
        sandbox.fails(&args)
    };
    let (code, text) = add(&[]);
    assert!(code == 2 && text.contains("needs `--distribution`") && text.contains("Debian"), "{text}");
    let (code, text) = add(&["--distribution", "Debian"]);
    assert!(code == 2 && text.contains("needs `--release`") && text.contains("zed"), "{text}");
    let secret = ["--distribution", "Debian", "--version", "zed", "--set", "hosts.password=env:CALIPSO_NOT_SET"];
    let (code, text) = add(&[&secret[..], &["--set", "hosts.host=h", "--set", "hosts.user=u"]].concat());
    let wanted = "hosts.password: the environment variable CALIPSO_NOT_SET is not set";
    assert!(code == 2 && text.contains(wanted) && text.contains("has to be set"), "{text}");
    let good = ["env", "add", "lab", "--distribution", "Debian", "--version", "zed", "--mechanism-driver", "OVS"];
    let text = sandbox.ok(&[&good[..], &["--type-driver", "vxlan"]].concat());
    assert!(text.starts_with("added lab\n") && text.matches("for the role openstack").count() == 1, "{text}");
    assert!(sandbox.ok(&good).starts_with("replaced lab\n"));
    // Nothing was found, and why.
    let (code, text) = sandbox.fails(&["get", "objects", "lab"]);
    assert!(code == 1 && text.contains("nothing is known of `lab` yet") && text.contains("calipso scan lab"), "{text}");
}

#[test]
fn lists_tell_things_of_one_name_apart() {
    let sandbox = Sandbox::new();
    sandbox.scan("demo/before", "cloud");
    let text = sandbox.ok(&["get", "links", "cloud", "-t", "host_pnic-network"]);
    assert!(text.contains("compute-1|eth1-") && text.contains("compute-2|eth1-"), "{text}");
    let found = sandbox.ok(&["search", "cloud", "alpha-vm"]);
    let names: Vec<&str> = found.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert!(names.is_sorted() && found.contains("  name"), "{found}");
    let (code, text) = sandbox.fails(&["get", "objects", "cloud", "--where", "name=nothing"]);
    assert!(code == 1 && text.contains("no object of `cloud` is like that"), "{text}");
    let (code, text) = sandbox.fails(&["get", "objects", "cloud", "--host", "nowhere"]);
    assert!(code == 2 && text.contains("nothing in `cloud` is on a host `nowhere`"), "{text}");
    assert_eq!(sandbox.fails(&["diff", "cloud", "-o", "tree"]).0, 2, "differences have no parents");
    let help = sandbox.ok(&["scan", "--help"]);
    let own = help.find("--replay").expect("its own option");
    assert!(
        own < help.find("Options of every command").expect("the others") && help.ends_with("finer filters\n"),
        "{help}"
    );
}
