//! The session that the README tells, word for word, on each store: the recording of a cloud answers.

use std::{net::TcpListener, process::Stdio};

use calipso_testbed::mongod;

use crate::serve::{Home, program, root};

/// What stands in front of a block that belongs to the session.
const MARK: &str = "<!-- transcript -->\n```sh\n";

/// The blocks of the session, one after the other.
fn session() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README can be read");
    let blocks: Vec<&str> =
        readme.split(MARK).skip(1).map(|rest| rest.split("```").next().expect("a block ends")).collect();
    assert!(blocks.len() >= 5, "only {} blocks", blocks.len());
    blocks.concat()
}

/// What the session prints.
fn told(home: &Home) -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let session = session().replace("127.0.0.1:8747", &free.to_string());
    // The server ends with the session; `set -m` gives it a job number that the shell can end.
    let script = format!("set -eum\ntrap 'kill %1; wait %1 || true' EXIT\n{session}");
    let path = std::env::var("PATH").unwrap_or_default();
    let programs = program().parent().expect("the program is in a folder");
    let output = home
        .shell("timeout", &["120", "bash", "-c", &script])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("CALIPSO_LISTEN", free.to_string())
        .env("CALIPSO_REPLAY", root().join("tests/recordings/demo/before"))
        .env_remove("CALIPSO_WORKERS")
        .stdin(Stdio::null())
        .output()
        .expect("bash starts");
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(home.folder.path().join("calipso.log")).unwrap_or_default();
    assert!(output.status.success(), "{}: {said}\n{wrong}\n{log}", output.status);
    assert!(!log.contains("labpass"), "a password is in the log: {log}");
    assert!(!said.contains("labpass"), "a password came back: {said}");
    said.into_owned()
}

fn leads_from_an_instance_to_its_network(home: &Home) {
    let said = told(home);
    for wanted in [
        "created environment configuration for lab",
        "\"password\": \"***\"",
        "\"database\": true,\n  \"hosts\": true,\n  \"openstack\": true",
        "event: revision\n",
        "\"status\": \"completed\",\n  \"revision\": 1,",
        "instance-vnic: alpha-net1\n",
        "vedge-host_pnic: ",
        "║ alpha-vm1 ║",
        "│ alpha-net1 │",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is not in {said}");
    }
}

#[test]
fn on_the_embedded_store() {
    leads_from_an_instance_to_its_network(&Home::new());
}

#[test]
fn in_mongodb_by_one_setting() {
    let server = mongod();
    let mut home = Home::new();
    home.set("CALIPSO_STORE", server.uri().replacen("/?", &format!("/{}?", server.database()), 1));
    leads_from_an_instance_to_its_network(&home);
    let file = home.folder.path().join("store.db");
    assert!(!file.exists(), "it went into a file");
    let shown = home.good(&["env", "list"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("lab"), "it is in the database");
}
