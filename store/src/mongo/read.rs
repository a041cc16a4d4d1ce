//! Reading at one revision, from one snapshot of the server.

pub(super) mod clique;
pub(super) mod count;
pub(super) mod diff;
pub(super) mod link;
pub(super) mod object;
pub(super) mod scope;
pub(super) mod search;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
};

use calipso_model::{ObjectKey, Revision, Str};
use futures::StreamExt;
use mongodb::{
    ClientSession,
    bson::{Bson, Document, RawDocument, doc},
    options::Hint,
};

use crate::{
    error::StoreError,
    form::{cursor, open_cursor},
    mongo::{
        codec,
        db::Db,
        environment::to_db,
        fault::{Doing, repeat},
        index::{INVENTORY, REVISIONS},
        round::{self, Moment},
    },
    query::{Page, Paged},
    store::{Counts, RevisionInfo},
};

/// Number of documents in one answer of the server.
const PIECE: u32 = 2_000;

/// Maximum number of keys in one query.
const KEYS: usize = 1_000;

/// Maximum number of environments whose types of objects are kept.
const REMEMBERED: usize = 100;

/// An environment at one revision.
pub(super) struct View<'d> {
    pub(super) db: &'d Db,
    session: ClientSession,
    /// Number of the environment.
    pub(super) env: i64,
    pub(super) revision: Revision,
    /// What is known of the environment.
    pub(super) moment: Arc<Moment>,
}

/// Which documents of a collection, in which order.
pub(super) struct Ask {
    pub(super) collection: &'static str,
    pub(super) filter: Document,
    /// The index that finds them, where it is known.
    pub(super) hint: Option<&'static str>,
    /// The fields that they are ordered by.
    pub(super) order: &'static [&'static str],
    /// Whether the index gives them in that order.
    pub(super) in_order: bool,
    /// Fields that are not needed, or those that are.
    pub(super) projection: Document,
}

/// Things found by key, each with its own error. May hold more than was asked for.
pub(super) struct Found<K, T>(BTreeMap<K, Result<T, StoreError>>);

impl<K: Ord, T: Clone> Found<K, T> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Reads the content of a document. Only an unreadable key ends the search.
    fn take(
        &mut self,
        doc: &RawDocument,
        key: fn(&RawDocument) -> Result<K, StoreError>,
        read: fn(&RawDocument) -> Result<T, StoreError>,
    ) -> Result<bool, StoreError> {
        self.0.insert(key(doc)?, read(doc));
        Ok(true)
    }

    /// One of them.
    pub(super) fn get(&self, key: &K) -> Option<Result<T, StoreError>> {
        self.0.get(key).map(|found| found.as_ref().cloned().map_err(repeat))
    }

    /// Several in the order asked; missing ones are left out.
    pub(super) fn in_order(&self, keys: &[K]) -> Result<Vec<T>, StoreError> {
        keys.iter().filter_map(|key| self.get(key)).collect()
    }
}

impl<'d> View<'d> {
    /// Reads a revision of an environment as it was at a moment.
    pub(super) async fn new(db: &'d Db, moment: &Arc<Moment>, revision: Revision) -> Result<Self, StoreError> {
        let session = db.snapshot(Some(moment.time)).await?;
        Ok(Self { db, session, env: moment.state.env, revision, moment: Arc::clone(moment) })
    }

    /// Looks at an environment, at its current revision.
    pub(super) async fn of(db: &'d Arc<Db>, name: &str) -> Result<Self, StoreError> {
        Self::at(db, name, None).await
    }

    /// Looks at a revision; the current one if none is named.
    pub(super) async fn at(db: &'d Arc<Db>, name: &str, at: Option<Revision>) -> Result<Self, StoreError> {
        let moment = round::moment(db, name).await?;
        let revision = moment.state.revision(name, at)?;
        Self::new(db, &moment, revision).await
    }

    /// Looks at the revision of a page: the one its cursor names.
    pub(super) async fn page(
        db: &'d Arc<Db>,
        name: &str,
        at: Option<Revision>,
        page: &Page,
        parts: usize,
    ) -> Result<(Self, Option<Vec<Str>>), StoreError> {
        let Some(cursor) = &page.after else { return Ok((Self::at(db, name, at).await?, None)) };
        let (revision, place) = open_cursor(cursor, parts)?;
        if at.is_some_and(|at| at != revision) {
            return Err(StoreError::invalid(format!(
                "the cursor belongs to revision {revision}; it cannot go on at another one"
            )));
        }
        Ok((Self::at(db, name, Some(revision)).await?, Some(place)))
    }

    /// Looks at another revision of the same environment.
    pub(super) fn go(&mut self, name: &str, revision: Revision) -> Result<(), StoreError> {
        self.revision = self.moment.state.revision(name, Some(revision))?;
        Ok(())
    }

