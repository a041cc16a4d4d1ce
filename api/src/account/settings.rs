//! What accounts allow.

use std::{net::IpAddr, time::Duration};

/// What accounts allow.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// How long a token is good for where its request does not say.
    pub token_lifetime: Duration,
    /// How long after a login with a password its tokens and their renewals end at the latest.
    pub login_lifetime: Duration,
    /// The same for users of a directory, who may have been removed there since.
    pub directory_lifetime: Duration,
    /// What hashing a password costs.
    pub password_cost: PasswordCost,
    /// How often a password may be tried.
    pub attempts: Attempts,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            token_lifetime: Duration::from_secs(24 * 3600),
            login_lifetime: Duration::from_secs(30 * 24 * 3600),
            directory_lifetime: Duration::from_secs(24 * 3600),
            password_cost: PasswordCost::default(),
            attempts: Attempts::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// What hashing a password costs (argon2id).
///
/// # Source
/// RFC 9106; the defaults are the second recommendation of OWASP's password storage guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// How many are hashed at once.
    pub at_once: usize,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, at_once: 2 }
    }
}

/// How often a password may be tried, for one user from one address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempts {
    /// Number of attempts in a row.
    pub burst: u32,
    /// Seconds after which one more attempt is allowed.
    pub seconds_each: f64,
    /// How many times more attempts are allowed from one address, for all users together.
    pub address_factor: u32,
    /// How many times more attempts are allowed for one user, from all addresses together. Not counted from addresses where the
    /// user logged in of late, nor on the loopback address.
    pub user_factor: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { burst: 10, seconds_each: 6.0, address_factor: 5, user_factor: 20 }
    }
}
