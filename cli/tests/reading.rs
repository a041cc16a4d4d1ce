//! What operators read: differences, dangling ends, pictures, searches, marks of what is stale; at every width, and whatever the
//! names hold.

#[path = "reading/sandbox.rs"]
mod sandbox;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use calipso_model::{Map, Object, ObjectKey, Value};
use calipso_store::{
    Commit, CommitInfo, Embedded, Expect, Member, Options, ScopeChanges, ScopeKey, ScopeRecord, Store as _,
};
use sandbox::Sandbox;
use unicode_width::UnicodeWidthStr as _;

fn two_revisions() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.scan("demo/before", "cloud");
    sandbox.scan("demo/after", "cloud");
    sandbox
}

#[test]
fn a_difference_is_told_by_its_causes() {
    let sandbox = two_revisions();
    let text = sandbox.ends(1, &["diff", "cloud"], 80);
    for wanted in [
        "~ network alpha-net1 was renamed to alpha-net1-renamed\n",
        "+ instance alpha-vm5 appeared on compute-2, in alpha-net2\n",
        "- instance beta-vm2 is gone; it was on compute-3, in beta-net1\n",
    ] {
        assert!(text.contains(wanted), "`{wanted}` is not in\n{text}");
    }
    assert!(text.lines().count() < 40, "{text}");
    assert!(!text.contains("\n~ vedge") && !text.contains("\n~ port") && !text.contains("\n- vconnector"), "{text}");
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    // Elements that came and went, and the id or the host where names repeat.
    let all = sandbox.ends(1, &["diff", "cloud", "--all"], 80);
    assert!(all.contains("bridges[br-int].ports: + qvo1d6b0db8-42\n"), "{all}");
    assert!(all.contains("~ host_pnic eth1 (compute-2|eth1-"), "{all}");
    assert!(all.lines().count() > 100, "{all}");
    let json = sandbox.ends(1, &["diff", "cloud", "-o", "json"], 80);
    let json = Value::from_json(&json).expect("this is JSON");
    let part =
        |name: &str| json.as_map().and_then(|map| map.get(name)).and_then(Value::as_list).map_or(0, <[Value]>::len);
    assert!(part("objects") > 30 && part("links") > 15 && part("cliques") == 4 && part("causes") >= 3, "{json}");
    // The same revision twice differs in nothing.
    assert!(sandbox.ends(0, &["diff", "cloud", "2", "2"], 80).contains("no difference"));
}

#[test]
fn a_healthy_cloud_has_no_unexpected_ends() {
    let sandbox = two_revisions();
    let text = sandbox.ends(0, &["explain", "dangling", "cloud"], 80);
    assert!(text.starts_with("nothing unexpected; 31 ends met nothing as usual"), "{text}");
    let all = sandbox.ends(0, &["explain", "dangling", "cloud", "--all"], 200);
    assert!(
        all.contains("host_pnic eth0") && all.contains("is linked otherwise") && all.contains("like most of its kind"),
        "{all}"
    );
    let one = sandbox.ends(0, &["explain", "dangling", "cloud", "--all", "--host", "compute-1"], 200);
    assert!(one.contains("compute-1") && !one.contains("compute-2"), "{one}");
    let one = sandbox.ends(0, &["explain", "dangling", "cloud", "compute-1-otep", "--all"], 200);
    assert!(one.contains("otep compute-1-otep") && !one.contains("host_pnic eth0"), "{one}");
    for misspelt in [&["explain", "dangling", "cloud"][..], &["get", "objects", "cloud"], &["get", "links", "cloud"]] {
        let told = sandbox.fails(2, &[misspelt, &["--host", "compute-l"]].concat());
        assert!(told.contains("nothing in `cloud` is on a host `compute-l`"), "{told}");
    }
    let told = sandbox.fails(2, &["get", "objects", "cloud", "--limit", "0"]);
    assert!(told.contains("at least 1"), "{told}");
    let told = sandbox.fails(2, &["explain", "dangling", "cloud", "--link-type", "vnic-vedg"]);
    assert!(told.contains("did you mean `vnic-vedge`"), "{told}");
    let why = sandbox.ends(0, &["explain", "clique", "cloud", "alpha-vm1"], 110);
    assert!(why.contains("WHY NONE") && why.contains("no vconnector has"), "{why}");
    assert!(why.lines().all(|line| line.width() <= 110), "{why}");
}

