//! Links at a revision.

use calipso_model::{Link, LinkRef, ObjectKey, Str, Value};
use mongodb::bson::{Document, doc};

use crate::{
    error::StoreError,
    form,
    mongo::{
        commit::link::read,
        index::LINKS,
        read::{Ask, View},
    },
    query::{LinkQuery, Page, Paged},
};

/// The order of answers.
pub(super) const ORDER: &[&str] = &["source_type", "source_id", "link_type", "target_type", "target_id"];

/// What of a link's document nobody needs.
pub(super) fn fields() -> Document {
    doc! { "_id": 0, "environment": 0, "digest": 0, "commit": 0, "ended_by": 0 }
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

/// One link.
pub(in crate::mongo) async fn get(view: &mut View<'_>, key: &LinkRef) -> Result<Option<Link>, StoreError> {
    let mut filter = view.visible();
    filter.extend(starts(&key.source));
    filter.insert("link_type", &*key.link_type);
    filter.extend(ends(&key.target));
    let ask =
        Ask { collection: LINKS, filter, hint: Some("by_source"), order: &[], in_order: true, projection: fields() };
    let mut found = None;
    view.each(&ask, Some(1), 0, &mut |doc| {
        found = Some(read(doc)?);
        Ok(false)
    })
    .await?;
    Ok(found)
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
            return view.paged(ask, after, page, read, fits, place).await;
        }
        all.push(doc! { "$or": [starts(key), ends(key)] });
    }
    if !all.is_empty() {
        filter.insert("$and", all);
    }
    let in_order = hint == "by_source";
    let ask = Ask { collection: LINKS, filter, hint: Some(hint), order: ORDER, in_order, projection: fields() };
    view.paged(ask, after, page, read, fits, place).await
}
