//! Environments as the interface takes and gives them: checked against the specs, with secrets that come in and never go out.

pub(crate) mod body;
mod name;
pub(crate) mod own_specs;
mod references;
pub(crate) mod removal;
pub(crate) mod secrets;
pub(crate) mod view;

pub use self::{
    name::{environment_twin, wrong_environment_name},
    references::{Environments, References},
};
