//! Private servers for tests: each in a temporary directory, on a free port of the loopback address, ended with the test.

mod mariadb;
mod mongod;
mod sshd;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub use mariadb::mariadb;
pub use mongod::{Mongod, mongod};
pub use sshd::sshd;

/// A server that runs until it is dropped.
pub struct Server {
    child: Child,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its directory.
    pub dir: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program by name, also from the system folders that are not on every user's path.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed; `./test` installs what the tests need"))
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it has an address").port()
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts `make(port)` until its port answers; a clash of ports is tried again.
pub(crate) fn start(dir: TempDir, make: impl Fn(&Path, u16) -> Command) -> Server {
    for _ in 0..5 {
        let port = free_port();
        let log = fs::File::create(dir.path().join("server.log")).expect("the directory can be written");
        let mut child = make(dir.path(), port)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Server { child, port, dir };
            }
            if child.try_wait().expect("the child can be asked").is_some() {
                break;
            }
            std::thread::yield_now();
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    let log = fs::read_to_string(dir.path().join("server.log")).unwrap_or_default();
    panic!("the server does not start:\n{log}");
}

/// The name of who runs the tests.
pub fn user() -> String {
    let output = Command::new(program("id")).arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
