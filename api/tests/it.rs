//! The interface in process: requests in, answers out.

#[path = "it/seed.rs"]
mod seed;
#[path = "it/support.rs"]
mod support;

#[path = "it/data.rs"]
mod data;
#[path = "it/gates.rs"]
mod gates;
#[path = "it/inventory.rs"]
mod inventory;
