//! What follows from the objects of an environment: derived attributes, links and cliques. Pure and incremental.
//!
//! [`Rules`] are what of the specs applies to one environment; a [`Graph`] follows them. Whatever comes in, in one change
//! or in many, the graph is the one that the objects as they are now lead to, and the [`Outcome`] of a change says what
//! is different. No clock, no network, no randomness that shows.

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
pub use causes::{Cause, Causes, Consequences, Difference, Happening, Known, Sides, Unit, UnitKind, causes, units};
pub use explain::{
    Cardinality, CliqueExplanation, CliqueStep, Dangling, DanglingEnd, End, LinkExplanation, Reason, RuleUse, Stop,
    Usual,
};
pub use faults::Fault;
pub use graph::{Changes, Documents, Graph, Memory, MissingDocument, NoDocuments, Outcome, Sizes, TypeCounts, Work};
pub use rules::{Candidate, Rules, RulesError};
