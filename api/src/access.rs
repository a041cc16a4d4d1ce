//! Who asks, and what they may do.

use std::collections::BTreeMap;

use calipso_model::Str;

/// What a user may do with one environment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Grant {
    /// Read it.
    View,
    /// Read it, change it, scan it.
    Edit,
}

/// What an operation asks of its caller. Every operation of the OpenAPI document names one as `x-right`; one that names none
/// is for administrators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Nothing.
    Public,
    /// Any login; what it shows is limited to what the caller may view.
    Login,
    /// To view the environment that the request names.
    View,
    /// To edit the environment that the request names.
    Edit,
    /// To administer.
    Administer,
}

impl Right {
    /// From the name in the document; whatever is unknown is for administrators.
    #[must_use]
    pub fn named(name: Option<&str>) -> Self {
        match name {
            Some("public") => Self::Public,
            Some("login") => Self::Login,
            Some("view") => Self::View,
            Some("edit") => Self::Edit,
            _ => Self::Administer,
        }
    }
}

/// Who sends a request, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Name of the user.
    pub user: Str,
    /// Whether the user administers: may do everything.
    pub administrator: bool,
    /// What the user may do, by environment; `*` stands for all environments.
    pub grants: BTreeMap<Str, Grant>,
    /// The token that was used, if one was.
    pub token_id: Option<Str>,
}

/// The environment name that stands for all.
pub const EVERY: &str = "*";

impl Caller {
    /// The caller of a server that is open to everybody.
    #[must_use]
    pub fn anybody() -> Self {
        Self { user: "anybody".into(), administrator: true, ..Self::default() }
    }

    /// What the caller may do with an environment.
    #[must_use]
    pub fn grant(&self, environment: &str) -> Option<Grant> {
        if self.administrator {
            return Some(Grant::Edit);
        }
        self.grants.get(environment).max(self.grants.get(EVERY)).copied()
    }

    /// Whether the caller may view an environment.
    #[must_use]
    pub fn may_view(&self, environment: &str) -> bool {
        self.grant(environment).is_some()
    }

    /// Whether the caller may edit an environment.
    #[must_use]
    pub fn may_edit(&self, environment: &str) -> bool {
        self.grant(environment) == Some(Grant::Edit)
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, as an administrator. Only for a server that nobody else can reach.
    Open,
    /// Those who log in.
    Login,
}

impl Access {
    /// Open, for a server that listens on this address.
    ///
    /// # Errors
    /// Others than this machine's own programs can reach the address; the sentence says what to do.
    pub fn open_on(address: std::net::IpAddr) -> Result<Self, String> {
        if address.to_canonical().is_loopback() {
            return Ok(Self::Open);
        }
        Err(format!(
            "without logins everybody is an administrator, so the server may listen on a loopback address only, not on \
             {address}; listen on 127.0.0.1, or leave logins on"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Access, Caller, Grant};

    #[test]
    fn without_logins_only_this_machine_may_come_in() {
        for (address, may) in [
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.0.2.1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(Access::open_on(address.parse().unwrap()).is_ok(), may, "{address}");
        }
    }

    #[test]
    fn the_greater_grant_counts_and_nothing_is_granted_by_default() {
        let caller = |pairs: &[(&str, Grant)]| Caller {
            grants: pairs.iter().map(|(name, grant)| ((*name).into(), *grant)).collect(),
            ..Caller::default()
        };
        assert_eq!(caller(&[]).grant("a"), None);
        assert_eq!(caller(&[("*", Grant::Edit), ("a", Grant::View)]).grant("a"), Some(Grant::Edit));
        assert_eq!(caller(&[("*", Grant::View), ("a", Grant::Edit)]).grant("b"), Some(Grant::View));
        assert_eq!(Caller { administrator: true, ..Caller::default() }.grant("a"), Some(Grant::Edit));
    }
}
