//! Derive of a made-up cloud from the catalogue's rules, beside the same work written by hand.
//!
//! `cargo bench -p calipso-derive --bench derive [-- OBJECTS…]`; without sizes: 100,000 and 1,000,000 objects.

#[path = "derive/cloud.rs"]
mod cloud;
#[path = "derive/floor.rs"]
#[expect(clippy::disallowed_types, reason = "the floor only looks up; nothing iterates its maps")]
#[expect(dead_code, reason = "filling the fields is the work that is measured; nobody reads all of them")]
mod floor;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Instant};

use calipso_derive::{Changes, Graph, NoDocuments, Rules};
use calipso_model::{Environment, Map, Object, ObjectKey, Str, Value};

/// The same as in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 7;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    if std::env::args().any(|argument| argument == "--memory") {
        return sizes.into_iter().for_each(memory);
    }
    let sizes = if sizes.is_empty() { vec![100_000, 1_000_000] } else { sizes };
    let rules = Arc::new(rules());
    for size in sizes {
        bench(size, &rules);
    }
}

fn rules() -> Rules {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let layer = calipso_spec::read_layer(&folder).expect("the catalogue is there");
    let loaded = calipso_spec::load(&[layer]);
    let (name, distribution) = loaded
        .specs
        .distributions
        .iter()
        .find(|(_, distribution)| {
            let variances = &distribution.variances;
            variances.iter().any(|variance| variance.mechanism_drivers.iter().any(|driver| **driver == *"OVS"))
        })
        .expect("a distribution with the virtual switch is in the catalogue");
    let environment = Environment {
        name: "bench".into(),
        distribution: name.clone(),
        version: distribution.versions.last().cloned().unwrap_or_default(),
        mechanism_drivers: vec!["OVS".into()],
        type_drivers: vec!["vxlan".into()],
        ..Environment::default()
    };
    Rules::new(&loaded.specs, &environment).expect("the catalogue fits together")
}

fn bench(size: usize, rules: &Arc<Rules>) {
    let cloud = cloud::Cloud::new(size, SEED);
    let count = cloud.documents().len();
    println!("== {count} objects ({} hosts, {} instances)", cloud.hosts.len(), cloud.instances.len());
    let input = floor::Input::new(&cloud);
    let cpu = cpu_secs();
    let start = Instant::now();
    let output = floor::derive(&input);
    let floor_secs = start.elapsed().as_secs_f64();
    let cpu = cpu_secs() - cpu;
    let clique_links: usize = output.cliques.iter().map(|clique| clique.links.len()).sum();
    let links: usize = output.links.iter().map(Vec::len).sum();
    println!(
        "floor, by hand, 1 thread  {floor_secs:8.3} s   {cpu:.2} s of CPU; {links} links, {} cliques with {clique_links} links",
        output.cliques.len()
    );
    let counts = output.counts();
    let floor_cliques = (output.cliques.len(), clique_links);
    drop((input, output));
    let mut graph = Graph::with_threads(rules.clone(), 2);
    for threads in [1, 2] {
        let documents = cloud.documents();
        graph = Graph::with_threads(rules.clone(), threads);
        let start = Instant::now();
        let cpu = cpu_secs();
        let outcome = graph.apply(Changes { upsert: documents, remove: Vec::new() }, &NoDocuments).expect("all is new");
        let secs = start.elapsed().as_secs_f64();
        let cpu = cpu_secs() - cpu;
        let delta = &outcome.delta;
        println!(
            "rules, {threads} thread(s)        {secs:8.3} s   {cpu:.2} s of CPU; {} links, {} cliques; {:.1} times the floor",
            delta.links.len(),
            delta.cliques.len(),
            secs / floor_secs
        );
        let cliques = (delta.cliques.len(), delta.cliques.iter().map(|clique| clique.links.len()).sum());
        assert_eq!(floor_cliques, cliques, "floor and rules find the same cliques");
        for (name, wanted) in &counts {
            let found = delta.links.iter().filter(|link| *link.link_type == **name).count();
            assert_eq!(*wanted, found, "floor and rules find the same links {name}");
        }
    }
    let own = std::env::current_exe().expect("a program knows its path");
    let size = size.to_string();
    let measured = std::process::Command::new(own).args(["--memory", &size]).status();
    assert!(measured.is_ok_and(|status| status.success()), "memory is measured");
    one_change(&mut graph, &cloud);
}

