//! From YAML text to checked specs and diagnostics. Pure: no network, clock or environment variable.

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

pub mod checked;
pub mod diag;
pub mod environment;
pub mod format;
pub mod in_force;
pub mod keys;
pub mod load;
pub mod mutate;
pub mod reference;
pub mod rows;
pub mod schedule;
pub mod schema;
pub mod select;
pub mod spec_test;

mod check;
mod decode;
mod lower;
mod scope;
mod yaml;

pub use checked::Specs;
pub use diag::{Diagnostic, Severity};
pub use in_force::{CatalogueCache, in_force, is_own, own_layer};
pub use load::{Layer, LeftOut, Loaded, Peek, load, peek, read_layer};
pub use mutate::Mutation;
pub use rows::{Misnamed, SpecText, layer_of};
pub use select::EnvView;
pub use spec_test::{SpecTest, TestCase, TestOf};
