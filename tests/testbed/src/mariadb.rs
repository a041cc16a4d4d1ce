//! A MariaDB.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{Server, program, run, start, user};

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
