//! Numbers for keys and words: what a name is called inside the file.

use std::collections::BTreeMap;
#[expect(clippy::disallowed_types, reason = "a look-up of a million keys; nothing iterates it")]
use std::collections::HashMap;

use calipso_model::{ObjectKey, Str};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{embedded::fault::Doing, error::StoreError};

/// Finds and makes numbers during one write.
#[expect(clippy::disallowed_types, reason = "a look-up of a million keys; nothing iterates it")]
pub(super) struct Numbers<'c> {
    db: &'c Connection,
    env: i64,
    /// Whether the environment had no key at all when the write began.
    fresh: bool,
    keys: HashMap<ObjectKey, i64>,
    words: BTreeMap<Str, i64>,
}

#[expect(clippy::disallowed_types, reason = "a look-up of a million keys; nothing iterates it")]
impl<'c> Numbers<'c> {
    /// Starts a write that will meet about this many keys.
    pub(super) fn new(db: &'c Connection, env: i64, expected: usize) -> Result<Self, StoreError> {
        let fresh = db
            .query_row("SELECT NOT EXISTS(SELECT 1 FROM key WHERE env = ?1)", [env], |row| row.get(0))
            .doing("look for keys")?;
        Ok(Self { db, env, fresh, keys: HashMap::with_capacity(expected), words: BTreeMap::new() })
    }

    /// The number of a key, if it has one.
    pub(super) fn find(&mut self, key: &ObjectKey) -> Result<Option<i64>, StoreError> {
        if let Some(id) = self.keys.get(key) {
            return Ok(Some(*id));
        }
        if self.fresh {
            return Ok(None);
        }
        let found = find(self.db, self.env, key)?;
        if let Some(id) = found {
            self.keys.insert(key.clone(), id);
        }
        Ok(found)
    }

    /// The number of a key, made if need be.
    pub(super) fn make(&mut self, key: &ObjectKey) -> Result<i64, StoreError> {
        if let Some(id) = self.find(key)? {
            return Ok(id);
        }
        self.db
            .prepare_cached("INSERT INTO key(env, type, oid) VALUES(?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![self.env, &*key.object_type, &*key.id]))
            .doing("write a key")?;
        let id = self.db.last_insert_rowid();
        self.keys.insert(key.clone(), id);
        Ok(id)
    }

    /// The number of a word, made if need be.
    pub(super) fn word(&mut self, word: &Str) -> Result<i64, StoreError> {
        if let Some(id) = self.words.get(word) {
            return Ok(*id);
        }
        let id = match find_word(self.db, self.env, word)? {
            Some(id) => id,
            None => {
                self.db
                    .prepare_cached("INSERT INTO word(env, text) VALUES(?1, ?2)")
                    .and_then(|mut insert| insert.execute(params![self.env, &**word]))
                    .doing("write a word")?;
                self.db.last_insert_rowid()
            }
        };
        self.words.insert(word.clone(), id);
        Ok(id)
    }

    /// The number of a word that may be missing.
    pub(super) fn word_of(&mut self, word: Option<&Str>) -> Result<Option<i64>, StoreError> {
        word.map(|word| self.word(word)).transpose()
    }
}

/// The number of a key, if it has one.
pub(super) fn find(db: &Connection, env: i64, key: &ObjectKey) -> Result<Option<i64>, StoreError> {
    db.prepare_cached("SELECT id FROM key WHERE env = ?1 AND type = ?2 AND oid = ?3")
        .and_then(|mut find| find.query_row(params![env, &*key.object_type, &*key.id], |row| row.get(0)).optional())
        .doing("look up a key")
}

/// The number of a word, if it has one.
pub(super) fn find_word(db: &Connection, env: i64, word: &str) -> Result<Option<i64>, StoreError> {
    db.prepare_cached("SELECT id FROM word WHERE env = ?1 AND text = ?2")
        .and_then(|mut find| find.query_row(params![env, word], |row| row.get(0)).optional())
        .doing("look up a word")
}

/// Turns numbers back into names during one read.
pub(super) struct Names<'c> {
    db: &'c Connection,
    keys: BTreeMap<i64, ObjectKey>,
    words: BTreeMap<i64, Str>,
    types: BTreeMap<Str, ()>,
}

impl<'c> Names<'c> {
    /// Knows nothing yet.
    pub(super) fn new(db: &'c Connection) -> Self {
        Self { db, keys: BTreeMap::new(), words: BTreeMap::new(), types: BTreeMap::new() }
    }

    /// The key of a number.
    pub(super) fn key(&mut self, id: i64) -> Result<ObjectKey, StoreError> {
        if let Some(key) = self.keys.get(&id) {
            return Ok(key.clone());
        }
        let (object_type, oid): (String, String) = self
            .db
            .prepare_cached("SELECT type, oid FROM key WHERE id = ?1")
            .and_then(|mut find| find.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .doing("read a key")?
            .ok_or_else(|| StoreError::corrupt(format!("key {id} has no name")))?;
        let key = ObjectKey { object_type: self.shared(&object_type), id: oid.into() };
        self.learn(id, key.clone());
        Ok(key)
    }

    /// Takes note of a key that was read elsewhere.
    pub(super) fn learn(&mut self, id: i64, key: ObjectKey) {
        // Bounded, for a stream meets every key there is.
        if self.keys.len() >= 65_536 {
            self.keys.clear();
        }
        self.keys.insert(id, key);
    }

    /// A shared name, stored once.
    pub(super) fn shared(&mut self, name: &str) -> Str {
        if let Some((known, ())) = self.types.get_key_value(name) {
            return known.clone();
        }
        let name: Str = name.into();
        self.types.insert(name.clone(), ());
        name
    }

    /// The word of a number.
    pub(super) fn word(&mut self, id: i64) -> Result<Str, StoreError> {
        if let Some(word) = self.words.get(&id) {
            return Ok(word.clone());
        }
        let word: String = self
            .db
            .prepare_cached("SELECT text FROM word WHERE id = ?1")
            .and_then(|mut find| find.query_row([id], |row| row.get(0)).optional())
            .doing("read a word")?
            .ok_or_else(|| StoreError::corrupt(format!("word {id} has no text")))?;
        let word: Str = word.into();
        self.words.insert(id, word.clone());
        Ok(word)
    }

    /// The word of a number that may be missing.
    pub(super) fn word_of(&mut self, id: Option<i64>) -> Result<Option<Str>, StoreError> {
        id.map(|id| self.word(id)).transpose()
    }
}
