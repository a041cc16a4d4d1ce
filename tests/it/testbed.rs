//! Private servers for tests: each in a temporary directory, on a free port of the loopback address, ended with the test.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

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
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("`{name}` is not installed; `./test` installs what the tests need"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("it has an address").port()
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts `make(port)` until its port answers; a clash of ports is tried again.
fn start(dir: TempDir, make: impl Fn(&Path, u16) -> Command) -> Server {
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

/// A MariaDB with a database `shop` (table `things`) and a user `reader` with the password given.
pub fn mariadb(password: &str) -> Server {
    let dir = TempDir::new().expect("a temporary directory");
    let me = user();
    let data = dir.path().join("data");
    run(Command::new(program("mariadb-install-db"))
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--user={me}"))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"]));
    let init = dir.path().join("init.sql");
    fs::write(
        &init,
        format!(
            "CREATE DATABASE shop;\n\
             CREATE TABLE shop.things (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(40), price DECIMAL(20,4), \
             weight FLOAT, made DATETIME(6), flag TINYINT(1), raw BLOB, facts JSON, gone TEXT);\n\
             INSERT INTO shop.things VALUES (18446744073709551615, 'o''neil; DROP TABLE things', 12345678901234.5678, \
             1.1, '2026-11-22 10:11:12.123456', 1, x'00ff', '{{\"a\": 1}}', NULL), \
             (2, 'zwei', 2, 2, '2026-01-01', 0, x'', '[]', 'x');\n\
             CREATE USER 'reader'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO 'reader'@'%';\nFLUSH PRIVILEGES;\n"
        ),
    )
    .expect("the directory can be written");
    start(dir, |folder, port| {
        let mut command = Command::new(program("mariadbd"));
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("s").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--init-file={}", folder.join("init.sql").display()))
            .arg(format!("--port={port}"))
            .arg(format!("--user={me}"))
            .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-flush-log-at-trx-commit=0"]);
        command
    })
}

/// An OpenSSH server that lets who runs the tests in by the key in `dir/id`.
pub fn sshd() -> Server {
    let dir = TempDir::new().expect("a temporary directory");
    for name in ["host_key", "id"] {
        run(Command::new(program("ssh-keygen"))
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(dir.path().join(name)));
    }
    fs::copy(dir.path().join("id.pub"), dir.path().join("authorized_keys")).expect("the key was made");
    if user() == "root" {
        fs::create_dir_all("/run/sshd").expect("root may make this");
    }
    start(dir, |folder, port| {
        let config = folder.join("config");
        fs::write(
            &config,
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\n\
                 StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n\
                 AllowTcpForwarding yes\nMaxStartups 100\n",
                folder.display()
            ),
        )
        .expect("the directory can be written");
        let mut command = Command::new(program("sshd"));
        command.args(["-D", "-e", "-f"]).arg(config);
        command
    })
}

impl Server {
    /// A known_hosts line for this server.
    pub fn known_hosts(&self) -> String {
        let key = fs::read_to_string(self.dir.path().join("host_key.pub")).expect("the key was made");
        format!("[127.0.0.1]:{} {key}", self.port)
    }
}