/// How much memory a graph holds, in a process that has done nothing else.
fn memory(size: usize) {
    let rules = Arc::new(rules());
    let documents = cloud::Cloud::new(size, SEED).documents();
    let count = documents.len();
    let of = |bytes: usize| bytes as f64 / count as f64;
    let with_documents = resident_bytes();
    let mut graph = Graph::with_threads(rules, 1);
    drop(graph.apply(Changes { upsert: documents, remove: Vec::new() }, &NoDocuments).expect("all is new"));
    let peak = peak_bytes();
    let memory = graph.memory();
    println!(
        "memory, B an object: {:.0} for the graph ({:.0} MB): {:.0} objects, {:.0} attributes, {:.0} indexes, {:.0} links, {:.0} cliques",
        of(memory.total()),
        memory.total() as f64 / 1e6,
        of(memory.objects),
        of(memory.attributes),
        of(memory.indexes),
        of(memory.links),
        of(memory.cliques),
    );
    println!(
        "memory of the process, B an object: {:.0} with documents only, at most {:.0} while it derived",
        of(with_documents),
        of(peak)
    );
    drop(graph);
}

/// One object changed in the whole: an instance renamed; a port moved to another network; a card unplugged and back.
fn one_change(graph: &mut Graph, cloud: &cloud::Cloud) {
    let mut slowest: Vec<(&str, u32, f64, f64)> = Vec::new();
    let documents: BTreeMap<ObjectKey, Map> =
        cloud.documents().into_iter().map(|object| (object.key, object.doc)).collect();
    let mut run = |what: &'static str, graph: &mut Graph, object: Object| {
        let start = Instant::now();
        let changes = Changes { upsert: vec![object], remove: Vec::new() };
        let outcome = graph.apply(changes, &documents).expect("every document is at hand");
        let millis = start.elapsed().as_secs_f64() * 1_000.0;
        assert!(!outcome.delta.is_empty(), "{what} changes something");
        match slowest.iter_mut().find(|known| known.0 == what) {
            Some(known) => {
                known.1 += 1;
                known.2 += millis;
                known.3 = known.3.max(millis);
            }
            None => slowest.push((what, 1, millis, millis)),
        }
    };
    let fetch = |object_type: &str, id: &Str| {
        let key = ObjectKey::new(object_type, id.clone());
        let doc = documents.get(&key).expect("the object is in the cloud").clone();
        Object { key, doc }
    };
    // The allocator tidies up after the large change once; that is not the cost of a small one.
    let same = Changes { upsert: vec![fetch("network", &cloud.networks[0].id)], remove: Vec::new() };
    graph.apply(same, &documents).expect("every document is at hand");
    let mut first = fetch("instance", &cloud.instances[0].id);
    first.doc.insert("status", "first change");
    run("(the first change after the large one)", graph, first);
    for round in 0..50 {
        let instance = &cloud.instances[round * 997 % cloud.instances.len()];
        let mut object = fetch("instance", &instance.id);
        object.doc.insert("status", format!("changed {round}"));
        run("an attribute that no rule reads", graph, object);
        let mut object = fetch("instance", &instance.id);
        object.doc.insert("object_name", format!("renamed {round}"));
        run("an instance renamed", graph, object);
        let port = &cloud.ports[instance.port as usize];
        let mut object = fetch("port", &port.id);
        let other = &cloud.networks[(port.network as usize + 1) % cloud.networks.len()].id;
        let back = object.clone();
        object.doc.insert("network_id", Value::Str(other.clone()));
        run("a port in another network", graph, object);
        run("a port in another network", graph, back);
        let mut object = fetch("vnic", &instance.vnic_id);
        let back = object.clone();
        object.doc.insert("device", "tapgone");
        run("a virtual card unplugged or plugged in", graph, object);
        run("a virtual card unplugged or plugged in", graph, back);
    }
    for (what, times, sum, slowest) in slowest {
        let mean = sum / f64::from(times);
        println!("one change: {what:40} mean {mean:8.3} ms, slowest {slowest:8.3} ms");
    }
}

/// Seconds of CPU that this process has used, as the kernel counts hundredths.
fn cpu_secs() -> f64 {
    let fields = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = fields.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Bytes of memory in use, as the kernel counts pages.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// The most bytes of memory that were in use at once.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()).and_then(|peak| peak.parse::<usize>().ok());
    kilobytes.unwrap_or(0) * 1024
}
