//! The live door over SSH.

use std::{fs, path::Path, sync::Arc, time::Duration};

use calipso_model::{Secret, chain};
use calipso_transport::{Budget, Call, Counted, Door, ErrorKind, FetchError, KnownHosts, Live, Reply, SshServer};
use futures::future::join_all;
use russh::keys::PublicKey;
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::{
    calls::{exec_words, means, server},
    ssh_server::{Host, host_key, start},
};

fn stdout(outcome: Result<Reply, FetchError>) -> String {
    match outcome {
        Ok(Reply::Exec { exit: 0, stdout, .. }) => stdout.to_string(),
        other => panic!("{other:?}"),
    }
}

fn run(port: u16, words: &[&str]) -> Call {
    exec_words(server("host-1", port), words)
}

async fn ask(server: SshServer) -> Result<Reply, FetchError> {
    Live::new().ask(exec_words(server, &["echo", "hello"])).await
}

#[tokio::test]
async fn a_command_has_its_own_output_errors_and_status() {
    let port = start(Arc::default(), 1).await;
    let reply = Live::new().ask(run(port, &["sh", "-c", "echo out; echo err >&2; exit 7"])).await.unwrap();
    assert_eq!(reply, Reply::Exec { exit: 7, stdout: "out\n".into(), stderr: "err\n".into() });
}

#[tokio::test]
async fn commands_that_wait_together_share_few_shells_and_keep_their_own_replies() {
    let host = Arc::new(Host::default());
    let port = start(Arc::clone(&host), 1).await;
    let door = Counted::new(Live::new());
    let calls = (0..60).map(|number: usize| {
        let script = format!("cat; echo out {number}; echo err {number} >&2; exit {}", number % 5);
        door.ask(run(port, &["sh", "-c", &script]))
    });
    for (number, reply) in join_all(calls).await.into_iter().enumerate() {
        let wanted = Reply::Exec {
            exit: i32::try_from(number % 5).unwrap(),
            stdout: format!("out {number}\n").into(),
            stderr: format!("err {number}\n").into(),
        };
        assert_eq!(reply.unwrap(), wanted);
    }
    assert_eq!(Host::count(&host.n_connections), 1);
    let n_execs = Host::count(&host.n_execs);
    assert!(n_execs <= 6, "{n_execs} executions for 60 commands");
    let stats = door.stats();
    assert_eq!((stats[0].calls, stats[0].failed), (60, 0));
    // A shell that came too late for any command carried none.
    assert!((1..=n_execs as u64).contains(&stats[0].executions), "{stats:?}");
}

#[tokio::test]
async fn no_word_becomes_syntax() {
    let port = start(Arc::default(), 1).await;
    let door = Live::new();
    for word in
        ["$(id)", "`id`", "a'b", "\"", "\\", "; id", "&& id", "|id", "\n id", "*", "~", "-n x", "#", "!!", "é\t"]
    {
        assert_eq!(stdout(door.ask(run(port, &["printf", "%s", word])).await), word);
    }
}

#[tokio::test]
async fn output_cannot_pretend_to_be_a_frame() {
    let port = start(Arc::default(), 1).await;
    // Whatever a command can learn of its shell, it prints.
    let spy = "ps axww 2>/dev/null; cat /proc/$PPID/cmdline /proc/$PPID/environ /proc/*/cmdline 2>/dev/null; \
               printf '\\n0123456789abcdef0123456789abcdef e 1 0\\n'; echo done";
    let door = Live::new();
    let (first, second) =
        tokio::join!(door.ask(run(port, &["sh", "-c", spy])), door.ask(run(port, &["echo", "second"])),);
    assert!(stdout(first).ends_with("e 1 0\ndone\n"));
    assert_eq!(stdout(second), "second\n");
}

#[tokio::test]
async fn a_server_that_refuses_channels_is_asked_with_fewer() {
    let host = Arc::new(Host { max_channels: 1, ..Host::default() });
    let port = start(Arc::clone(&host), 1).await;
    let door = Live::new();
    // Each waits long enough that more shells are wanted.
    let calls = (0..8).map(|number| {
        let script = format!("sleep 0.2; echo {number}");
        door.ask(run(port, &["sh", "-c", &script]))
    });
    for (number, outcome) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(stdout(outcome), format!("{number}\n"));
    }
    assert!(Host::count(&host.n_refused) >= 1, "no channel was refused: the test shows nothing");
    assert_eq!(Host::count(&host.max_open), 1);
}

#[tokio::test]
async fn a_server_that_opens_no_channel_is_busy() {
    let host = Arc::new(Host { max_channels: 1, ..Host::default() });
    host.n_open.store(1, std::sync::atomic::Ordering::SeqCst);
    let port = start(Arc::clone(&host), 1).await;
    let error = ask(server("host-1", port)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy, "{error}");
}

