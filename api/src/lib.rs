//! The REST interface: reads the store, and leaves requests in it for workers.
//!
//! A request passes three gates before its handler sees it: the contract ([`contract`], made from the OpenAPI document, so that
//! what is documented is what is enforced), who asks ([`access`]), and whether that user may ([`guard`]).

pub mod access;
pub mod account;
pub mod answer;
pub mod audit;
pub mod catalogue;
pub mod contract;
pub mod environments;
pub mod etag;
pub mod extract;
pub mod guard;
pub mod listing;
pub mod lookup;
pub mod measure;
pub mod openapi;
pub mod paging;
pub mod problem;
pub mod resource;
pub mod service;

pub use access::{Access, Authenticate, Caller, Grant, Right};
pub use account::Accounts;
pub use environments::Environments;
pub use openapi::{document, router};
pub use problem::{FieldError, Problem};
pub use service::{Limits, Pace, Service};