#[test]
fn eighty_columns_are_enough() {
    let sandbox = two_revisions();
    let commands: &[&[&str]] = &[
        &["get", "objects", "cloud"],
        &["get", "links", "cloud"],
        &["get", "cliques", "cloud"],
        &["get", "revisions", "cloud"],
        &["search", "cloud", "eth1"],
        &["explain", "plan", "cloud"],
        &["explain", "clique", "cloud", "alpha-vm1"],
        &["explain", "dangling", "cloud", "--all"],
        &["graph", "cloud", "alpha-vm3"],
    ];
    for command in commands {
        for columns in [80, 140] {
            let text = sandbox.ends(0, command, columns);
            let widest = text.lines().max_by_key(|line| line.width()).unwrap_or_default();
            assert!(widest.width() <= columns, "{command:?} at {columns}: {widest}");
        }
    }
    // Boxes, not a tree, though the names of two cards do not fit beside each other.
    let text = sandbox.ends(0, &["graph", "cloud", "alpha-vm3"], 80);
    assert!(text.contains('╔') && text.contains("tap30697167-a9"), "{text}");
    // Where no terminal reads it, a line is a row.
    let text = String::from_utf8(
        sandbox.command(&["get", "links", "cloud"], 80).env_remove("COLUMNS").output().expect("it runs").stdout,
    )
    .expect("output is UTF-8");
    assert!(text.lines().any(|line| line.starts_with("vnic-vconnector  ") && line.contains(" up ")), "{text}");
}

#[test]
fn search_finds_addresses_devices_and_domains() {
    let sandbox = two_revisions();
    for (text, wanted) in [
        ("10.101.1.11", "vnic"),
        ("10.101.1.11", "port"),
        ("FA:16:3E:87:C7:D6", "vnic"),
        ("qvo3dbb3c46-0e", "vedge"),
        ("instance-00000001", "instance"),
        ("10.30.0.21", "otep"),
    ] {
        let found = sandbox.ends(0, &["search", "cloud", text], 200);
        assert!(
            found.lines().any(|line| line.starts_with(&format!("{wanted} "))),
            "{text} finds no {wanted}:\n{found}"
        );
    }
    let found = sandbox.ends(0, &["search", "cloud", "10.30.0.21"], 200);
    assert!(found.contains("ip_address 10.30.0.21"), "it says by what: {found}");
    assert!(sandbox.fails(1, &["search", "cloud", "10.99.99.99"]).contains("nothing"));
}

#[test]
fn names_that_are_not_known_are_refused() {
    let sandbox = two_revisions();
    for what in ["objects", "links", "cliques"] {
        let told = sandbox.fails(2, &["get", what, "cloud", "-t", "no_such_type"]);
        assert!(told.contains("no type is named `no_such_type`"), "{told}");
    }
    assert!(sandbox.fails(2, &["get", "objects", "cloud", "-t", "instanse"]).contains("did you mean `instance`"));
    // Known, and none of it here.
    sandbox.ok(&["get", "objects", "cloud", "-t", "host_ref"]);
}

#[test]
fn a_tree_of_some_types_is_a_tree() {
    let text = two_revisions().ok(&["get", "objects", "cloud", "-t", "vnic", "-o", "tree"]);
    assert!(text.starts_with("Regions\n") && text.contains("alpha-vm1  (instance)"), "{text}");
    assert!(text.lines().filter(|line| line.contains("(vnic)")).all(|line| line.starts_with([' ', '│'])), "{text}");
    assert!(!text.contains("(port)"), "{text}");
}

/// Every way in which a name can steer a terminal or hide.
const NASTY: &str = "a\u{1b}[2Jb\u{9b}31mc\u{9d}d\u{7f}e\u{202e}f\u{2066}g\u{200b}h\ni";