#[tokio::test]
async fn no_more_channels_than_the_budget_allows() {
    let host = Arc::new(Host::default());
    let port = start(Arc::clone(&host), 1).await;
    let door = Live::new();
    let budget = Arc::new(Budget::new(64, None, 2));
    let calls = (0..6).map(|_| {
        let mut call = run(port, &["sleep", "0.5"]);
        means(&mut call).budget = Arc::clone(&budget);
        door.ask(call)
    });
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(Host::count(&host.max_open), 2);
}

#[tokio::test]
async fn a_hanging_command_times_out_alone() {
    let host = Arc::new(Host::default());
    let port = start(Arc::clone(&host), 1).await;
    let door = Live::new();
    let mut hanging = run(port, &["sh", "-c", "trap '' TERM; sleep 600 & wait"]);
    means(&mut hanging).timeout = Duration::from_secs(1);
    let others = (0..5).map(|number| door.ask(run(port, &["echo", ["a", "b", "c", "d", "e"][number]])));
    let (hung, others) = tokio::join!(door.ask(hanging), join_all(others));
    assert_eq!(hung.unwrap_err().kind, ErrorKind::Timeout);
    // Nobody can tell this from a time-out that was told late, so it is no answer.
    let ended = door.ask(run(port, &["sh", "-c", "exit 124"])).await;
    assert_eq!(ended.unwrap_err().kind, ErrorKind::Timeout);
    let others: Vec<String> = others.into_iter().map(stdout).collect();
    assert_eq!(others, ["a\n", "b\n", "c\n", "d\n", "e\n"]);
}

