//! The nouns of the system: values, objects, links, cliques, environments, deltas; documents packed as bytes. No I/O.

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

pub mod value;

pub mod chain;
pub mod clique;
pub mod delta;
pub mod environment;
pub mod link;
pub mod object;
pub mod packed;
pub mod same;
pub mod secret;
pub mod shown;

pub use chain::chain;
pub use clique::{Clique, LinkRef};
pub use delta::{Delta, Revision};
pub use environment::{ConnectionConfig, Environment};
pub use link::{Link, LinkState};
pub use object::{Object, ObjectKey};
pub use packed::{Packed, Vocabulary};
pub use secret::{Secret, SecretLocation};
pub use value::{DistinctKeys, Map, Str, Value};
