//! Whether the server does what its OpenAPI document says, as schemathesis finds out: requests that fit the document and
//! requests that do not, and every answer compared with what is declared.

use std::{fs, path::PathBuf, process::Command};

use crate::serve::{Home, ROOT_PASSWORD, root};

/// The version that `./test` installs.
const VERSION: &str = "4.32.5";

/// The program; installed where it is missing.
fn schemathesis() -> PathBuf {
    let folder = root().join("target/tools/schemathesis");
    let program = folder.join("bin/schemathesis");
    if !program.is_file() {
        for (program, words) in [
            (PathBuf::from("python3"), vec!["-m".to_owned(), "venv".to_owned(), folder.display().to_string()]),
            (folder.join("bin/pip"), vec!["install".to_owned(), "-q".to_owned(), format!("schemathesis=={VERSION}")]),
        ] {
            let output = Command::new(&program).args(&words).output().expect("python3 with venv is installed");
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    program
}

#[test]
fn the_server_does_what_its_document_says() {
    let home = Home::with_demo();
    let server = home.serve();
    let config = home.folder.path().join("schemathesis.toml");
    fs::write(&config, include_str!("data/schemathesis.toml")).expect("the folder can be written");
    let output = Command::new(schemathesis())
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", server.address))
        .args(["--auth", &format!("root:{ROOT_PASSWORD}")])
        .args(["--seed", "20261126", "--generation-database", "none", "--max-examples", "20", "--no-color"])
        .current_dir(home.folder.path())
        .output()
        .expect("schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}\n{}", String::from_utf8_lossy(&output.stderr), server.said());
}
