//! The runner on cases of our own: it passes what is right, and notices what is wrong.

use std::{path::Path, process::Command};

fn run(folder: &str) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO_BIN_EXE_conformance"))
        .arg(format!("tests/conformance/cases/{folder}"))
        .current_dir(root)
        .output()
        .expect("the runner starts");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn what_is_right_passes() {
    let (passed, said) = run("right");
    assert!(passed && said.contains("\n5 passed, 0 failed, 0 not applicable\n"), "{said}");
    assert!(said.contains("own-scan-of-nothing  pass by ") && said.contains("unknown-environment"), "{said}");
}

#[test]
fn what_is_wrong_fails() {
    let (passed, said) = run("wrong");
    assert!(!passed && said.contains("\n0 passed, 3 failed, 0 not applicable\n"), "{said}");
    for why in ["West", "3 expected, 2 found", "status 403 expected, 200 found"] {
        assert!(said.contains(why), "{why}: {said}");
    }
}
