//! How far a stream of events has come: the id of each event says it all.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use calipso_model::{Revision, Str};

/// How far a stream has come in one environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The last revision.
    pub(super) revision: Revision,
    /// When the scan changed that was told last, in milliseconds since 1970 UTC.
    pub(super) scans_millis: i64,
}

/// How far a stream has come, in each environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position(pub(super) BTreeMap<Str, Seen>);

impl Position {
    /// As the id of an event.
    pub(super) fn id(&self) -> String {
        let parts: BTreeMap<&str, (Revision, i64)> =
            self.0.iter().map(|(name, seen)| (&**name, (seen.revision, seen.scans_millis))).collect();
        URL_SAFE_NO_PAD.encode(serde_json::to_string(&parts).unwrap_or_default())
    }

    /// From the id of an event.
    pub(super) fn from_id(id: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
        let parts: BTreeMap<String, (Revision, i64)> = serde_json::from_slice(&bytes).ok()?;
        let seen = |(revision, scans_millis)| Seen { revision, scans_millis };
        Some(Self(parts.into_iter().map(|(name, parts)| (name.into(), seen(parts))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Position, Seen};

    proptest! {
        #[test]
        fn ids_lead_back(parts in prop::collection::btree_map(".*", (any::<u64>(), any::<i64>()), 0..5)) {
            let seen = |(revision, scans_millis)| Seen { revision, scans_millis };
            let position = Position(parts.into_iter().map(|(name, parts)| (name.into(), seen(parts))).collect());
            prop_assert_eq!(Position::from_id(&position.id()), Some(position));
        }

        #[test]
        fn any_text_is_an_id_or_none(text in ".*") {
            let _ = Position::from_id(&text);
        }
    }
}
