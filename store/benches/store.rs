//! Measures the embedded store: `cargo bench -p calipso-store [-- SIZE…]`, by default with 100,000 and 1,000,000 objects.

#[path = "made/things.rs"]
mod things;

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use calipso_model::{Delta, Environment, ObjectKey, Value};
use calipso_store::{
    Commit, CommitInfo, Durability, Embedded, Expect, Lease, LinkQuery, Options, Page, Query, Store, StoreError,
};

use crate::things::{GROUP, SCOPES, key, links, object, scopes};

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads can be started");
    for size in sizes {
        let folder = tempfile::tempdir().expect("there is a folder for passing files");
        runtime
            .block_on(measure(&folder.path().join("bench.store"), size))
            .expect("the store works while it is measured");
    }
}

struct Bench {
    store: Embedded,
    lease: Lease,
    size: usize,
}

impl Bench {
    async fn commit(&self, delta: &Delta) -> Result<Duration, StoreError> {
        let base = self.store.current("bench").await?;
        let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
        let start = Instant::now();
        self.store.commit(&Commit::new(base, &self.lease, delta, &info)).await?;
        Ok(start.elapsed())
    }

    /// Commits scopes, and says what it took.
    async fn scopes(&self) -> Result<(), StoreError> {
        for (what, at, most, whole) in SCOPES {
            let scopes = scopes(self.size, at, most, whole);
            let base = self.store.current("bench").await?;
            let (info, nothing) = (CommitInfo { at: at.into(), note: "".into() }, Delta::default());
            let start = Instant::now();
            let commit = Commit { scopes: &scopes, ..Commit::new(base, &self.lease, &nothing, &info) };
            self.store.commit(&commit).await?;
            say(self.size, what, &format!("{:>10.2?}", start.elapsed()));
        }
        Ok(())
    }

    /// The middle and the worst of many single measurements.
    async fn many(
        &self,
        what: &str,
        times: usize,
        ask: impl AsyncFn(usize) -> Result<usize, StoreError>,
    ) -> Result<(), StoreError> {
        let mut taken = Vec::with_capacity(times);
        let mut found = 0;
        for n in 0..times {
            let place = n.wrapping_mul(104_729) % self.size;
            let start = Instant::now();
            found += ask(place).await?;
            taken.push(start.elapsed());
        }
        taken.sort();
        let at = |part: usize| taken.get((times * part / 100).min(times - 1)).copied().unwrap_or_default();
        let found = found / times;
        say(self.size, what, &format!("{:>10.3?} median {:>10.3?} 99% ({found} found each)", at(50), at(99)));
        Ok(())
    }
}

fn say(size: usize, what: &str, figure: &str) {
    println!("{size:>8}  {what:<44} {figure}");
    std::io::stdout().flush().ok();
}

