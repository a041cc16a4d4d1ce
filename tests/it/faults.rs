//! Faults: for every request of a recording, every kind of fault is injected into a rescan; nothing is deleted, the report
//! names it, and the rest is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_transport::{Call, Door, Fault, Faulty, FetchError, Replay, Reply, Request, SourceStats};

use crate::cloud::{Cloud, recording, replay, specs};

/// What a request is known by, as text.
fn name_of(call: &Call) -> String {
    match &call.request {
        Request::Http { key, .. } => {
            format!("{} {:?} {} {} {:?}", call.role, key.target, key.method, key.path, key.query)
        }
        Request::Sql { key, .. } => format!("{} {} {:?}", call.role, key.text, key.params),
        Request::Exec { key, .. } => format!("{} {} {:?}", call.role, key.host, key.words),
    }
}

/// What all requests of one step have in common: no host, no word or value with a digit in it.
fn step_of(call: &Call) -> String {
    match &call.request {
        Request::Http { key, .. } => format!("{} {:?} {} {}", call.stage.as_str(), key.target, key.method, key.path),
        Request::Sql { key, .. } => format!("{} {}", call.stage.as_str(), key.text),
        Request::Exec { key, .. } => {
            let words: Vec<&str> = key
                .words
                .iter()
                .map(
                    |word| {
                        if word.contains(|character: char| character.is_ascii_digit()) { "#" } else { word.as_str() }
                    },
                )
                .collect();
            words.join(" ")
        }
    }
}

/// Writes down what is asked: step, then the first request of it.
struct Listener(Replay, Arc<std::sync::Mutex<BTreeMap<String, BTreeSet<String>>>>);

#[async_trait::async_trait]
impl Door for Listener {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        self.1.lock().expect("nobody panicked").entry(step_of(&call)).or_default().insert(name_of(&call));
        self.0.ask(call).await
    }
    fn stats(&self) -> Vec<SourceStats> {
        self.0.stats()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_any_step_deletes_anything() {
    let specs = specs();
    let found = recording("ovs");
    let asked = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let cloud = Cloud::new(&specs, &found).await;
    cloud.scan(Listener(replay("ovs"), Arc::clone(&asked)), 0).await;
    let keys = cloud.keys().await;
    // One request of each step stands for all of them.
    let requests: Vec<String> =
        asked.lock().expect("nobody panicked").values().filter_map(|requests| requests.first().cloned()).collect();
    assert!(requests.len() > 20, "only {} steps", requests.len());
    let mut silent = Vec::new();
    let mut deleted = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        for fault in Fault::ALL {
            let wanted = request.clone();
            let door = Faulty::new(replay("ovs"), move |call| (name_of(call) == wanted).then_some(fault));
            let report = cloud.scan(door, number as i64).await;
            let after = cloud.keys().await;
            let lost: Vec<&String> = keys.iter().filter(|key| !after.contains(key)).collect();
            if !lost.is_empty() {
                deleted.push(format!("{fault:?} in `{request}` deleted {lost:?}"));
                // Bring back what is gone, so that the next fault finds everything.
                cloud.scan(replay("ovs"), 59).await;
            }
            if report.failures.is_empty() {
                silent.push(format!("{fault:?} in `{request}`"));
            }
        }
    }
    assert!(deleted.is_empty(), "{}", deleted.join("\n"));
    // What a spec declares to mean "none here" is no failure; it must not delete anything either, which was checked.
    println!("{} faults are no failure by the specs' own word:\n{}", silent.len(), silent.join("\n"));
}
