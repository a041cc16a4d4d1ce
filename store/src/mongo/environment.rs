//! Environments and the right to write them: one document each.

use std::time::Duration;

use calipso_model::{Environment, Revision};
use futures::TryStreamExt;
use mongodb::bson::{Bson, Document, RawDocument, doc, oid::ObjectId};

use crate::{
    error::StoreError,
    form,
    mongo::{
        codec,
        codec::Doc,
        db::Db,
        fault::{Doing, is_duplicate},
        index::{ENVIRONMENTS, GATES, OWNED},
        number,
    },
    store::{Expect, Lease, Searched},
};

/// Maximum number of gates of an environment.
pub(super) const MOST_LANES: usize = 16;

/// The state of an environment without its configuration.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Its number; another one when its name is used again.
    pub(super) env: i64,
    /// The current revision.
    pub(super) current: Revision,
    /// The oldest revision that can be read.
    pub(super) oldest: Revision,
    /// Grows with each commit, whether it makes a revision or only saves scopes.
    pub(super) seq: i64,
    /// The fencing number of the lease; 0 while there is no holder.
    pub(super) fence: i64,
    /// Who holds it.
    pub(super) holder: Option<String>,
    /// When it runs out.
    pub(super) until_millis: i64,
    /// The session that the holder commits with.
    session: Option<Document>,
    /// Commits that were begun and not finished.
    pub(super) unfinished: Vec<ObjectId>,
    /// The last one that was finished.
    pub(super) last_commit: Option<ObjectId>,
    /// Fields that search looks at beside names.
    pub(super) searched: Searched,
}

impl State {
    /// Reads it from its document.
    pub(super) fn of(doc: &RawDocument) -> Result<Self, StoreError> {
        let count = |field: &str| codec::number(doc, field).map(|number| u64::try_from(number).unwrap_or(0));
        let unfinished = doc.get_array("unfinished").map_err(|_| codec::damaged("unfinished"))?;
        Ok(Self {
            env: codec::number(doc, "env")?,
            current: count("current_revision")?,
            oldest: count("oldest_revision")?,
            seq: codec::number(doc, "seq")?,
            fence: codec::number(doc, "fence")?,
            holder: codec::some_text(doc, "holder").map(str::to_owned),
            until_millis: codec::number(doc, "until_millis")?,
            session: doc.get_document("session").ok().and_then(|session| Document::try_from(session).ok()),
            unfinished: unfinished.into_iter().filter_map(|id| id.ok()?.as_object_id()).collect(),
            last_commit: codec::id(doc, "last_commit").ok(),
            searched: codec::some_text(doc, "searched").map(form::searched_from).unwrap_or_default(),
        })
    }

    /// A revision that can be read; the current one if none is named.
    pub(super) fn revision(&self, name: &str, at: Option<Revision>) -> Result<Revision, StoreError> {
        let revision = at.unwrap_or(self.current);
        if revision < self.oldest || revision > self.current {
            let (oldest, current) = (self.oldest, self.current);
            return Err(StoreError::NoRevision { environment: name.into(), revision, oldest, current });
        }
        Ok(revision)
    }
}

/// What is read of an environment's document where the configuration does not matter.
pub(super) fn without_config() -> Document {
    doc! { "config": 0, "config_json": 0 }
}

/// A number as the server keeps it.
pub(super) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that the server kept.
pub(super) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The state of an environment.
pub(super) async fn state(db: &Db, name: &str) -> Result<State, StoreError> {
    let found = db
        .at(ENVIRONMENTS)
        .find_one(doc! { "_id": name })
        .projection(without_config())
        .await
        .doing(db, "look up an environment")?
        .ok_or_else(|| StoreError::no_environment(name))?;
    State::of(&found)
}

/// Refuses a writer that has lost its lease or does not know the current revision.
pub(super) fn guard(state: &State, name: &str, base: Revision, lease: &Lease) -> Result<(), StoreError> {
    if &*lease.environment != name {
        return Err(StoreError::invalid(format!(
            "a lease on environment `{}` was used to write environment `{name}`",
            lease.environment
        )));
    }
    guard_lease(state, lease)?;
    if state.current != base {
        return Err(StoreError::Conflict { environment: name.into(), base, current: state.current });
    }
    Ok(())
}

/// Refuses a writer that has lost its lease.
pub(super) fn guard_lease(state: &State, lease: &Lease) -> Result<(), StoreError> {
    if state.fence == 0 || state.fence != to_db(lease.fence) {
        return Err(StoreError::LeaseLost { environment: lease.environment.clone() });
    }
    Ok(())
}

