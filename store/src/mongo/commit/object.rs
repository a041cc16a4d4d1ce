//! Objects of a commit.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Delta, Object, ObjectKey, Str};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc, oid::ObjectId};

use crate::{
    error::StoreError,
    form::{self, named_twice},
    mongo::{
        codec::{self, Doc},
        commit::{CommitContext, OBJECT, Writes},
        db::Db,
        environment::State,
        fault::Doing,
        index::INVENTORY,
        read::search::letters,
    },
    store::Searched,
};

/// An object that is written, or one that goes.
pub(in crate::mongo) enum Item<'d> {
    Put(&'d Object),
    Remove(&'d ObjectKey),
}

impl Item<'_> {
    fn key(&self) -> &ObjectKey {
        match self {
            Self::Put(object) => &object.key,
            Self::Remove(key) => key,
        }
    }
}

/// The objects of a delta in key order.
pub(in crate::mongo) fn items(delta: &Delta) -> Result<Vec<Item<'_>>, StoreError> {
    let mut items: Vec<Item<'_>> =
        delta.objects.iter().map(Item::Put).chain(delta.removed_objects.iter().map(Item::Remove)).collect();
    items.sort_by(|a, b| a.key().cmp(b.key()));
    for pair in items.windows(2) {
        // Two removals of one key are one.
        if let [a, b] = pair
            && a.key() == b.key()
            && (matches!(a, Item::Put(_)) || matches!(b, Item::Put(_)))
        {
            return Err(named_twice("object", a.key()));
        }
    }
    Ok(items)
}

/// The first half of a SHA-256 of what was written so far: equal where the documents are.
pub(super) fn digest(doc: &Doc) -> [u8; 16] {
    let whole = ring::digest::digest(&ring::digest::SHA256, doc.so_far());
    let mut half = [0; 16];
    half.copy_from_slice(whole.as_ref().get(..16).unwrap_or(&[0; 16]));
    half
}

/// What of some objects differs from what is stored.
pub(super) async fn prepare(db: &Db, context: CommitContext<'_>, items: &[Item<'_>]) -> Result<Writes, StoreError> {
    let stored = if context.base == 0 { BTreeMap::new() } else { stored(db, context, items).await? };
    let mut writes = Writes::new(OBJECT);
    let mut gone = BTreeSet::new();
    for item in items {
        let before = stored.get(item.key());
        match item {
            Item::Remove(key) => {
                if let Some((id, _)) = before
                    && gone.insert(*key)
                {
                    writes.ends.push(*id);
                    writes.tally.removed.objects += 1;
                }
            }
            Item::Put(object) => {
                let body = Doc::new().map("doc", &object.doc);
                let digest = digest(&body);
                match before {
                    Some((_, same)) if *same == digest => continue,
                    Some((id, _)) => writes.ends.push(*id),
                    None => {}
                }
                let parent = form::parent(&object.doc);
                let names = form::terms(&object.key.object_type, &object.doc, context.searched);
                let mut doc = Doc::new()
                    .id("_id", ObjectId::new())
                    .text("environment", context.environment)
                    .text("type", &object.key.object_type)
                    .text("id", &object.key.id)
                    .some_text("host", form::host(&object.doc).map(|host| &**host))
                    .some_text("parent_type", parent.as_ref().map(|parent| &*parent.object_type))
                    .some_text("parent_id", parent.as_ref().map(|parent| &*parent.id))
                    .long("env", context.env)
                    .long("rev_from", context.revision)
                    .double("rev_to", f64::INFINITY)
                    .id("commit", context.commit)
                    .binary("digest", &digest)
                    .with(&body);
                if let Some(names) = &names {
                    doc = doc.text("names", names).ints("letters", &letters(names));
                }
                writes.inserts.push(doc.finish(&|| format!("object {}", object.key))?);
                writes.tally.written.objects += 1;
            }
        }
    }
    Ok(writes)
}

/// Maximum number of objects in one command.
const AT_ONCE: usize = 100;

/// Makes the current objects of a type be found by other fields.
pub(super) async fn find_by(db: &Db, state: &State, object_type: &Str, searched: &Searched) -> Result<(), StoreError> {
    let doing = "find objects by other fields";
    let filter = doc! { "env": state.env, "type": &**object_type, "rev_to": f64::INFINITY };
    let mut found =
        db.at(INVENTORY).find(filter).projection(doc! { "digest": 0, "letters": 0 }).await.doing(db, doing)?;
    let mut updates: Vec<Document> = Vec::new();
    let mut next = true;
    while next {
        match found.try_next().await.doing(db, doing)? {
            Some(doc) => {
                let terms = form::terms(object_type, &codec::map(&doc, "doc")?, searched);
                let change = match &terms {
                    Some(terms) => doc! { "$set": { "names": terms, "letters": letters(terms) } },
                    None => doc! { "$unset": { "names": "", "letters": "" } },
                };
                updates.push(doc! { "q": { "_id": codec::id(&doc, "_id")? }, "u": change });
            }
            None => next = false,
        }
        if updates.len() >= AT_ONCE || (!next && !updates.is_empty()) {
            let command = doc! { "update": INVENTORY, "updates": std::mem::take(&mut updates) };
            let reply = db.database.run_command(command).await.doing(db, doing)?;
            if reply.contains_key("writeErrors") {
                return Err(StoreError::Busy);
            }
        }
    }
    Ok(())
}

/// The current versions of some objects, and their digests.
async fn stored(
    db: &Db,
    context: CommitContext<'_>,
    items: &[Item<'_>],
) -> Result<BTreeMap<ObjectKey, (ObjectId, [u8; 16])>, StoreError> {
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for item in items {
        types.entry(&item.key().object_type).or_default().push(&item.key().id);
    }
    let mut stored = BTreeMap::new();
    for (object_type, ids) in types {
        let mut filter = context.current();
        filter.extend(doc! { "type": object_type, "id": { "$in": ids } });
        let mut found = db
            .at(INVENTORY)
            .find(filter)
            .projection(doc! { "type": 1, "id": 1, "digest": 1 })
            .await
            .doing(db, "compare objects")?;
        while let Some(doc) = found.try_next().await.doing(db, "compare objects")? {
            let key = ObjectKey::new(codec::text(&doc, "type")?, codec::text(&doc, "id")?);
            stored.insert(key, (codec::id(&doc, "_id")?, codec::digest(&doc)?));
        }
    }
    Ok(stored)
}
