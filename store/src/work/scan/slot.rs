//! One worker at a time per environment: the document that names the worker, and the request that it took last.
//!
//! Two workers that take two requests of one environment at the same moment change two documents, so neither refuses the
//! other. Both must also write their name into one document of the environment, and there one is first.

use calipso_model::Str;
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    records::{Collection, RecordQuery, Records},
    work::{
        row::{self, Row, Versioned},
        scan::{ScanStatus, ScanTask},
    },
};

/// Whose requests of an environment may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Slot {
    /// What kind of document this is.
    kind: Str,
    /// Of which environment.
    environment: Str,
    /// Id of the request that holds the slot.
    scan: Str,
    /// The worker that wrote this.
    holder: Str,
}

impl Row for Slot {
    const COLLECTION: Collection = Collection::Settings;
}

/// Takes the place of an environment for a request that was just made `running`. Tells whether it was got.
///
/// # Shape
/// The version of the document moves on even when it names this request already: a worker that looked at the request before it
/// ran, and wants the place, is then refused.
pub(super) async fn take(
    records: &dyn Records,
    task: &Versioned<ScanTask>,
    now_millis: i64,
) -> Result<bool, StoreError> {
    let id = format!("scan_slot:{}", task.row.environment);
    let mine = Slot {
        kind: "scan_slot".into(),
        environment: task.row.environment.clone(),
        scan: task.id.clone(),
        holder: task.row.holder.clone().unwrap_or_default(),
    };
    loop {
        let outcome = match row::get::<Slot>(records, &id).await? {
            None => row::insert(records, &id, mine.clone()).await.map(|_| ()),
            Some(mut slot) => {
                if slot.row.holder != mine.holder && is_at_work(records, &slot.row, now_millis).await? {
                    return Ok(false);
                }
                slot.row = mine.clone();
                slot.save(records).await
            }
        };
        match outcome {
            Ok(()) => return Ok(true),
            Err(StoreError::Changed { .. } | StoreError::Exists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the worker that a slot names has a request of its environment.
async fn is_at_work(records: &dyn Records, slot: &Slot, now_millis: i64) -> Result<bool, StoreError> {
    let running = RecordQuery::all()
        .equals("environment", slot.environment.clone())
        .equals("status", ScanStatus::Running.as_str());
    let running = row::all::<ScanTask>(records, &running).await?;
    Ok(running.iter().any(|task| task.row.is_held(now_millis) && task.row.holder.as_deref() == Some(&*slot.holder)))
}
