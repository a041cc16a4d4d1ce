//! The graph of one environment: objects with their derived attributes, links and cliques, kept up to date.

mod apply;
mod attributes;
mod chains;
mod clique;
mod emit;
mod link;
mod read;

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Delta, Object, ObjectKey, Str};

use crate::{
    bounds::Meter,
    cliques::Scratch,
    faults::Faults,
    hash::{KeySeed, Seeded},
    join::Index,
    nodes::Nodes,
    rules::Rules,
    store::Links,
};

pub use read::{Sizes, TypeCounts};

/// Seed of the hashes that fingerprints of cliques are made of.
const DIGEST_SEED: u64 = 0x5bd1_e995_1b87_3593;

/// Objects that came, changed or went.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New or changed objects: whole documents as fetched. Derived attributes in them are ignored. Of one key given
    /// twice the last one counts.
    pub upsert: Vec<Object>,
    /// Objects that are gone. A key that is also in `upsert` stays.
    pub remove: Vec<ObjectKey>,
}

/// What a change led to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What is different now; objects carry their derived attributes. Sorted by key.
    pub delta: Delta,
    /// How much was done for it.
    pub work: Work,
}

/// How much one change made the graph do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Objects whose keys were evaluated, summed over all ends of all joins.
    pub keys: usize,
    /// Derived attributes computed.
    pub attributes: usize,
    /// Links compared with what was known.
    pub links: usize,
    /// Cliques built.
    pub cliques: usize,
}

/// The graph of one environment.
///
/// # Shape
/// Keeps every document (shared with whoever gave it), the index of every join, every link, and of cliques only a
/// fingerprint: they are built again when asked for.
pub struct Graph {
    rules: Arc<Rules>,
    /// By type; the types of the rules first, in their order.
    nodes: Vec<Nodes>,
    type_ids: BTreeMap<Str, usize>,
    /// By index number of the rules.
    indexes: Vec<Index>,
    /// By link type of the rules.
    links: Vec<Links>,
    /// Links that stand for chains, by the types at their ends.
    implicit: BTreeMap<(usize, usize), Links>,
    /// By clique plan, by place of the focal point: fingerprint of its clique, 0 for none.
    fingerprints: Vec<Vec<u128>>,
    faults: Faults,
    meter: Meter,
    threads: usize,
    key_seed: KeySeed,
    digest_seed: Seeded,
    scratch: Vec<Scratch>,
}

impl Graph {
    /// An empty graph that uses as many threads as the machine has cores, at most four.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads(rules, cores.min(4))
    }

    /// An empty graph that uses so many threads for large changes.
    #[must_use]
    pub fn with_threads(rules: Arc<Rules>, threads: usize) -> Self {
        let nodes = rules.types.iter().map(|known| Nodes::new(known.name.clone(), known.numbers.len())).collect();
        let type_ids = rules.type_ids.clone();
        let widths = |join: &usize| [0, 1].map(|side| rules.joins[*join].ends[side].binds.len());
        let indexes = rules.indexes.iter().map(|join| Index::new(widths(join))).collect();
        let links = rules.link_types.iter().map(|_| Links::default()).collect();
        let fingerprints = rules.cliques.iter().map(|_| Vec::new()).collect();
        let meter = Meter::new(&rules);
        Self {
            rules,
            nodes,
            type_ids,
            indexes,
            links,
            implicit: BTreeMap::new(),
            fingerprints,
            faults: Faults::default(),
            meter,
            threads: threads.max(1),
            key_seed: KeySeed::random(),
            digest_seed: Seeded::fixed(DIGEST_SEED),
            scratch: Vec::new(),
        }
    }

    /// The rules that it follows.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    fn type_id(&mut self, name: &Str) -> usize {
        if let Some(id) = self.type_ids.get(name) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(Nodes::new(name.clone(), 0));
        self.type_ids.insert(name.clone(), id);
        id
    }

    fn locate(&self, key: &ObjectKey) -> Option<(usize, u32)> {
        let type_id = *self.type_ids.get(&key.object_type)?;
        Some((type_id, self.nodes[type_id].find(&key.id)?))
    }
}
