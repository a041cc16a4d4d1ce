//! The REST interface under load: a server on a socket of this process, over a seeded store of each kind, and clients that
//! keep asking.
//!
//! `cargo run --release -p calipso-bench --bin api -- [--only embedded|mongodb] [--about TEXT] [--seconds N]
//! OBJECTS…`; `--about` asks only what has this text in its name.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use calipso_api::{Access, Limits, Service};
use calipso_model::{Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Secret, Value};
use calipso_store::{
    Backend, Commit, CommitInfo, Embedded, Expect, Member, Mongo, MongoOptions, Options, ScopeChanges, ScopeKey,
    ScopeRecord, StoreError,
};
use calipso_testbed::Mongod;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Runtime,
};

/// The same as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Children of one parent, and objects on one host in a row.
const GROUP: usize = 25;

/// How many clients ask at once.
const CLIENTS: usize = 32;

/// Requests a second of all clients together, where they are paced.
const PACED: usize = 1_000;

/// So long the first question is asked before it is measured: a server that has just been filled has little in memory.
const WARM_UP: Duration = Duration::from_secs(30);

/// So long the machine may take to come to rest.
const QUIET: Duration = Duration::from_secs(180);

const TYPES: [&str; 4] = ["host_pnic", "instance", "port", "vnic"];

fn main() -> Result<()> {
    let (mut sizes, mut only, mut about, mut seconds) = (Vec::new(), None, String::new(), 10);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--only" => only = Some(arguments.next().context("--only needs `embedded` or `mongodb`")?),
            "--about" => about = arguments.next().context("--about needs a text")?,
            "--seconds" => seconds = arguments.next().context("--seconds needs a number")?.parse()?,
            size => sizes.push(size.parse::<usize>()?),
        }
    }
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    for size in sizes {
        let time = Duration::from_secs(seconds);
        if only.as_deref() != Some("mongodb") {
            let folder = tempfile::tempdir()?;
            let store = Embedded::open(&folder.path().join("bench.store"), Options::default())?;
            measure(size, "embedded", Arc::new(store), &threads("server")?, &about, time)?;
        }
        if only.as_deref() != Some("embedded") {
            let server = Mongod::with_cache("4");
            // The driver belongs to the run-time that it was made in.
            let servers = threads("server")?;
            let options = MongoOptions::new(Secret::new(server.uri()), server.database());
            let store = servers.block_on(Mongo::connect(options))?;
            measure(size, "mongodb", Arc::new(store), &servers, &about, time)?;
            servers.shutdown_background();
        }
    }
    Ok(())
}

fn threads(name: &str) -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()?)
}

fn key(n: usize) -> ObjectKey {
    ObjectKey::new(TYPES[n % 4], format!("host-{:04}-{n:08x}", n / GROUP % 2_000))
}

