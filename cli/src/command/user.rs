//! `user`: who may use the REST interface.

use crate::{args::User, failure::Failure, session::Session};

/// `user`.
///
/// # Errors
/// The store cannot be used, or there is no such user.
pub async fn run(_session: &Session, _what: &User) -> Result<(), Failure> {
    Err(Failure::usage("not yet"))
}
