//! Specs of single environments, kept as documents.

use calipso_model::Str;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    records::{Collection, RecordQuery, Records},
    work::row::{self, Row, Versioned},
};

/// One spec that counts for one environment only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpecRow {
    /// Name of the environment.
    pub environment: Str,
    /// `fetcher`, `link_type`, …
    pub kind: Str,
    /// Name of the spec, equal to `name` in its text.
    pub name: Str,
    /// The whole YAML text.
    pub text: Str,
    /// Who wrote it last.
    #[serde(skip_serializing_if = "is_empty")]
    pub changed_by: Str,
    /// When it was changed last, RFC 3339.
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
pub async fn of(records: &dyn Records, environment: &str) -> Result<Vec<Versioned<SpecRow>>, StoreError> {
    row::all(records, &RecordQuery::all().equals("environment", environment)).await
}

fn is_empty(text: &Str) -> bool {
    text.is_empty()
}
