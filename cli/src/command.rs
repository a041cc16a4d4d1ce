//! The commands, one module for each group.

pub mod changes;
pub mod check;
pub mod config;
pub mod demo;
pub mod diff;
pub mod env;
pub mod explain;
pub mod fmt;
pub mod found;
pub mod key;
pub mod look;
pub mod new;
pub mod scan;
pub mod serve;
pub mod specs;
pub mod store;
pub mod test;
pub mod trial;
pub mod user;