/// Creates or replaces a configuration.
pub(super) async fn put(db: &Db, environment: &Environment, expect: Expect) -> Result<u64, StoreError> {
    if environment.name.is_empty() {
        return Err(StoreError::invalid("an environment needs a name"));
    }
    let name = &*environment.name;
    let config = Doc::new()
        .map("config", &form::environment_map(environment))
        .finish(&|| format!("the configuration of environment `{name}`"))?;
    let config =
        Document::try_from(&*config).map_err(|error| StoreError::Io { action: "write BSON", source: error.into() })?;
    let changed = |what: &'static str| match what {
        "exists" => StoreError::Exists { what: "environment", name: name.into() },
        _ => StoreError::Changed { what: "environment", name: name.into() },
    };
    loop {
        let known = match expect {
            Expect::Version(version) => Some(version),
            Expect::Anything | Expect::Nothing => version_of(db, name).await?,
        };
        if let Some(known) = known {
            if expect == Expect::Nothing {
                return Err(changed("exists"));
            }
            let version = number::above(db, known).await?;
            // Literals, for a value of the configuration is never an expression.
            let mut set = Document::new();
            for (key, value) in &config {
                set.insert(key, doc! { "$literal": value });
            }
            set.insert("version", version);
            let other = if config.contains_key("config") { "config_json" } else { "config" };
            let saved = db
                .at(ENVIRONMENTS)
                .update_one(
                    doc! { "_id": name, "version": to_db(known) },
                    vec![doc! { "$unset": [other] }, doc! { "$set": set }],
                )
                .await
                .doing(db, "save an environment")?;
            match saved.matched_count {
                0 if expect != Expect::Anything => return Err(changed("changed")),
                // Somebody was faster.
                0 => continue,
                _ => return Ok(from_db(version)),
            }
        }
        let version = number::above(db, 0).await?;
        let mut new = doc! {
            "_id": name, "name": name, "env": db.next("environment").await?, "version": version,
            "current_revision": 0_i64, "oldest_revision": 0_i64, "seq": 0_i64, "fence": 0_i64, "holder": Bson::Null, "until_millis": 0_i64,
            "unfinished": [], "writer": Bson::Null, "last_commit": Bson::Null,
        };
        new.extend(config.clone());
        match db.database.collection::<Document>(ENVIRONMENTS).insert_one(new).await {
            Ok(_) => return Ok(from_db(version)),
            // Somebody was faster.
            Err(error) if is_duplicate(&error) && expect == Expect::Nothing => return Err(changed("exists")),
            Err(error) if is_duplicate(&error) => {}
            Err(error) => return Err(error).doing(db, "save an environment"),
        }
    }
}

/// The version of a configuration, if there is one.
async fn version_of(db: &Db, name: &str) -> Result<Option<u64>, StoreError> {
    let found = db
        .at(ENVIRONMENTS)
        .find_one(doc! { "_id": name })
        .projection(doc! { "version": 1 })
        .await
        .doing(db, "save an environment")?;
    found.map(|found| codec::number(&found, "version").map(from_db)).transpose()
}

/// The number of its making.
pub(super) async fn made(db: &Db, name: &str) -> Result<u64, StoreError> {
    Ok(from_db(state(db, name).await?.env))
}

/// One configuration and its version.
pub(super) async fn get(db: &Db, name: &str) -> Result<(Environment, u64), StoreError> {
    let found = db
        .at(ENVIRONMENTS)
        .find_one(doc! { "_id": name })
        .await
        .doing(db, "read an environment")?
        .ok_or_else(|| StoreError::no_environment(name))?;
    let version = from_db(codec::number(&found, "version")?);
    Ok((form::environment_from(&codec::map(&found, "config")?)?, version))
}

/// Every configuration, by name.
pub(super) async fn list(db: &Db) -> Result<Vec<Environment>, StoreError> {
    let mut found = db.at(ENVIRONMENTS).find(doc! {}).sort(doc! { "_id": 1 }).await.doing(db, "list environments")?;
    let mut all = Vec::new();
    while let Some(doc) = found.try_next().await.doing(db, "list environments")? {
        all.push(form::environment_from(&codec::map(&doc, "config")?)?);
    }
    Ok(all)
}

fn is_free(now_millis: i64) -> Document {
    doc! { "$or": [{ "holder": null }, { "until_millis": { "$lte": now_millis } }] }
}

fn lease_held(state: State, name: &str, now_millis: i64) -> Option<StoreError> {
    let holder = state.holder.filter(|_| state.until_millis > now_millis)?;
    Some(StoreError::LeaseHeld { environment: name.into(), holder: holder.into(), until_millis: state.until_millis })
}

