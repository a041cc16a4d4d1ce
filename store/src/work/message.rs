//! Messages to operators.

use calipso_model::{Map, Str};
use serde::{Deserialize, Serialize};

use crate::{records::Collection, work::row::Row};

/// How much a message matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever looks for a mistake.
    Debug,
    /// For the record.
    #[default]
    Info,
    /// Somebody may have to act.
    Warning,
    /// Somebody must act.
    Error,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Of which environment, if of one.
    pub environment: Str,
    /// Which system says it.
    pub source_system: Str,
    /// How much it matters.
    pub level: Level,
    /// The sentence.
    pub message: Str,
    /// When.
    pub timestamp: Str,
    /// Id of the object that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_object: Option<Str>,
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_object_type: Option<Str>,
    /// The scan, test, … that said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<Str>,
    /// `manual scan`, `scheduled scan`, `connection test`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_type: Option<Str>,
    /// Facts: host, step, spec line, …
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map,
}

impl Row for Message {
    const COLLECTION: Collection = Collection::Messages;
}
