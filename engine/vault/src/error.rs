//! Errors of the vault, distinguished by what the operator does next.

use calipso_model::SecretLocation;

/// Why a secret cannot be sealed or opened. No variant holds a secret, sealed or not.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It is not of the form that sealing makes.
    #[error("the sealed text of {location} is not of the form sealed:v1:KEY:TEXT; enter the secret again")]
    Malformed {
        /// Where it stands.
        location: SecretLocation,
    },
    /// Sealed with a key that is not in the ring.
    #[error(
        "{location} is sealed with the key {key}, which is not among the keys here ({known}); add that key to the key file, \
         or enter the secret again"
    )]
    UnknownKey {
        /// Where it stands.
        location: SecretLocation,
        /// The key that is needed.
        key: String,
        /// The keys that are there.
        known: String,
    },
    /// The key is there, but it does not open.
    #[error(
        "{location} does not open with the key {key}: its text was damaged, or was sealed for another place; \
         enter the secret again"
    )]
    Refused {
        /// Where it stands.
        location: SecretLocation,
        /// The key it was sealed with.
        key: String,
    },
    /// Keys that cannot be read as keys.
    #[error("the keys of {location} cannot be used: {what}")]
    Keys {
        /// The file, or what else holds them.
        location: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The file system.
    #[error("cannot {action} {path}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system has no random numbers.
    #[error("the system gives no random numbers; nothing was sealed")]
    NoRandom,
}
