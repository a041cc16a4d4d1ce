//! The real program, serving a store of its own on a free port, ended with the test.

use std::{
    ffi::OsStr,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use calipso_it::{Answer, Request, send};
use serde_json::Value;
use tempfile::TempDir;

/// The program, as these sources make it.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "-p", "calipso-cli", "--message-format", "json"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let executable = |line: &str| {
            let message: Value = serde_json::from_str(line).ok()?;
            (message["target"]["name"] == "calipso").then_some(())?;
            message["executable"].as_str().map(PathBuf::from)
        };
        lines.lines().find_map(executable).expect("cargo says where the program is")
    })
}

/// The folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// A place for one program: its store, its keys, its settings.
pub struct Home {
    /// Where everything is.
    pub folder: TempDir,
    variables: Vec<(String, String)>,
}

/// The password of `root`, who administers.
pub const ROOT_PASSWORD: &str = "Rootish-Rhubarb-Crumble-4711";

impl Home {
    /// An empty place.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let variables = vec![
            ("HOME".to_owned(), folder.path().display().to_string()),
            ("XDG_DATA_HOME".to_owned(), file("data")),
            ("CALIPSO_STORE".to_owned(), file("store.db")),
            ("CALIPSO_KEY_FILE".to_owned(), file("secrets.key")),
            ("CALIPSO_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("CALIPSO_WORKERS".to_owned(), "0".to_owned()),
            ("ROOT_PASSWORD".to_owned(), ROOT_PASSWORD.to_owned()),
        ];
        Self { folder, variables }
    }

    /// Sets an environment variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// The program with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        self.shell(program(), words)
    }

    /// Another program in this place.
    pub fn shell(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CALIPSO")) {
            command.env_remove(name);
        }
        command.args(words).envs(self.variables.iter().cloned()).current_dir(self.folder.path());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().expect("the program starts")
    }

    /// Runs the program to its end, which must be a good one.
    pub fn good(&self, words: &[&str]) -> Output {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// With the recorded cloud that `demo` shows, and a user `root` who administers.
    pub fn with_demo() -> Self {
        let home = Self::new();
        home.good(&["demo", "--keep", "store.db"]);
        home.add_root();
        home
    }

    /// Adds a user `root` who administers.
    pub fn add_root(&self) {
        self.good(&["user", "add", "root", "--administrator", "--password", "env:ROOT_PASSWORD"]);
    }

    /// Starts the server.
    pub fn serve(&self) -> Server {
        self.serve_by(self.command(&["serve"]))
    }

    /// Starts the server, which may have so many files open.
    pub fn serve_with_files(&self, files: u32) -> Server {
        let program = program().display().to_string();
        self.serve_by(self.shell("sh", &["-c", &format!("ulimit -n {files} && exec \"$0\" serve"), &program]))
    }

    fn serve_by(&self, mut command: Command) -> Server {
        let log = self.folder.path().join("serve.log");
        let file = fs::File::create(&log).expect("the folder can be written");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be shared"))
            .stderr(file)
            .spawn()
            .expect("the program starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let address = said.lines().find_map(|line| line.split_once("listens on http://")?.1.trim().parse().ok());
            if let Some(address) = address {
                return Server { child, address, log };
            }
            let ended = child.try_wait().expect("the child can be asked");
            assert!(ended.is_none() && Instant::now() < deadline, "the server does not start: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it prints.
    pub log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Sends a request with these headers.
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if body.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(|body| body.as_bytes().to_vec());
        send(self.address, &Request { method, target, headers, body }).expect("the server answers")
    }

    /// Logs in; returns the token.
    pub fn login(&self, name: &str, password: &str) -> String {
        let body = serde_json::json!({ "auth": { "methods": ["credentials"],
            "credentials": { "username": name, "password": password } } });
        let answer = self.send("POST", "/api/v1/auth/tokens", &[], Some(&body.to_string()));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body: Value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
        body["token"].as_str().expect("a login gives a token").to_owned()
    }

    /// Stops it in an orderly way.
    pub fn stop(&mut self) {
        let signal = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(signal.success());
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait().expect("the child can be asked").is_none() {
            assert!(Instant::now() < deadline, "the server does not stop: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it printed so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}
