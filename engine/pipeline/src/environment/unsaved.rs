//! What is true of an environment and not in its store yet.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{
    Clique, Delta, Link, LinkRef, Object, ObjectKey,
    same::{same_clique, same_link, same_object},
};
use calipso_store::{Backend, StoreError};

use crate::scan::ScanMode;

/// By key: what is to be written, or nothing for what is to be removed.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    objects: BTreeMap<ObjectKey, Option<Object>>,
    links: BTreeMap<LinkRef, Option<Link>>,
    cliques: BTreeMap<ObjectKey, Option<Clique>>,
}

impl Unsaved {
    /// What differs between everything that is true, as additions to nothing, and the store.
    pub(super) async fn between(store: &dyn Backend, environment: &str, all: Delta) -> Result<Self, StoreError> {
        let mut unsaved = Self::default();
        unsaved.add(all);
        let Self { objects, links, cliques } = &mut unsaved;
        store
            .stream_objects(environment, None, &mut |chunk| {
                compare(objects, chunk, |stored| stored.key.clone(), same_object);
                Ok(())
            })
            .await?;
        store
            .stream_links(environment, None, &mut |chunk| {
                compare(links, chunk, link_ref, same_link);
                Ok(())
            })
            .await?;
        store
            .stream_cliques(environment, None, &mut |chunk| {
                compare(cliques, chunk, |stored| stored.focal_point.clone(), same_clique);
                Ok(())
            })
            .await?;
        Ok(unsaved)
    }

    /// Adds a change.
    pub(super) fn add(&mut self, delta: Delta) {
        let Delta { objects, removed_objects, links, removed_links, cliques, removed_cliques } = delta;
        self.objects.extend(objects.into_iter().map(|object| (object.key.clone(), Some(object))));
        self.objects.extend(removed_objects.into_iter().map(|key| (key, None)));
        self.links.extend(links.into_iter().map(|link| (link_ref(&link), Some(link))));
        self.links.extend(removed_links.into_iter().map(|key| (key, None)));
        self.cliques.extend(cliques.into_iter().map(|clique| (clique.focal_point.clone(), Some(clique))));
        self.cliques.extend(removed_cliques.into_iter().map(|key| (key, None)));
    }

    /// Takes out what a scan of this mode writes. One that writes no links still removes those of objects that go, and likewise
    /// with cliques.
    pub(super) async fn take(
        &mut self,
        mode: &ScanMode,
        store: &dyn Backend,
        environment: &str,
    ) -> Result<Delta, StoreError> {
        let mut delta = Delta::default();
        if mode.fetches() {
            (delta.objects, delta.removed_objects) = parted(std::mem::take(&mut self.objects));
        }
        let gone: BTreeSet<ObjectKey> = delta.removed_objects.iter().cloned().collect();
        if matches!(mode, ScanMode::Full | ScanMode::Partial(_) | ScanMode::Links) {
            (delta.links, delta.removed_links) = parted(std::mem::take(&mut self.links));
        } else if !gone.is_empty() {
            // What was linked to what is gone is no link any more, so it is among what is not saved.
            let of_gone = |link: &LinkRef| gone.contains(&link.source) || gone.contains(&link.target);
            delta.removed_links = self.links.keys().filter(|link| of_gone(link)).cloned().collect();
            for link in &delta.removed_links {
                self.links.remove(link);
            }
        }
        if matches!(mode, ScanMode::Full | ScanMode::Partial(_) | ScanMode::Cliques) {
            (delta.cliques, delta.removed_cliques) = parted(std::mem::take(&mut self.cliques));
        } else if !gone.is_empty() {
            // Those that remain without what is gone are written by the next scan that writes cliques.
            let removed = &mut delta.removed_cliques;
            let has_gone = |clique: &Clique| clique.nodes.iter().any(|node| gone.contains(node));
            store
                .stream_cliques(environment, None, &mut |chunk| {
                    let stored =
                        chunk.into_iter().filter(|clique| gone.contains(&clique.focal_point) || has_gone(clique));
                    removed.extend(stored.map(|clique| clique.focal_point));
                    Ok(())
                })
                .await?;
        }
        Ok(delta)
    }
}

/// Forgets what the store has as it is, and notes what it has although it is not.
fn compare<K: Ord, T>(
    unsaved: &mut BTreeMap<K, Option<T>>,
    stored: Vec<T>,
    key: impl Fn(&T) -> K,
    is_same: impl Fn(&T, &T) -> bool,
) {
    for stored in stored {
        let key = key(&stored);
        match unsaved.get(&key) {
            None => {
                unsaved.insert(key, None);
            }
            Some(Some(found)) if is_same(found, &stored) => {
                unsaved.remove(&key);
            }
            Some(_) => {}
        }
    }
}

/// What is to be written, and the keys of what is to be removed.
fn parted<K, T>(unsaved: BTreeMap<K, Option<T>>) -> (Vec<T>, Vec<K>) {
    let (mut written, mut removed) = (Vec::new(), Vec::new());
    for (key, wanted) in unsaved {
        match wanted {
            Some(wanted) => written.push(wanted),
            None => removed.push(key),
        }
    }
    (written, removed)
}

fn link_ref(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}
