//! Specs of single environments, kept as documents.

use calipso_model::Str;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    records::{Collection, RecordQuery, Records},
    work::row::{self, Row, Task},
};

/// One spec that counts for one environment only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpecRow {
    /// The environment.
    pub environment: Str,
    /// `fetcher`, `link_type`, …
    pub kind: Str,
    /// Its name.
    pub name: Str,
    /// The YAML.
    pub text: Str,
    /// Who wrote it last.
    #[serde(skip_serializing_if = "is_empty")]
    pub changed_by: Str,
    /// When.
    #[serde(skip_serializing_if = "is_empty")]
    pub timestamp: Str,
}

impl Row for SpecRow {
    const COLLECTION: Collection = Collection::Specs;
}

/// All specs of an environment, by id.
///
/// # Errors
/// Those of the store.
pub async fn of(records: &dyn Records, environment: &str) -> Result<Vec<Task<SpecRow>>, StoreError> {
    row::all(records, &RecordQuery::all().equals("environment", environment)).await
}

fn is_empty(text: &Str) -> bool {
    text.is_empty()
}
