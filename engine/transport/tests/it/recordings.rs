//! Recordings: inline, written, read again, replayed.

use std::{fs, sync::Arc};

use calipso_model::{Map, Value, chain};
use calipso_transport::{
    Call, Counted, Door, ErrorKind, Exchange, Execution, HttpKey, Meta, RecordError, Recorder, Recording, Replay,
    Reply, RequestKey, Scrubber, Stage,
};
use futures::future::join_all;

use crate::calls::{exec, get, http, sql};

fn inline(answers: &str) -> Replay {
    Replay::new(Recording::from_answers(&Value::from_json(answers).unwrap()).unwrap())
}

async fn text(door: &impl Door, call: Call) -> String {
    match door.ask(call).await {
        Ok(Reply::Http { body, .. }) => String::from_utf8(body.to_vec()).unwrap(),
        Ok(Reply::Exec { stdout, .. }) => stdout.to_string(),
        Ok(Reply::Rows(rows)) => rows.iter().map(|row| Value::Map(row.clone()).to_json()).collect(),
        Err(error) => error.kind.as_str().to_owned(),
    }
}

fn with(mut call: Call, change: impl FnOnce(&mut Call)) -> Call {
    change(&mut call);
    call
}

#[tokio::test]
async fn commands_match_by_words_and_host() {
    let door = inline(
        r#"{"commands": [
        {"run": "ip  -j 'link show'", "stdout": "any"},
        {"run": "uname", "stdout": "any uname"}, {"host": "b", "run": ["uname"], "stdout": "uname of b"},
        {"host": "a", "run": "slow", "error": "timeout"},
        {"run": "fails", "stderr": "no", "exit": 3}]}"#,
    );
    let quoted = with(exec("a", "ip -j x"), |call| {
        let RequestKey::Exec(key) = &mut call.key else { panic!() };
        key.words = vec!["ip".into(), "-j".into(), "link show".into()];
    });
    assert_eq!(text(&door, quoted).await, "any");
    assert_eq!(text(&door, exec("a", "ip -j link show")).await, "not_recorded");
    assert_eq!(text(&door, exec("a", "uname")).await, "any uname");
    assert_eq!(text(&door, exec("b", "uname")).await, "uname of b");
    assert_eq!(text(&door, exec("a", "slow")).await, "timeout");
    assert_eq!(text(&door, exec("b", "slow")).await, "not_recorded");
    let reply = door.ask(exec("x", "fails")).await.unwrap();
    assert_eq!(reply, Reply::Exec { exit: 3, stdout: "".into(), stderr: "no".into() });
}

#[tokio::test]
async fn requests_match_by_what_is_given() {
    let door = inline(
        r#"{"http": [
        {"get": "/a", "body": {"n": 1}},
        {"get": "/a", "query": {"limit": 5, "x": "y z"}, "body": [2]},
        {"get": "/b?marker=1", "text": "page 2", "headers": {"X-A": "b"}},
        {"get": "/c", "target": {"service": "net"}, "via": "api", "text": "net"},
        {"get": "/c", "text": "any"},
        {"post": "/a", "status": 201, "text": "made"},
        {"get": "/d", "error": "unreachable"}]}"#,
    );
    assert_eq!(text(&door, get("http://h/a")).await, "{\"n\":1}");
    assert_eq!(text(&door, get("http://h/a?unknown=1")).await, "{\"n\":1}");
    assert_eq!(text(&door, get("http://h/a?x=y+z&limit=5")).await, "[2]");
    let key = HttpKey {
        method: "GET".into(),
        path: "/a".into(),
        query: vec![("limit".into(), "5".into()), ("x".into(), "y z".into())],
        ..HttpKey::default()
    };
    assert_eq!(text(&door, http("http://h/a", key)).await, "[2]");
    assert_eq!(text(&door, get("http://h/b?marker=1")).await, "page 2");
    assert_eq!(text(&door, get("http://h/b")).await, "not_recorded");
    assert_eq!(text(&door, get("http://h/b?marker=2")).await, "not_recorded");
    let targeted = |service: &str| {
        with(get("http://h/c"), |call| {
            let RequestKey::Http(key) = &mut call.key else { panic!() };
            key.target.insert("service".into(), service.into());
        })
    };
    assert_eq!(text(&door, targeted("net")).await, "net");
    assert_eq!(text(&door, targeted("compute")).await, "any");
    assert_eq!(text(&door, get("http://h/d")).await, "unreachable");
    let Reply::Http { headers, .. } = door.ask(get("http://h/b?marker=1")).await.unwrap() else { panic!() };
    assert_eq!(headers, [("x-a".to_owned(), "b".to_owned())]);
}

