//! Scopes of a commit: only the versions that are current are kept, and of their members only what differs is written.

pub(super) mod update;

use std::collections::BTreeMap;

use calipso_model::{ObjectKey, Value};
use futures::TryStreamExt;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc, oid::ObjectId};

use crate::{
    error::StoreError,
    mongo::{
        codec::{self, Doc},
        commit::{CommitContext, MEMBER, SCOPE, Writes, object::digest},
        db::Db,
        fault::Doing,
        index::{MEMBERS, SCOPES},
    },
    scope::{Member, ScopeKey, ScopeRecord},
};

/// A scope that is saved, or one that goes.
#[derive(Clone, Copy)]
pub(in crate::mongo) enum Item<'d> {
    Put(&'d ScopeRecord),
    Remove(&'d ScopeKey),
}

/// What identifies a scope below its parent.
fn filter(context: CommitContext<'_>, key: &ScopeKey) -> Document {
    let mut filter = context.current_scopes();
    filter.extend(doc! {
        "parent_id": &*key.parent.id, "parent_type": &*key.parent.object_type, "fetcher": &*key.fetcher,
        "object_type": &*key.object_type, "narrowing": key.narrowing.to_json(),
    });
    filter
}

/// What of a scope differs from what is stored.
pub(super) async fn prepare(db: &Db, context: CommitContext<'_>, item: Item<'_>) -> Result<Vec<Writes>, StoreError> {
    let key = match item {
        Item::Put(record) => &record.key,
        Item::Remove(key) => key,
    };
    let stored = db.at(SCOPES).find_one(filter(context, key)).await.doing(db, "compare a scope")?;
    let mut scopes = Writes::new(SCOPE);
    let mut members = Writes::new(MEMBER);
    let scope = match &stored {
        Some(stored) => {
            scopes.ends.push(codec::id(stored, "_id")?);
            codec::id(stored, "scope")?
        }
        None => ObjectId::new(),
    };
    match item {
        Item::Remove(_) => {
            if stored.is_some() {
                members.ends = stored_members(db, context, scope).await?.into_values().flatten().collect();
            }
        }
        Item::Put(record) => {
            let wanted = wanted(&record.members);
            let mut all = ring::digest::Context::new(&ring::digest::SHA256);
            wanted.iter().for_each(|(_, digest)| all.update(digest));
            let all = all.finish();
            let same =
                stored.as_ref().is_some_and(|stored| codec::binary(stored, "members").ok() == Some(all.as_ref()));
            if !same {
                let before = match &stored {
                    Some(_) => stored_members(db, context, scope).await?,
                    None => Before::new(),
                };
                differ(context, scope, &record.key, wanted, before, &mut members)?;
            }
            scopes.inserts.push(header(context, scope, record, all.as_ref())?);
        }
    }
    Ok(vec![scopes, members])
}

/// Members that are stored, by digest.
type Before = BTreeMap<[u8; 16], Vec<ObjectId>>;

/// Members as they are to be, by digest.
fn wanted(members: &[Member]) -> Vec<(Doc, [u8; 16])> {
    let mut wanted: Vec<(Doc, [u8; 16])> = members.iter().map(member).collect();
    wanted.sort_by_key(|(_, digest)| *digest);
    wanted
}

/// Makes `wanted` of what was before.
fn differ(
    context: CommitContext<'_>,
    scope: ObjectId,
    key: &ScopeKey,
    wanted: Vec<(Doc, [u8; 16])>,
    mut before: Before,
    members: &mut Writes,
) -> Result<(), StoreError> {
    for (body, digest) in wanted {
        if before.get_mut(&digest).and_then(Vec::pop).is_some() {
            continue;
        }
        let doc = versioned(context)
            .id("scope", scope)
            .binary("digest", &digest)
            .with(&body)
            .finish(&|| format!("a member of scope {key}"))?;
        members.inserts.push(doc);
    }
    members.ends.extend(before.into_values().flatten());
    Ok(())
}

fn versioned(context: CommitContext<'_>) -> Doc {
    Doc::new()
        .id("_id", ObjectId::new())
        .text("environment", context.environment)
        .long("env", context.env)
        .long("seq_from", context.seq + 1)
        .double("seq_to", f64::INFINITY)
        .id("commit", context.commit)
}

fn header(
    context: CommitContext<'_>,
    scope: ObjectId,
    record: &ScopeRecord,
    members: &[u8],
) -> Result<RawDocumentBuf, StoreError> {
    let key = &record.key;
    versioned(context)
        .id("scope", scope)
        .text("fetcher", &key.fetcher)
        .text("object_type", &key.object_type)
        .text("parent_type", &key.parent.object_type)
        .text("parent_id", &key.parent.id)
        .text("narrowing", &key.narrowing.to_json())
        .flag("complete", record.complete)
        .text("scanned_at", &record.scanned_at)
        .text("tried_at", &record.tried_at)
        .some_text("stale_since", record.stale_since.as_deref())
        .some_text("problem", record.problem.as_deref())
        .binary("members", members)
        .finish(&|| format!("a scope of {}", key.fetcher))
}

fn member(member: &Member) -> (Doc, [u8; 16]) {
    let body = Doc::new()
        .text("type", &member.key.object_type)
        .text("id", &member.key.id)
        .flag("asserts", member.asserts)
        .long("order", member.order.into())
        .text("at", &member.at)
        .map("contribution", &member.contribution);
    let digest = digest(&body);
    (body, digest)
}

/// The member in a document.
pub(in crate::mongo) fn read_member(doc: &RawDocument) -> Result<Member, StoreError> {
    Ok(Member {
        key: ObjectKey::new(codec::text(doc, "type")?, codec::text(doc, "id")?),
        contribution: codec::map(doc, "contribution")?,
        asserts: codec::flag(doc, "asserts")?,
        order: u32::try_from(codec::number(doc, "order")?).unwrap_or(u32::MAX),
        at: codec::text(doc, "at")?.into(),
    })
}

/// The key of a scope in a document.
pub(in crate::mongo) fn read_key(doc: &RawDocument) -> Result<ScopeKey, StoreError> {
    Ok(ScopeKey {
        fetcher: codec::text(doc, "fetcher")?.into(),
        object_type: codec::text(doc, "object_type")?.into(),
        parent: ObjectKey::new(codec::text(doc, "parent_type")?, codec::text(doc, "parent_id")?),
        narrowing: Value::from_json(codec::text(doc, "narrowing")?).map_err(|error| StoreError::Corrupt {
            what: "the narrowing of a scope is not readable".to_owned(),
            source: Some(error.into()),
        })?,
    })
}

/// The members of a scope that are current.
async fn stored_members(db: &Db, context: CommitContext<'_>, scope: ObjectId) -> Result<Before, StoreError> {
    let mut filter = context.current_scopes();
    filter.insert("scope", scope);
    let mut found = db
        .at(MEMBERS)
        .find(filter)
        .projection(doc! { "digest": 1 })
        .await
        .doing(db, "compare the members of a scope")?;
    let mut stored = Before::new();
    while let Some(doc) = found.try_next().await.doing(db, "compare the members of a scope")? {
        stored.entry(codec::digest(&doc)?).or_default().push(codec::id(&doc, "_id")?);
    }
    Ok(stored)
}
