//! The live door against real servers: MariaDB and OpenSSH.

use std::{sync::Arc, time::Duration};

use calipso_model::{Secret, Value, chain};
use calipso_transport::{
    Budget, Call, Door, ErrorKind, ExecKey, KnownHosts, Live, Means, Reply, RequestKey, Route, SqlKey, SqlServer,
    SshRoute, SshServer, Stage,
};

use calipso_testbed as testbed;

fn call(key: RequestKey, route: Route, timeout: Duration) -> Call {
    let means = Means { route, timeout, max_bytes: 1 << 20, budget: Arc::new(Budget::default()) };
    Call { role: "role".into(), stage: Stage::Work, attempt: 0, key, means: Some(means) }
}

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

fn query(port: u16, password: &str, text: &str, params: Vec<Value>) -> Call {
    query_within(port, password, text, params, TIMEOUT)
}

fn query_within(port: u16, password: &str, text: &str, params: Vec<Value>, timeout: Duration) -> Call {
    let server = SqlServer {
        address: "127.0.0.1".into(),
        port,
        user: "reader".into(),
        password: Secret::new(password),
        database: None,
    };
    call(RequestKey::Sql(SqlKey { text: text.to_owned(), params }), Route::Sql(server), timeout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_database_answers_with_exact_values_and_lets_nothing_be_written() {
    let server = testbed::mariadb("s3cret-of-the-test");
    let live = Live::new();
    let ask = |text: &str, params: Vec<Value>| live.ask(query(server.port, "s3cret-of-the-test", text, params));

    let Ok(Reply::Rows(rows)) =
        ask("SELECT * FROM shop.things WHERE name <> ? ORDER BY id", vec!["x' OR '1'='1".into()]).await
    else {
        panic!("no rows");
    };
    let rows: Vec<String> = rows.into_iter().map(|row| Value::Map(row).to_json()).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[0].contains(r#""price":"2.0000""#), "{}", rows[0]);
    assert!(rows[1].contains(r#""price":"12345678901234.5678""#), "{}", rows[1]);
    assert!(rows[1].contains(r#""weight":1.1"#), "{}", rows[1]);
    assert!(rows[1].contains(r#""made":"2026-11-22T10:11:12.123456"#), "{}", rows[1]);
    assert!(rows[1].contains(r#""gone":null"#), "{}", rows[1]);
    assert!(rows[1].contains(r#""name":"o'neil; DROP TABLE things""#), "{}", rows[1]);

    // What looks like syntax is a value.
    let Ok(Reply::Rows(rows)) = ask("SELECT id FROM shop.things WHERE name = ?", vec!["' OR 1=1 -- ".into()]).await
    else {
        panic!("no rows");
    };
    assert!(rows.is_empty());

    // The account may write, the session may not.
    assert!(ask("UPDATE shop.things SET name = 'gone'", vec![]).await.is_err());
    assert!(ask("SELECT 1; DROP TABLE shop.things", vec![]).await.is_err());
    let Ok(Reply::Rows(rows)) = ask("SELECT COUNT(*) AS n FROM shop.things", vec![]).await else { panic!("no rows") };
    assert_eq!(rows[0].get("n"), Some(&Value::Int(2)));

    // A query that takes too long ends, and the connection can be used again.
    let slow = query_within(server.port, "s3cret-of-the-test", "SELECT SLEEP(30) AS n", vec![], Duration::from_secs(1));
    assert!(live.ask(slow).await.is_err());
    assert!(ask("SELECT 1 AS n", vec![]).await.is_ok());

    let refused =
        live.ask(query(server.port, "wrong-password", "SELECT 1 AS n", vec![])).await.expect_err("a wrong password");
    assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
    assert!(!chain(&refused).contains("wrong-password"));
}

fn ssh(server: &testbed::Server, known_hosts: KnownHosts, words: &[&str]) -> Call {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let key = std::fs::read_to_string(server.dir.path().join("id")).expect("the key was made");
    let host = SshServer {
        host: "node".into(),
        address: "127.0.0.1".into(),
        port: server.port,
        user: testbed::user().into(),
        password: None,
        private_key: Some(Secret::new(key)),
        known_hosts,
        jump: None,
    };
    let key = ExecKey { host: "node".into(), words: words.clone() };
    call(RequestKey::Exec(key), Route::Ssh(SshRoute { words, server: Box::new(host) }), TIMEOUT)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_ssh_server_runs_commands_as_words_and_its_key_is_verified() {
    let server = testbed::sshd();
    let known = server.dir.path().join("known_hosts");
    std::fs::write(&known, server.known_hosts()).expect("the directory can be written");
    let known = KnownHosts::File(known);
    let live = Arc::new(Live::new());

    let nasty = "$(touch /tmp/never) ; `id` | cat > x & '\"\\ \n end";
    let Ok(Reply::Exec { exit, stdout, .. }) = live.ask(ssh(&server, known.clone(), &["printf", "%s", nasty])).await
    else {
        panic!("no answer");
    };
    assert_eq!((exit, stdout.as_ref()), (0, nasty));

    // Forty commands at once: each has its own output, complaint and exit status.
    let asked = (0..40).map(|number| {
        let live = Arc::clone(&live);
        let call = ssh(
            &server,
            known.clone(),
            &["sh", "-c", &format!("echo out{number}; echo err{number} >&2; exit {}", number % 7)],
        );
        tokio::spawn(async move { live.ask(call).await })
    });
    for (number, answer) in asked.collect::<Vec<_>>().into_iter().enumerate() {
        let Ok(Reply::Exec { exit, stdout, stderr }) = answer.await.expect("no panic") else { panic!("no answer") };
        assert_eq!(exit, i32::try_from(number % 7).expect("small"));
        assert_eq!(stdout.as_ref(), format!("out{number}\n"));
        assert_eq!(stderr.as_ref(), format!("err{number}\n"));
    }

    // A stranger's key is refused, and the message says what to do.
    let other = testbed::sshd();
    let strangers = other.dir.path().join("known_hosts");
    std::fs::write(&strangers, "").expect("the directory can be written");
    let refused =
        live.ask(ssh(&other, KnownHosts::File(strangers.clone()), &["true"])).await.expect_err("the host is not known");
    assert_eq!(refused.kind, ErrorKind::HostKey, "{refused}");
    std::fs::write(&strangers, server.known_hosts().replace(&server.port.to_string(), &other.port.to_string()))
        .expect("the directory can be written");
    let fresh = Live::new();
    let refused =
        fresh.ask(ssh(&other, KnownHosts::File(strangers), &["true"])).await.expect_err("the key is another one");
    assert_eq!(refused.kind, ErrorKind::HostKey, "{refused}");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it has one").port();
    let error = Live::new().ask(query(port, "x", "SELECT 1", vec![])).await.expect_err("nobody listens");
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}
