//! The configuration of one environment: what it is, and how it is reached.

use std::collections::BTreeMap;

use crate::{Map, Str, Value};

/// One cloud, cluster or network to scan.
///
/// # Shape
/// `platform` is not configured: it follows from the distribution's spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Environment {
    /// Unique among all environments of a store.
    pub name: Str,
    /// Name of a distribution spec.
    pub distribution: Str,
    /// One of the distribution's versions.
    pub version: Str,
    /// Mechanism drivers, in configured order.
    pub mechanism_drivers: Vec<Str>,
    /// How networks are carried (vlan, vxlan …), in configured order.
    pub type_drivers: Vec<Str>,
    /// Free switches that specs may ask for.
    pub flags: Vec<Str>,
    /// Role (what fetchers say after `via`) to how it is reached.
    pub connections: BTreeMap<Str, ConnectionConfig>,
    /// What no spec reads: description, owner, whether to listen, …
    pub settings: Map,
}

impl Environment {
    /// What specs select by, as a map: name, distribution, version, drivers and flags.
    #[must_use]
    pub fn selectable(&self) -> Map {
        let list = |items: &[Str]| Value::list(items.iter().cloned().map(Value::Str).collect());
        [
            ("name", Value::Str(self.name.clone())),
            ("distribution", Value::Str(self.distribution.clone())),
            ("version", Value::Str(self.version.clone())),
            ("mechanism_drivers", list(&self.mechanism_drivers)),
            ("type_drivers", list(&self.type_drivers)),
            ("flags", list(&self.flags)),
        ]
        .into_iter()
        .collect()
    }
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
