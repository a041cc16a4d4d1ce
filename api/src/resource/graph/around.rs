//! Links and objects around an object.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Link, LinkRef, Object, ObjectKey, Revision};
use calipso_store::{LinkQuery, Page};

use crate::{problem::Problem, resource::links::reference, service::Service};

/// Maximum number of links that are shown.
const MOST_LINKS: usize = 2_000;

/// The links within `depth` links of an object, nearest first; and whether there are more than are shown.
pub(super) async fn links(
    service: &Service,
    environment: &str,
    revision: Revision,
    focal_point: &ObjectKey,
    depth: usize,
) -> Result<(Vec<Link>, bool), Problem> {
    let mut found: BTreeMap<LinkRef, Link> = BTreeMap::new();
    let mut seen = BTreeSet::from([focal_point.clone()]);
    let mut front = vec![focal_point.clone()];
    for _ in 0..depth {
        let mut next = Vec::new();
        for key in front {
            let page = Page::first(MOST_LINKS);
            let answer = service.backend.links(environment, Some(revision), &LinkQuery::touching(key), &page).await?;
            let cut = answer.next.is_some();
            for link in answer.items {
                for end in [&link.source, &link.target] {
                    if seen.insert(end.clone()) {
                        next.push(end.clone());
                    }
                }
                found.insert(reference(&link), link);
            }
            if cut || found.len() > MOST_LINKS {
                let links = found.into_values().take(MOST_LINKS).collect();
                return Ok((links, true));
            }
        }
        front = next;
    }
    Ok((found.into_values().collect(), false))
}

/// Links with the objects at their ends.
pub(super) struct Surroundings {
    pub(super) focal_point: Object,
    pub(super) nodes: Vec<(ObjectKey, Option<Object>)>,
    pub(super) links: Vec<Link>,
    indexes: BTreeMap<ObjectKey, usize>,
}

impl Surroundings {
    /// Looks up the objects at the ends of links; the focal point comes first.
    pub(super) async fn of(
        service: &Service,
        environment: &str,
        revision: Revision,
        focal_point: Object,
        links: Vec<Link>,
    ) -> Result<Self, Problem> {
        let mut indexes = BTreeMap::from([(focal_point.key.clone(), 0)]);
        let mut keys = vec![focal_point.key.clone()];
        for end in links.iter().flat_map(|link| [&link.source, &link.target]) {
            if !indexes.contains_key(end) {
                indexes.insert(end.clone(), keys.len());
                keys.push(end.clone());
            }
        }
        let objects = service.backend.objects_by_key(environment, Some(revision), &keys).await?;
        let mut objects: BTreeMap<ObjectKey, Object> =
            objects.into_iter().map(|object| (object.key.clone(), object)).collect();
        let nodes = keys.into_iter().map(|key| (key.clone(), objects.remove(&key))).collect();
        Ok(Self { focal_point, nodes, links, indexes })
    }

    /// The index of a node.
    pub(super) fn index_of(&self, key: &ObjectKey) -> usize {
        self.indexes.get(key).copied().unwrap_or(0)
    }
}
