//! Equal calls and failures on purpose.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calipso_model::Map;
use calipso_transport::{
    Call, Counted, Door, ErrorKind, Exchange, Fault, Faulty, FetchError, Once, Recording, Replay, Reply, Stage,
};
use futures::future::join_all;

use crate::calls::{exec, get, sql};

/// Answers with how many calls it has seen, and a kilobyte, after everyone else had a turn; twice that for a long command.
#[derive(Default)]
struct Counting(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Door for Counting {
    async fn exchange(&self, call: Call) -> Exchange {
        let text = call.key.text();
        let is_long = text.contains("long");
        let count = {
            let mut seen = self.0.lock().unwrap();
            seen.push(text);
            seen.len()
        };
        tokio::task::yield_now().await;
        let stderr = "x".repeat(if is_long { 2 } else { 1 } << 10).into();
        Exchange::from(Ok(Reply::Exec { exit: 0, stdout: count.to_string().into(), stderr }))
    }
}

#[tokio::test]
async fn equal_calls_are_made_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let door = Counted::new(Once::new(Counting(Arc::clone(&seen))));
    let replies = join_all((0..5).map(|_| door.ask(exec("h", "uname -n")))).await;
    let first = replies[0].as_ref().unwrap();
    assert!(replies.iter().all(|reply| reply.as_ref().unwrap() == first));
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(door.stats()[0].cached, 4);

    let mut again = exec("h", "uname -n");
    again.attempt = 1;
    let mut login = exec("h", "uname -n");
    login.stage = Stage::Login;
    for different in
        [exec("g", "uname -n"), exec("h", "uname -a"), again, login, get("http://x/a"), get("http://x/a?b=1")]
    {
        let before = seen.lock().unwrap().len();
        door.ask(different).await.unwrap();
        assert_eq!(seen.lock().unwrap().len(), before + 1);
    }
}

#[tokio::test]
async fn the_oldest_answers_are_forgotten_when_there_are_too_many() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let one = 1024 + 64;
    let door = Once::keeping(Counting(Arc::clone(&seen)), 4 * one);
    let mut login = exec("h", "login");
    login.stage = Stage::Login;
    let asked = || seen.lock().unwrap().len();
    door.ask(login.clone()).await.unwrap();
    for host in ["a", "b", "c", "d", "e", "g", "h", "i", "j", "f"] {
        door.ask(exec(host, "uname -n")).await.unwrap();
    }
    assert_eq!(asked(), 11);
    door.ask(exec("f", "uname -n")).await.unwrap();
    door.ask(login).await.unwrap();
    assert_eq!(asked(), 11, "the newest answers and logins are known");
    door.ask(exec("a", "uname -n")).await.unwrap();
    assert_eq!(asked(), 12, "the oldest is asked again");
    door.ask(exec("a", "a long one")).await.unwrap();
    door.ask(exec("f", "uname -n")).await.unwrap();
    assert_eq!(asked(), 13, "what is large pushes nothing out");
}

#[tokio::test]
async fn queries_that_differ_in_parameters_only_are_not_equal() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let door = Once::new(Counting(Arc::clone(&seen)));
    door.ask(sql("SELECT a\n FROM b WHERE c = ?", vec!["1".into()])).await.unwrap();
    door.ask(sql("SELECT a FROM b  WHERE c = ?", vec!["1".into()])).await.unwrap();
    door.ask(sql("SELECT a FROM b WHERE c = ?", vec!["2".into()])).await.unwrap();
    door.ask(sql("SELECT a FROM b WHERE c = ?", vec![1.into()])).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn every_fault_does_what_its_name_says() {
    let answers = r#"{"http": [{"get": "/x", "body": {"things": [1, 2, 3]}}],
        "commands": [{"run": "list", "stdout": "one\ntwo\n"}], "sql": [{"query": "SELECT 1", "rows": [{"a": 1}]}]}"#;
    let recording = Recording::from_answers(&calipso_model::Value::from_json(answers).unwrap()).unwrap();
    for fault in Fault::ALL {
        let door =
            Faulty::new(Replay::new(recording.clone()), move |call| (call.role.as_ref() != "hosts").then_some(fault));
        assert!(door.ask(exec("h", "list")).await.is_ok(), "only the calls that were picked are spoilt");
        let http = door.ask(get("http://x/x")).await;
        let rows = door.ask(sql("SELECT 1", Vec::new())).await;
        let body = |wanted: u16| match &http {
            Ok(Reply::Http { status, body, .. }) if *status == wanted => String::from_utf8(body.to_vec()).unwrap(),
            other => panic!("{fault:?}: {other:?}"),
        };
        let failed = |outcome: &Result<Reply, FetchError>| outcome.as_ref().unwrap_err().kind;
        match fault {
            Fault::Timeout => assert_eq!((failed(&http), failed(&rows)), (ErrorKind::Timeout, ErrorKind::Timeout)),
            Fault::Unreachable => assert_eq!(failed(&http), ErrorKind::Unreachable),
            Fault::Reset => assert_eq!(failed(&http), ErrorKind::Cut),
            Fault::Forbidden => {
                body(403);
                assert_eq!(failed(&rows), ErrorKind::Denied);
            }
            Fault::ServerError => {
                body(500);
                assert_eq!(failed(&rows), ErrorKind::Protocol);
            }
            Fault::CutPage => {
                assert_eq!(body(200), "{\"things\"");
                assert_eq!(failed(&rows), ErrorKind::Cut);
            }
            Fault::EmptyBody => assert_eq!(body(200), ""),
            Fault::WrongJson => {
                assert!(calipso_model::Value::from_json(&body(200)).is_ok());
                assert_eq!(
                    rows.unwrap(),
                    Reply::Rows(vec![[("injected", "[[{\"injected\": 7}], 42]")].into_iter().collect::<Map>()])
                );
            }
            Fault::Garbage => assert!(calipso_model::Value::from_json(&body(200)).is_err()),
        }
    }
}
