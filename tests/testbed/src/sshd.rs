//! An OpenSSH server.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{Server, program, run, start, user};

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
    /// A known_hosts line for this server, if it is one.
    pub fn known_hosts(&self) -> String {
        let key = fs::read_to_string(self.dir.path().join("host_key.pub")).expect("the key was made");
        format!("[127.0.0.1]:{} {key}", self.port)
    }
}
