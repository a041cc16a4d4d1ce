//! The interface in process: requests in, answers out.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "it/seed.rs"]
mod seed;
#[path = "it/support.rs"]
mod support;

#[path = "it/accounts.rs"]
mod accounts;
#[path = "it/attacks.rs"]
mod attacks;
#[path = "it/audit.rs"]
mod audit;
#[path = "it/catalogue.rs"]
mod catalogue;
#[path = "it/cloud.rs"]
mod cloud;
#[path = "it/conntests.rs"]
mod conntests;
#[path = "it/data.rs"]
mod data;
#[path = "it/environments.rs"]
mod environments;
#[path = "it/events.rs"]
mod events;
#[path = "it/fuzz.rs"]
mod fuzz;
#[path = "it/gates.rs"]
mod gates;
#[path = "it/inventory.rs"]
mod inventory;
#[cfg(feature = "ldap")]
#[path = "it/ldap.rs"]
mod ldap;
#[path = "it/logins.rs"]
mod logins;
#[path = "it/operation.rs"]
mod operation;
#[path = "it/own_specs.rs"]
mod own_specs;
#[path = "it/rights.rs"]
mod rights;
#[path = "it/roles.rs"]
mod roles;
