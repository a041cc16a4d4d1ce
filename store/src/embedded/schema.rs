//! The tables of the file, and how a connection to it is set up.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{
    embedded::{
        Durability, Options,
        fault::{Doing, to_db},
    },
    error::StoreError,
    records::Collection,
};

/// The format of the file that this program writes.
pub(super) const FORMAT: i64 = 5;

/// Size of a page of the file; a document of a usual object fits into one with some others.
const PAGE_BYTES: u64 = 8_192;

/// Marks the file as ours ("Cal1").
const APPLICATION: i64 = 0x4361_6c31;

/// Every table.
///
/// # Shape
/// Keys of objects and repeated words are numbers (`key`, `word`). What is current lies in `object`, `link` and `clique`; what
/// it replaced lies in the tables `…_past` with the revision that ended it, so that reading the current state never meets
/// history. `names` is the lower-case text that is searched, each name and value between marks; `text` indexes its trigrams only.
const TABLES: &str = "
CREATE TABLE counter(fence INTEGER NOT NULL);
INSERT INTO counter VALUES(0);
CREATE TABLE environment(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1,
    current INTEGER NOT NULL, oldest INTEGER NOT NULL,
    fence INTEGER NOT NULL, holder TEXT, until_millis INTEGER NOT NULL);
CREATE TABLE revision(
    env INTEGER NOT NULL, revision INTEGER NOT NULL, at TEXT NOT NULL, at_millis INTEGER NOT NULL, note TEXT NOT NULL,
    written_objects INTEGER NOT NULL, written_links INTEGER NOT NULL, written_cliques INTEGER NOT NULL,
    removed_objects INTEGER NOT NULL, removed_links INTEGER NOT NULL, removed_cliques INTEGER NOT NULL,
    PRIMARY KEY(env, revision)) WITHOUT ROWID;
CREATE TABLE word(id INTEGER PRIMARY KEY, env INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE(env, text));
CREATE TABLE key(id INTEGER PRIMARY KEY, env INTEGER NOT NULL, type TEXT NOT NULL, oid TEXT NOT NULL, UNIQUE(env, type, oid));

CREATE TABLE object(
    key INTEGER PRIMARY KEY, env INTEGER NOT NULL, rev_from INTEGER NOT NULL,
    parent INTEGER, host INTEGER, names TEXT, doc TEXT NOT NULL);
CREATE INDEX object_parent ON object(parent) WHERE parent IS NOT NULL;
CREATE INDEX object_host ON object(host) WHERE host IS NOT NULL;
CREATE INDEX object_from ON object(env, rev_from);
CREATE TABLE object_past(
    key INTEGER NOT NULL, env INTEGER NOT NULL, rev_from INTEGER NOT NULL, rev_to INTEGER NOT NULL,
    parent INTEGER, host INTEGER, names TEXT, doc TEXT NOT NULL);
CREATE UNIQUE INDEX object_past_key ON object_past(key, rev_to);
CREATE INDEX object_past_parent ON object_past(parent) WHERE parent IS NOT NULL;
CREATE INDEX object_past_host ON object_past(host) WHERE host IS NOT NULL;
CREATE INDEX object_past_from ON object_past(env, rev_from);
CREATE INDEX object_past_to ON object_past(env, rev_to);
CREATE VIRTUAL TABLE text USING fts5(names, content='', contentless_delete=1, detail=none,
    tokenize='trigram case_sensitive 1');
INSERT INTO text(text, rank) VALUES('hashsize', 33554432);

CREATE TABLE link(
    source INTEGER NOT NULL, type INTEGER NOT NULL, target INTEGER NOT NULL,
    env INTEGER NOT NULL, rev_from INTEGER NOT NULL, name TEXT NOT NULL, down INTEGER NOT NULL, host INTEGER, switch INTEGER,
    implicit INTEGER NOT NULL, rule INTEGER NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY(source, type, target)) WITHOUT ROWID;
CREATE INDEX link_target ON link(target);
CREATE INDEX link_from ON link(env, rev_from);
CREATE TABLE link_past(
    source INTEGER NOT NULL, type INTEGER NOT NULL, target INTEGER NOT NULL,
    env INTEGER NOT NULL, rev_from INTEGER NOT NULL, name TEXT NOT NULL, down INTEGER NOT NULL, host INTEGER, switch INTEGER,
    implicit INTEGER NOT NULL, rule INTEGER NOT NULL, attributes TEXT NOT NULL, rev_to INTEGER NOT NULL,
    PRIMARY KEY(source, type, target, rev_to)) WITHOUT ROWID;
