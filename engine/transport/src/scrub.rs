//! Taking secrets out of everything that is kept.

use std::sync::Mutex;

/// Knows secrets and replaces them by `***`.
#[derive(Default)]
pub struct Scrubber {
    secrets: Mutex<Vec<String>>,
}

impl Scrubber {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on this is a secret, in every encoding.
    pub fn register(&self, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.push(secret.to_owned());
    }
}
