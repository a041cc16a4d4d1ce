//! `key`: the keys that seal secrets at rest.

use crate::{args::Key, failure::Failure, session::Session};

/// `key`.
///
/// # Errors
/// The keys or the store cannot be used.
pub async fn run(_session: &Session, _what: &Key) -> Result<(), Failure> {
    Err(Failure::usage("not yet"))
}
