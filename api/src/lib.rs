//! The REST interface: reads the store, and leaves requests in it for workers.
//!
//! A request passes three gates before its handler sees it: the contract (`contract`, made from the OpenAPI document, so that
//! what is documented is what is enforced), the login (`account`), and the caller's rights (`guard`).

mod access;
mod account;
mod answer;
mod audit;
mod catalogue;
mod contract;
mod environments;
mod etag;
mod extract;
mod guard;
mod in_force;
mod limits;
mod listing;
mod lookup;
mod measure;
mod openapi;
mod paging;
mod problem;
mod resource;
mod service;

pub use access::{Access, Caller, EVERY, Grant};
pub use account::{
    AccountSettings, Accounts, Attempts, Directory, DirectoryAnswer, DirectoryError, DirectoryRights, Login,
    PasswordCost, Source, User, Wanted, random_password,
};
#[cfg(feature = "ldap")]
pub use account::{LdapDirectory, LdapSettings, LdapUsers};
pub use audit::retain_audit_entries;
pub use environments::{Environments, References, environment_twin, wrong_environment_name};
pub use in_force::Catalogues;
pub use limits::{Limits, Pace};
pub use lookup::clique_id;
pub use measure::{describe_gauges, set_gauges};
pub use openapi::{document, router};
pub use problem::{FieldError, Problem};
pub use service::Service;
