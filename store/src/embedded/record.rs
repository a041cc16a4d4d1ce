//! Documents beside the inventory.

use calipso_model::{Str, Value};
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter, types::Value as Sql};

use crate::{
    commit::RowWrite,
    embedded::{
        environment::{begin, next_version},
        fault::{Doing, from_db, to_db, unreadable},
        row,
    },
    error::StoreError,
    form,
    query::{Cursor, Page},
    records::{Collection, FieldTest, Record, RecordPage, RecordQuery},
};

/// How a field of a document is named in a statement; the same text stands in the indexes.
pub(super) fn column(field: &str) -> String {
    format!("json_extract(doc, '$.{field}')")
}

/// A value as `json_extract` gives it.
fn sql(value: &Value) -> Result<Sql, StoreError> {
    Ok(match value {
        Value::Null => Sql::Null,
        Value::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Value::Int(number) => Sql::Integer(*number),
        Value::Float(number) => Sql::Real(*number),
        Value::Str(text) => Sql::Text(text.to_string()),
        Value::List(_) | Value::Map(_) => return Err(StoreError::invalid("a field is compared with a list or a map")),
    })
}

/// The conditions of a query, and the values that are bound to them.
fn conditions(collection: Collection, query: &RecordQuery) -> Result<(String, Vec<Sql>), StoreError> {
    let known = |field: &'static str| {
        if collection.fields().contains(&field) {
            Ok(column(field))
        } else {
            Err(StoreError::invalid(format!("documents of `{}` are not found by `{field}`", collection.name())))
        }
    };
    if let Some(field) = query.order_by {
        known(field)?;
    }
    // The name stands in the statement and is not bound, so that the planner can use the indexes of the collection.
    let mut text = format!("collection = '{}'", collection.name());
    let mut bound = Vec::new();
    for (field, test) in &query.tests {
        let column = known(field)?;
        match test {
            FieldTest::Equals(Value::Null) => text.push_str(&format!(" AND {column} IS NULL")),
            FieldTest::Equals(value) => {
                text.push_str(&format!(" AND {column} = ?"));
                bound.push(sql(value)?);
            }
            FieldTest::AnyOf(values) => {
                let marks = vec!["?"; values.len()].join(", ");
                // Nothing is equal to null in SQL.
                let null = if values.contains(&Value::Null) { format!(" OR {column} IS NULL") } else { String::new() };
                text.push_str(&format!(" AND ({column} IN ({marks}){null})"));
                for value in values {
                    bound.push(sql(value)?);
                }
            }
            FieldTest::AtLeast(value) | FieldTest::Below(value) => {
                let sign = if matches!(test, FieldTest::AtLeast(_)) { ">=" } else { "<" };
                let kind = if matches!(value, Value::Str(_)) { "= 'text'" } else { "IN ('integer', 'real')" };
                text.push_str(&format!(" AND {column} {sign} ? AND typeof({column}) {kind}"));
                bound.push(sql(value)?);
            }
        }
    }
    Ok((text, bound))
}

/// Writes a document in a transaction of its own.
pub(super) fn put(db: &mut Connection, row: RowWrite) -> Result<Record, StoreError> {
    let change = begin(db)?;
    let version = write(&change, &row)?;
    change.commit().doing("write a document")?;
    Ok(Record { id: row.id, version, doc: row.doc.unwrap_or_default() })
}

/// Writes or removes a document, if what is there is what is expected. Returns its version, 0 for one that is removed.
pub(super) fn write(change: &Transaction<'_>, row: &RowWrite) -> Result<u64, StoreError> {
    let (collection, id) = (row.collection.name(), &*row.id);
    let found: Option<i64> = change
        .prepare_cached("SELECT version FROM record WHERE collection = ?1 AND id = ?2")
        .and_then(|mut find| find.query_row(params![collection, id], |row| row.get(0)).optional())
        .doing("compare a document")?;
    form::compare(row, found.map(from_db))?;
    let Some(doc) = &row.doc else {
        change
            .prepare_cached("DELETE FROM record WHERE collection = ?1 AND id = ?2")
            .and_then(|mut forget| forget.execute(params![collection, id]))
            .doing("remove a document")?;
        return Ok(0);
    };
    let version = next_version(change)?;
    change
        .prepare_cached(
            "INSERT INTO record(collection, id, version, doc) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(collection, id) DO UPDATE SET version = excluded.version, doc = excluded.doc",
        )
        .and_then(|mut save| save.execute(params![collection, id, version, row::sealed_text(doc)]))
        .doing("write a document")?;
    Ok(from_db(version))
}