CREATE INDEX link_past_target ON link_past(target);
CREATE INDEX link_past_from ON link_past(env, rev_from);
CREATE INDEX link_past_to ON link_past(env, rev_to);

CREATE TABLE clique(
    key INTEGER PRIMARY KEY, env INTEGER NOT NULL, rev_from INTEGER NOT NULL, type INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX clique_from ON clique(env, rev_from);
CREATE TABLE clique_past(
    key INTEGER NOT NULL, env INTEGER NOT NULL, rev_from INTEGER NOT NULL, rev_to INTEGER NOT NULL, type INTEGER NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY(key, rev_to)) WITHOUT ROWID;
CREATE INDEX clique_past_from ON clique_past(env, rev_from);
CREATE INDEX clique_past_to ON clique_past(env, rev_to);

CREATE TABLE scope(
    id INTEGER PRIMARY KEY, env INTEGER NOT NULL, fetcher TEXT NOT NULL, object_type TEXT NOT NULL, parent INTEGER NOT NULL,
    narrowing TEXT NOT NULL, complete INTEGER NOT NULL, scanned_at TEXT NOT NULL, tried_at TEXT NOT NULL, stale_since TEXT,
    problem TEXT, UNIQUE(env, fetcher, object_type, parent, narrowing));
CREATE INDEX scope_parent ON scope(parent);
CREATE TABLE member(
    scope INTEGER NOT NULL, object INTEGER NOT NULL, n INTEGER NOT NULL, asserts INTEGER NOT NULL, ord INTEGER NOT NULL,
    at INTEGER NOT NULL, contribution TEXT NOT NULL, PRIMARY KEY(scope, object, n)) WITHOUT ROWID;
CREATE INDEX member_object ON member(object);
CREATE TABLE report(
    env INTEGER NOT NULL, id INTEGER NOT NULL, at TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY(env, id)) WITHOUT ROWID;
";

/// What format 2 added: documents beside the inventory.
const RECORDS: &str = "
CREATE TABLE record(
    collection TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY(collection, id)) WITHOUT ROWID;
";

/// What format 3 added: the types of objects that ever were focal points, so that cliques are listed in order without sorting.
const FOCAL: &str = "
CREATE TABLE focal(env INTEGER NOT NULL, type TEXT NOT NULL, PRIMARY KEY(env, type)) WITHOUT ROWID;
INSERT INTO focal SELECT DISTINCT k.env, k.type FROM (SELECT key FROM clique UNION SELECT key FROM clique_past) c
    JOIN key k ON k.id = c.key;
";

/// What format 4 added: which types of objects links of a type start at, so that links are listed without looking at objects
/// that have none; and links by host.
const LEADS: &str = "
CREATE TABLE leads(
    env INTEGER NOT NULL, source_type TEXT NOT NULL, link_type INTEGER NOT NULL,
    PRIMARY KEY(env, source_type, link_type)) WITHOUT ROWID;
INSERT INTO leads SELECT DISTINCT k.env, k.type, l.type
    FROM (SELECT source, type FROM link UNION SELECT source, type FROM link_past) l JOIN key k ON k.id = l.source;
CREATE INDEX link_host ON link(host) WHERE host IS NOT NULL;
CREATE INDEX link_past_host ON link_past(host) WHERE host IS NOT NULL;
";

/// What format 5 added: by what objects are found beside names. What is in the file already is found by it once the next
/// scan has said so.
const SEARCHED: &str = "ALTER TABLE environment ADD COLUMN searched TEXT NOT NULL DEFAULT '{}';";
/// What format 5 added: the numbers that versions are, greater than all that were given out before; and the one that tells
/// an environment from any other of its name.
const NUMBERS: &str = "
ALTER TABLE counter ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
UPDATE counter SET version = (SELECT max(n) FROM (
    SELECT 0 AS n UNION ALL SELECT max(version) FROM record UNION ALL SELECT max(version) FROM environment));
";

/// One index for each field of a collection that questions may name.
fn record_indexes() -> String {
    let mut statements = String::new();
    for collection in Collection::ALL {
        let name = collection.name();
        for field in collection.fields() {
            statements.push_str(&format!(
                "CREATE INDEX record_{name}_{field} ON record({}, id) WHERE collection = '{name}';\n",
                super::record::column(field)
            ));
        }
    }
    statements
}

/// Opens the connection that writes; makes the file and its tables where they are missing.
pub(super) fn open_writer(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    let unavailable =
        |source: crate::error::BoxedError| StoreError::Unavailable { place: path.display().to_string(), source };
    make_private(path).map_err(|error| unavailable(error.into()))?;
    let mut db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(|error| unavailable(error.into()))?;
    db.busy_timeout(options.busy_timeout).doing("set a time limit")?;
    prepare(&mut db, options).map_err(|error| match error {
        StoreError::Io { source, .. } => unavailable(source),
        other => other,
    })?;
    let synchronous = match options.durability {
        Durability::Full => "FULL",
        Durability::Process => "NORMAL",
    };
    set(&db, "synchronous", synchronous)?;
    // The thread that writes moves the log into the file after it has answered.
    set(&db, "wal_autocheckpoint", 0)?;
    // Below the size at which that thread acts.
    set(&db, "journal_size_limit", 4 << 20)?;
    set(&db, "cache_size", -(128 << 10))?;
    set(&db, "mmap_size", 256_i64 << 20)?;
    set(&db, "temp_store", "MEMORY")?;
    if let Some(bytes) = options.most_bytes {
        set(&db, "max_page_count", to_db(bytes / PAGE_BYTES).max(1))?;
    }
    db.set_prepared_statement_cache_capacity(96);
    Ok(db)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    // Opened for writing too, because the last reader of a file may have to tidy its log; `query_only` forbids the rest.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .doing("open the file to read")?;
    db.busy_timeout(busy_timeout).doing("set a time limit")?;
    set(&db, "query_only", true)?;
    set(&db, "cache_size", -(32 << 10))?;
    // As much as the database takes, about 2 GB: pages are then read where the system keeps them, without a call.
    set(&db, "mmap_size", 1_i64 << 40)?;
    set(&db, "temp_store", "MEMORY")?;
    db.set_prepared_statement_cache_capacity(96);
    Ok(db)
}

fn prepare(db: &mut Connection, options: &Options) -> Result<(), StoreError> {
    if format(db)? == 0 {
        // Has no effect on a file that has pages already.
        set(db, "page_size", to_db(PAGE_BYTES))?;
    }
    // Two processes that open a new file at once: the switch of mode is not covered by the busy time-out.
    let give_up = std::time::Instant::now() + options.busy_timeout;
    loop {
        match set(db, "journal_mode", "WAL") {
            Err(StoreError::Busy) if std::time::Instant::now() < give_up => std::thread::yield_now(),
            other => break other?,
        }
    }
    if format(db)? == FORMAT {
        return Ok(());
    }
    let change = db.transaction_with_behavior(TransactionBehavior::Immediate).doing("begin to make the tables")?;
    match format(&change)? {
        found @ 0..FORMAT => {
            if found == 0 {
                change.execute_batch(TABLES).doing("make the tables")?;
                set(&change, "application_id", APPLICATION)?;
            }
            if found == 1 {
                change
                    .execute_batch("ALTER TABLE environment ADD COLUMN version INTEGER NOT NULL DEFAULT 1")
                    .doing("bring the tables up to date")?;
            }
            if found < 2 {
                change.execute_batch(RECORDS).doing("make the tables")?;
                change.execute_batch(&record_indexes()).doing("make the tables")?;
            }
            if found < 3 {
                change.execute_batch(FOCAL).doing("bring the tables up to date")?;
            }
            if found < 4 {
                change.execute_batch(LEADS).doing("bring the tables up to date")?;
            }
            change.execute_batch(SEARCHED).doing("bring the tables up to date")?;
            change.execute_batch(NUMBERS).doing("bring the tables up to date")?;
            set(&change, "user_version", FORMAT)?;
            change.commit().doing("make the tables")
        }
        // Another process was faster.
        _ => Ok(()),
    }
}

/// The format of the file; 0 for an empty one.
fn format(db: &Connection) -> Result<i64, StoreError> {
    let read =
        |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).doing("read the format of the file");
    let found = read("user_version")?;
    let application = read("application_id")?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .doing("read the format of the file")?;
    if found == 0 && application == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION {
        return Err(StoreError::corrupt("it is a database of another program"));
    }
    if found > FORMAT {
        return Err(StoreError::VersionTooNew { found, known: FORMAT });
    }
    if (1..=FORMAT).contains(&found) {
        return Ok(found);
    }
    Err(StoreError::corrupt(format!("its format {found} was never in use")))
}

fn set(db: &Connection, name: &str, value: impl rusqlite::ToSql) -> Result<(), StoreError> {
    db.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other).doing("set up the connection"),
    })
}

/// Makes the file, for its owner only, if it is not there.
#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Makes the file if it is not there.
#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map(drop)
}

/// Looks at every page and index.
pub(super) fn verify(db: &Connection) -> Result<(), StoreError> {
    let found: String =
        db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).doing("check its own structure")?;
    if found == "ok" { Ok(()) } else { Err(StoreError::corrupt(found)) }
}