/// Removes an environment with all its data.
pub(super) async fn remove(db: &Db, name: &str, now_millis: i64) -> Result<(), StoreError> {
    loop {
        let state = state(db, name).await?;
        let env = state.env;
        if let Some(held) = lease_held(state, name, now_millis) {
            return Err(held);
        }
        let mut filter = doc! { "_id": name, "env": env };
        filter.extend(is_free(now_millis));
        let removed = db.at(ENVIRONMENTS).delete_one(filter).await.doing(db, "remove an environment")?;
        if removed.deleted_count == 1 {
            return purge(db, env).await;
        }
    }
}

/// Removes what belongs to the number of an environment that is gone.
async fn purge(db: &Db, env: i64) -> Result<(), StoreError> {
    for collection in OWNED {
        db.at(collection).delete_many(doc! { "env": env }).await.doing(db, "remove an environment")?;
    }
    let gates: Vec<Document> = (0..MOST_LANES).map(|lane| gate(env, lane)).collect();
    db.at(GATES).delete_many(doc! { "_id": { "$in": gates } }).await.doing(db, "remove an environment").map(drop)
}

/// The name of a gate.
pub(super) fn gate(env: i64, lane: usize) -> Document {
    doc! { "env": env, "lane": i64::try_from(lane).unwrap_or(i64::MAX) }
}

/// Removes what belongs to no environment: one was being removed when its process died, or a late writer still wrote.
pub(super) async fn remove_orphans(db: &Db) -> Result<(), StoreError> {
    for collection in OWNED {
        let numbers = db.at(collection).distinct("env", doc! {}).await.doing(db, "look for leftovers")?;
        for env in numbers.iter().filter_map(Bson::as_i64) {
            // An environment is there before anything of its own is, so what has none will never have one.
            let owner = db
                .at(ENVIRONMENTS)
                .find_one(doc! { "env": env })
                .projection(doc! { "_id": 1 })
                .await
                .doing(db, "look for leftovers")?;
            if owner.is_none() {
                purge(db, env).await?;
            }
        }
    }
    Ok(())
}

/// Takes a lease that is free or has run out.
pub(super) async fn acquire(
    db: &Db,
    name: &str,
    holder: &str,
    now_millis: i64,
    ttl: Duration,
) -> Result<Lease, StoreError> {
    loop {
        let state = state(db, name).await?;
        // An open transaction of a dead writer would block all others from this document.
        let dead = state.session.clone();
        if let Some(held) = lease_held(state, name, now_millis) {
            return Err(held);
        }
        db.end_sessions(dead.into_iter().collect()).await;
        let session = db.session().await?;
        let fence = db.next("fence").await?;
        let until_millis = until(now_millis, ttl);
        let mut filter = doc! { "_id": name };
        filter.extend(is_free(now_millis));
        let taken = db
            .at(ENVIRONMENTS)
            .update_one(
                filter,
                doc! {
                    "$set": {
                        "fence": fence, "holder": holder, "until_millis": until_millis, "session": session.id().clone(),
                    },
                },
            )
            .await
            .doing(db, "take a lease")?;
        if taken.matched_count == 1 {
            db.keep(fence, session);
            let fence = u64::try_from(fence).unwrap_or(0);
            return Ok(Lease { environment: name.into(), holder: holder.into(), fence, until_millis });
        }
    }
}

/// Makes a lease last longer.
pub(super) async fn renew(db: &Db, lease: &Lease, now_millis: i64, ttl: Duration) -> Result<Lease, StoreError> {
    let until_millis = until(now_millis, ttl);
    let renewed = db
        .at(ENVIRONMENTS)
        .update_one(
            doc! { "_id": &*lease.environment, "fence": to_db(lease.fence.max(1)) },
            doc! { "$set": { "until_millis": until_millis } },
        )
        .await
        .doing(db, "renew a lease")?;
    if renewed.matched_count == 1 {
        return Ok(Lease { until_millis, ..lease.clone() });
    }
    state(db, &lease.environment).await?;
    Err(StoreError::LeaseLost { environment: lease.environment.clone() })
}

/// Gives a lease back, unless it is lost already.
pub(super) async fn release(db: &Db, lease: &Lease) -> Result<(), StoreError> {
    db.forget(to_db(lease.fence));
    db.at(ENVIRONMENTS)
        .update_one(
            doc! { "_id": &*lease.environment, "fence": to_db(lease.fence.max(1)) },
            doc! { "$set": { "fence": 0_i64, "holder": null, "until_millis": 0_i64, "session": null } },
        )
        .await
        .doing(db, "give a lease back")
        .map(drop)
}

fn until(now_millis: i64, ttl: Duration) -> i64 {
    now_millis.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
}
