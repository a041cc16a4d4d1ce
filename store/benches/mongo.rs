//! Measures the store in MongoDB beside the bare driver: `cargo bench -p calipso-store --features mongo --bench mongo
//! [-- SIZE…]`, by default with 100,000 and 1,000,000 objects.

#[path = "made/things.rs"]
mod things;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use calipso_model::{Delta, Environment, ObjectKey, Secret};
use calipso_store::{
    Commit, CommitInfo, Expect, Lease, LinkQuery, Mongo, MongoOptions, Page, Query, Store, StoreError,
};
use calipso_testbed::Mongod;
use futures::TryStreamExt;
use mongodb::{
    Client, IndexModel,
    bson::{RawDocumentBuf, doc},
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
        // A server of its own for each size, with the cache that a server of this machine would have.
        let server = Mongod::with_cache("2");
        runtime.block_on(measure(&server, size)).expect("the store works while it is measured");
        runtime.block_on(bare(&server, size)).expect("the server works while it is measured");
    }
}

struct Bench {
    store: Mongo,
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
    println!("{size:>8}  {what:<52} {figure}");
    std::io::stdout().flush().ok();
}

async fn measure(server: &Mongod, size: usize) -> Result<(), StoreError> {
    let store = Mongo::connect(MongoOptions::new(Secret::new(server.uri()), "bench")).await?;
    store.put_environment(&Environment { name: "bench".into(), ..Environment::default() }, Expect::Anything).await?;
    let lease = store.acquire("bench", "bench", 0, Duration::from_secs(60)).await?;
    let bench = Bench { store: store.clone(), lease, size };
    let objects = Delta { objects: (0..size).map(|n| object(n, 0)).collect(), ..Delta::default() };
    let rate = |taken: Duration, n: usize| format!("{taken:>10.2?} {:.0}/s", n as f64 / taken.as_secs_f64());
    let taken = bench.commit(&objects).await?;
    say(size, "first commit of the objects", &rate(taken, size));
    let taken = bench.commit(&objects).await?;
    say(size, "the same objects again", &rate(taken, size));
    drop(objects);
    bench.scopes().await?;
    if size <= 100_000 {
        let all = Delta { links: (0..size).flat_map(|n| links(n, size)).collect(), ..Delta::default() };
        let taken = bench.commit(&all).await?;
        say(size, "commit of 2 links for each", &rate(taken, size * 2));
    }
    bench
        .many("commit of one object", 200, async |n| {
            let turn = i64::try_from(n).unwrap_or(0) + 1;
            bench.commit(&Delta { objects: vec![object(n, turn)], ..Delta::default() }).await.map(|_| 1)
        })
        .await?;
    let page = Page::first(100);
    bench.many("object by key", 1_000, async |n| Ok(store.object("bench", None, &key(n)).await?.iter().len())).await?;
    bench
        .many("object by key, first revision", 1_000, async |n| {
            Ok(store.object("bench", Some(1), &key(n)).await?.iter().len())
        })
        .await?;
    bench
        .many("children of a parent", 300, async |n| {
            let parent = ObjectKey::new("folder", format!("folder-{:06}", n / GROUP));
            Ok(store.children("bench", None, &parent).await?.len())
        })
        .await?;
    bench
        .many("first page of a host", 300, async |n| {
            let query = Query { host: Some(format!("host-{:04}", n / GROUP % 2_000).into()), ..Query::default() };
            Ok(store.objects("bench", None, &query, &page).await?.items.len())
        })
        .await?;
    bench
        .many("first page of a type", 300, async |_| {
            let query = Query { types: vec!["port".into()], ..Query::default() };
            Ok(store.objects("bench", None, &query, &page).await?.items.len())
        })
        .await?;
    bench
        .many("search, 8 letters of a name", 200, async |n| {
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
    if size <= 100_000 {
        bench
            .many("links of an object", 1_000, async |n| {
                Ok(store.links("bench", None, &LinkQuery::touching(key(n)), &page).await?.items.len())
            })
            .await?;
    }
    let start = Instant::now();
    store.counts("bench", None).await?;
    say(size, "count per type", &format!("{:>10.2?}", start.elapsed()));
    Ok(())
}

/// The same documents by one `insert_many` of the driver: into a collection with the same indexes, and into one without any.
async fn bare(server: &Mongod, size: usize) -> mongodb::error::Result<()> {
    let client = Client::with_uri_str(server.uri()).await?;
    let database = client.database("bench");
    let stored = database.collection::<RawDocumentBuf>("inventory");
    let indexes: Vec<IndexModel> = stored.list_indexes().await?.try_collect().await?;
    let mut found = stored.find(doc! { "rev_from": 1 }).sort(doc! { "_id": 1 }).await?;
    let mut documents = Vec::with_capacity(size);
    let mut bytes = 0;
    while let Some(document) = found.try_next().await? {
        bytes += document.as_bytes().len();
        documents.push(document);
    }
    say(size, "bytes of a stored document", &format!("{:>10}", bytes / documents.len().max(1)));
    stored.drop().await?;
    for (what, indexed) in [("bare insert_many, the same indexes", true), ("bare insert_many, no index", false)] {
        let to = database.collection::<RawDocumentBuf>("bare");
        to.drop().await?;
        database.create_collection("bare").await?;
        if indexed {
            let named = |model: &&IndexModel| {
                model.options.as_ref().and_then(|options| options.name.as_deref()).is_some_and(|name| name != "_id_")
            };
            to.create_indexes(indexes.iter().filter(named).cloned()).await?;
        }
        let start = Instant::now();
        to.insert_many(&documents).ordered(false).await?;
        let taken = start.elapsed();
        say(size, what, &format!("{taken:>10.2?} {:.0}/s", documents.len() as f64 / taken.as_secs_f64()));
    }
    Ok(())
}