fn with_nasty_names() -> Sandbox {
    let sandbox = Sandbox::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a run-time");
    runtime.block_on(async {
        let store = Embedded::open(&sandbox.store(), Options::default()).expect("the store opens");
        let environment = calipso_model::Environment {
            name: "cloud".into(),
            distribution: "Debian".into(),
            version: "zed".into(),
            mechanism_drivers: vec!["OVS".into()],
            ..Default::default()
        };
        store.put_environment(&environment, Expect::Anything).await.expect("it can be saved");
        let lease =
            store.acquire("cloud", "test", 0, std::time::Duration::from_secs(600)).await.expect("the lease is free");
        let object = |object_type: &str, id: &str, name: &str, more: &[(&str, &str)]| {
            let mut doc: Map =
                [("type", object_type), ("id", id), ("name", name), ("object_name", name), ("host", "h1")]
                    .into_iter()
                    .collect();
            for (field, value) in more {
                doc.insert(*field, *value);
            }
            Object { key: ObjectKey::new(object_type, id), doc }
        };
        let first = vec![
            object("instance", "i1", NASTY, &[("status", "ACTIVE")]),
            object("vnic", "v1", NASTY, &[("instance_id", "i1"), ("vnic_type", "instance_vnic")]),
        ];
        let mut second = first.clone();
        second[0].doc.insert("status", NASTY);
        let member = |key: &ObjectKey| Member {
            key: key.clone(),
            contribution: Map::new(),
            asserts: true,
            order: 0,
            at: "fetchers/x.yaml:1:1".into(),
        };
        let scope = ScopeRecord {
            key: ScopeKey {
                fetcher: "x".into(),
                object_type: "vnic".into(),
                parent: ObjectKey::new("host", "h1"),
                narrowing: Value::Null,
            },
            complete: false,
            scanned_at: "2026-01-01T00:00:00Z".into(),
            tried_at: "2026-01-02T00:00:00Z".into(),
            stale_since: Some("2026-01-01T00:00:00Z".into()),
            problem: Some("h1 did not answer".into()),
            members: vec![member(&first[1].key)],
        };
        let link = calipso_model::Link {
            link_type: "instance-vnic".into(),
            source: first[0].key.clone(),
            target: first[1].key.clone(),
            name: NASTY.into(),
            state: calipso_model::LinkState::Up,
            host: None,
            switch: None,
            attributes: Map::new(),
            implicit: false,
            rule: "domain".into(),
        };
        let clique = calipso_model::Clique {
            focal_point: first[0].key.clone(),
            clique_type: "instance_ovs".into(),
            constraints: Map::new(),
            nodes: vec![first[0].key.clone(), first[1].key.clone()],
            links: vec![calipso_model::LinkRef {
                link_type: link.link_type.clone(),
                source: link.source.clone(),
                target: link.target.clone(),
            }],
        };
        let changes = ScopeChanges { put: vec![scope], ..Default::default() };
        let info = CommitInfo { at: "2026-01-02T00:00:00Z".into(), note: NASTY.into() };
        let delta =
            calipso_model::Delta { objects: first, links: vec![link], cliques: vec![clique], ..Default::default() };
        store
            .commit(&Commit { scopes: &changes, ..Commit::new(0, &lease, &delta, &info) })
            .await
            .expect("it can be saved");
        let delta = calipso_model::Delta { objects: vec![second.swap_remove(0)], ..Default::default() };
        store.commit(&Commit::new(1, &lease, &delta, &info)).await.expect("it can be saved");
        store.release(&lease).await.expect("it can be given back");
    });
    sandbox
}

#[test]
fn nothing_steers_the_terminal() {
    let sandbox = with_nasty_names();
    let commands: &[(i32, &[&str])] = &[
        (0, &["get", "objects", "cloud"]),
        (0, &["get", "objects", "cloud", "-o", "json"]),
        (0, &["get", "objects", "cloud", "-o", "yaml"]),
        (0, &["get", "objects", "cloud", "-o", "tree"]),
        (0, &["get", "objects", "cloud", "instance/i1"]),
        (0, &["get", "links", "cloud"]),
        (0, &["get", "links", "cloud", "-o", "json"]),
        (0, &["get", "cliques", "cloud"]),
        (0, &["get", "revisions", "cloud"]),
        (0, &["graph", "cloud", "instance/i1"]),
        (0, &["graph", "cloud", "instance/i1", "--format", "dot"]),
        (0, &["graph", "cloud", "instance/i1", "--format", "mermaid"]),
        (0, &["graph", "cloud", "instance/i1", "--format", "json"]),
        (0, &["search", "cloud", "i1"]),
        (1, &["diff", "cloud"]),
        (1, &["diff", "cloud", "--all"]),
        (1, &["diff", "cloud", "-o", "json"]),
        (1, &["diff", "cloud", "-o", "yaml"]),
        (0, &["explain", "object", "cloud", "instance/i1"]),
        (2, &["get", "objects", "cloud", NASTY, "--limit", "x"]),
        (2, &["get", "objects", "cloud", "-t", NASTY]),
        (2, &["get", "objects", NASTY]),
        (2, &[NASTY]),
        (1, &["search", "cloud", "nothing\u{9b}"]),
        (2, &["scan", "cloud", "--replay", NASTY]),
        (2, &["explain", NASTY]),
    ];
    for (code, command) in commands {
        let output = sandbox.run(command);
        assert_eq!(output.status.code(), Some(*code), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            let hidden = text.chars().find(|letter| *letter != '\n' && calipso_model::shown::is_hidden(*letter));
            assert_eq!(hidden, None, "{command:?}: {text}");
        }
    }
    // JSON says the same as before.
    let json = sandbox.ok(&["get", "objects", "cloud", "instance/i1", "-o", "json"]);
    let value = Value::from_json(&json).expect("this is JSON");
    assert_eq!(value.as_map().and_then(|map| map.text("name")).map(AsRef::as_ref), Some(NASTY));
}

