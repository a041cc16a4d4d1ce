//! Links of a commit.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Delta, Link, LinkRef, LinkState, ObjectKey, Str};
use futures::TryStreamExt;
use mongodb::bson::{doc, oid::ObjectId};

use crate::{
    error::StoreError,
    form::named_twice,
    mongo::{
        codec::{self, Doc},
        commit::{CommitContext, LINK, Writes, object::digest},
        db::Db,
        fault::Doing,
        index::LINKS,
    },
};

/// A link that is written, or one that goes.
pub(in crate::mongo) enum Item<'d> {
    Put(&'d Link),
    Remove(&'d LinkRef),
}

/// The key of a link in the order of answers.
type Key<'d> = (&'d ObjectKey, &'d Str, &'d ObjectKey);

impl Item<'_> {
    fn key(&self) -> Key<'_> {
        match self {
            Self::Put(link) => (&link.source, &link.link_type, &link.target),
            Self::Remove(link) => (&link.source, &link.link_type, &link.target),
        }
    }
}

/// The links of a delta in key order.
pub(in crate::mongo) fn items(delta: &Delta) -> Result<Vec<Item<'_>>, StoreError> {
    let mut items: Vec<Item<'_>> =
        delta.links.iter().map(Item::Put).chain(delta.removed_links.iter().map(Item::Remove)).collect();
    items.sort_by(|a, b| a.key().cmp(&b.key()));
    for pair in items.windows(2) {
        if let [a, b] = pair
            && a.key() == b.key()
            && (matches!(a, Item::Put(_)) || matches!(b, Item::Put(_)))
        {
            let (source, link_type, target) = a.key();
            return Err(named_twice("link", &format_args!("{link_type} from {source} to {target}")));
        }
    }
    Ok(items)
}

/// What of some links differs from what is stored.
pub(super) async fn prepare(db: &Db, context: CommitContext<'_>, items: &[Item<'_>]) -> Result<Writes, StoreError> {
    let stored = if context.base == 0 { BTreeMap::new() } else { stored(db, context, items).await? };
    let mut writes = Writes::new(LINK);
    let mut gone = BTreeSet::new();
    for item in items {
        let (source, link_type, target) = item.key();
        let before = stored.get(&(source.clone(), link_type.clone(), target.clone()));
        match item {
            Item::Remove(_) => {
                if let Some((id, _)) = before
                    && gone.insert(item.key())
                {
                    writes.ends.push(*id);
                    writes.tally.removed.links += 1;
                }
            }
            Item::Put(link) => {
                let body = Doc::new()
                    .text("link_name", &link.name)
                    .text("state", link.state.as_str())
                    .some_text("host", link.host.as_deref())
                    .some_text("switch", link.switch.as_deref())
                    .flag("implicit", link.implicit)
                    .text("rule", &link.rule)
                    .map("attributes", &link.attributes);
                let digest = digest(&body);
                match before {
                    Some((_, same)) if *same == digest => continue,
                    Some((id, _)) => writes.ends.push(*id),
                    None => {}
                }
                let doc = Doc::new()
                    .id("_id", ObjectId::new())
                    .text("environment", context.environment)
                    .text("link_type", link_type)
                    .text("source_type", &source.object_type)
                    .text("source_id", &source.id)
                    .text("target_type", &target.object_type)
                    .text("target_id", &target.id)
                    .with(&body)
                    .long("env", context.env)
                    .long("rev_from", context.revision)
                    .double("rev_to", f64::INFINITY)
                    .id("commit", context.commit)
                    .binary("digest", &digest);
                writes.inserts.push(doc.finish(&|| format!("link {link_type} from {source} to {target}"))?);
                writes.tally.written.links += 1;
            }
        }
    }
    Ok(writes)
}

/// The fields that a link is read from, in the order that they are written in.
pub(in crate::mongo) const FIELDS: [&str; 13] = [
    "link_type",
    "source_type",
    "source_id",
    "target_type",
    "target_id",
    "link_name",
    "state",
    "host",
    "switch",
    "implicit",
    "rule",
    "attributes",
    "attributes_json",
];

/// The link in a document.
pub(in crate::mongo) fn read(doc: &mongodb::bson::RawDocument) -> Result<Link, StoreError> {
    let found = codec::pick(doc, FIELDS)?;
    let [link_type, source_type, source_id, target_type, target_id, ..] = found;
    let [.., name, state, host, switch, implicit, rule, attributes, as_text] = found;
    let text = codec::picked_text;
    Ok(Link {
        link_type: text(link_type, "link_type")?.into(),
        source: ObjectKey::new(text(source_type, "source_type")?, text(source_id, "source_id")?),
        target: ObjectKey::new(text(target_type, "target_type")?, text(target_id, "target_id")?),
        name: text(name, "link_name")?.into(),
        state: if text(state, "state")? == LinkState::Down.as_str() { LinkState::Down } else { LinkState::Up },
        host: host.and_then(|host| host.as_str()).map(Into::into),
        switch: switch.and_then(|switch| switch.as_str()).map(Into::into),
        attributes: codec::picked_map(attributes, as_text, "attributes")?,
        implicit: implicit.and_then(|flag| flag.as_bool()).ok_or_else(|| codec::damaged("implicit"))?,
        rule: text(rule, "rule")?.into(),
    })
}

type Stored = BTreeMap<(ObjectKey, Str, ObjectKey), (ObjectId, [u8; 16])>;

/// The current versions of the links that start where some links start, and their digests.
async fn stored(db: &Db, context: CommitContext<'_>, items: &[Item<'_>]) -> Result<Stored, StoreError> {
    let mut types: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for item in items {
        let (source, link_type, _) = item.key();
        let (ids, link_types) = types.entry(&source.object_type).or_default();
        ids.insert(&source.id);
        link_types.insert(link_type);
    }
    let mut stored = BTreeMap::new();
    for (source_type, (ids, link_types)) in types {
        let (ids, link_types): (Vec<&str>, Vec<&str>) = (ids.into_iter().collect(), link_types.into_iter().collect());
        let mut filter = context.current();
        filter.extend(
            doc! { "source_type": source_type, "source_id": { "$in": ids }, "link_type": { "$in": link_types } },
        );
        let mut found = db
            .at(LINKS)
            .find(filter)
            .projection(
                doc! { "source_type": 1, "source_id": 1, "link_type": 1, "target_type": 1, "target_id": 1, "digest": 1 },
            )
            .await
            .doing(db, "compare links")?;
        while let Some(doc) = found.try_next().await.doing(db, "compare links")? {
            let key = (
                ObjectKey::new(codec::text(&doc, "source_type")?, codec::text(&doc, "source_id")?),
                codec::text(&doc, "link_type")?.into(),
                ObjectKey::new(codec::text(&doc, "target_type")?, codec::text(&doc, "target_id")?),
            );
            stored.insert(key, (codec::id(&doc, "_id")?, codec::digest(&doc)?));
        }
    }
    Ok(stored)
}
