//! Scan reports.

use std::sync::Arc;

use calipso_model::{Revision, Value};
use mongodb::bson::doc;

use crate::{
    error::StoreError,
    mongo::{
        codec::{self, Doc},
        db::Db,
        environment::{self, to_db},
        fault::{Doing, is_duplicate},
        index::REPORTS,
        read::{Ask, View},
    },
    store::{ReportEntry, ReportId},
};

/// Keeps a report, and removes the oldest ones beyond the limit.
pub(super) async fn put(
    db: &Db,
    name: &str,
    at: &str,
    revision: Revision,
    body: &Value,
    keep: usize,
) -> Result<ReportId, StoreError> {
    let env = environment::state(db, name).await?.env;
    loop {
        // The newest one is always kept, so numbers only grow.
        let newest = db
            .at(REPORTS)
            .find_one(doc! { "env": env })
            .sort(doc! { "env": 1, "id": -1 })
            .projection(doc! { "id": 1 })
            .await
            .doing(db, "save a report")?;
        let id = newest.map_or(Ok(0), |newest| codec::number(&newest, "id"))? + 1;
        let report = Doc::new()
            .text("environment", name)
            .long("env", env)
            .long("id", id)
            .text("at", at)
            .long("revision", to_db(revision))
            .value("body", body)
            .finish(&|| "a report".to_owned())?;
        match db.at(REPORTS).insert_one(report).await {
            // Another report took the number.
            Err(error) if is_duplicate(&error) => continue,
            saved => drop(saved.doing(db, "save a report")?),
        }
        let last = db
            .at(REPORTS)
            .find_one(doc! { "env": env, "id": { "$lte": id } })
            .sort(doc! { "id": -1 })
            .skip(keep.max(1) as u64)
            .projection(doc! { "id": 1 })
            .await
            .doing(db, "remove old reports")?;
        if let Some(last) = last {
            db.at(REPORTS)
                .delete_many(doc! { "env": env, "id": { "$lte": codec::number(&last, "id")? } })
                .await
                .doing(db, "remove old reports")?;
        }
        return Ok(u64::try_from(id).unwrap_or(0));
    }
}

/// The reports, newest first.
pub(super) async fn list(db: &Arc<Db>, name: &str) -> Result<Vec<ReportEntry>, StoreError> {
    let mut view = View::of(db, name).await?;
    let ask = Ask {
        collection: REPORTS,
        filter: doc! { "env": view.env },
        hint: Some("by_number"),
        order: &["id"],
        in_order: true,
        projection: doc! { "_id": 0, "id": 1, "at": 1, "revision": 1 },
    };
    let mut all = Vec::new();
    view.each(&ask, None, 0, &mut |doc| {
        let number = |field: &str| codec::number(doc, field).map(|n| u64::try_from(n).unwrap_or(0));
        all.push(ReportEntry { id: number("id")?, at: codec::text(doc, "at")?.into(), revision: number("revision")? });
        Ok(true)
    })
    .await?;
    all.reverse();
    Ok(all)
}

pub(super) async fn get(db: &Db, name: &str, id: ReportId) -> Result<Value, StoreError> {
    let env = environment::state(db, name).await?.env;
    let found = db
        .at(REPORTS)
        .find_one(doc! { "env": env, "id": to_db(id) })
        .await
        .doing(db, "read a report")?
        .ok_or_else(|| StoreError::NotFound { what: "report", name: id.to_string().into() })?;
    codec::value(&found, "body")
}
