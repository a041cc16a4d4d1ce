//! The configuration of one environment: what it is, and how it is reached.

use std::collections::BTreeMap;

use crate::{Map, Str};

/// One cloud, cluster or network to scan.
///
/// # Shape
/// `platform` is not configured: it follows from the distribution's spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Unique name.
    pub name: Str,
    /// Name of a distribution spec.
    pub distribution: Str,
    /// One of the distribution's versions.
    pub version: Str,
    /// Mechanism drivers, in configured order.
    pub mechanism_drivers: Vec<Str>,
    /// Type drivers.
    pub type_drivers: Vec<Str>,
    /// Free switches that specs may ask for.
    pub flags: Vec<Str>,
    /// Role (what fetchers say after `via`) to how it is reached.
    pub connections: BTreeMap<Str, ConnectionConfig>,
    /// What no spec reads: description, owner, whether to listen, …
    pub settings: Map,
}

/// How one role is reached: a connection spec and its fields.
///
/// # Shape
/// A secret field holds a reference (`env:NAME`, `file:PATH`) or sealed text (`sealed:…`), never the secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectionConfig {
    /// Name of a connection spec.
    pub spec: Str,
    /// Field to value.
    pub fields: Map,
}
