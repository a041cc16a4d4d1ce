//! A store of its own, and the program over it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

pub fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings").join(name)
}

pub struct Sandbox {
    pub dir: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }

    pub fn command(&self, args: &[&str], columns: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_calipso"));
        command
            .args(args)
            .env("CALIPSO_STORE", self.store())
            .env("COLUMNS", columns.to_string())
            .env_remove("CALIPSO_LOG");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args, 150).output().expect("the program runs")
    }

    /// Standard output, and that the command ended with this code.
    pub fn ends(&self, code: i32, args: &[&str], columns: usize) -> String {
        let output = self.command(args, columns).output().expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        String::from_utf8(output.stdout).expect("output is UTF-8")
    }

    pub fn ok(&self, args: &[&str]) -> String {
        self.ends(0, args, 150)
    }

    /// Standard error of a command that must end with this code.
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        told
    }

    pub fn scan(&self, name: &str, environment: &str) {
        let dir = recording(name);
        self.ok(&["scan", environment, "--replay", &dir.to_string_lossy()]);
    }
}