#[test]
fn what_is_stale_is_marked_wherever_it_is_shown() {
    let sandbox = with_nasty_names();
    let marked: &[&[&str]] = &[
        &["get", "objects", "cloud", "-o", "tree"],
        &["get", "links", "cloud"],
        &["get", "cliques", "cloud"],
        &["graph", "cloud", "instance/i1"],
        &["graph", "cloud", "instance/i1", "--format", "mermaid"],
        &["explain", "object", "cloud", "vnic/v1"],
    ];
    for command in marked {
        let text = sandbox.ok(command);
        assert!(text.contains("[stale"), "{command:?}: {text}");
    }
    for command in [&["get", "objects", "cloud"][..], &["search", "cloud", "v1"]] {
        let text = sandbox.ok(command);
        assert!(text.contains("STALE SINCE") && text.contains("2026-01-01 00:00"), "{command:?}: {text}");
    }
    let output = sandbox.run(&["get", "objects", "cloud", "vnic/v1"]);
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("stale: "), "one object says it beside its document");
    // The revision before is what was known then.
    assert!(!sandbox.ok(&["get", "objects", "cloud", "--revision", "1"]).contains("STALE"));
    // The path ends, and it says why: what was made up here names no network, so that of the clique refuses it.
    let text = sandbox.ok(&["graph", "cloud", "instance/i1"]);
    assert!(text.contains("the path ends: instance ") && text.contains("network refuses its links"), "{text}");
}

#[test]
fn whoever_stops_reading_gets_no_panic() {
    let sandbox = two_revisions();
    let commands: &[&[&str]] = &[
        &["completions", "bash"],
        &["diff", "cloud", "--all"],
        &["get", "objects", "cloud", "-o", "json"],
        &["--help"],
    ];
    for command in commands {
        let mut child = sandbox
            .command(command, 80)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut first).expect("a line");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.stderr.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 1)), "{command:?}: {:?}", output.status);
    }
    // What is lost for another reason is said.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = sandbox.command(&["get", "objects", "cloud"], 80).stdout(full).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"), "{output:?}");
}

#[test]
fn a_scan_that_fails_tells_reasons() {
    let sandbox = Sandbox::new();
    // A recording that lacks what one host said.
    let broken = sandbox.dir.path().join("broken");
    copy(&sandbox::recording("demo/before"), &broken, &|path| !path.to_string_lossy().contains("compute-2"));
    let output =
        sandbox.command(&["scan", "cloud", "--replay", &broken.to_string_lossy()], 80).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("\nfailed: ") && text.contains("`--all` shows each of them"), "{text}");
    let few = text.lines().count();
    let all = sandbox
        .command(&["scan", "cloud", "--replay", &broken.to_string_lossy(), "--all"], 80)
        .output()
        .expect("it runs");
    let all = String::from_utf8_lossy(&all.stdout).into_owned();
    assert!(all.contains("failed steps:") && all.lines().count() > few + 5, "{all}");
}

/// A copy of a recording, with some files only.
fn copy(from: &std::path::Path, to: &std::path::Path, keep: &dyn Fn(&std::path::Path) -> bool) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if !keep(&path) {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target, keep);
        } else {
            std::fs::copy(&path, &target).expect("it can be copied");
        }
    }
}
