//! Links at a revision.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Link, LinkRef, LinkState, Map, ObjectKey, Str, Value};
use mongodb::bson::{Document, RawDocument, doc};

use crate::{
    error::StoreError,
    form,
    mongo::{
        codec,
        commit::link::{FIELDS, read},
        index::LINKS,
        read::{Ask, Found, View, any_of, one_of},
    },
    query::{LinkQuery, Page, Paged},
};

/// Maximum number of links in one query.
const KEYS: usize = 500;

/// The order of answers.
pub(super) const ORDER: &[&str] = &["source_type", "source_id", "link_type", "target_type", "target_id"];

/// What is read of a link.
pub(super) fn fields() -> Document {
    let mut fields = doc! { "_id": 0 };
    fields.extend(FIELDS.iter().map(|field| ((*field).to_owned(), 1.into())));
    fields
}

/// What is read of a link in a list.
fn brief_fields() -> Document {
    doc! {
        "_id": 0, "link_type": 1, "source_type": 1, "source_id": 1, "target_type": 1, "target_id": 1, "link_name": 1,
        "host": 1,
    }
}

/// A link of which only the listed fields were read.
fn read_brief(doc: &RawDocument) -> Result<Link, StoreError> {
    let LinkRef { link_type, source, target } = key(doc)?;
    Ok(Link {
        link_type,
        source,
        target,
        name: codec::text(doc, "link_name")?.into(),
        state: LinkState::Up,
        host: codec::some_text(doc, "host").map(Into::into),
        switch: None,
        attributes: Map::new(),
        implicit: false,
        rule: Str::default(),
    })
}

fn place(link: &Link) -> Vec<&Str> {
    let (source, target) = (&link.source, &link.target);
    vec![&source.object_type, &source.id, &link.link_type, &target.object_type, &target.id]
}

fn source_is(key: &ObjectKey) -> Document {
    doc! { "source_type": &*key.object_type, "source_id": &*key.id }
}

fn target_is(key: &ObjectKey) -> Document {
    doc! { "target_type": &*key.object_type, "target_id": &*key.id }
}

pub(in crate::mongo) async fn by_key(
    view: &mut View<'_>,
    keys: &BTreeSet<&LinkRef>,
) -> Result<Found<LinkRef, Link>, StoreError> {
    let keys: Vec<&LinkRef> = keys.iter().copied().collect();
    let mut found = Found::new();
    for keys in keys.chunks(KEYS) {
        let mut types: BTreeMap<[&str; 3], [BTreeSet<&str>; 2]> = BTreeMap::new();
        for key in keys {
            let [sources, targets] =
                types.entry([&key.link_type, &key.source.object_type, &key.target.object_type]).or_default();
            sources.insert(&key.source.id);
            targets.insert(&key.target.id);
        }
        let branches = types.into_iter().map(|([link_type, source_type, target_type], [sources, targets])| {
            let mut filter = view.visible();
            filter.insert("source_type", source_type);
            filter.insert("source_id", one_of(&Vec::from_iter(sources)));
            filter.insert("link_type", link_type);
            filter.insert("target_type", target_type);
            filter.insert("target_id", one_of(&Vec::from_iter(targets)));
            filter
        });
        let filter = any_of(branches.collect());
        let ask = Ask {
            collection: LINKS,
            filter,
            hint: Some("by_source"),
            order: &[],
            in_order: true,
            projection: fields(),
        };
        view.each(&ask, None, 0, &mut |doc| found.take(doc, key, read)).await?;
    }
    Ok(found)
}

fn key(doc: &RawDocument) -> Result<LinkRef, StoreError> {
    let end = |object_type: &str, id: &str| -> Result<ObjectKey, StoreError> {
        Ok(ObjectKey::new(codec::text(doc, object_type)?, codec::text(doc, id)?))
    };
    Ok(LinkRef {
        link_type: codec::text(doc, "link_type")?.into(),
        source: end("source_type", "source_id")?,
        target: end("target_type", "target_id")?,
    })
}

/// One page of links.
pub(in crate::mongo) async fn page(
    view: &mut View<'_>,
    query: &LinkQuery,
    after: Option<Vec<Str>>,
    page: &Page,
) -> Result<Paged<Link>, StoreError> {
    let mut filter = view.visible();
    let mut all = Vec::new();
    let mut hint = "by_source";
    let compares =
        query.name.is_some() || query.state.is_some() || query.implicit.is_some() || !query.one_of.is_empty();
    let fits = |link: &Link| {
        query.name.as_ref().is_none_or(|name| link.name == *name)
            && query.state.is_none_or(|state| link.state == state)
            && query.implicit.is_none_or(|implicit| link.implicit == implicit)
            && query
                .one_of
                .iter()
                .all(|(field, values)| values.contains(form::at_path(&link.attributes, field).unwrap_or(&Value::Null)))
    };
    let fits: Option<&(dyn Fn(&Link) -> bool + Sync)> = if compares { Some(&fits) } else { None };
    let (projection, read): (_, fn(&RawDocument) -> _) =
        if query.brief && !compares { (brief_fields(), read_brief) } else { (fields(), read) };
    if !query.types.is_empty() {
        filter.insert("link_type", doc! { "$in": query.types.iter().map(|name| &**name).collect::<Vec<_>>() });
    }
    if let Some(host) = &query.host {
        filter.insert("host", &**host);
        hint = "by_host";
    }
    if let Some(key) = &query.target {
        all.push(target_is(key));
        hint = "by_target";
    }
    if let Some(key) = &query.source {
        all.push(source_is(key));
        hint = "by_source";
    }
    if let Some(key) = &query.touching {
        if hint == "by_source" && query.source.is_none() {
            // Two branches that each name all their conditions: the server then joins what two indexes find.
            let (mut from, mut to) = (filter.clone(), filter);
            from.extend(source_is(key));
            to.extend(target_is(key));
            let filter = doc! { "$or": [from, to] };
            let ask = Ask { collection: LINKS, filter, hint: None, order: ORDER, in_order: false, projection };
            return view.paged(ask, after, page, &read, fits, place).await;
        }
        all.push(doc! { "$or": [source_is(key), target_is(key)] });
    }
    if !all.is_empty() {
        filter.insert("$and", all);
    }
    let in_order = hint == "by_source";
    let ask = Ask { collection: LINKS, filter, hint: Some(hint), order: ORDER, in_order, projection };
    view.paged(ask, after, page, &read, fits, place).await
}
