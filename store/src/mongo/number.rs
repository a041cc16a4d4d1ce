//! The numbers that versions are: each is given out once in a database, so that what is removed and made again under its
//! name never has a version of before.

use std::sync::{Mutex, PoisonError};

use mongodb::{
    bson::{Document, doc},
    options::ReturnDocument,
};

use crate::{
    error::StoreError,
    mongo::{
        codec,
        db::Db,
        environment::to_db,
        fault::{Doing, is_duplicate},
        index::{COUNTERS, ENVIRONMENTS},
    },
    records::Collection,
};

/// Number of versions that a process reserves at once; those that it does not use stay unused.
const BLOCK: i64 = 100;

/// The counter of versions.
const COUNTER: &str = "version";

/// Numbers that this process may give out: from the first, below the second.
#[derive(Debug, Default)]
pub(super) struct Numbers(Mutex<(i64, i64)>);

impl Numbers {
    fn take(&self, above: i64) -> Option<i64> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, end) = *left;
        (next > above && next < end).then(|| {
            left.0 = next.saturating_add(1);
            next
        })
    }

    fn fill(&self, next: i64, end: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (next, end);
    }
}

/// A number that nothing has yet, greater than this one.
pub(super) async fn above(db: &Db, version: u64) -> Result<i64, StoreError> {
    let above = to_db(version);
    loop {
        if let Some(number) = db.numbers.take(above) {
            return Ok(number);
        }
        // Another process may have gone further than the numbers that are left here.
        let last = raise(db, above, BLOCK).await?;
        db.numbers.fill(last.saturating_sub(BLOCK).saturating_add(1), last.saturating_add(1));
    }
}

/// A test write that no reader sees: it fails wherever another write would fail.
pub(super) async fn touch(db: &Db) -> Result<(), StoreError> {
    raise(db, 0, 1).await.map(drop)
}

/// Moves the counter on, from at least so far. Returns where it is then.
async fn raise(db: &Db, least: i64, by: i64) -> Result<i64, StoreError> {
    let next = doc! { "$add": [{ "$max": ["$value", least, 0_i64] }, by] };
    let mut turn = 0;
    loop {
        let answer = db
            .database
            .collection::<Document>(COUNTERS)
            .find_one_and_update(doc! { "_id": COUNTER }, vec![doc! { "$set": { "value": next.clone() } }])
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await;
        match answer {
            // Two may have made the counter at the same time.
            Err(error) if is_duplicate(&error) && turn < 5 => turn += 1,
            answer => {
                let found = answer.doing(db, "number a version")?;
                return found.and_then(|doc| doc.get_i64("value").ok()).ok_or_else(|| codec::damaged("value"));
            }
        }
    }
}

/// Moves the counter beyond every version of a database that was written before there was one.
pub(super) async fn begin(db: &Db) -> Result<(), StoreError> {
    let mut greatest = 0;
    for collection in Collection::ALL.iter().map(|collection| collection.name()).chain([ENVIRONMENTS]) {
        let found = db
            .database
            .collection::<Document>(collection)
            .find_one(doc! {})
            .projection(doc! { "version": 1 })
            .sort(doc! { "version": -1 })
            .await
            .doing(db, "read versions")?;
        greatest = greatest.max(found.and_then(|doc| doc.get_i64("version").ok()).unwrap_or(0));
    }
    raise(db, greatest, 0).await.map(drop)
}
