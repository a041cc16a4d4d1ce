//! Updates of scopes: a new head each, and of the members only those that are named.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{ObjectKey, Str};
use futures::TryStreamExt;
use mongodb::{
    bson::{doc, oid::ObjectId},
    options::Hint,
};

use crate::{
    error::StoreError,
    form::not_stored,
    mongo::{
        codec,
        commit::{
            CommitContext, MEMBER, PIECE, SCOPE, Writes,
            scope::{Before, differ, header, read_key, wanted},
        },
        db::Db,
        fault::Doing,
        index::{MEMBERS, SCOPES},
    },
    scope::{ScopeKey, ScopeUpdate},
};

/// An update of a scope that was found.
pub(in crate::mongo::commit) struct Update<'d> {
    change: &'d ScopeUpdate,
    /// The version of its head that is current.
    id: ObjectId,
    scope: ObjectId,
    /// What stands for all of its members.
    members: Vec<u8>,
}

impl Update<'_> {
    /// Maximum number of documents that change.
    pub(in crate::mongo::commit) fn size(&self) -> usize {
        1 + self.change.record.members.len() + self.change.remove.len()
    }

    /// The keys whose members change.
    fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.change.record.members.iter().map(|member| &member.key).chain(&self.change.remove)
    }
}

/// The scopes that are to be updated, by parent.
pub(in crate::mongo::commit) async fn find<'d>(
    db: &Db,
    context: CommitContext<'_>,
    changes: &'d [ScopeUpdate],
) -> Result<Vec<Update<'d>>, StoreError> {
    let mut changes: Vec<&ScopeUpdate> = changes.iter().collect();
    changes.sort_by(|a, b| (&a.record.key.parent, &a.record.key).cmp(&(&b.record.key.parent, &b.record.key)));
    let mut updates = Vec::with_capacity(changes.len());
    for changes in changes.chunks(PIECE) {
        let mut below: BTreeMap<&Str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
        for change in changes {
            let key = &change.record.key;
            let (parents, fetchers) = below.entry(&key.parent.object_type).or_default();
            parents.insert(&key.parent.id);
            fetchers.insert(&key.fetcher);
        }
        let mut stored: BTreeMap<ScopeKey, (ObjectId, ObjectId, Vec<u8>)> = BTreeMap::new();
        for (object_type, (parents, fetchers)) in below {
            let parents: Vec<&str> = parents.into_iter().collect();
            let fetchers: Vec<&str> = fetchers.into_iter().collect();
            let mut filter = context.current_scopes();
            filter.extend(doc! {
                "parent_id": { "$in": parents }, "parent_type": &**object_type, "fetcher": { "$in": fetchers },
            });
            let mut found = db
                .at(SCOPES)
                .find(filter)
                .hint(Hint::Name("by_parent".to_owned()))
                .await
                .doing(db, "look for scopes to update")?;
            while let Some(doc) = found.try_next().await.doing(db, "look for scopes to update")? {
                let members = codec::binary(&doc, "members")?.to_vec();
                stored.insert(read_key(&doc)?, (codec::id(&doc, "_id")?, codec::id(&doc, "scope")?, members));
            }
        }
        for change in changes {
            let key = &change.record.key;
            let (id, scope, members) = stored.remove(key).ok_or_else(|| not_stored(key))?;
            updates.push(Update { change, id, scope, members });
        }
    }
    Ok(updates)
}

/// New heads of scopes, and what of the members that they name differs from what is stored.
pub(in crate::mongo::commit) async fn prepare(
    db: &Db,
    context: CommitContext<'_>,
    updates: &[Update<'_>],
) -> Result<Vec<Writes>, StoreError> {
    let mut named: BTreeMap<ObjectKey, BTreeSet<ObjectId>> = BTreeMap::new();
    for update in updates {
        for key in update.keys() {
            named.entry(key.clone()).or_default().insert(update.scope);
        }
    }
    let mut before = named_members(db, context, &named).await?;
    let mut scopes = Writes::new(SCOPE);
    let mut members = Writes::new(MEMBER);
    for update in updates {
        let record = &update.change.record;
        // What stands for all members is known no more once some of them change: a commit of the whole scope compares each.
        let all: &[u8] = if update.keys().next().is_none() { &update.members } else { &[] };
        scopes.ends.push(update.id);
        scopes.inserts.push(header(context, update.scope, record, all)?);
        let before = before.remove(&update.scope).unwrap_or_default();
        differ(context, update.scope, &record.key, wanted(&record.members), before, &mut members)?;
    }
    Ok(vec![scopes, members])
}

/// The members of some keys in some scopes each that are current.
async fn named_members(
    db: &Db,
    context: CommitContext<'_>,
    named: &BTreeMap<ObjectKey, BTreeSet<ObjectId>>,
) -> Result<BTreeMap<ObjectId, Before>, StoreError> {
    let mut types: BTreeMap<&Str, Vec<&str>> = BTreeMap::new();
    for key in named.keys() {
        types.entry(&key.object_type).or_default().push(&key.id);
    }
    let mut stored: BTreeMap<ObjectId, Before> = BTreeMap::new();
    for (object_type, ids) in types {
        for ids in ids.chunks(PIECE) {
            let mut filter = context.current_scopes();
            filter.extend(doc! { "type": &**object_type, "id": { "$in": ids } });
            let mut found = db
                .at(MEMBERS)
                .find(filter)
                .projection(doc! { "type": 1, "id": 1, "scope": 1, "digest": 1 })
                .hint(Hint::Name("by_object".to_owned()))
                .await
                .doing(db, "compare members of scopes")?;
            while let Some(doc) = found.try_next().await.doing(db, "compare members of scopes")? {
                let key = ObjectKey::new(codec::text(&doc, "type")?, codec::text(&doc, "id")?);
                let scope = codec::id(&doc, "scope")?;
                if named.get(&key).is_some_and(|scopes| scopes.contains(&scope)) {
                    let before = stored.entry(scope).or_default();
                    before.entry(codec::digest(&doc)?).or_default().push(codec::id(&doc, "_id")?);
                }
            }
        }
    }
    Ok(stored)
}