#[tokio::test]
async fn queries_match_whatever_their_white_space() {
    let door = inline(
        r#"{"sql": [{"query": "SELECT a\n  FROM b WHERE c = ?", "params": ["x"], "rows": [{"a": 1}]},
                    {"query": "SELECT a FROM b WHERE c = ?", "rows": []}]}"#,
    );
    assert_eq!(text(&door, sql("SELECT a FROM `b`\tWHERE c = ?", vec!["x".into()])).await, "{\"a\":1}");
    assert_eq!(text(&door, sql("SELECT a FROM b WHERE c = ?", vec!["y".into()])).await, "");
}

#[tokio::test]
async fn repeated_answers_follow_the_attempt_and_the_last_one_stays() {
    let door = inline(
        r#"{"commands": [{"run": "x", "error": "timeout"}, {"run": "x", "stdout": "2"}, {"run": "x", "stdout": "3"}]}"#,
    );
    let attempt = |attempt| with(exec("h", "x"), |call| call.attempt = attempt);
    // In any order, and as often as one likes.
    for (number, wanted) in [(2, "3"), (0, "timeout"), (1, "2"), (9, "3"), (0, "timeout")] {
        assert_eq!(text(&door, attempt(number)).await, wanted);
    }
}

#[tokio::test]
async fn what_was_not_recorded_is_told_with_the_nearest() {
    let door = inline(r#"{"commands": [{"run": "uname -a"}, {"run": "ip -j link"}], "http": [{"get": "/v2/ports"}]}"#);
    let error = door.ask(exec("h", "ip -j address")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotRecorded);
    assert!(error.why().contains("`ip -j address` on h") && error.why().contains("`ip -j link`"), "{error}");
    let error = door.ask(get("http://h/v2/networks?limit=5")).await.unwrap_err();
    assert!(error.why().contains("GET /v2/networks?limit=5") && error.why().contains("GET /v2/ports"), "{error}");
    let error = door.ask(sql("SELECT 1", Vec::new())).await.unwrap_err();
    assert!(!error.why().contains("most similar"), "{error}");
    let error = door.ask(exec("h", "chronyc sources")).await.unwrap_err();
    assert!(!error.why().contains("most similar"), "another program is not similar: {error}");
}

#[tokio::test]
async fn a_recorded_login_is_that_of_every_target() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("meta.json"), r#"{"format": "calipso-recording/1"}"#).unwrap();
    let line = |stage: &str, path: &str| {
        format!(
            r#"{{"method":"POST","path":"{path}","query":[],"role":"api","stage":"{stage}","status":201,"target":{{"service":"identity"}},"headers":[],"text":"token","millis":5,"attempt":0}}"#
        )
    };
    let lines = format!("{}\n{}\n", line("login", "/auth"), line("work", "/work"));
    std::fs::write(folder.path().join("http.jsonl"), lines).unwrap();
    let door = Replay::new(Recording::read(folder.path()).unwrap());
    let asked = |stage, path: &str| {
        let mut key = HttpKey { method: "POST".into(), path: path.into(), ..HttpKey::default() };
        key.target.insert("service".into(), "network".into());
        with(http("http://h", key), |call| (call.stage, call.role) = (stage, "api".into()))
    };
    assert_eq!(text(&door, asked(Stage::Login, "/auth")).await, "token");
    assert_eq!(text(&door, asked(Stage::Work, "/work")).await, "not_recorded");
}

