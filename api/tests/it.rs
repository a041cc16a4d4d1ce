//! The interface in process: requests in, answers out.

#[path = "it/support.rs"]
mod support;

#[path = "it/gates.rs"]
mod gates;