fn name(n: usize) -> String {
    format!("{}-{:016x}", TYPES[n % 4], (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// An object of about 700 bytes.
fn object(n: usize) -> Object {
    let key = key(n);
    let parent = ObjectKey::new("folder", format!("folder-{:06}", n / GROUP));
    let host = format!("host-{:04}", n / GROUP % 2_000);
    let name = name(n);
    let doc = [
        ("environment", Value::text("bench")),
        ("type", Value::Str(key.object_type.clone())),
        ("id", Value::Str(key.id.clone())),
        ("name", Value::text(&name)),
        ("object_name", Value::text(&name)),
        ("parent_type", Value::Str(parent.object_type)),
        ("parent_id", Value::Str(parent.id.clone())),
        ("id_path", Value::text(&format!("/bench/regions/one/{}/{host}/{}", parent.id, key.id))),
        ("name_path", Value::text(&format!("/bench/Regions/one/{}/{host}/{name}", parent.id))),
        ("host", Value::text(&host)),
        ("show_in_tree", Value::Bool(true)),
        ("mac_address", Value::text(&format!("fa:16:3e:{:02x}:{:02x}:{:02x}", n >> 16 & 255, n >> 8 & 255, n & 255))),
        ("status", Value::text("ACTIVE")),
        ("description", Value::text(&name.repeat(8))),
    ];
    Object { key, doc: doc.into_iter().collect() }
}

/// Two links of an object: to a neighbour, and across.
fn links(n: usize, size: usize) -> [Link; 2] {
    [(n + 1) % size, n.wrapping_mul(7_919) % size].map(|target| Link {
        link_type: if target == (n + 1) % size { "vnic-port".into() } else { "port-vnic".into() },
        source: key(n),
        target: key(target),
        name: format!("net-{:05}", n % 5_000).into(),
        state: LinkState::Up,
        host: Some(format!("host-{:04}", n / GROUP % 2_000).into()),
        switch: None,
        attributes: [("source_label", Value::text("eth0")), ("network", Value::text("n1"))].into_iter().collect(),
        implicit: false,
        rule: "link_types/x.yaml:12:3".into(),
    })
}

/// A clique around every instance: it and its eight neighbours.
fn clique(n: usize, size: usize) -> Clique {
    let mut nodes: Vec<ObjectKey> = (n..n + 9).map(|n| key(n % size)).collect();
    nodes.sort();
    let links = (n..n + 8).map(|n| {
        let [link, _] = links(n % size, size);
        LinkRef { link_type: link.link_type, source: link.source, target: link.target }
    });
    Clique {
        focal_point: key(n),
        clique_type: "instance".into(),
        constraints: Map::new(),
        nodes,
        links: links.collect(),
    }
}

/// One scope for each group of objects.
fn scope(group: usize, size: usize) -> ScopeRecord {
    let member = |n: usize| Member {
        key: key(n),
        contribution: Map::new(),
        asserts: true,
        order: 0,
        at: "fetchers/x.yaml:12:3".into(),
    };
    ScopeRecord {
        key: ScopeKey {
            fetcher: "list".into(),
            object_type: "port".into(),
            parent: ObjectKey::new("folder", format!("folder-{group:06}")),
            narrowing: Value::Null,
        },
        complete: true,
        scanned_at: "2026-01-01T00:00:00Z".into(),
        tried_at: "2026-01-01T00:00:00Z".into(),
        stale_since: None,
        problem: None,
        members: (group * GROUP..((group + 1) * GROUP).min(size)).map(member).collect(),
    }
}

async fn seed(store: &dyn Backend, size: usize) -> Result<(), StoreError> {
    store.put_environment(&Environment { name: "bench".into(), ..Environment::default() }, Expect::Anything).await?;
    let lease = store.acquire("bench", "bench", 0, Duration::from_secs(60)).await?;
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "seed".into() };
    let parts = [
        (Delta { objects: (0..size).map(object).collect(), ..Delta::default() }, ScopeChanges::default()),
        (
            Delta { links: (0..size).flat_map(|n| links(n, size)).collect(), ..Delta::default() },
            ScopeChanges::default(),
        ),
        (
            Delta { cliques: (1..size).step_by(4).map(|n| clique(n, size)).collect(), ..Delta::default() },
            ScopeChanges {
                put: (0..size / GROUP).map(|group| scope(group, size)).collect(),
                ..ScopeChanges::default()
            },
        ),
    ];
    for (base, (delta, scopes)) in parts.iter().enumerate() {
        store.commit(&Commit { scopes, ..Commit::new(base as u64, &lease, delta, &info) }).await?;
    }
    store.release(&lease).await
}

/// What is asked, with the path of the n-th request.
type Question = (&'static str, fn(usize, usize) -> String);

const QUESTIONS: &[Question] = &[
    ("one object, by type and id", |n, size| {
        let key = key(scattered(n, size));
        format!("/inventory/bench/{}/{}", key.object_type, key.id)
    }),
    ("one object, by id", |n, size| format!("/inventory?env_name=bench&id={}", key(scattered(n, size)).id)),
    ("inventory, 50 of a host", |n, size| {
        format!("/inventory?env_name=bench&page_size=50&host=host-{:04}", scattered(n, size) / GROUP % 2_000)
    }),
    ("inventory, children of a parent", |n, size| {
        format!("/inventory?env_name=bench&parent_id=folder-{:06}", scattered(n, size) / GROUP)
    }),
    ("inventory, page of 100 of a type", |n, _| {
        format!("/inventory?env_name=bench&page_size=100&type={}", TYPES[n % 4])
    }),
    ("inventory, page of 1000", |_, _| "/inventory?env_name=bench".to_owned()),
    ("links of an object", |n, size| {
        let key = key(scattered(n, size));
        format!("/links?env_name=bench&source_id={}&source_type={}", key.id, key.object_type)
    }),
    ("links, page of 100 of a type", |_, _| "/links?env_name=bench&page_size=100&link_type=port-vnic".to_owned()),
    ("cliques, page of 100", |_, _| "/cliques?env_name=bench&page_size=100".to_owned()),
    ("one clique, whole", |n, size| {
        let id = calipso_api::clique_id(&key(scattered(n, size) / 4 * 4 + 1));
        format!("/cliques?env_name=bench&id={id}")
    }),
    ("search, 8 letters of a name", |n, size| {
        let name = name(scattered(n, size));
        format!("/search?env_name=bench&limit=20&query={}", &name[name.len() - 12..name.len() - 4])
    }),
];

fn scattered(n: usize, size: usize) -> usize {
    n.wrapping_mul(104_729) % (size - 9)
}

fn measure(
    size: usize,
    kind: &str,
    store: Arc<dyn Backend>,
    servers: &Runtime,
    about: &str,
    time: Duration,
) -> Result<()> {
    let clients = threads("client")?;
    let start = Instant::now();
    servers.block_on(seed(&*store, size))?;
    println!("{size:>8}  {kind}: seeded in {:.1?}", start.elapsed());
    // What the store still writes of the seed is not measured.
    let start = Instant::now();
    while start.elapsed() < QUIET && !is_quiet(Duration::from_secs(3))? {}
    println!("{size:>8}  {kind}: quiet after {:.1?}", start.elapsed());
    let layers = vec![calipso_spec::read_layer(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../specs"))?];
    let loaded = Arc::new(calipso_spec::load(&layers));
    let service = Arc::new(Service {
        environments: calipso_api::Environments::default(),
        accounts: Arc::new(calipso_api::Accounts::new(Arc::clone(&store), calipso_api::AccountSettings::default())),
        backend: store,
        catalogues: calipso_api::Catalogues::new(layers, loaded),
        access: Access::Open,
        limits: Limits::default(),
        version: "bench",
        clock: jiff::Timestamp::now,
    });
    let address = servers.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = calipso_api::router(service);
        tokio::spawn(async move { axum::serve(listener, router).await });
        anyhow::Ok(address)
    })?;
    let mut warm_up = WARM_UP;
    for (what, question) in QUESTIONS.iter().filter(|(what, _)| what.contains(about)) {
        let question = *question;
        // What is asked for comes into memory before anything is measured.
        clients.block_on(load(address, size, question, warm_up, None))?;
        warm_up = time / 10;
        for (how, pause) in [("flat out", None), ("1000/s", Some(Duration::from_secs(CLIENTS as u64) / PACED as u32))] {
            let (mut taken, bytes) = clients.block_on(load(address, size, question, time, pause))?;
            taken.sort_unstable();
            let at = |part: usize| taken.get(taken.len() * part / 1_000).copied().unwrap_or_default();
            println!(
                "{size:>8}  {kind:<8} {what:<34} {how:<8} {:>8.0}/s {:>9.2?} median {:>9.2?} 99% {:>9.2?} 99.9% {:>8} bytes",
                taken.len() as f64 / time.as_secs_f64(),
                at(500),
                at(990),
                at(999),
                bytes / taken.len().max(1)
            );
        }
    }
    Ok(())
}

/// Whether the machine does next to nothing for so long.
///
/// # Source
/// proc(5), `/proc/stat`: the first line has ticks of all processors by what they did, the fourth number idle ones.
fn is_quiet(time: Duration) -> Result<bool> {
    let ticks = || -> Result<(u64, u64)> {
        let text = std::fs::read_to_string("/proc/stat")?;
        let line = text.lines().next().context("/proc/stat is empty")?;
        let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).map(str::parse).collect::<Result<_, _>>()?;
        Ok((ticks.get(3).copied().unwrap_or_default(), ticks.iter().sum()))
    };
    let before = ticks()?;
    std::thread::sleep(time);
    let after = ticks()?;
    let (idle, all) = (after.0 - before.0, after.1 - before.1);
    Ok(idle * 100 > all * 95)
}

/// How long each answer took, and the bytes of all answers.
async fn load(
    address: SocketAddr,
    size: usize,
    question: fn(usize, usize) -> String,
    time: Duration,
    pause: Option<Duration>,
) -> Result<(Vec<Duration>, usize)> {
    let all = Arc::new(Mutex::new((Vec::new(), 0)));
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for client in 0..CLIENTS {
        let all = Arc::clone(&all);
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let mut buffer = Vec::new();
            let (mut taken, mut bytes, mut n) = (Vec::new(), 0, client);
            // Clients do not ask in step.
            let mut due = Instant::now() + pause.unwrap_or_default() * client as u32 / CLIENTS as u32;
            while Instant::now() < end {
                if let Some(pause) = pause {
                    tokio::time::sleep_until(due.into()).await;
                    due += pause;
                }
                let request = format!("GET /api/v1{} HTTP/1.1\r\nhost: bench\r\n\r\n", question(n, size));
                n += CLIENTS;
                let start = Instant::now();
                stream.write_all(request.as_bytes()).await?;
                bytes += answer(&mut stream, &mut buffer).await?;
                taken.push(start.elapsed());
            }
            let mut all = all.lock().map_err(|_| anyhow::anyhow!("another client failed"))?;
            all.0.extend(taken);
            all.1 += bytes;
            anyhow::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let mut all = all.lock().map_err(|_| anyhow::anyhow!("a client failed"))?;
    Ok(std::mem::take(&mut *all))
}

/// Reads one answer with a length; returns the bytes of its body.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<usize> {
    buffer.clear();
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end])?.to_ascii_lowercase();
            ensure!(head.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(buffer));
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("no length")?;
            let length: usize = length.parse()?;
            while buffer.len() < end + 4 + length {
                more(stream, buffer).await?;
            }
            return Ok(length);
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    ensure!(stream.read_buf(buffer).await? > 0, "the server closed the connection");
    Ok(())
}
