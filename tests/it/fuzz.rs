//! Whether the server does what its OpenAPI document says, as schemathesis finds out: requests that fit the document and
//! requests that do not, and every answer compared with what is declared.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::Command,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::serve::{Home, ROOT_PASSWORD, Server, root};

/// What is installed: the tool and all that it needs, each in one version.
const WANTED: &str = include_str!("data/schemathesis.txt");

/// The program; installed where it is missing.
fn schemathesis() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _only = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let version = WANTED.lines().find_map(|line| line.strip_prefix("schemathesis==")).expect("the tool has a version");
    let folder = root().join(format!("target/tools/schemathesis-{version}"));
    let program = folder.join("bin/schemathesis");
    if !program.is_file() {
        for (program, words) in [
            (PathBuf::from("python3"), vec!["-m".to_owned(), "venv".to_owned(), folder.display().to_string()]),
            (
                folder.join("bin/pip"),
                [vec!["install".to_owned(), "-q".to_owned()], WANTED.lines().map(str::to_owned).collect()].concat(),
            ),
        ] {
            let output = Command::new(&program).args(&words).output().expect("python3 with venv is installed");
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    program
}

/// A request whose head does not end.
fn half_a_head(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    stream.write_all(b"GET /api/v1/version HTTP/1.1\r\nhost: x\r\n").expect("the server listens");
    stream
}

/// Lets the tool loose on a server with the recorded cloud.
fn finds_nothing(further_config: &str, words: &[&str]) {
    let mut home = Home::with_demo();
    // It tries many wrong passwords.
    home.set("CALIPSO_LOGIN_ATTEMPTS", "1000000");
    let server = home.serve();
    let mut half = half_a_head(&server);
    let config = home.folder.path().join("schemathesis.toml");
    fs::write(&config, format!("{}\n{further_config}", include_str!("data/schemathesis.toml")))
        .expect("it can be written");
    let output = Command::new(schemathesis())
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", server.address))
        .args(["--auth", &format!("root:{ROOT_PASSWORD}")])
        .args(["--seed", "20261126", "--generation-database", "none", "--no-color"])
        .args(words)
        .current_dir(home.folder.path())
        .output()
        .expect("schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}\n{}", String::from_utf8_lossy(&output.stderr), server.said());
    assert!(!server.said().contains("ERROR"), "{}", server.said());
    // Meanwhile, or soon, the server has hung up.
    half.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit can be set");
    half.read_to_end(&mut Vec::new()).expect("heads that do not end are not waited for");
}

#[test]
fn every_operation_does_what_the_document_says() {
    finds_nothing("", &["--max-examples", "15"]);
}

#[test]
fn what_is_there_is_answered_as_the_document_says() {
    // Whoever guesses names finds nothing; with the name of the environment, which therefore has to stay, most is found.
    let words = [
        "--phases=examples,coverage,fuzzing",
        "--max-examples=10",
        "--exclude-path=/api/v1/environment_configs/{env_name}",
        "--exclude-path-regex=/users",
    ];
    finds_nothing("[parameters]\nenv_name = \"demo\"\n", &words);
}
