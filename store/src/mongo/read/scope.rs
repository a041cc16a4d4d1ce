//! Scopes and their members.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{ObjectKey, Str};
use mongodb::bson::{Document, RawDocument, doc, oid::ObjectId};

use crate::{
    error::StoreError,
    mongo::{
        codec,
        commit::scope::{read_key, read_member},
        index::{MEMBERS, SCOPES},
        read::{Ask, View},
    },
    scope::{Member, ScopeKey, ScopeRecord},
    store::stale_since,
};

/// Maximum number of scopes in one query.
const SCOPES_AT_ONCE: usize = 1_000;

/// All scopes, by key.
pub(in crate::mongo) async fn all(view: &mut View<'_>) -> Result<Vec<ScopeRecord>, StoreError> {
    let members = members(view, Document::new(), "by_scope").await?;
    records(view, Document::new(), "by_scope", members).await
}

pub(in crate::mongo) async fn get(view: &mut View<'_>, key: &ScopeKey) -> Result<Option<ScopeRecord>, StoreError> {
    let below = doc! {
        "parent_id": &*key.parent.id, "parent_type": &*key.parent.object_type, "fetcher": &*key.fetcher,
        "object_type": &*key.object_type,
    };
    let found = headers(view, below, "by_parent").await?;
    let Some((scope, mut record)) = found.into_iter().find(|(_, record)| record.key == *key) else { return Ok(None) };
    record.members = members(view, doc! { "scope": scope }, "by_scope").await?.remove(&scope).unwrap_or_default();
    sort(&mut record.members);
    Ok(Some(record))
}

/// The scopes that some objects are members of, each with that object's members only, by key. Other objects may be among
/// them.
pub(in crate::mongo) async fn by_object(
    view: &mut View<'_>,
    keys: &BTreeSet<&ObjectKey>,
) -> Result<BTreeMap<ObjectKey, Vec<ScopeRecord>>, StoreError> {
    let ask = Ask {
        collection: MEMBERS,
        filter: view.current_scopes(),
        hint: Some("by_object"),
        order: &[],
        in_order: true,
        projection: fields(),
    };
    let mut members: BTreeMap<ObjectId, BTreeMap<ObjectKey, Vec<Member>>> = BTreeMap::new();
    view.each_of(ask, ["type", "id"], keys, &mut |doc| {
        let member = read_member(doc)?;
        members.entry(codec::id(doc, "scope")?).or_default().entry(member.key.clone()).or_default().push(member);
        Ok(true)
    })
    .await?;
    let mut found: BTreeMap<ObjectKey, Vec<ScopeRecord>> = BTreeMap::new();
    let scopes: Vec<ObjectId> = members.keys().copied().collect();
    for scopes in scopes.chunks(SCOPES_AT_ONCE) {
        for (scope, record) in headers(view, doc! { "scope": { "$in": scopes } }, "by_scope").await? {
            for (key, mut members) in members.remove(&scope).unwrap_or_default() {
                sort(&mut members);
                found.entry(key).or_default().push(ScopeRecord { members, ..record.clone() });
            }
        }
    }
    found.values_mut().for_each(|records| records.sort_by(|a, b| a.key.cmp(&b.key)));
    Ok(found)
}

/// Objects without a complete scope that asserts them, and since when.
pub(in crate::mongo) async fn stale(view: &mut View<'_>) -> Result<BTreeMap<ObjectKey, Str>, StoreError> {
    let doubtful = headers(view, doc! { "complete": false }, "by_scope").await?;
    let scopes: Vec<ObjectId> = doubtful.into_iter().map(|(scope, _)| scope).collect();
    let mut keys: BTreeSet<ObjectKey> = BTreeSet::new();
    for scopes in scopes.chunks(SCOPES_AT_ONCE) {
        each(view, MEMBERS, doc! { "scope": { "$in": scopes } }, "by_scope", &mut |doc| {
            keys.insert(ObjectKey::new(codec::text(doc, "type")?, codec::text(doc, "id")?));
            Ok(true)
        })
        .await?;
    }
    let mut found = by_object(view, &keys.iter().collect()).await?;
    found.retain(|key, _| keys.contains(key));
    Ok(found.into_iter().filter_map(|(key, scopes)| Some((key, stale_since(&scopes)?))).collect())
}

async fn records(
    view: &mut View<'_>,
    filter: Document,
    hint: &'static str,
    mut members: BTreeMap<ObjectId, Vec<Member>>,
) -> Result<Vec<ScopeRecord>, StoreError> {
    let mut records = Vec::new();
    for (scope, mut record) in headers(view, filter, hint).await? {
        record.members = members.remove(&scope).unwrap_or_default();
        sort(&mut record.members);
        records.push(record);
    }
    records.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(records)
}

fn sort(members: &mut [Member]) {
    members.sort_by(|a, b| (&a.key, a.order, &a.at).cmp(&(&b.key, b.order, &b.at)));
}

async fn headers(
    view: &mut View<'_>,
    filter: Document,
    hint: &'static str,
) -> Result<Vec<(ObjectId, ScopeRecord)>, StoreError> {
    let mut found = Vec::new();
    each(view, SCOPES, filter, hint, &mut |doc| {
        found.push((codec::id(doc, "scope")?, header(doc)?));
        Ok(true)
    })
    .await?;
    Ok(found)
}

fn header(doc: &RawDocument) -> Result<ScopeRecord, StoreError> {
    Ok(ScopeRecord {
        key: read_key(doc)?,
        complete: codec::flag(doc, "complete")?,
        scanned_at: codec::text(doc, "scanned_at")?.into(),
        tried_at: codec::text(doc, "tried_at")?.into(),
        stale_since: codec::some_text(doc, "stale_since").map(Into::into),
        problem: codec::some_text(doc, "problem").map(Into::into),
        members: Vec::new(),
    })
}

async fn members(
    view: &mut View<'_>,
    filter: Document,
    hint: &'static str,
) -> Result<BTreeMap<ObjectId, Vec<Member>>, StoreError> {
    let mut found: BTreeMap<ObjectId, Vec<Member>> = BTreeMap::new();
    each(view, MEMBERS, filter, hint, &mut |doc| {
        found.entry(codec::id(doc, "scope")?).or_default().push(read_member(doc)?);
        Ok(true)
    })
    .await?;
    Ok(found)
}

fn fields() -> Document {
    doc! { "_id": 0, "environment": 0, "commit": 0, "digest": 0 }
}

async fn each(
    view: &mut View<'_>,
    collection: &'static str,
    filter: Document,
    hint: &'static str,
    take: &mut (dyn FnMut(&RawDocument) -> Result<bool, StoreError> + Send),
) -> Result<(), StoreError> {
    let mut all = view.current_scopes();
    all.extend(filter);
    let ask = Ask { collection, filter: all, hint: Some(hint), order: &[], in_order: true, projection: fields() };
    view.each(&ask, None, 0, take).await
}