    /// Which versions count at this revision.
    pub(super) fn visible(&self) -> Document {
        let revision = to_db(self.revision);
        doc! { "env": self.env, "rev_from": { "$lte": revision }, "rev_to": { "$gt": revision } }
    }

    /// Which scopes and members are current.
    pub(super) fn current_scopes(&self) -> Document {
        let seq = self.moment.state.seq;
        doc! { "env": self.env, "seq_from": { "$lte": seq }, "seq_to": { "$gt": seq } }
    }

    /// Hands over the documents that are found, until `take` wants no more.
    pub(super) async fn each(
        &mut self,
        ask: &Ask,
        limit: Option<usize>,
        skip: usize,
        take: &mut (dyn FnMut(&RawDocument) -> Result<bool, StoreError> + Send),
    ) -> Result<(), StoreError> {
        let action = "find documents";
        let db = self.db;
        let collection = db.at_snapshot(ask.collection);
        let mut find = collection.find(ask.filter.clone()).projection(ask.projection.clone());
        if !ask.order.is_empty() {
            find = find.sort(ask.order.iter().map(|field| ((*field).to_owned(), Bson::Int32(1))).collect::<Document>());
        }
        if let Some(name) = ask.hint {
            find = find.hint(Hint::Name(name.to_owned()));
        }
        if let Some(limit) = limit {
            find = find.limit(i64::try_from(limit).unwrap_or(i64::MAX));
        }
        if skip > 0 {
            find = find.skip(skip as u64);
        }
        if !ask.in_order {
            find = find.allow_disk_use(true);
        }
        let piece = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(PIECE).clamp(1, PIECE);
        let mut found = find.batch_size(piece).session(&mut self.session).batch().await.doing(db, action)?;
        let mut pieces = found.stream(&mut self.session);
        while let Some(piece) = pieces.next().await {
            let piece = piece.doing(db, action)?;
            for doc in piece.doc_slices().doing(db, action)? {
                let doc = doc.ok().and_then(|doc| doc.as_document()).ok_or_else(|| codec::damaged("cursor"))?;
                if !take(doc)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One page of what is found.
    pub(super) async fn paged<T: Send>(
        &mut self,
        ask: Ask,
        after: Option<Vec<Str>>,
        page: &Page,
        read: &(dyn Fn(&RawDocument) -> Result<T, StoreError> + Sync),
        fits: Option<&(dyn Fn(&T) -> bool + Sync)>,
        place: fn(&T) -> Vec<&Str>,
    ) -> Result<Paged<T>, StoreError> {
        let limit = page.limit.max(1);
        let mut items: Vec<T> = Vec::new();
        let mut more = false;
        let asks = match &after {
            Some(after) => follow(ask, after),
            None => vec![ask],
        };
        // Nothing is left out here, so the server itself can skip them.
        let at_server = fits.is_none() && asks.len() == 1;
        let mut skip = if at_server { 0 } else { page.skip };
        for ask in &asks {
            let left = fits.is_none().then(|| (limit - items.len()).saturating_add(1).saturating_add(skip));
            self.each(ask, left, if at_server { page.skip } else { 0 }, &mut |doc| {
                let item = read(doc)?;
                if fits.is_some_and(|fits| !fits(&item)) {
                    return Ok(true);
                }
                if skip > 0 {
                    skip -= 1;
                    return Ok(true);
                }
                more = items.len() == limit;
                if !more {
                    items.push(item);
                }
                Ok(!more)
            })
            .await?;
            if more {
                break;
            }
        }
        let next = items.last().filter(|_| more).map(|last| cursor(self.revision, &place(last)));
        Ok(Paged { revision: self.revision, items, next })
    }

    /// The types that objects of an environment have, at whatever revision, and perhaps more; sorted.
    pub(super) async fn types(&mut self) -> Result<Arc<[Str]>, StoreError> {
        let (env, current) = (self.env, self.moment.state.current);
        // While the revision stays, no type is added.
        let known = self.db.types.lock().unwrap_or_else(PoisonError::into_inner).get(&env).cloned();
        if let Some((_, types)) = known.filter(|(revision, _)| *revision == current) {
            return Ok(types);
        }
        let found = self
            .db
            .at_snapshot(INVENTORY)
            .distinct("type", doc! { "env": env })
            .session(&mut self.session)
            .await
            .doing(self.db, "list types")?;
        let mut types: Vec<Str> = found.iter().filter_map(Bson::as_str).map(Str::from).collect();
        types.sort_unstable();
        let types = Arc::from(types);
        let mut all = self.db.types.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(env, (current, Arc::clone(&types)));
        Ok(types)
    }

    /// Hands over the documents whose type and id are among some keys; others, too, whose type one key has and whose id
    /// another.
    pub(super) async fn each_of(
        &mut self,
        ask: Ask,
        [object_type, id]: [&str; 2],
        keys: &BTreeSet<&ObjectKey>,
        take: &mut (dyn FnMut(&RawDocument) -> Result<bool, StoreError> + Send),
    ) -> Result<(), StoreError> {
        let keys: Vec<&ObjectKey> = keys.iter().copied().collect();
        for keys in keys.chunks(KEYS) {
            let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for key in keys {
                ids.entry(&key.object_type).or_default().push(&key.id);
            }
            let mut types: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
            for (object_type, ids) in ids {
                types.entry(ids).or_default().push(object_type);
            }
            // Each branch repeats all conditions, so that its index can be used.
            let branches = types.into_iter().map(|(ids, types)| {
                let mut filter = ask.filter.clone();
                filter.insert(object_type, one_of(&types));
                filter.insert(id, one_of(&ids));
                filter
            });
            let filter = any_of(branches.collect());
            self.each(&Ask { filter, projection: ask.projection.clone(), ..ask }, None, 0, take).await?;
        }
        Ok(())
    }

    /// The answers of a pipeline.
    pub(super) async fn aggregate(
        &mut self,
        collection: &str,
        pipeline: Vec<Document>,
        hint: &'static str,
    ) -> Result<Vec<Document>, StoreError> {
        let mut found = self
            .db
            .at_snapshot(collection)
            .aggregate(pipeline)
            .hint(Hint::Name(hint.to_owned()))
            .session(&mut self.session)
            .await
            .doing(self.db, "count")?;
        let mut all = Vec::new();
        while let Some(doc) = found.next(&mut self.session).await {
            all.push(doc.doing(self.db, "count")?);
        }
        Ok(all)
    }
}

/// A condition that a text is one of some.
pub(super) fn one_of(texts: &[&str]) -> Bson {
    match texts {
        [text] => Bson::from(*text),
        texts => Bson::Document(doc! { "$in": texts }),
    }
}

/// The condition that one of some holds.
pub(super) fn any_of(mut branches: Vec<Document>) -> Document {
    match branches.len() {
        1 => branches.remove(0),
        _ => doc! { "$or": branches },
    }
}

/// Queries whose results, one after the other, follow a position in the order.
fn follow(ask: Ask, after: &[Str]) -> Vec<Ask> {
    // One level of the order after the other, the innermost first: (a, b) > (x, y) is a = x and b > y, then a > x.
    let levels: Vec<Document> = (0..ask.order.len())
        .rev()
        .map(|level| {
            let mut filter = Document::new();
            for (field, value) in ask.order.iter().zip(after).take(level) {
                filter.insert(*field, &**value);
            }
            if let (Some(field), Some(value)) = (ask.order.get(level), after.get(level)) {
                filter.insert(*field, doc! { "$gt": &**value });
            }
            filter
        })
        .collect();
    let with = |filter: Document| Ask { filter, projection: ask.projection.clone(), ..ask };
    if ask.in_order {
        return levels.into_iter().map(|level| with(doc! { "$and": [ask.filter.clone(), level] })).collect();
    }
    let after = doc! { "$or": levels };
    vec![with(match ask.filter.get_array("$or") {
        // Each branch has an index of its own, so each gets the condition.
        Ok(branches) => {
            let branches: Vec<Document> =
                branches.iter().map(|branch| doc! { "$and": [branch.clone(), after.clone()] }).collect();
            doc! { "$or": branches }
        }
        Err(_) => doc! { "$and": [ask.filter.clone(), after] },
    })]
}

/// The readable revisions, oldest first.
pub(super) async fn revisions(db: &Arc<Db>, name: &str) -> Result<Vec<RevisionInfo>, StoreError> {
    let mut view = View::of(db, name).await?;
    let ask = Ask {
        collection: REVISIONS,
        filter: doc! { "env": view.env, "revision": { "$gte": to_db(view.moment.state.oldest) } },
        hint: Some("by_number"),
        order: &["revision"],
        in_order: true,
        projection: Document::new(),
    };
    let mut all = Vec::new();
    let count = |doc: &RawDocument, field: &str| codec::number(doc, field).map(|n| u64::try_from(n).unwrap_or(0));
    let counts = |doc: &RawDocument, field: &str| -> Result<Counts, StoreError> {
        let counts = doc.get_document(field).map_err(|_| codec::damaged(field))?;
        Ok(Counts {
            objects: count(counts, "objects")?,
            links: count(counts, "links")?,
            cliques: count(counts, "cliques")?,
        })
    };
    view.each(&ask, None, 0, &mut |doc| {
        all.push(RevisionInfo {
            revision: count(doc, "revision")?,
            at: codec::text(doc, "at")?.into(),
            note: codec::text(doc, "note")?.into(),
            written: counts(doc, "written")?,
            removed: counts(doc, "removed")?,
        });
        Ok(true)
    })
    .await?;
    Ok(all)
}
