//! Documents beside the inventory.

use calipso_model::{Map, Str, Value};
use futures::TryStreamExt;
use mongodb::{
    bson::{Bson, Document, RawDocument, doc},
    options::Hint,
};

use crate::{
    error::StoreError,
    mongo::{
        codec::{self, Doc},
        db::Db,
        environment::{from_db, to_db},
        fault::{Doing, is_duplicate},
        index::record_field,
        number,
    },
    query::{Cursor, Page},
    records::{Collection, FieldTest, Record, RecordPage, RecordQuery},
};

/// A value as a question compares it.
fn compared(value: &Value) -> Result<Bson, StoreError> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Int(number) => Bson::Int64(*number),
        Value::Float(number) => Bson::Double(*number),
        Value::Str(text) => Bson::String(text.to_string()),
        Value::List(_) | Value::Map(_) => return Err(StoreError::invalid("a field is compared with a list or a map")),
    })
}

fn record_path(collection: Collection, field: &'static str) -> Result<String, StoreError> {
    if collection.fields().contains(&field) {
        Ok(record_field(field))
    } else {
        Err(StoreError::invalid(format!("documents of `{}` are not found by `{field}`", collection.name())))
    }
}

/// Which documents a question finds.
fn filter(collection: Collection, query: &RecordQuery) -> Result<Document, StoreError> {
    if let Some(field) = query.order_by {
        record_path(collection, field)?;
    }
    let mut all = Vec::new();
    for (field, test) in &query.tests {
        let path = record_path(collection, field)?;
        let mut condition = match test {
            FieldTest::Equals(value) => doc! { "$eq": compared(value)? },
            FieldTest::AnyOf(values) => doc! { "$in": values.iter().map(compared).collect::<Result<Vec<_>, _>>()? },
            FieldTest::AtLeast(value @ (Value::Str(_) | Value::Int(_) | Value::Float(_))) => {
                doc! { "$gte": compared(value)? }
            }
            FieldTest::Below(value @ (Value::Str(_) | Value::Int(_) | Value::Float(_))) => {
                doc! { "$lt": compared(value)? }
            }
            FieldTest::AtLeast(_) | FieldTest::Below(_) => {
                return Err(StoreError::invalid("only texts and numbers are greater or less than others"));
            }
        };
        // A list is not what one of its items is.
        condition.insert("$not", doc! { "$type": "array" });
        all.push(doc! { path: condition });
    }
    Ok(if all.is_empty() {
        Document::new()
    } else {
        doc! { "$and": all }
    })
}

fn record(doc: &RawDocument) -> Result<Record, StoreError> {
    Ok(Record {
        id: codec::text(doc, "_id")?.into(),
        version: from_db(codec::number(doc, "version")?),
        doc: codec::map(doc, "doc")?,
    })
}

/// A document as it lies on the server.
pub(super) fn document(
    collection: Collection,
    id: &str,
    version: u64,
    doc: &Map,
) -> Result<mongodb::bson::RawDocumentBuf, StoreError> {
    Doc::new()
        .text("_id", id)
        .long("version", to_db(version))
        .map("doc", doc)
        .finish(&|| format!("document `{id}` of `{}`", collection.name()))
}

/// Adds a document.
pub(super) async fn insert(db: &Db, collection: Collection, id: &str, doc: &Map) -> Result<Record, StoreError> {
    let version = from_db(number::above(db, 0).await?);
    match db.at(collection.name()).insert_one(document(collection, id, version, doc)?).await {
        Err(error) if is_duplicate(&error) => Err(StoreError::Exists { what: collection.name(), name: id.into() }),
        added => added.doing(db, "add a document").map(|_| Record { id: id.into(), version, doc: doc.clone() }),
    }
}

pub(super) async fn get(db: &Db, collection: Collection, id: &str) -> Result<Option<Record>, StoreError> {
    let found = db.at(collection.name()).find_one(doc! { "_id": id }).await.doing(db, "read a document")?;
    found.map(|found| record(&found)).transpose()
}

/// Replaces a document of a known version.
pub(super) async fn replace(
    db: &Db,
    collection: Collection,
    id: &str,
    version: u64,
    doc: &Map,
) -> Result<Record, StoreError> {
    let next = from_db(number::above(db, version).await?);
    let changed = db
        .at(collection.name())
        .replace_one(doc! { "_id": id, "version": to_db(version) }, document(collection, id, next, doc)?)
        .await
        .doing(db, "change a document")?;
    if changed.matched_count == 0 {
        return Err(StoreError::Changed { what: collection.name(), name: id.into() });
    }
    Ok(Record { id: id.into(), version: next, doc: doc.clone() })
}

