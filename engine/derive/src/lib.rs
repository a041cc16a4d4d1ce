//! What follows from the objects of an environment: derived attributes, links and cliques. Pure and incremental.
//!
//! [`Rules`] are the part of the specs that applies to one environment; a [`Graph`] applies them to objects. Its state depends on
//! the objects as they are now only, not on the changes that led to them, and the [`Applied`] of a change is what differs from
//! the state before. No clock, no network; random seeds of hashes never show in a result.

mod bounds;
mod causes;
mod cliques;
mod column;
mod eval;
mod explain;
mod faults;
mod graph;
mod hash;
mod join;
mod nodes;
mod par;
mod rules;
mod store;

pub use bounds::Exceeded;
pub use causes::{Cause, Causes, Consequences, Difference, Happening, Sides, TypeFacts, Unit, UnitKind, causes, units};
pub use explain::{
    Cardinality, CliqueExplanation, CliqueStep, Dangling, DanglingEnd, End, LinkExplanation, Reason, RuleUse, Stop,
    Usual,
};
pub use faults::RuleFault;
pub use graph::{Applied, Changes, Documents, Graph, Memory, MissingDocument, NoDocuments, Sizes, TypeCounts, Work};
pub use rules::{Candidate, Rules, RulesError};
