//! A MongoDB: one for all tests of a process, or others of their own kind.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use mongodb::{
    Client,
    bson::{Document, doc},
    options::ClientOptions,
};
use tempfile::TempDir;

use crate::free_port;

/// What a test process holds of a server: when the process ends, in whatever way, its end of the pipe closes, and the shell
/// on the other end kills the server and removes its directory.
const WATCHED: &str = r#"dir=$1; shift; "$@" & server=$!; read -r _; kill -9 $server; wait $server; rm -rf "$dir""#;

/// The cache of a server for tests, in gigabytes.
const SMALL: &str = "0.25";

/// So long a server may take until it is usable.
const PATIENCE: Duration = Duration::from_secs(60);

/// A MongoDB that runs until it is dropped or this process ends.
#[derive(Debug)]
pub struct Mongod {
    shell: Child,
    /// Where its files are.
    pub folder: PathBuf,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// User and password, where it asks for them.
    login: Option<(String, String)>,
    databases: AtomicU32,
}

impl Drop for Mongod {
    fn drop(&mut self) {
        // The shell does the rest when its input ends.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The replica set of one server that all tests of this process share, each with databases of its own.
///
/// # Panics
/// When there is no mongod, with a sentence that says where one comes from.
pub fn mongod() -> &'static Mongod {
    static SHARED: OnceLock<Mongod> = OnceLock::new();
    SHARED.get_or_init(Mongod::replica_set)
}

/// The server's program: what `CALIPSO_MONGOD` names, or one on the path, or the one that `./test` installs.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("CALIPSO_MONGOD") {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "CALIPSO_MONGOD names `{}`, which is no file", named.display());
        return named;
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/mongod");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("mongod"))
        .chain([installed])
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("there is no `mongod` on the path, nor in target/tools, and CALIPSO_MONGOD names none; `./test` installs one")
        })
}

impl Mongod {
    /// A replica set of one server.
    #[must_use]
    pub fn replica_set() -> Self {
        let server = Self::start(&["--replSet", "rs0"], SMALL, |_| Vec::new());
        server.initiate();
        server
    }

    /// A replica set of one server with a cache of so many gigabytes, for measuring.
    #[must_use]
    pub fn with_cache(gigabytes: &str) -> Self {
        let server = Self::start(&["--replSet", "rs0"], gigabytes, |_| Vec::new());
        server.initiate();
        server
    }

    /// A replica set of one server whose files hold documents as they are, for looking into them.
    #[must_use]
    pub fn uncompressed() -> Self {
        let plain = ["--wiredTigerCollectionBlockCompressor", "none", "--wiredTigerJournalCompressor", "none"];
        let index = ["--wiredTigerIndexPrefixCompression", "false"];
        let server = Self::start(&[&["--replSet", "rs0"], &plain[..], &index[..]].concat(), SMALL, |_| Vec::new());
        server.initiate();
        server
    }

    /// A server that belongs to no replica set.
    #[must_use]
    pub fn standalone() -> Self {
        Self::start(&[], SMALL, |_| Vec::new())
    }

    /// A replica set of one server that asks for a password.
    #[must_use]
    pub fn with_login(user: &str, password: &str) -> Self {
        let mut server = Self::start(&["--replSet", "rs0", "--auth"], SMALL, |dir| {
            let key = dir.join("key");
            let mut file = fs::File::create(&key).expect("the directory can be written");
            file.write_all(b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("the directory can be written");
            let mut only_me = file.metadata().expect("the file is there").permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut only_me, 0o600);
            fs::set_permissions(&key, only_me).expect("the file is ours");
            vec!["--keyFile".to_owned(), key.display().to_string()]
        });
        server.initiate();
        // The first user may be made by anybody on the same machine.
        server
            .admin(doc! { "createUser": user, "pwd": password, "roles": ["root"] })
            .expect("the first user can be made");
        server.login = Some((user.to_owned(), password.to_owned()));
        server
    }

    fn start(options: &[&str], cache: &str, more: impl Fn(&Path) -> Vec<String>) -> Self {
        let mut log = String::new();
        for _ in 0..5 {
            // The shell removes it: this process may end without a chance to.
            let dir = TempDir::with_prefix("mongod-").expect("a temporary directory").keep();
            let port = free_port();
            let shell = Command::new("/bin/sh")
                .args(["-c", WATCHED, "watch"])
                .arg(&dir)
                .arg(program())
                .arg("--dbpath")
                .arg(&dir)
                .args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1", "--nounixsocket"])
                .args(["--wiredTigerCacheSizeGB", cache, "--oplogSize", "200"])
                .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
                .arg("--logpath")
                .arg(dir.join("log"))
                .args(options)
                .args(more(&dir))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a shell starts");
            let server = Self { shell, folder: dir.clone(), port, login: None, databases: AtomicU32::new(0) };
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline {
                if server.admin(doc! { "hello": 1 }).is_ok() {
                    return server;
                }
                log = fs::read_to_string(dir.join("log")).unwrap_or_default();
                if log.contains("Failed to set up listener") || log.contains("\"exitCode\"") {
                    break;
                }
            }
        }
        panic!("the server does not start:\n{log}");
    }

    fn initiate(&self) {
        let member = doc! { "_id": 0, "host": format!("127.0.0.1:{}", self.port) };
        self.admin(doc! { "replSetInitiate": { "_id": "rs0", "members": [member] } })
            .expect("a replica set can be made");
        self.wait_for_primary();
    }

    /// Has the server write everything into its files.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn write_down(&self) {
        self.admin(doc! { "fsync": 1 }).expect("the server writes everything down");
    }

    /// Waits until the server takes writes.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for_primary(&self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.admin(doc! { "hello": 1 }).is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the server does not become primary");
    }

    /// Makes the server step down and stay down for so long; what is being written is cut off.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn step_down(&self, down: Duration) {
        let seconds = i64::try_from(down.as_secs()).unwrap_or(i64::MAX);
        self.admin(doc! { "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": 0, "force": true })
            .expect("a primary can step down");
    }

    /// Runs a command on the database `admin`, in a thread and with a connection of its own.
    ///
    /// # Errors
    /// What the driver says.
    pub fn admin(&self, command: Document) -> mongodb::error::Result<Document> {
        let uri = self.uri();
        std::thread::scope(|scope| {
            let asked = scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a thread can be used");
                runtime.block_on(async {
                    let mut options = ClientOptions::parse(uri).await?;
                    options.server_selection_timeout = Some(Duration::from_millis(500));
                    let client = Client::with_options(options)?;
                    let answer = client.database("admin").run_command(command).await;
                    client.shutdown().immediate(true).await;
                    answer
                })
            });
            asked.join().expect("no panic")
        })
    }

    /// Its address, with user and password where it asks for them.
    #[must_use]
    pub fn uri(&self) -> String {
        match &self.login {
            Some((user, password)) => {
                format!("mongodb://{user}:{password}@127.0.0.1:{}/?directConnection=true", self.port)
            }
            None => format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port),
        }
    }

    /// The name of a database that no other test of this process uses.
    #[must_use]
    pub fn database(&self) -> String {
        format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed))
    }
}
