//! The interface in process: requests in, answers out.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "it/support.rs"]
mod support;

#[path = "it/catalogue.rs"]
mod catalogue;

#[path = "it/cloud.rs"]
mod cloud;

#[path = "it/conntests.rs"]
mod conntests;

#[path = "it/environments.rs"]
mod environments;

#[path = "it/gates.rs"]
mod gates;

#[path = "it/own_specs.rs"]
mod own_specs;

#[path = "it/accounts.rs"]
mod accounts;

#[path = "it/logins.rs"]
mod logins;

#[path = "it/audit.rs"]
mod audit;

#[path = "it/roles.rs"]
mod roles;

#[cfg(feature = "ldap")]
#[path = "it/ldap.rs"]
mod ldap;
