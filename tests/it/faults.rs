//! Faults: for every request of a recording, every kind of fault is injected into a rescan; nothing is deleted, the report
//! names it, and the rest is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_transport::{Call, Door, Exchange, Fault, Faulty, Replay, RequestKey};

use crate::cloud::{Cloud, recording, replay, specs};

/// What a request is known by, as text.
fn name_of(call: &Call) -> String {
    match &call.key {
        RequestKey::Http(key) => {
            format!("{} {:?} {} {} {:?}", call.role, key.target, key.method, key.path, key.query)
        }
        RequestKey::Sql(key) => format!("{} {} {:?}", call.role, key.text, key.params),
        RequestKey::Exec(key) => format!("{} {} {:?}", call.role, key.host, key.words),
    }
}

/// What all requests of one step have in common: no host, no word or value with a digit in it.
fn step_of(call: &Call) -> String {
    match &call.key {
        RequestKey::Http(key) => format!("{} {:?} {} {}", call.stage.as_str(), key.target, key.method, key.path),
        RequestKey::Sql(key) => format!("{} {}", call.stage.as_str(), key.text),
        RequestKey::Exec(key) => {
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
    async fn exchange(&self, call: Call) -> Exchange {
        self.1.lock().expect("nobody panicked").entry(step_of(&call)).or_default().insert(name_of(&call));
        self.0.exchange(call).await
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

/// What every scope holds, by its name: whether the answer was whole, and the contributions.
async fn scopes(cloud: &Cloud) -> BTreeMap<String, (bool, BTreeMap<String, String>)> {
    let records = cloud.store.scopes(&cloud.environment.name).await.expect("scopes can be read");
    let named = records.into_iter().map(|record| {
        let name = format!("{} {} {}", record.key.fetcher, record.key.object_type, record.key.parent);
        let members = record
            .members
            .iter()
            .map(|member| (member.key.to_string(), calipso_model::Value::Map(member.contribution.clone()).to_json()));
        (name, (record.complete && record.problem.is_none(), members.collect()))
    });
    named.collect()
}

/// Every object as text, by key.
async fn documents(cloud: &Cloud) -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    cloud
        .store
        .stream_objects(&cloud.environment.name, None, &mut |objects| {
            for object in objects {
                documents.insert(object.key.to_string(), calipso_model::Value::Map(object.doc).to_json());
            }
            Ok(())
        })
        .await
        .expect("objects can be read");
    documents
}

/// A part of a request that no other request of its step on the same host has: the element of a batch that it asks for.
fn element_of(request: &str, others: &BTreeSet<String>) -> Option<String> {
    let parts = |text: &str| -> Vec<String> {
        let is_part = |character: char| character.is_alphanumeric() || "-_.:".contains(character);
        let parts = text.split(|character| !is_part(character));
        parts.filter(|part| part.contains(|c: char| c.is_ascii_digit()) && part.len() > 2).map(str::to_owned).collect()
    };
    let place = |text: &str| text.split('[').next().unwrap_or_default().to_owned();
    let beside: Vec<&String> =
        others.iter().filter(|other| *other != request && place(other) == place(request)).collect();
    if beside.is_empty() {
        return None;
    }
    parts(request).into_iter().find(|part| !beside.iter().any(|other| parts(other).contains(part)))
}

/// Whether a fetcher looks up objects of one of these types.
fn looks_up(fetcher: &str, types: &BTreeSet<String>) -> bool {
    let file = crate::cloud::root().join("specs/fetchers").join(format!("{fetcher}.yaml"));
    let text = std::fs::read_to_string(file).expect("a built-in fetcher");
    text.lines()
        .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("lookup: "))
        .any(|found| types.contains(found.trim()))
}

/// For each call of a recording: it fails, on a store that knows nothing. What is missing then depends on it: it belongs to a
/// scope that says so, or lies below, or looks up, what is missing; and where the call asks for one element of a batch, what
/// is missing speaks of that element.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_call_does_not_say_costs_only_what_depends_on_it() {
    let specs = specs();
    let found = recording("demo/before");
    let asked = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
    let whole = Cloud::new(&specs, &found).await;
    let report = whole.scan(Listener(replay("demo/before"), Arc::clone(&asked)), 0).await;
    assert!(report.is_complete(), "{:?}", report.failures);
    let (wanted, wanted_scopes) = (documents(&whole).await, scopes(&whole).await);
    let asked = asked.lock().expect("nobody panicked").clone();
    let mut wrong = Vec::new();
    let (mut n_faults, mut n_elements) = (0, 0);
    for (request, others) in asked.values().flat_map(|others| others.iter().map(move |request| (request, others))) {
        for fault in [Fault::Timeout, Fault::Garbage] {
            n_faults += 1;
            let failing = request.clone();
            let door = Faulty::new(replay("demo/before"), move |call| (name_of(call) == failing).then_some(fault));
            let cloud = Cloud::new(&specs, &found).await;
            let report = cloud.scan(door, 0).await;
            let (after, after_scopes) = (documents(&cloud).await, scopes(&cloud).await);
            let lost: BTreeSet<&String> = wanted.keys().filter(|key| !after.contains_key(*key)).collect();
            let lost_types: BTreeSet<String> =
                lost.iter().filter_map(|key| key.split_once('/')).map(|(name, _)| name.to_owned()).collect();
            // Pages of a list are no elements: without one of them nothing of the list is known.
            let element = request.starts_with("hosts ").then(|| element_of(request, others)).flatten();
            n_elements += usize::from(element.is_some() && !lost.is_empty());
            for key in &lost {
                let holders: Vec<&String> = wanted_scopes
                    .iter()
                    .filter(|(_, (_, members))| members.contains_key(*key))
                    .map(|(name, _)| name)
                    .collect();
                let is_told = holders.is_empty()
                    || holders.iter().any(|name| {
                        let fetcher = name.split(' ').next().unwrap_or_default();
                        after_scopes.get(*name).is_none_or(|(complete, _)| !complete) || looks_up(fetcher, &lost_types)
                    });
                if !is_told {
                    wrong.push(format!(
                        "{fault:?} in `{request}`: {key} is missing, and its scope says that all is there"
                    ));
                }
                let speaks = |key: &str| {
                    element.as_ref().is_none_or(|element| wanted.get(key).is_some_and(|text| text.contains(element)))
                };
                let below = lost.iter().any(|above| {
                    let id = above.split_once('/').map_or("", |(_, id)| id);
                    above != key && speaks(above) && wanted.get(*key).is_some_and(|text| text.contains(id))
                });
                if !speaks(key) && !below {
                    wrong.push(format!("{fault:?} in `{request}`: {key} is missing, which has nothing to do with it"));
                }
            }
            if !lost.is_empty() && report.failures.is_empty() {
                wrong.push(format!("{fault:?} in `{request}` is not told, and {lost:?} are missing"));
            }
            // What was known stays, and what was read whole is as ever.
            let again = Faulty::new(replay("demo/before"), {
                let failing = request.clone();
                move |call| (name_of(call) == failing).then_some(fault)
            });
            if request != others.first().unwrap_or(request) {
                continue;
            }
            whole.scan(again, n_faults).await;
            for (name, (complete, members)) in scopes(&whole).await {
                let Some((_, former)) = wanted_scopes.get(&name) else { continue };
                // Garbage can be what a parser takes for text.
                if fault == Fault::Timeout && complete && *former != members {
                    wrong.push(format!("{fault:?} in `{request}`: {name} is called whole and is another"));
                }
                if former.keys().any(|key| !members.contains_key(key)) {
                    wrong.push(format!("{fault:?} in `{request}`: something of {name} is gone"));
                }
            }
            // What garbage left is no start for the next one.
            whole.scan(replay("demo/before"), n_faults).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{n_faults} faults, {n_elements} of elements of batches");
    assert!(n_faults > 100 && n_elements > 5, "{n_faults} faults, {n_elements} of elements of batches");
}
