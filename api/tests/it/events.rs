//! Streams of events, over a real socket.

use std::{sync::Arc, time::Duration};

use calipso_api::{Grant, Limits, Pace};
use calipso_model::{Delta, Value};
use calipso_store::work::{self, ScanTask};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    logins::{add, token},
    seed::{commit, environment, object},
    support::{Parts, Server, made, open_paced},
};

const SOON: Duration = Duration::from_secs(20);

/// One event as a client sees it.
#[derive(Clone, Debug)]
struct Event {
    name: String,
    id: String,
    data: serde_json::Value,
}

/// A client on a socket.
struct Client {
    stream: TcpStream,
    text: String,
}

impl Client {
    async fn open(address: std::net::SocketAddr, query: &str, last_event_id: Option<&str>) -> Self {
        let header = last_event_id.map_or_else(String::new, |id| format!("last-event-id: {id}\r\n"));
        Self::with(address, query, &header).await
    }

    /// With this line of the request's head, or none.
    async fn with(address: std::net::SocketAddr, query: &str, header: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /api/v1/events{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// More text; nothing when the server closed the stream.
    async fn read(&mut self) -> Option<()> {
        let mut bytes = [0; 4_096];
        let n = timeout(SOON, self.stream.read(&mut bytes)).await.expect("something comes in time").unwrap_or(0);
        self.text.push_str(&String::from_utf8_lossy(&bytes[..n]));
        (n > 0).then_some(())
    }

    /// The next event; nothing when the stream ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
                };
                let Some(name) = field("event") else { continue };
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { name, id: field("id").unwrap(), data });
            }
            self.read().await?;
        }
    }

    async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, name, "{event:?}");
        event
    }
}

async fn serve(server: &Server) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn quick() -> Pace {
    Pace {
        poll: Duration::from_millis(20),
        heartbeat: Duration::from_millis(50),
        recheck: Duration::from_millis(50),
        streams: 300,
    }
}

async fn change(server: &Server, name: &str, n: i64) -> u64 {
    let delta = Delta {
        objects: vec![object("host", "h", ("region", "r"), "/x", &[("n", Value::Int(n))])],
        ..Delta::default()
    };
    commit(server, name, &delta, &Default::default()).await
}

async fn scan(server: &Server, name: &str) -> String {
    let task = ScanTask { environment: name.into(), ..ScanTask::default() };
    work::scan::submit(&*server.service.backend, task, server.service.now_millis()).await.unwrap().id.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_and_nothing_is_lost() {
    let server = open_paced(quick());
    environment(&server, "a").await;
    environment(&server, "b").await;
    let address = serve(&server).await;
    let mut client = Client::open(address, "?env_name=a", None).await;
    let ready = client.expect("ready").await;
    assert_eq!(ready.data["environments"], serde_json::json!({"a": 0}));
    change(&server, "b", 1).await;
    change(&server, "a", 1).await;
    let event = client.expect("revision").await;
    assert_eq!((&event.data["environment"], &event.data["revision"]), (&"a".into(), &1.into()), "not those of others");
    assert_eq!(event.data["counts"]["written"]["objects"], 1);
    let id = scan(&server, "a").await;
    let event = client.expect("scan").await;
    assert_eq!((&event.data["id"], &event.data["status"]), (&id.as_str().into(), &"pending".into()));
    drop(client);

    // What happens while nobody listens is told to who comes back.
    for n in 2..=4 {
        change(&server, "a", n).await;
    }
    work::scan::cancel(&*server.service.backend, &id, "somebody", server.service.now_millis()).await.unwrap();
    let mut client = Client::open(address, "?env_name=a", Some(&event.id)).await;
    client.expect("ready").await;
    for revision in 2..=4 {
        assert_eq!(client.expect("revision").await.data["revision"], revision);
    }
    let last = client.expect("scan").await;
    assert_eq!(last.data["status"], "aborted");
    // The same by query, for all environments, from the same place: one that the first stream did not watch is told whole.
    let mut all = Client::open(address, &format!("?last_event_id={}", event.id), None).await;
    assert_eq!(all.expect("ready").await.data["environments"], serde_json::json!({"a": 4, "b": 1}));
    let mut told = std::collections::BTreeSet::new();
    while told.len() < 5 {
        let event = all.next().await.unwrap();
        told.insert(format!("{} {}", event.data["environment"], event.data["revision"]));
    }
    assert!(told.contains("\"b\" 1") && told.contains("\"a\" 4"), "{told:?}");
    // A silent stream says that it lives.
    while !client.text.contains(":\n\n") {
        client.read().await.unwrap();
    }
    server.service.backend.remove_environment("a", i64::MAX).await.unwrap();
    client.text.clear();
    while let Some(event) = client.next().await {
        assert_eq!(event.name, "gone");
    }
    environment(&server, "c").await;
    change(&server, "c", 1).await;
    loop {
        let event = all.next().await.unwrap();
        if event.data["environment"] == "c" {
            assert_eq!((event.name.as_str(), &event.data["revision"]), ("revision", &1.into()));
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_listen_and_leave_nothing_behind() {
    let server = open_paced(quick());
    environment(&server, "a").await;
    let address = serve(&server).await;
    let before = Arc::strong_count(&server.service);
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(Client::open(address, "?env_name=a", None).await);
    }
    for client in &mut clients {
        client.expect("ready").await;
    }
    assert!(Arc::strong_count(&server.service) >= before + 200);
    change(&server, "a", 1).await;
    for client in &mut clients {
        assert_eq!(client.expect("revision").await.data["revision"], 1);
    }
    let mut more = Vec::new();
    for _ in 0..101 {
        more.push(Client::open(address, "", None).await);
    }
    let last = more.last_mut().unwrap();
    last.read().await.unwrap();
    drop(clients);
    drop(more);
    timeout(SOON, async {
        while Arc::strong_count(&server.service) > before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("everything is freed");
    // Who comes after all have left hears what happens.
    let mut client = Client::open(address, "?env_name=a", None).await;
    client.expect("ready").await;
    change(&server, "a", 2).await;
    assert_eq!(client.expect("revision").await.data["revision"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_token_and_shows_what_may_be_viewed() {
    let server = made(Parts { limits: Limits { news: quick(), ..Limits::default() }, ..Parts::default() });
    let accounts = &server.service.accounts;
    add(accounts, "viewer", |user| {
        user.grants.insert("a".into(), Grant::View);
    })
    .await;
    let token = token(&server, "viewer").await;
    environment(&server, "a").await;
    environment(&server, "b").await;
    let address = serve(&server).await;
    for (query, status) in [("?env_name=b", 403), ("?env_name=elsewhere", 403), ("?last_event_id=x", 400)] {
        let answer = server.call("GET", &format!("/api/v1/events{query}"), &[("x-auth-token", &token)], None).await;
        assert_eq!(answer.status, status, "{query}");
    }
    let mut client = Client::with(address, "", &format!("x-auth-token: {token}\r\n")).await;
    assert_eq!(client.expect("ready").await.data["environments"], serde_json::json!({"a": 0}));
    change(&server, "b", 1).await;
    scan(&server, "b").await;
    change(&server, "a", 1).await;
    assert_eq!(client.expect("revision").await.data["environment"], "a");
    accounts.revoke_all("viewer").await.unwrap();
    assert!(client.next().await.is_none(), "the stream ends");
}
