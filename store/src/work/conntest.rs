//! Requests to try connections.

use calipso_model::{Map, Str};
use serde::{Deserialize, Serialize};

use crate::{records::Collection, work::row::Row};

/// Where a request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Waits for a worker.
    #[default]
    Request,
    /// A worker has it.
    Running,
    /// Done.
    Response,
}

/// One request to try connections of an environment, or of a configuration that is not saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionTest {
    /// Which environment.
    pub environment: Str,
    /// Where it stands.
    pub status: TestStatus,
    /// Which roles; all where none is given.
    pub test_targets: Vec<Str>,
    /// Role to its connection (`spec`, `fields` with sealed secrets), in place of the environment's own. Removed with the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets_configuration: Option<Map>,
    /// Role to whether all of its steps worked.
    pub test_results: Map,
    /// Role to its lines: list of `{name, ok, sentence, kind}`.
    pub lines: Map,
    /// Role to what went wrong.
    pub errors: Map,
    /// Who asked.
    pub submitted_by: Str,
    /// When.
    pub submit_timestamp: Str,
    /// When the answer was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_timestamp: Option<Str>,
    /// Seconds between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<f64>,
    /// The worker that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Str>,
    /// When another worker may take it.
    pub lease_until_millis: i64,
    /// How many workers have begun it.
    pub attempts: u64,
}

impl Row for ConnectionTest {
    const COLLECTION: Collection = Collection::ConnectionTests;
}
