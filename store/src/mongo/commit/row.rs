//! Documents beside the inventory that a commit writes: in its last transaction only, the one that moves the environment.

use std::collections::BTreeMap;

use mongodb::{
    ClientSession,
    bson::{RawDocumentBuf, doc},
};

use crate::{
    commit::RowWrite,
    error::StoreError,
    form,
    mongo::{codec, commit::transaction::CommitFailure, db::Db, environment::from_db, fault::fault, number, record},
    records::Collection,
};

/// Refuses rows that are not what is expected.
pub(super) async fn check(db: &Db, rows: &[RowWrite]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut session = db.session().await?;
    for (collection, rows) in by_collection(rows) {
        compare(db, &mut session, collection, &rows).await.map_err(|trouble| match trouble {
            CommitFailure::Driver(error) => fault(db, &error, "compare documents"),
            CommitFailure::Refused(error) => error,
            CommitFailure::Shut => StoreError::Busy,
        })?;
    }
    Ok(())
}

/// Writes and removes rows if all are what is expected; a part of a transaction. A writer that changes one of them at the same time
/// makes one of the two transactions fail, and then it is tried again.
pub(super) async fn write(db: &Db, session: &mut ClientSession, rows: &[RowWrite]) -> Result<(), CommitFailure> {
    for (collection, rows) in by_collection(rows) {
        let found = compare(db, session, collection, &rows).await?;
        let mut new: Vec<RawDocumentBuf> = Vec::new();
        for row in rows {
            let Some(doc) = &row.doc else { continue };
            let above = found.get(&*row.id).copied().unwrap_or(0);
            let version = number::above(db, above).await.map_err(CommitFailure::Refused)?;
            new.push(record::document(collection, &row.id, from_db(version), doc).map_err(CommitFailure::Refused)?);
        }
        let context = db.at(collection.name());
        if !found.is_empty() {
            let gone: Vec<&str> = found.keys().map(|id| &**id).collect();
            context.delete_many(doc! { "_id": { "$in": gone } }).session(&mut *session).await?;
        }
        if !new.is_empty() {
            context.insert_many(&new).session(&mut *session).await?;
        }
    }
    Ok(())
}

fn by_collection(rows: &[RowWrite]) -> BTreeMap<Collection, Vec<&RowWrite>> {
    let mut all: BTreeMap<Collection, Vec<&RowWrite>> = BTreeMap::new();
    for row in rows {
        all.entry(row.collection).or_default().push(row);
    }
    all
}

/// Compares rows with what is there; returns the versions of those that are.
async fn compare(
    db: &Db,
    session: &mut ClientSession,
    collection: Collection,
    rows: &[&RowWrite],
) -> Result<BTreeMap<String, u64>, CommitFailure> {
    let ids: Vec<&str> = rows.iter().map(|row| &*row.id).collect();
    let mut found = db
        .at(collection.name())
        .find(doc! { "_id": { "$in": ids } })
        .projection(doc! { "version": 1 })
        .session(&mut *session)
        .await?;
    let mut versions = BTreeMap::new();
    while let Some(doc) = found.next(&mut *session).await {
        let doc = doc?;
        let version = codec::number(&doc, "version").map_err(CommitFailure::Refused)?;
        versions.insert(codec::text(&doc, "_id").map_err(CommitFailure::Refused)?.to_owned(), from_db(version));
    }
    for row in rows {
        form::compare(row, versions.get(&*row.id).copied()).map_err(CommitFailure::Refused)?;
    }
    Ok(versions)
}