pub(super) fn get(db: &Connection, collection: Collection, id: &str) -> Result<Option<Record>, StoreError> {
    let found: Option<(i64, String)> = db
        .prepare_cached("SELECT version, doc FROM record WHERE collection = ?1 AND id = ?2")
        .and_then(|mut find| {
            find.query_row(params![collection.name(), id], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .doing("read a document")?;
    found
        .map(|(version, doc)| Ok(Record { id: id.into(), version: from_db(version), doc: row::map_from(&doc)? }))
        .transpose()
}

/// Removes a document.
pub(super) fn remove(
    db: &mut Connection,
    collection: Collection,
    id: &str,
    version: Option<u64>,
) -> Result<bool, StoreError> {
    let change = begin(db)?;
    let removed = change
        .execute(
            "DELETE FROM record WHERE collection = ?1 AND id = ?2 AND (?3 IS NULL OR version = ?3)",
            params![collection.name(), id, version.map(to_db)],
        )
        .doing("remove a document")?;
    if removed == 0 && version.is_some() && get(&change, collection, id)?.is_some() {
        return Err(StoreError::Changed { what: collection.name(), name: id.into() });
    }
    change.commit().doing("remove a document")?;
    Ok(removed > 0)
}

/// Removes what a question finds.
pub(super) fn remove_all(db: &mut Connection, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
    let (conditions, bound) = conditions(collection, query)?;
    let removed = db
        .execute(&format!("DELETE FROM record WHERE {conditions}"), params_from_iter(bound))
        .doing("remove documents")?;
    Ok(removed as u64)
}

/// Counts what a question finds.
pub(super) fn count(db: &Connection, collection: Collection, query: &RecordQuery) -> Result<u64, StoreError> {
    let (conditions, bound) = conditions(collection, query)?;
    let found: i64 = db
        .query_row(&format!("SELECT count(*) FROM record WHERE {conditions}"), params_from_iter(bound), |row| {
            row.get(0)
        })
        .doing("count documents")?;
    Ok(from_db(found))
}

/// A page of what a question finds. The cursor is the order's value and the id of the last document.
pub(super) fn page(
    db: &Connection,
    collection: Collection,
    query: &RecordQuery,
    page: &Page,
) -> Result<RecordPage, StoreError> {
    let (mut conditions, mut bound) = conditions(collection, query)?;
    let order = query.order_by.map(column);
    if let Some(cursor) = &page.after {
        let (value, id) = after(cursor)?;
        let sign = if query.descending { "<" } else { ">" };
        match (&order, value) {
            (None, _) => conditions.push_str(&format!(" AND id {sign} ?")),
            // Nothing is less than null, and everything greater.
            (Some(order), Value::Null) if query.descending => {
                conditions.push_str(&format!(" AND {order} IS NULL AND id < ?"));
            }
            (Some(order), Value::Null) => {
                conditions.push_str(&format!(" AND ({order} IS NOT NULL OR id > ?)"));
            }
            (Some(order), value) => {
                let nulls = if query.descending { format!("{order} IS NULL OR ") } else { String::new() };
                conditions.push_str(&format!(" AND ({nulls}({order}, id) {sign} (?, ?))"));
                bound.push(sql(&value)?);
            }
        }
        bound.push(Sql::Text(id.to_string()));
    }
    let direction = if query.descending { "DESC" } else { "ASC" };
    let order_by = order.map_or_else(String::new, |order| format!("{order} {direction}, "));
    let limit = page.limit.max(1);
    bound.push(Sql::Integer(to_db(limit.saturating_add(1) as u64)));
    bound.push(Sql::Integer(to_db(page.skip as u64)));
    let statement = format!(
        "SELECT id, version, doc FROM record WHERE {conditions} ORDER BY {order_by}id {direction} LIMIT ? OFFSET ?"
    );
    let mut read = db.prepare_cached(&statement).doing("find documents")?;
    let rows = read
        .query_map(params_from_iter(bound), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
        })
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .doing("find documents")?;
    let more = rows.len() > limit;
    let items = rows
        .into_iter()
        .take(limit)
        .map(|(id, version, doc)| Ok(Record { id: id.into(), version: from_db(version), doc: row::map_from(&doc)? }))
        .collect::<Result<Vec<_>, StoreError>>()?;
    let next = items.last().filter(|_| more).map(|last| {
        let value = query.order_by.and_then(|field| last.doc.get(field)).cloned().unwrap_or_default();
        Cursor::new(Value::list(vec![value, Value::Str(last.id.clone())]).to_json())
    });
    Ok(RecordPage { items, next })
}

fn after(cursor: &Cursor) -> Result<(Value, Str), StoreError> {
    let value = Value::from_json(cursor.as_str()).map_err(|error| unreadable("a cursor", error));
    match value.as_ref().ok().and_then(Value::as_list) {
        Some([value, Value::Str(id)]) if !matches!(value, Value::List(_) | Value::Map(_)) => {
            Ok((value.clone(), id.clone()))
        }
        _ => Err(StoreError::invalid("the cursor was not made by this store; begin again without one")),
    }
}
