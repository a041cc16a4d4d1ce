//! The graph of one environment: objects with their derived attributes, links and cliques, kept up to date.

mod apply;
mod attributes;
mod chains;
mod clique;
mod emit;
mod link;
mod memory;
mod read;

use std::{collections::BTreeMap, sync::Arc};

use calipso_model::{Delta, Map, Object, ObjectKey, Str};

use crate::{
    bounds::Meter,
    cliques::Scratch,
    faults::Faults,
    hash::{Digest, Seed},
    join::Index,
    nodes::Nodes,
    rules::{End, Rules},
    store::Links,
};

pub use memory::Memory;
pub(crate) use memory::{Heap, room, table};
pub use read::{Sizes, TypeCounts};

/// Objects that came, changed or went.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New or changed objects: whole documents as fetched. Derived attributes in them are ignored. Of one key given
    /// twice the last one counts.
    pub upsert: Vec<Object>,
    /// Objects that are gone. A key that is also in `upsert` stays.
    pub remove: Vec<ObjectKey>,
}

/// Where the documents are that a graph does not keep.
pub trait Documents: Sync {
    /// The document of an object as it was handed in last. Derived attributes in it are ignored.
    fn document(&self, key: &ObjectKey) -> Option<Map>;
}

impl Documents for BTreeMap<ObjectKey, Map> {
    fn document(&self, key: &ObjectKey) -> Option<Map> {
        self.get(key).cloned()
    }
}

/// No documents: for a change that brings every object that there is, as the first one does.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDocuments;

impl Documents for NoDocuments {
    fn document(&self, _: &ObjectKey) -> Option<Map> {
        None
    }
}

/// A graph asked for a document that its caller does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the derived attributes of {0} changed, but its document is not at hand")]
pub struct MissingDocument(pub ObjectKey);

/// The result of a change.
#[derive(Clone, Debug, Default)]
pub struct Applied {
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
    pub cliques: usize,
}

/// The graph of one environment.
///
/// # Shape
/// Keeps of each object what rules read, its derived attributes, and a digest of the rest; the index of every join; of links
/// which ends they have and a digest of the rest; of cliques a digest. Whole documents come from
/// [`Documents`]; the rest of links, and cliques, are evaluated again when a caller asks for them.
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
    /// By clique plan, by focal point: digest of its clique.
    fingerprints: Vec<Vec<Digest>>,
    faults: Faults,
    meter: Meter,
    threads: usize,
    seed: Seed,
    scratch: Vec<Scratch>,
}

impl Graph {
    /// An empty graph that uses as many threads as the machine has cores, at most four.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads(rules, cores.min(4))
    }

    /// An empty graph that uses up to `threads` threads for large changes.
    #[must_use]
    pub fn with_threads(rules: Arc<Rules>, threads: usize) -> Self {
        let seed = Seed::random();
        let nodes = rules.types.iter().map(|known| Nodes::new(known.name.clone(), Some(known), seed)).collect();
        let type_ids = rules.type_ids.clone();
        let width = |end: &End| end.each.as_ref().map(|_| end.binds.len());
        let widths = |join: &usize| [0, 1].map(|side| width(&rules.joins[*join].ends[side]));
        let indexes = rules.indexes.iter().map(|join| Index::new(widths(join))).collect();
        let links = rules.link_types.iter().map(|_| Links::new(rules.implicit, seed)).collect();
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
            seed,
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
        self.nodes.push(Nodes::new(name.clone(), None, self.seed));
        self.type_ids.insert(name.clone(), id);
        id
    }

    fn locate(&self, key: &ObjectKey) -> Option<(usize, u32)> {
        let type_id = *self.type_ids.get(&key.object_type)?;
        Some((type_id, self.nodes[type_id].find(&key.id)?))
    }
}