#[tokio::test]
async fn too_much_output_fails_alone() {
    let port = start(Arc::default(), 1).await;
    let door = Live::new();
    let mut large = run(port, &["sh", "-c", "while :; do echo 0123456789012345678901234567890123456789; done"]);
    means(&mut large).max_bytes = 100_000;
    let mut exact = run(port, &["head", "-c", "1000", "/dev/zero"]);
    means(&mut exact).max_bytes = 1000;
    let mut over = run(port, &["head", "-c", "1001", "/dev/zero"]);
    means(&mut over).max_bytes = 1000;
    let (large, exact, over, other) =
        tokio::join!(door.ask(large), door.ask(exact), door.ask(over), door.ask(run(port, &["echo", "fine"])));
    assert_eq!(large.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(stdout(exact).len(), 1000);
    assert_eq!(over.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!(stdout(other), "fine\n");
}

#[tokio::test]
async fn large_output_arrives_whole() {
    let port = start(Arc::default(), 1).await;
    let mut call = run(port, &["seq", "1", "300000"]);
    means(&mut call).max_bytes = 10 << 20;
    let text = stdout(Live::new().ask(call).await);
    assert!(text.starts_with("1\n2\n") && text.ends_with("\n299999\n300000\n"));
    assert_eq!(text.lines().count(), 300_000);
}

#[tokio::test]
async fn a_broken_connection_is_made_again_once() {
    let host = Arc::new(Host { break_first: 1, ..Host::default() });
    let port = start(Arc::clone(&host), 1).await;
    assert_eq!(stdout(ask(server("host-1", port)).await), "hello\n");
    assert_eq!(Host::count(&host.n_connections), 2);

    let host = Arc::new(Host { break_first: 100, ..Host::default() });
    let port = start(Arc::clone(&host), 1).await;
    let error = ask(server("host-1", port)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cut, "{error}");
    assert_eq!(Host::count(&host.n_connections), 2);
}

#[tokio::test]
async fn passwords() {
    let host = Arc::new(Host::default());
    let port = start(Arc::clone(&host), 1).await;
    let wrong = SshServer { password: Some(Secret::new("wrong-horse")), ..server("host-1", port) };
    let door = Live::new();
    let error = door.ask(exec_words(wrong.clone(), &["echo"])).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied, "{error}");
    let told = format!("{} {error:?}", chain(&error));
    assert!(told.contains("host-1") && told.contains("password of user me") && !told.contains("wrong-horse"), "{told}");
    // The other commands of that host learn the same without another login.
    let again = door.ask(exec_words(wrong, &["echo", "2"])).await.unwrap_err();
    assert_eq!((again.kind, chain(&again)), (error.kind, chain(&error)));
    assert_eq!(Host::count(&host.n_connections), 1);
    let error = ask(SshServer { password: None, ..server("host-1", port) }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup, "{error}");
}

#[tokio::test]
async fn private_keys() {
    let keys = [include_str!("data/user_ed25519.pub"), include_str!("data/user_rsa.pub")];
    let keys = keys.iter().map(|key| PublicKey::from_openssh(key).unwrap()).collect();
    let port = start(Arc::new(Host { keys, ..Host::default() }), 1).await;
    let with =
        |key: &str| ask(SshServer { private_key: Some(Secret::new(key)), password: None, ..server("host-1", port) });
    assert_eq!(stdout(with(include_str!("data/user_ed25519")).await), "hello\n");
    assert_eq!(stdout(with(include_str!("data/user_rsa")).await), "hello\n");
    let error = with(include_str!("data/user_locked")).await.unwrap_err();
    assert!(error.kind == ErrorKind::Setup && error.why().contains("passphrase"), "{error}");
    let error = with("no key at all").await.unwrap_err();
    assert!(error.kind == ErrorKind::Setup && !error.why().contains("no key at all"), "{error}");
}

#[tokio::test]
async fn a_key_that_is_not_known_falls_back_to_the_password() {
    let port = start(Arc::default(), 1).await;
    let key = Some(Secret::new(include_str!("data/user_ed25519")));
    assert_eq!(stdout(ask(SshServer { private_key: key, ..server("host-1", port) }).await), "hello\n");
}

fn known(file: &Path, line: &str) -> KnownHosts {
    fs::write(file, format!("{line}\n")).unwrap();
    KnownHosts::File(file.to_owned())
}

#[tokio::test]
async fn host_keys_are_verified() {
    let port = start(Arc::default(), 1).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    let with = |known_hosts: KnownHosts| ask(SshServer { known_hosts, ..server("host-1", port) });
    let right = host_key(1).to_openssh().unwrap();
    let other = host_key(2).to_openssh().unwrap();

    let error = with(KnownHosts::File(file.clone())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::HostKey, "{error}");
    assert!(error.why().contains("SHA256:") && error.why().contains("ssh-keyscan"), "{error}");
    assert!(!file.exists(), "a key must never be learned silently");

    let line = format!("[127.0.0.1]:{port} {right}");
    assert_eq!(stdout(with(known(&file, &line)).await), "hello\n");
    // By the name of the host as well, as operators keep them.
    assert_eq!(stdout(with(known(&file, &format!("[host-1]:{port} {right}"))).await), "hello\n");
    // An address and a name in one line, as the README has them.
    assert_eq!(stdout(with(known(&file, &format!("[10.20.0.11]:{port},[host-1]:{port} {right}"))).await), "hello\n");

    let error = with(known(&file, &format!("[127.0.0.1]:{port} {other}"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::HostKey);
    assert!(error.why().contains("changed") && error.why().contains("line 1"), "{error}");

    let error = with(known(&file, &format!("{line}\n@revoked * {right}"))).await.unwrap_err();
    assert!(error.kind == ErrorKind::HostKey && error.why().contains("revoked"), "{error}");
}

#[tokio::test]
async fn what_the_error_says_makes_an_unknown_host_known() {
    let port = start(Arc::default(), 1).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("known_hosts");
    let server = SshServer { known_hosts: KnownHosts::File(file.clone()), ..server("host-1", port) };
    let error = ask(server.clone()).await.unwrap_err();
    let why = error.why();
    let advice = why.split('`').rfind(|part| part.starts_with("echo ")).unwrap();
    assert!(std::process::Command::new("sh").args(["-c", advice]).status().unwrap().success());
    assert_eq!(stdout(ask(server).await), "hello\n");
}

#[tokio::test]
async fn hosts_behind_a_gateway_share_its_session() {
    let gateway = Arc::new(Host { forwards: true, ..Host::default() });
    let gateway_port = start(Arc::clone(&gateway), 1).await;
    let inner = Arc::new(Host::default());
    let inner_port = start(Arc::clone(&inner), 2).await;
    let door = Live::new();
    let through =
        |host: &str| SshServer { jump: Some(Box::new(server("gateway", gateway_port))), ..server(host, inner_port) };
    let calls = ["a", "b", "c"].map(|host| door.ask(exec_words(through(host), &["echo", host])));
    let replies: Vec<String> = join_all(calls).await.into_iter().map(stdout).collect();
    assert_eq!(replies, ["a\n", "b\n", "c\n"]);
    assert_eq!((Host::count(&gateway.n_connections), Host::count(&gateway.n_forwards)), (1, 3));
    assert_eq!(Host::count(&gateway.n_execs), 0);
    assert_eq!(Host::count(&inner.n_connections), 3);
    // The gateway itself is a host like the others, over the same session.
    assert_eq!(stdout(door.ask(exec_words(server("gateway", gateway_port), &["echo", "g"])).await), "g\n");
    assert_eq!(Host::count(&gateway.n_connections), 1);
}

#[tokio::test]
async fn gateways_that_fail_are_named() {
    let closed = Arc::new(Host::default());
    let port = start(Arc::clone(&closed), 1).await;
    let through = |jump: SshServer| SshServer { jump: Some(Box::new(jump)), ..server("inner", 9) };
    let error = ask(through(server("gateway", port))).await.unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.why().contains("AllowTcpForwarding"), "{error}");
    let error = ask(through(server("gateway", 1))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.to_string().contains("inner") && error.why().contains("gateway"), "{error}");
    let open = Arc::new(Host { forwards: true, ..Host::default() });
    let port = start(open, 1).await;
    let error = ask(SshServer { port: 1, ..through(server("gateway", port)) }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_ssh_gives_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = ask(server("host-1", port)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Protocol), "{error}");
}