/// Removes a document.
pub(super) async fn remove(
    db: &Db,
    collection: Collection,
    id: &str,
    version: Option<u64>,
) -> Result<bool, StoreError> {
    let mut filter = doc! { "_id": id };
    if let Some(version) = version {
        filter.insert("version", to_db(version));
    }
    let removed = db.at(collection.name()).delete_one(filter).await.doing(db, "remove a document")?.deleted_count;
    if removed == 0 && version.is_some() && get(db, collection, id).await?.is_some() {
        return Err(StoreError::Changed { what: collection.name(), name: id.into() });
    }
    Ok(removed > 0)
}

/// Removes what a question finds.
pub(super) async fn remove_all(db: &Db, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
    let filter = filter(collection, query)?;
    Ok(db.at(collection.name()).delete_many(filter).await.doing(db, "remove documents")?.deleted_count)
}

/// Counts what a question finds.
pub(super) async fn count(db: &Db, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
    let filter = filter(collection, query)?;
    let all = filter.is_empty();
    let collection = db.at(collection.name());
    let mut count = collection.count_documents(filter);
    if all {
        count = count.hint(Hint::Name("_id_".to_owned()));
    }
    count.await.doing(db, "count documents")
}

/// A page of what a question finds. The cursor is the order's value and the id of the last document.
pub(super) async fn page(
    db: &Db,
    collection: Collection,
    query: &RecordQuery,
    page: &Page,
) -> Result<RecordPage, StoreError> {
    let mut filter = filter(collection, query)?;
    let order = query.order_by.map(record_field);
    if let Some(cursor) = &page.after {
        let follow = follow(order.as_deref(), query.descending, &after(cursor)?)?;
        filter = doc! { "$and": [filter, follow] };
    }
    let direction = if query.descending { -1_i32 } else { 1 };
    let mut sort = Document::new();
    if let Some(order) = order {
        sort.insert(order, direction);
    }
    sort.insert("_id", direction);
    let limit = page.limit.max(1);
    let mut found = db
        .at(collection.name())
        .find(filter)
        .sort(sort)
        .skip(page.skip as u64)
        .limit(i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX))
        .await
        .doing(db, "find documents")?;
    let mut items = Vec::new();
    while let Some(doc) = found.try_next().await.doing(db, "find documents")? {
        items.push(record(&doc)?);
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| {
        let value = query.order_by.and_then(|field| last.doc.get(field)).cloned().unwrap_or_default();
        Cursor::new(Value::list(vec![value, Value::Str(last.id.clone())]).to_json())
    });
    Ok(RecordPage { items, next })
}

fn after(cursor: &Cursor) -> Result<(Value, Str), StoreError> {
    let value = Value::from_json(cursor.as_str());
    match value.as_ref().ok().and_then(Value::as_list) {
        Some([value, Value::Str(id)]) if !matches!(value, Value::List(_) | Value::Map(_)) => {
            Ok((value.clone(), id.clone()))
        }
        _ => Err(StoreError::invalid("the cursor was not made by this store; begin again without one")),
    }
}

/// What comes after a place in the order: null and what is not there, then numbers, texts, true and false.
fn follow(order: Option<&str>, descending: bool, (value, id): &(Value, Str)) -> Result<Document, StoreError> {
    let sign = if descending { "$lt" } else { "$gt" };
    let beyond = doc! { sign: &**id };
    let Some(order) = order else { return Ok(doc! { "_id": beyond }) };
    let mut any = vec![doc! { order: compared(value)?, "_id": beyond }];
    if !value.is_null() {
        any.push(doc! { order: { sign: compared(value)? } });
    }
    // A comparison stays among values of one kind, so the other kinds are named.
    let kinds = [Bson::Null, "number".into(), "string".into(), "bool".into()];
    let place = match value {
        Value::Null => 0,
        Value::Int(_) | Value::Float(_) => 1,
        Value::Str(_) => 2,
        _ => 3,
    };
    for (n, kind) in kinds.into_iter().enumerate() {
        if if descending { n < place } else { n > place } {
            any.push(if kind == Bson::Null {
                doc! { order: null }
            } else {
                doc! { order: { "$type": kind } }
            });
        }
    }
    Ok(doc! { "$or": any })
}
