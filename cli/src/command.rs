//! The commands, one module for each group.

pub mod config;
pub mod demo;
pub mod env;
pub mod explain;
pub mod key;
pub mod look;
pub mod scan;
pub mod serve;
pub mod specs;
pub mod store;
pub mod user;
