//! Secrets at rest: sealed with a key that is kept outside the store.
//!
//! A sealed secret reads `sealed:v1:KEY-ID:TEXT`. TEXT is base64url of a random nonce and of what AES-256-GCM made of the secret,
//! bound to the place it was sealed for: copied to another environment, role or field, it does not open.

pub mod keys;
pub mod sealed;

mod error;
mod file;

pub use calipso_model::{Secret, SecretLocation};

pub use error::VaultError;
pub use keys::Keys;
pub use sealed::{is_sealed, key_of};
