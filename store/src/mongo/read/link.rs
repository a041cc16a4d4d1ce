//! Links at a revision.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Link, LinkRef, ObjectKey, Str, Value};
use mongodb::bson::{Document, RawDocument, doc};

use crate::{
    error::StoreError,
    form,
    mongo::{
        codec,
        commit::link::{FIELDS, read},
        fault::again,
        index::LINKS,
        read::{Ask, View, any_of, one_of},
    },
    query::{LinkQuery, Page, Paged},
};

/// So many links are looked for with one question.
const KEYS: usize = 500;

/// The order of answers.
pub(super) const ORDER: &[&str] = &["source_type", "source_id", "link_type", "target_type", "target_id"];

/// What is read of a link.
pub(super) fn fields() -> Document {
    let mut fields = doc! { "_id": 0 };
    fields.extend(FIELDS.iter().map(|field| ((*field).to_owned(), 1.into())));
    fields
}

fn place(link: &Link) -> Vec<&Str> {
    let (source, target) = (&link.source, &link.target);
    vec![&source.object_type, &source.id, &link.link_type, &target.object_type, &target.id]
}

fn starts(key: &ObjectKey) -> Document {
    doc! { "source_type": &*key.object_type, "source_id": &*key.id }
}

fn ends(key: &ObjectKey) -> Document {
    doc! { "target_type": &*key.object_type, "target_id": &*key.id }
}

/// Several links, or what is wrong with each; others may be among them.
pub(in crate::mongo) async fn by_key(
    view: &mut View<'_>,
    keys: &BTreeSet<&LinkRef>,
) -> Result<BTreeMap<LinkRef, Result<Link, StoreError>>, StoreError> {
    let keys: Vec<&LinkRef> = keys.iter().copied().collect();
    let mut found = BTreeMap::new();
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
        view.each(&ask, None, 0, &mut |doc| {
            let link = read(doc);
            found.insert(link.as_ref().map_or_else(|_| key(doc), |link| Ok(reference(link)))?, link);
            Ok(true)
        })
        .await?;
    }
    Ok(found)
}

/// Several links in the order asked; those that are not there are left out.
pub(in crate::mongo) async fn in_order(view: &mut View<'_>, keys: &[LinkRef]) -> Result<Vec<Link>, StoreError> {
    let found = by_key(view, &keys.iter().collect()).await?;
    keys.iter().filter_map(|key| found.get(key)).map(|found| found.as_ref().cloned().map_err(again)).collect()
}

fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
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
    if !query.types.is_empty() {
        filter.insert("link_type", doc! { "$in": query.types.iter().map(|name| &**name).collect::<Vec<_>>() });
    }
    if let Some(host) = &query.host {
        filter.insert("host", &**host);
        hint = "by_host";
    }
    if let Some(key) = &query.target {
        all.push(ends(key));
        hint = "by_target";
    }
    if let Some(key) = &query.source {
        all.push(starts(key));
        hint = "by_source";
    }
    if let Some(key) = &query.touching {
        if hint == "by_source" && query.source.is_none() {
            // Two branches that each name all their conditions: the server then joins what two indexes find.
            let (mut from, mut to) = (filter.clone(), filter);
            from.extend(starts(key));
            to.extend(ends(key));
            let filter = doc! { "$or": [from, to] };
            let ask =
                Ask { collection: LINKS, filter, hint: None, order: ORDER, in_order: false, projection: fields() };
            return view.paged(ask, after, page, &read, fits, place).await;
        }
        all.push(doc! { "$or": [starts(key), ends(key)] });
    }
    if !all.is_empty() {
        filter.insert("$and", all);
    }
    let in_order = hint == "by_source";
    let ask = Ask { collection: LINKS, filter, hint: Some(hint), order: ORDER, in_order, projection: fields() };
    view.paged(ask, after, page, &read, fits, place).await
}