async fn measure(path: &Path, size: usize) -> Result<(), StoreError> {
    let store = Embedded::open(path, Options::default())?;
    store.put_environment(&Environment { name: "bench".into(), ..Environment::default() }, Expect::Anything).await?;
    let lease = store.acquire("bench", "bench", 0, Duration::from_secs(60)).await?;
    let bench = Bench { store: store.clone(), lease, size };
    let objects = Delta { objects: (0..size).map(|n| object(n, 0)).collect(), ..Delta::default() };
    let bytes: usize =
        objects.objects.iter().take(1000).map(|object| Value::Map(object.doc.clone()).to_json().len()).sum();
    say(size, "bytes of a document", &format!("{:>10}", bytes / objects.objects.len().min(1000)));
    let taken = bench.commit(&objects).await?;
    say(size, "first commit of the objects", &format!("{taken:>10.2?} {:.0}/s", size as f64 / taken.as_secs_f64()));
    let all = Delta { links: (0..size).flat_map(|n| links(n, size)).collect(), ..Delta::default() };
    let taken = bench.commit(&all).await?;
    say(
        size,
        "commit of 2 links for each",
        &format!("{taken:>10.2?} {:.0}/s", 2.0 * size as f64 / taken.as_secs_f64()),
    );
    let again = Delta { links: all.links, ..objects };
    let taken = bench.commit(&again).await?;
    say(size, "the same objects and links again", &format!("{taken:>10.2?}"));
    drop(again);
    bench.scopes().await?;
    let file = std::fs::metadata(path).map_or(0, |file| file.len());
    say(size, "size of the file", &format!("{:>10} MB, {} bytes an object", file >> 20, file / size as u64));

    for durability in [Durability::Full, Durability::Process] {
        let writer = Embedded::open(path, Options { durability, ..Options::default() })?;
        let bench = Bench { store: writer, lease: bench.lease.clone(), size };
        bench
            .many(&format!("commit of one object, {durability:?}"), 200, async |n| {
                bench.commit(&Delta { objects: vec![object(n, fresh())], ..Delta::default() }).await.map(|_| 1)
            })
            .await?;
    }
    let store = &bench.store;
    let page = Page::first(100);
    bench.many("object by key", 2_000, async |n| Ok(store.object("bench", None, &key(n)).await?.iter().len())).await?;
    bench
        .many("object by key, first revision", 2_000, async |n| {
            Ok(store.object("bench", Some(1), &key(n)).await?.iter().len())
        })
        .await?;
    bench
        .many("children of a parent", 500, async |n| {
            let parent = ObjectKey::new("folder", format!("folder-{:06}", n / GROUP));
            Ok(store.children("bench", None, &parent).await?.len())
        })
        .await?;
    bench
        .many("first page of a host", 500, async |n| {
            let query = Query { host: Some(format!("host-{:04}", n / GROUP % 2_000).into()), ..Query::default() };
            Ok(store.objects("bench", None, &query, &page).await?.items.len())
        })
        .await?;
    bench
        .many("first page of a type", 500, async |_| {
            let query = Query { types: vec!["port".into()], ..Query::default() };
            Ok(store.objects("bench", None, &query, &page).await?.items.len())
        })
        .await?;
    bench
        .many("search, 8 letters of a name", 500, async |n| {
            let name = object(n, 0).name().to_owned();
            let part = name.get(name.len() - 12..name.len() - 4).unwrap_or(&name).to_owned();
            Ok(store.search("bench", None, &part, 20).await?.len())
        })
        .await?;
    bench
        .many("search, a word in a quarter of all names", 5, async |_| {
            Ok(store.search("bench", None, "stance", 20).await?.len())
        })
        .await?;
    bench
        .many("links of an object", 2_000, async |n| {
            Ok(store.links("bench", None, &LinkQuery::touching(key(n)), &page).await?.items.len())
        })
        .await?;
    let start = Instant::now();
    let current = store.current("bench").await?;
    let diff = store.diff("bench", current.saturating_sub(100), current).await?;
    say(
        size,
        "difference of 100 revisions of one object",
        &format!("{:>10.2?} ({} objects)", start.elapsed(), diff.objects.len()),
    );
    let start = Instant::now();
    store.counts("bench", None).await?;
    say(size, "count per type", &format!("{:>10.2?}", start.elapsed()));
    let start = Instant::now();
    let mut n = 0;
    store
        .stream_objects("bench", None, &mut |piece| {
            n += piece.len();
            Ok(())
        })
        .await?;
    say(size, "read all objects", &format!("{:>10.2?} ({n})", start.elapsed()));
    let start = Instant::now();
    let mut n = 0;
    store
        .stream_links("bench", None, &mut |piece| {
            n += piece.len();
            Ok(())
        })
        .await?;
    say(size, "read all links", &format!("{:>10.2?} ({n})", start.elapsed()));
    Ok(())
}

/// A number that was never given before.
fn fresh() -> i64 {
    static NEXT: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
