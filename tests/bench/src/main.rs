//! One object changed in a large cloud: derived and committed together, as a scan or an event does it.
//!
//! `cargo run --release -p calipso-bench -- OBJECTS…`

#[path = "../../../engine/derive/benches/derive/cloud.rs"]
mod cloud;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use calipso_derive::{Changes, Graph, Rules};
use calipso_model::{Delta, Environment, Map, Object, ObjectKey};
use calipso_store::{Commit, CommitInfo, Embedded, Expect, Lease, Options, Store};

/// The same as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 7;
const ROUNDS: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let environment = environment();
    for size in if sizes.is_empty() { vec![100_000, 1_000_000] } else { sizes } {
        measure(size, &environment).await?;
    }
    Ok(())
}

fn environment() -> Environment {
    Environment {
        name: "bench".into(),
        distribution: "Debian".into(),
        version: "zed".into(),
        mechanism_drivers: vec!["OVS".into()],
        type_drivers: vec!["vxlan".into()],
        ..Environment::default()
    }
}

async fn measure(size: usize, environment: &Environment) -> Result<()> {
    let layer = calipso_spec::read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs"))?;
    let loaded = calipso_spec::load(&[layer]);
    let rules = Rules::new(&loaded.specs, environment).ok().context("the catalogue fits together")?;
    let cloud = cloud::Cloud::new(size, SEED);
    let mut graph = Graph::with_threads(Arc::new(rules), 2);
    let folder = tempfile::tempdir()?;
    let store = Embedded::open(&folder.path().join("bench.store"), Options::default())?;
    store.put_environment(environment, Expect::Anything).await?;
    let lease = store.acquire("bench", "bench", 0, Duration::from_secs(3600)).await?;

    let documents: BTreeMap<ObjectKey, Map> =
        cloud.documents().into_iter().map(|object| (object.key, object.doc)).collect();
    let all = graph.apply(Changes { upsert: cloud.documents(), remove: Vec::new() }, &documents)?.delta;
    let (objects, links, cliques) = (all.objects.len(), all.links.len(), all.cliques.len());
    ensure!(links > 0 && cliques > 0, "the rules of the catalogue found no links or no cliques");
    let taken = commit(&store, &lease, &all).await?;
    println!(
        "{objects} objects, {links} links, {cliques} cliques as derived: first commit {:.2} s, {:.0} objects/s",
        taken.as_secs_f64(),
        objects as f64 / taken.as_secs_f64()
    );
    let taken = commit(&store, &lease, &all).await?;
    println!("the same again: {:.2} s", taken.as_secs_f64());
    ensure!(store.current("bench").await? == 1, "what is unchanged makes no revision");
    drop(all);

    for (what, attribute) in [("instance, no rule reads it", "status"), ("instance renamed", "object_name")] {
        let mut taken = Vec::new();
        for round in 0..ROUNDS {
            let instance = &cloud.instances[round * 997 % cloud.instances.len()];
            let key = ObjectKey::new("instance", instance.id.clone());
            let mut doc = documents.get(&key).context("the object is in the cloud")?.clone();
            doc.insert(attribute, format!("changed {round}"));
            let change = Changes { upsert: vec![Object { key, doc }], remove: Vec::new() };
            let start = Instant::now();
            let delta = graph.apply(change, &documents)?.delta;
            let derived = start.elapsed();
            let committed = commit(&store, &lease, &delta).await?;
            taken.push((derived + committed, derived, committed));
        }
        taken.sort();
        let (median, worst) = (taken[ROUNDS / 2], taken[ROUNDS - 1]);
        println!(
            "one object changed in {objects} ({what}): median {:.2?} (derive {:.2?}, commit {:.2?}), slowest {:.2?} (derive {:.2?}, commit {:.2?})",
            median.0, median.1, median.2, worst.0, worst.1, worst.2
        );
    }
    Ok(())
}

async fn commit(store: &Embedded, lease: &Lease, delta: &Delta) -> Result<Duration> {
    let base = store.current("bench").await?;
    let info = CommitInfo { at: "2026-01-01T00:00:00Z".into(), note: "".into() };
    let start = Instant::now();
    store.commit(&Commit::new(base, lease, delta, &info)).await?;
    Ok(start.elapsed())
}
