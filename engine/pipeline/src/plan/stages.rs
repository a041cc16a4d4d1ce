//! The order of fetchers: after those that emit what they run under or look up.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::Str;
use calipso_spec::checked::Fetcher;

/// Fetchers by stage; within a stage nobody waits for another. Those that wait for each other in a circle, which a check
/// of the specs refuses, share a stage.
pub(super) fn staged(fetchers: &[Arc<Fetcher>]) -> Vec<Vec<Arc<Fetcher>>> {
    let mut writers: BTreeMap<&Str, BTreeSet<usize>> = BTreeMap::new();
    for (place, fetcher) in fetchers.iter().enumerate() {
        for written in fetcher.emits.iter().chain(&fetcher.extends) {
            writers.entry(written).or_default().insert(place);
        }
    }
    let waits: Vec<BTreeSet<usize>> = fetchers
        .iter()
        .enumerate()
        .map(|(place, fetcher)| {
            let mut waits = BTreeSet::new();
            for read in std::iter::once(&fetcher.under).chain(&fetcher.reads) {
                for writer in writers.get(read).into_iter().flatten() {
                    let Some(other) = fetchers.get(*writer) else { continue };
                    // Who runs under what it adds to does not hold up its equals.
                    let adds_to_own = !other.emits.contains(read) && other.under == *read && fetcher.under == *read;
                    if *writer != place && !(adds_to_own && !fetcher.reads.contains(read)) {
                        waits.insert(*writer);
                    }
                }
            }
            waits
        })
        .collect();
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut stages = Vec::new();
    while done.len() < fetchers.len() {
        let open = || (0..fetchers.len()).filter(|place| !done.contains(place));
        let ready: Vec<usize> =
            open().filter(|place| waits.get(*place).is_none_or(|waits| waits.is_subset(&done))).collect();
        let ready = if ready.is_empty() { open().collect() } else { ready };
        let mut stage: Vec<Arc<Fetcher>> = ready.iter().filter_map(|place| fetchers.get(*place).cloned()).collect();
        stage.sort_by(|a, b| a.head.name.cmp(&b.head.name));
        stages.push(stage);
        done.extend(ready);
    }
    stages
}
