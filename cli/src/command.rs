//! The commands, one module for each group.

pub mod demo;
pub mod env;
pub mod explain;
pub mod look;
pub mod scan;
pub mod specs;
