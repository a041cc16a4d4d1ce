//! The form of a sealed secret.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::SecretLocation;
use ring::aead::NONCE_LEN;

/// Before every sealed secret.
const PREFIX: &str = "sealed:v1:";

/// Whether a text claims to be sealed; it may still be damaged.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with("sealed:")
}

/// The id of the key that a text was sealed with; nothing when it is not of the form.
#[must_use]
pub fn key_of(text: &str) -> Option<&str> {
    let (key, _) = text.strip_prefix(PREFIX)?.split_once(':')?;
    (!key.is_empty() && key.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(key)
}

/// A sealed secret, taken apart.
pub(crate) struct Sealed<'a> {
    pub(crate) key: &'a str,
    pub(crate) nonce: [u8; NONCE_LEN],
    pub(crate) text: Vec<u8>,
}

impl<'a> Sealed<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let key = key_of(text)?;
        let body = text.strip_prefix(PREFIX)?.strip_prefix(key)?.strip_prefix(':')?;
        let bytes = URL_SAFE_NO_PAD.decode(body).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        Some(Self { key, nonce: *nonce, text: text.to_vec() })
    }

    pub(crate) fn write(key: &str, nonce: &[u8; NONCE_LEN], text: &[u8]) -> String {
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(text);
        format!("{PREFIX}{key}:{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// A place as bytes. Lengths come first, so that no two places have the same bytes.
pub(crate) fn bound_to(location: &SecretLocation, key: &str) -> Vec<u8> {
    let mut bytes = PREFIX.as_bytes().to_vec();
    for part in [key, &location.environment, &location.role, &location.field] {
        bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
