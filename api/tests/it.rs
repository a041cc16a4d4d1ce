//! The interface in process: requests in, answers out.

#[path = "it/seed.rs"]
mod seed;
#[path = "it/support.rs"]
mod support;

#[path = "it/data.rs"]
mod data;
#[path = "it/events.rs"]
mod events;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/gates.rs"]
mod gates;
#[path = "it/inventory.rs"]
mod inventory;
#[path = "it/operation.rs"]
mod operation;
#[path = "it/rights.rs"]
mod rights;
