//! Objects at a revision.

use std::collections::BTreeSet;

use calipso_model::{Object, ObjectKey, Str, Value};
use mongodb::bson::{Bson, Document, RawDocument, doc};

use crate::{
    error::StoreError,
    form::{self, at_path},
    mongo::{
        codec,
        index::INVENTORY,
        read::{Ask, Found, View, search},
    },
    query::{Page, Paged, Query},
};

/// The order of answers.
pub(super) const ORDER: &[&str] = &["type", "id"];

/// Maximum number of fields that the server is asked to pick.
const FEW: usize = 20;

/// Up to this number of whole numbers floating point knows each one.
const EXACT: i64 = 1 << 53;

/// Names with a common part are rather looked for in the order of answers.
const COMMON: u64 = 20_000;

/// What is read of an object.
pub(super) fn fields() -> Document {
    doc! { "_id": 0, "type": 1, "id": 1, "doc": 1, "doc_json": 1 }
}

/// Projection for an object of which only some fields are wanted.
fn some_fields(wanted: &[Str]) -> Document {
    // The server takes other names for paths and operators.
    if wanted.len() > FEW || !wanted.iter().all(|field| is_plain(field)) {
        return fields();
    }
    let mut fields = doc! { "_id": 0, "type": 1, "id": 1, "doc_json": 1, "doc.type": 1 };
    fields.extend(wanted.iter().map(|field| (format!("doc.{field}"), 1.into())));
    fields
}

fn is_plain(field: &str) -> bool {
    !field.is_empty() && !field.starts_with('$') && !field.contains(['.', '\0'])
}

/// The object in a document.
pub(super) fn read(doc: &RawDocument) -> Result<Object, StoreError> {
    Ok(Object { key: key(doc)?, doc: codec::map(doc, "doc")? })
}

fn key(doc: &RawDocument) -> Result<ObjectKey, StoreError> {
    Ok(ObjectKey::new(codec::text(doc, "type")?, codec::text(doc, "id")?))
}

/// The object in a document, with some fields only.
fn read_some(doc: &RawDocument, fields: Option<&[Str]>) -> Result<Object, StoreError> {
    let Some(fields) = fields else { return read(doc) };
    Ok(Object { key: key(doc)?, doc: codec::some_of_map(doc, "doc", fields)? })
}

pub(in crate::mongo) async fn by_key(
    view: &mut View<'_>,
    keys: &BTreeSet<&ObjectKey>,
) -> Result<Found<ObjectKey, Object>, StoreError> {
    let ask = Ask {
        collection: INVENTORY,
        filter: view.visible(),
        hint: Some("by_key"),
        order: &[],
        in_order: true,
        projection: fields(),
    };
    let mut found = Found::new();
    view.each_of(ask, ["type", "id"], keys, &mut |doc| found.take(doc, key, read)).await?;
    Ok(found)
}

/// One page of objects.
pub(in crate::mongo) async fn page(
    view: &mut View<'_>,
    query: &Query,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Object>, StoreError> {
    let mut filter = view.visible();
    let mut hint = "by_key";
    if !query.types.is_empty() {
        filter.insert("type", doc! { "$in": query.types.iter().map(|name| &**name).collect::<Vec<_>>() });
    }
    if let Some(host) = &query.host {
        filter.insert("host", &**host);
        hint = "by_host";
    }
    let mut also: Vec<Document> = Vec::new();
    if let Some(id) = &query.parent_id {
        also.push(doc! { "parent_id": &**id });
        hint = "by_parent";
    }
    if let Some(parent) = &query.parent {
        filter.insert("parent_id", &*parent.id);
        filter.insert("parent_type", &*parent.object_type);
        hint = "by_parent";
    }
    if let Some(id) = &query.id {
        filter.insert("id", &**id);
        if query.types.is_empty() {
            // With its type a key is found at once.
            let types = view.types().await?;
            filter.insert("type", doc! { "$in": types.iter().map(|name| &**name).collect::<Vec<_>>() });
        }
        hint = "by_key";
    }
    let needle = query.text.as_deref().and_then(form::infix_pattern);
    if let Some(needle) = &needle {
        filter.insert("$expr", search::names_hold(needle));
        if hint == "by_key" {
            let (letters, number) = search::rarest(view, needle).await?;
            if number < COMMON {
                filter.insert("letters", letters);
                hint = "by_letters";
            }
        }
    }
    also.extend(query.equals.iter().filter_map(|(field, value)| may_hold(field, value)));
    for (field, values) in &query.one_of {
        let each: Option<Vec<Document>> = values.iter().map(|value| may_hold(field, value)).collect();
        also.extend(each.filter(|each| !each.is_empty()).map(|each| doc! { "$or": each }));
    }
    let below = query.below.as_ref().map(|path| format!("{path}/"));
    if let Some(path) = &below {
        // The sign after the slash is the first that no such path has there.
        let until = format!("{}0", path.strip_suffix('/').unwrap_or(path));
        let begins = doc! { "doc.id_path": { "$gte": path, "$lt": until } };
        also.push(doc! { "$or": [begins, { "doc_json": { "$exists": true } }] });
    }
    if !also.is_empty() {
        filter.insert("$and", also);
    }
    let fits = |object: &Object| {
        let at = |field: &Str| at_path(&object.doc, field).unwrap_or(&Value::Null);
        query.equals.iter().all(|(field, value)| at(field) == value)
            && query.one_of.iter().all(|(field, values)| values.contains(at(field)))
            && below.as_ref().is_none_or(|path| {
                object.text("id_path").is_some_and(|found| found.len() > path.len() && found.starts_with(path.as_str()))
            })
    };
    let fits: Option<&(dyn Fn(&Object) -> bool + Sync)> =
        if query.equals.is_empty() && query.one_of.is_empty() && below.is_none() { None } else { Some(&fits) };
    // What is compared here needs all fields.
    let shown = query.fields.as_deref().filter(|_| fits.is_none());
    let ask = Ask {
        collection: INVENTORY,
        filter,
        hint: Some(hint),
        order: ORDER,
        // Below parents of several types children do not come in order.
        in_order: hint != "by_letters" && (hint != "by_parent" || query.parent.is_some()),
        projection: shown.map_or_else(fields, some_fields),
    };
    let read = |doc: &RawDocument| read_some(doc, shown);
    view.paged(ask, after, page, &read, fits, |object| vec![&object.key.object_type, &object.key.id]).await
}

/// A condition that every document meets whose field has a value; others may meet it too. Nothing where the server cannot
/// be asked in its own words.
fn may_hold(field: &str, value: &Value) -> Option<Document> {
    let value = match value {
        Value::Null => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Int(number) if number.abs() < EXACT => Bson::Int64(*number),
        Value::Float(number) if number.abs() < EXACT as f64 => Bson::Double(*number),
        Value::Str(text) => Bson::String(text.to_string()),
        _ => return None,
    };
    is_plain(field).then(|| {
        // Equality by its name, for a value that is a document of operators cannot come this way.
        doc! { "$or": [{ format!("doc.{field}"): { "$eq": value } }, { "doc_json": { "$exists": true } }] }
    })
}
