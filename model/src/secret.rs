//! Text that never shows itself, and where it belongs.

use std::fmt;

use crate::Str;

/// A secret. `Debug` prints `***`; there is no `Display`. Take it out with [`Secret::reveal`] only where it is sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// Where a secret belongs: a field of a role of an environment. What is sealed for one place opens in no other.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretLocation {
    /// Name of the environment.
    pub environment: Str,
    /// The role, as fetchers name it after `via`.
    pub role: Str,
    /// The field, with a dot between a map's field, its entry and the field within.
    pub field: Str,
}

impl SecretLocation {
    /// The connection of a role, whose fields [`SecretLocation::field`] names.
    #[must_use]
    pub fn role(environment: impl Into<Str>, role: impl Into<Str>) -> Self {
        Self { environment: environment.into(), role: role.into(), field: Str::default() }
    }

    /// A field of the same connection.
    #[must_use]
    pub fn field(&self, path: impl Into<Str>) -> Self {
        Self { field: path.into(), ..self.clone() }
    }
}

impl fmt::Display for SecretLocation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the field {} of the role {} of the environment {}", self.field, self.role, self.environment)
    }
}
