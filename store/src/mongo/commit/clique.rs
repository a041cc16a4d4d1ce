//! Cliques of a commit.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Clique, Delta, LinkRef, ObjectKey};
use futures::TryStreamExt;
use mongodb::bson::{RawDocument, doc, oid::ObjectId};

use crate::{
    error::StoreError,
    form::named_twice,
    mongo::{
        codec::{self, Doc},
        commit::{CLIQUE, CommitContext, Writes, object::digest},
        db::Db,
        fault::Doing,
        index::CLIQUES,
    },
};

/// A clique that is written, or the focal point of one that goes.
pub(in crate::mongo) enum Item<'d> {
    Put(&'d Clique),
    Remove(&'d ObjectKey),
}

impl Item<'_> {
    fn key(&self) -> &ObjectKey {
        match self {
            Self::Put(clique) => &clique.focal_point,
            Self::Remove(key) => key,
        }
    }
}

/// The cliques of a delta in key order.
pub(in crate::mongo) fn items(delta: &Delta) -> Result<Vec<Item<'_>>, StoreError> {
    let mut items: Vec<Item<'_>> =
        delta.cliques.iter().map(Item::Put).chain(delta.removed_cliques.iter().map(Item::Remove)).collect();
    items.sort_by(|a, b| a.key().cmp(b.key()));
    for pair in items.windows(2) {
        if let [a, b] = pair
            && a.key() == b.key()
            && (matches!(a, Item::Put(_)) || matches!(b, Item::Put(_)))
        {
            return Err(named_twice("the clique of", a.key()));
        }
    }
    Ok(items)
}

fn hash(parts: &[&str]) -> i64 {
    let mut text = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        text.update(&(part.len() as u64).to_le_bytes());
        text.update(part.as_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(text.finish().as_ref().get(..8).unwrap_or(&[0; 8]));
    i64::from_le_bytes(first)
}

/// The number by which cliques that hold an object are found. Several objects may have the same.
pub(in crate::mongo) fn node_number(key: &ObjectKey) -> i64 {
    hash(&[&key.object_type, &key.id])
}

/// The number by which cliques that hold a link are found.
pub(in crate::mongo) fn link_number(link: &LinkRef) -> i64 {
    let (source, target) = (&link.source, &link.target);
    hash(&[&link.link_type, &source.object_type, &source.id, &target.object_type, &target.id])
}

fn key_doc(key: &ObjectKey) -> Doc {
    Doc::new().text("type", &key.object_type).text("id", &key.id)
}

fn link_doc(link: &LinkRef) -> Doc {
    Doc::new()
        .text("link_type", &link.link_type)
        .text("source_type", &link.source.object_type)
        .text("source_id", &link.source.id)
        .text("target_type", &link.target.object_type)
        .text("target_id", &link.target.id)
}

/// What of some cliques differs from what is stored.
pub(super) async fn prepare(db: &Db, context: CommitContext<'_>, items: &[Item<'_>]) -> Result<Writes, StoreError> {
    let stored = if context.base == 0 { BTreeMap::new() } else { stored(db, context, items).await? };
    let mut writes = Writes::new(CLIQUE);
    let mut gone = BTreeSet::new();
    for item in items {
        let before = stored.get(item.key());
        match item {
            Item::Remove(key) => {
                if let Some((id, _)) = before
                    && gone.insert(*key)
                {
                    writes.ends.push(*id);
                    writes.tally.removed.cliques += 1;
                }
            }
            Item::Put(clique) => {
                let body = Doc::new()
                    .text("clique_type", &clique.clique_type)
                    .map("constraints", &clique.constraints)
                    .docs("nodes", clique.nodes.iter().map(key_doc))
                    .docs("links", clique.links.iter().map(link_doc));
                let digest = digest(&body);
                match before {
                    Some((_, same)) if *same == digest => continue,
                    Some((id, _)) => writes.ends.push(*id),
                    None => {}
                }
                let holds: BTreeSet<i64> =
                    clique.nodes.iter().map(node_number).chain(clique.links.iter().map(link_number)).collect();
                let holds: Vec<i64> = holds.into_iter().collect();
                let doc = Doc::new()
                    .id("_id", ObjectId::new())
                    .text("environment", context.environment)
                    .text("focal_point_type", &clique.focal_point.object_type)
                    .text("focal_point_id", &clique.focal_point.id)
                    .with(&body)
                    .longs("holds", &holds)
                    .long("env", context.env)
                    .long("rev_from", context.revision)
                    .double("rev_to", f64::INFINITY)
                    .id("commit", context.commit)
                    .binary("digest", &digest);
                writes.inserts.push(doc.finish(&|| format!("the clique of {}", clique.focal_point))?);
                writes.tally.written.cliques += 1;
            }
        }
    }
    Ok(writes)
}

/// The clique in a document.
pub(in crate::mongo) fn read(doc: &RawDocument) -> Result<Clique, StoreError> {
    let text = codec::picked_text;
    let key = |doc: &RawDocument, names: [&str; 2]| -> Result<ObjectKey, StoreError> {
        let [object_type, id] = codec::pick(doc, names)?;
        Ok(ObjectKey::new(text(object_type, names[0])?, text(id, names[1])?))
    };
    let link = |doc: &RawDocument| -> Result<LinkRef, StoreError> {
        let names = ["link_type", "source_type", "source_id", "target_type", "target_id"];
        let [link_type, source_type, source_id, target_type, target_id] = codec::pick(doc, names)?;
        Ok(LinkRef {
            link_type: text(link_type, "link_type")?.into(),
            source: ObjectKey::new(text(source_type, "source_type")?, text(source_id, "source_id")?),
            target: ObjectKey::new(text(target_type, "target_type")?, text(target_id, "target_id")?),
        })
    };
    Ok(Clique {
        focal_point: key(doc, ["focal_point_type", "focal_point_id"])?,
        clique_type: codec::text(doc, "clique_type")?.into(),
        constraints: codec::map(doc, "constraints")?,
        nodes: codec::docs(doc, "nodes")?
            .into_iter()
            .map(|node| key(node, ["type", "id"]))
            .collect::<Result<_, _>>()?,
        links: codec::docs(doc, "links")?.into_iter().map(link).collect::<Result<_, _>>()?,
    })
}

/// The current versions of some cliques, and their digests.
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
        filter.extend(doc! { "focal_point_type": object_type, "focal_point_id": { "$in": ids } });
        let mut found = db
            .at(CLIQUES)
            .find(filter)
            .projection(doc! { "focal_point_type": 1, "focal_point_id": 1, "digest": 1 })
            .await
            .doing(db, "compare cliques")?;
        while let Some(doc) = found.try_next().await.doing(db, "compare cliques")? {
            let key = ObjectKey::new(codec::text(&doc, "focal_point_type")?, codec::text(&doc, "focal_point_id")?);
            stored.insert(key, (codec::id(&doc, "_id")?, codec::digest(&doc)?));
        }
    }
    Ok(stored)
}