#[test]
fn wrong_inline_answers_are_told_with_their_place() {
    for (answers, place, why) in [
        (r#"{"command": []}"#, "answers.command", "known: commands, http, sql"),
        (r#"{"commands": [{"run": "x"}, {"run": "x", "stdin": ""}]}"#, "answers.commands[1]", "unknown key `stdin`"),
        (r#"{"commands": [{"run": "x 'y"}]}"#, "answers.commands[0]", "quote"),
        (r#"{"commands": [{"stdout": "y"}]}"#, "answers.commands[0]", "`run`"),
        (r#"{"commands": [{"run": "x", "error": "tired"}]}"#, "answers.commands[0]", "known: unreachable"),
        (r#"{"http": [{"get": "/", "post": "/"}]}"#, "answers.http[0]", "exactly one method"),
        (r#"{"http": [{"get": "/", "body": 1, "text": ""}]}"#, "answers.http[0]", "both"),
        (r#"{"http": [{"get": "/", "status": "ok"}]}"#, "answers.http[0]", "`status`"),
        (r#"{"sql": [{"query": "SELECT 1", "rows": [1]}]}"#, "answers.sql[0]", "rows"),
        ("[]", "answers", "a map"),
    ] {
        let error = Recording::from_answers(&Value::from_json(answers).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with(place) && error.contains(why), "{answers}: {error}");
    }
}

#[tokio::test]
async fn inline_answers_come_before_those_of_a_recording() {
    let read = |answers: &str| Recording::from_answers(&Value::from_json(answers).unwrap()).unwrap();
    let mut recording = read(r#"{"commands": [{"run": "x", "stdout": "first"}]}"#);
    recording
        .append(read(r#"{"commands": [{"host": "h", "run": "x", "stdout": "second"}, {"run": "y", "stdout": "y"}]}"#));
    let door = Replay::new(recording);
    assert_eq!(text(&door, exec("h", "x")).await, "first");
    assert_eq!(text(&door, exec("h", "y")).await, "y");
}

const WORLD: &str = r#"{
    "http": [{"get": "/a", "body": {"token": "abcd"}, "headers": {"X-Next": "1"}}, {"get": "/nope", "status": 404, "text": "gone"},
             {"post": "/login", "status": 201, "body": {"id": 7}}, {"get": "/cut", "error": "reset"}],
    "commands": [{"host": "node/1", "run": "ip link", "stdout": "1: lo\n", "stderr": "w", "exit": 2},
                 {"run": "again", "error": "timeout"}, {"run": "again", "stdout": "now"}],
    "sql": [{"query": "SELECT 1", "rows": [{"a": 1, "b": null, "c": 1.5}]}]}"#;

fn world_calls() -> Vec<Call> {
    let login = HttpKey {
        method: "POST".into(),
        path: "/login".into(),
        body: Some(Value::from_json(r#"{"user": "me", "password": "hunter22"}"#).unwrap()),
        ..HttpKey::default()
    };
    vec![
        with(http("http://h/login", login), |call| call.stage = Stage::Login),
        get("http://h/a?limit=5"),
        get("http://h/nope"),
        get("http://h/cut"),
        exec("node/1", "ip link"),
        exec("node-2", "again"),
        with(exec("node-2", "again"), |call| call.attempt = 1),
        sql("SELECT 1", Vec::new()),
    ]
}

fn meta() -> Meta {
    let about = [("environment", Value::from_json(r#"{"name": "lab", "password": "hunter22"}"#).unwrap())];
    Meta { tool: "test 1".into(), started_at: "2026-11-22T10:00:00Z".into(), about: about.into_iter().collect::<Map>() }
}

#[tokio::test]
async fn a_written_recording_answers_like_the_world() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new/recording");
    let scrubber = Arc::new(Scrubber::new());
    scrubber.register("hunter22");
    let recorder = Recorder::new(inline(WORLD), &dir, meta(), scrubber).unwrap();
    let mut live = Vec::new();
    for call in world_calls().into_iter().rev() {
        live.push(recorder.ask(call).await);
    }
    live.reverse();
    assert!(!dir.exists(), "nothing is written before it is finished");
    recorder.finish().unwrap();

    let recording = Recording::read(&dir).unwrap();
    assert_eq!(recording.meta().text("started_at").unwrap().as_ref(), "2026-11-22T10:00:00Z");
    let environment = recording.meta().get("environment").unwrap().to_json();
    assert_eq!(environment, r#"{"name":"lab","password":"***"}"#);
    assert_eq!(recording.entries().count(), 8);
    let door = Replay::new(recording);
    for (call, live) in world_calls().into_iter().zip(live) {
        // Another password, another host to connect to: a replay knows only logical keys.
        let call = with(call, |call| {
            if let RequestKey::Http(HttpKey { body: Some(Value::Map(body)), .. }) = &mut call.key {
                body.insert("password", "whatever");
            }
        });
        match (door.ask(call).await, live) {
            (Ok(Reply::Http { status, body, .. }), Ok(Reply::Http { status: was, body: before, .. })) => {
                let before = String::from_utf8(before.to_vec()).unwrap().replace("abcd", "***");
                assert_eq!((status, String::from_utf8(body.to_vec()).unwrap()), (was, before));
            }
            (Ok(replayed), Ok(live)) => assert_eq!(replayed, live),
            (Err(replayed), Err(live)) => {
                assert_eq!((replayed.kind, chain(&replayed)), (live.kind, chain(&live)));
            }
            (replayed, live) => panic!("{replayed:?} instead of {live:?}"),
        }
    }
    // Asked for in another order, the same files come out.
    let again = dir.with_file_name("again");
    let scrubber = Arc::new(Scrubber::new());
    scrubber.register("hunter22");
    let recorder = Recorder::new(inline(WORLD), &again, meta(), scrubber).unwrap();
    for call in world_calls() {
        let _ = recorder.ask(call).await;
    }
    recorder.finish().unwrap();
    let read = |name: &str, dir: &std::path::Path| {
        let text = fs::read_to_string(dir.join(name)).unwrap();
        text.lines()
            .map(|line| {
                let mut line = Value::from_json(line).unwrap().as_map().unwrap().clone();
                line.remove("millis");
                Value::Map(line).to_json() + "\n"
            })
            .collect::<String>()
    };
    for name in ["http.jsonl", "sql.jsonl", "hosts/node%2F1.jsonl", "hosts/node-2.jsonl"] {
        assert_eq!(read(name, &dir), read(name, &again));
    }
}

/// A world in which the commands of one host share executions, two by two.
struct Sharing(Replay);

#[async_trait::async_trait]
impl Door for Sharing {
    async fn exchange(&self, call: Call) -> Exchange {
        let number = match &call.key {
            RequestKey::Exec(key) => key.words.last().and_then(|word| word.parse::<u64>().ok()),
            _ => None,
        };
        let execution = number.map_or(Execution::Own, |number| Execution::Shared(number / 2));
        Exchange { execution, ..self.0.exchange(call).await }
    }
}

#[tokio::test]
async fn a_replay_counts_executions_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("recording");
    let scrubber = Arc::new(Scrubber::new());
    scrubber.register("hunter22");
    let world = inline(
        r#"{"commands": [{"run": "show 0", "stdout": "a"}, {"run": "show 1", "stdout": "b"}, {"run": "show 2", "stdout": "c"}]}"#,
    );
    let recorder = Recorder::new(Sharing(world), &dir, meta(), scrubber).unwrap();
    let calls = || ["show 0", "show 1", "show 2"].map(|words| exec("node-1", words));
    for call in calls() {
        recorder.ask(call).await.unwrap();
    }
    recorder.finish().unwrap();
    let executions = async |recording: Recording| {
        let replay = Counted::new(Replay::new(recording));
        for call in calls() {
            replay.ask(call).await.unwrap();
        }
        replay.stats().iter().map(|stats| (stats.calls, stats.executions)).collect::<Vec<_>>()
    };
    assert_eq!(executions(Recording::read(&dir).unwrap()).await, [(3, 2)]);
    // A recording that does not tell counts every call.
    let file = dir.join("hosts/node-1.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"execution\":0,", "").replace("\"execution\":1,", "")).unwrap();
    assert_eq!(executions(Recording::read(&dir).unwrap()).await, [(3, 3)]);
}

#[tokio::test]
async fn secrets_that_a_login_brings_are_scrubbed_from_the_login_itself() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("recording");
    let scrubber = Arc::new(Scrubber::new());
    scrubber.register("hunter22");
    let world = r#"{"http": [{"post": "/login", "text": "session 5up3r-s3ss10n"}, {"get": "/a", "text": "you are 5up3r-s3ss10n"}]}"#;
    let recorder = Recorder::new(inline(world), &dir, Meta::default(), Arc::clone(&scrubber)).unwrap();
    let login = HttpKey { method: "POST".into(), path: "/login".into(), ..HttpKey::default() };
    recorder.ask(with(http("http://h/login", login), |call| call.stage = Stage::Login)).await.unwrap();
    // Even an answer that was recorded before anybody knew.
    recorder.ask(get("http://h/a")).await.unwrap();
    scrubber.register("5up3r-s3ss10n");
    recorder.finish().unwrap();
    let text = fs::read_to_string(dir.join("http.jsonl")).unwrap();
    assert!(text.contains("session ***") && text.contains("you are ***") && !text.contains("5up3r"), "{text}");
}

#[tokio::test]
async fn a_recording_without_secrets_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording");
    let recorder = Recorder::new(inline(WORLD), &file, Meta::default(), Arc::default()).unwrap();
    recorder.ask(get("http://h/a")).await.unwrap();
    assert!(matches!(recorder.finish(), Err(RecordError::NoSecret)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_recording_with_a_secret_that_scrubbing_cannot_remove_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let scrubber = Arc::new(Scrubber::new());
    // What stands in place of a secret is this secret.
    scrubber.register("***");
    let recorder = Recorder::new(inline(WORLD), &dir.path().join("recording"), meta(), scrubber).unwrap();
    assert!(matches!(recorder.finish(), Err(RecordError::SecretLeft { file }) if file == "meta.json"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_holds_something_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("precious"), "x").unwrap();
    let refused = Recorder::new(inline(WORLD), dir.path(), Meta::default(), Arc::default()).err();
    assert!(matches!(refused, Some(RecordError::NotEmpty { .. })));
}

#[test]
fn broken_recordings_are_told_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let read = || Recording::read(dir.path()).unwrap_err().to_string();
    assert!(read().contains("meta.json"));
    fs::write(dir.path().join("meta.json"), r#"{"format": "other/9"}"#).unwrap();
    assert!(read().contains("other/9"));
    fs::write(dir.path().join("meta.json"), r#"{"format": "calipso-recording/1"}"#).unwrap();
    assert!(Recording::read(dir.path()).is_ok());
    fs::write(dir.path().join("sql.jsonl"), "\n{\"query\": \"SELECT 1\"}\n").unwrap();
    let error = read();
    assert!(error.contains("sql.jsonl:2") && error.contains("rows"), "{error}");
}

#[tokio::test]
async fn shuffling_changes_the_order_and_nothing_else() {
    let answers: Vec<String> = (0..20).map(|n| format!(r#"{{"run": "n {n}", "stdout": "{n}"}}"#)).collect();
    let answers = format!(r#"{{"commands": [{}]}}"#, answers.join(","));
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..10 {
        let door = inline(&answers).shuffled(seed);
        let order = std::sync::Mutex::new(Vec::new());
        let replies = join_all((0..20).map(|n| {
            let (door, order) = (&door, &order);
            async move {
                let reply = text(door, exec("h", &format!("n {n}"))).await;
                order.lock().unwrap().push(n);
                reply
            }
        }))
        .await;
        assert_eq!(replies, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
        orders.insert(order.into_inner().unwrap());
    }
    assert!(orders.len() > 5, "{} orders", orders.len());
}

#[tokio::test]
async fn a_recording_of_interfaces_without_any_login_is_written_where_somebody_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("recording");
    let scrubber = Arc::new(Scrubber::new());
    let recorder =
        Recorder::new(inline(WORLD), &file, Meta::default(), Arc::clone(&scrubber)).unwrap().without_secrets();
    recorder.ask(get("http://h/a")).await.unwrap();
    recorder.finish().unwrap();
    assert!(fs::read_to_string(file.join("http.jsonl")).unwrap().contains("/a"));
}
