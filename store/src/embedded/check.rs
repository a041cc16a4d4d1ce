//! Reads everything in the file and tells what cannot be what was written: pages and indexes, numbers that lead nowhere,
//! documents that do not fit their checksums.

use calipso_model::Value;
use rusqlite::{Connection, types::ValueRef};

use crate::{
    embedded::{codec::Body, fault::Doing, row},
    error::StoreError,
    health::IntegrityReport,
};

/// Maximum number of faults of pages and indexes that are listed.
const MOST_PAGES: i64 = 20;

/// Where documents lie: what one is called, the table, the columns that identify it, and its text.
const DOCUMENTS: &[(&str, &str, &str, &str)] = &[
    ("environment", "environment", "name", "config"),
    ("document", "record", "collection || '/' || id", "doc"),
    ("object", "object", "key", "doc"),
    ("former object", "object_past", "key", "doc"),
    ("link", "link", "source", "attributes"),
    ("former link", "link_past", "source", "attributes"),
    ("contribution to a scope", "member", "scope", "contribution"),
    ("report", "report", "id", "body"),
    ("narrowing of a scope", "scope", "id", "narrowing"),
];

/// Where cliques lie.
const CLIQUES: &[(&str, &str)] = &[("clique", "clique"), ("former clique", "clique_past")];

/// References between rows: what has them, and the query for those that lead nowhere.
const NUMBERS: &[(&str, &str)] = &[
    ("objects", "SELECT count(*) FROM object o LEFT JOIN key k ON k.id = o.key WHERE k.id IS NULL OR k.env != o.env"),
    ("former objects", "SELECT count(*) FROM object_past o LEFT JOIN key k ON k.id = o.key WHERE k.id IS NULL"),
    (
        "links",
        "SELECT count(*) FROM link l LEFT JOIN key s ON s.id = l.source LEFT JOIN key t ON t.id = l.target
         LEFT JOIN word w ON w.id = l.type WHERE s.id IS NULL OR t.id IS NULL OR w.id IS NULL",
    ),
    ("cliques", "SELECT count(*) FROM clique c LEFT JOIN key k ON k.id = c.key WHERE k.id IS NULL"),
    ("scopes", "SELECT count(*) FROM member m LEFT JOIN scope s ON s.id = m.scope WHERE s.id IS NULL"),
];

/// Reads everything. What cannot be read is noted, and reading goes on behind it where it can.
pub(super) fn everything(db: &Connection) -> Result<IntegrityReport, StoreError> {
    let mut checked = IntegrityReport::default();
    if let Err(error) = pages(db, &mut checked) {
        checked.note(describe("the pages", &error));
    }
    for (what, table, label, column) in DOCUMENTS {
        let ask = format!("SELECT {label}, {column} FROM {table}");
        if let Err(error) = texts(db, &mut checked, what, &ask) {
            checked.note(describe(&format!("the table of what is a {what}"), &error));
        }
    }
    for (what, table) in CLIQUES {
        if let Err(error) = cliques(db, &mut checked, what, table) {
            checked.note(describe(&format!("the table of what is a {what}"), &error));
        }
    }
    for (what, ask) in NUMBERS {
        match db.query_row(ask, [], |row| row.get::<_, i64>(0)).doing("look where numbers lead") {
            Ok(0) => {}
            Ok(n) => checked.note(format!("{n} {what} name something that is not there")),
            Err(error) => checked.note(describe(&format!("what {what} name"), &error)),
        }
    }
    Ok(checked)
}

/// A sentence about what was found, with what lies below it.
fn describe(what: &str, error: &StoreError) -> String {
    match error {
        StoreError::Corrupt { what: why, source: Some(source) } => format!("{what}: {why}: {source}"),
        StoreError::Corrupt { what: why, source: None } => format!("{what}: {why}"),
        StoreError::Io { source, .. } => format!("{what}: {source}"),
        other => format!("{what}: {other}"),
    }
}

fn pages(db: &Connection, checked: &mut IntegrityReport) -> Result<(), StoreError> {
    let mut ask = db.prepare(&format!("PRAGMA integrity_check({MOST_PAGES})")).doing("check its own structure")?;
    let mut found = ask.query([]).doing("check its own structure")?;
    while let Some(row) = found.next().doing("check its own structure")? {
        let text: String = row.get(0).doing("check its own structure")?;
        if text != "ok" {
            checked.note(text);
        }
    }
    Ok(())
}

fn texts(db: &Connection, checked: &mut IntegrityReport, what: &str, ask: &str) -> Result<(), StoreError> {
    let mut ask = db.prepare(ask).doing("read documents")?;
    let mut found = ask.query([]).doing("read documents")?;
    while let Some(row) = found.next().doing("read documents")? {
        checked.n_read = checked.n_read.saturating_add(1);
        let fault = match row.get_ref(1).doing("read a document")? {
            // A link without attributes has no text at all.
            ValueRef::Text(b"") => None,
            ValueRef::Text(bytes) => document(bytes).err(),
            _ => Some(StoreError::corrupt("it is no text")),
        };
        if let Some(fault) = fault {
            checked.note(describe(&format!("{what} {}", label(row.get_ref(0).doing("read a document")?)), &fault));
        }
    }
    Ok(())
}

fn document(bytes: &[u8]) -> Result<(), StoreError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| StoreError::Corrupt { what: "it is no text".to_owned(), source: Some(error.into()) })?;
    Value::from_json(row::opened(text)?)
        .map(drop)
        .map_err(|error| StoreError::Corrupt { what: "it is not readable".to_owned(), source: Some(error.into()) })
}

fn cliques(db: &Connection, checked: &mut IntegrityReport, what: &str, table: &str) -> Result<(), StoreError> {
    let mut ask = db.prepare(&format!("SELECT key, body FROM {table}")).doing("read cliques")?;
    let mut found = ask.query([]).doing("read cliques")?;
    while let Some(row) = found.next().doing("read cliques")? {
        checked.n_read = checked.n_read.saturating_add(1);
        let read = match row.get_ref(1).doing("read a clique")? {
            ValueRef::Blob(bytes) => Body::decode(bytes).map(drop),
            _ => Err(StoreError::corrupt("it is no clique")),
        };
        if let Err(fault) = read {
            checked.note(describe(&format!("{what} {}", label(row.get_ref(0).doing("read a clique")?)), &fault));
        }
    }
    Ok(())
}

/// One value of a key of a row, as it can be printed.
fn label(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(bytes) => format!("`{}`", String::from_utf8_lossy(bytes).escape_debug()),
        _ => "without a name".to_owned(),
    }
}
