//! SHA-256, by the one crypto library of the program.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256, digest};

/// The digest of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sized(digest(&SHA256, bytes).as_ref())
}

/// The digest of some bytes as hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    sha256(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A digest of several parts. Each goes in with its length, so that no two lists of parts are the same bytes.
pub(crate) struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Sha256 {
    /// Adds a part.
    pub(crate) fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.0.update(&(count as u64).to_le_bytes());
        self
    }

    /// The digest of all parts.
    pub(crate) fn finish(self) -> [u8; 32] {
        sized(self.0.finish().as_ref())
    }
}

fn sized(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().expect("SHA-256 has 32 bytes")
}
