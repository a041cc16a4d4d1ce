//! One commit: differences are written in batches that no reader sees, and then the environment moves to its next revision.
//!
//! A small commit is one transaction. A large one passes *gates*: before anything is written, the commit puts its own id
//! into one document per lane, and every batch is a transaction that also writes the document of its lane, on condition
//! that this id still stands there. The next commit puts another id there, and from then on no batch of the
//! earlier commit can come through, however late it is sent. What it left is found by its id and removed.

pub(super) mod clique;
pub(super) mod gate;
pub(super) mod link;
pub(super) mod object;
mod row;
pub(super) mod scope;
pub(super) mod sweep;
mod transaction;

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use calipso_model::{Revision, Str};
use futures::{TryStreamExt, future::try_join_all};
use mongodb::bson::{Document, RawDocumentBuf, doc, oid::ObjectId};
use tokio::sync::OnceCell;

pub(super) use sweep::sweep_all;

use crate::{
    commit::Commit,
    error::StoreError,
    form,
    mongo::{
        commit::{gate::Gates, scope::update, transaction::Finish},
        db::Db,
        environment::{self, to_db},
        fault::Doing,
        index::{CLIQUES, ENVIRONMENTS, INVENTORY, LINKS, MEMBERS, SCOPES},
    },
    store::{Counts, Lease, Searched},
};

/// Number of items of a delta that are compared with the stored ones in one query.
const PIECE: usize = 1_000;

/// Maximum number of bytes in one batch.
const BATCH_BYTES: usize = 6 << 20;

/// Collections of versions, with the fields that say from and to which revision (or sequence) one counts.
pub(super) const VERSIONS: &[(&str, &str, &str)] = &[
    (INVENTORY, "rev_from", "rev_to"),
    (LINKS, "rev_from", "rev_to"),
    (CLIQUES, "rev_from", "rev_to"),
    (SCOPES, "seq_from", "seq_to"),
    (MEMBERS, "seq_from", "seq_to"),
];

/// Where a commit writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommitContext<'w> {
    /// Name of the environment.
    pub(super) environment: &'w str,
    /// Number of the environment.
    pub(super) env: i64,
    /// The revision that it starts from.
    pub(super) base: i64,
    /// The revision that it makes.
    pub(super) revision: i64,
    /// The sequence that is current before it.
    pub(super) seq: i64,
    /// Its own id, which every version that it writes or ends carries.
    pub(super) commit: ObjectId,
    /// Fields that search looks at beside names.
    pub(super) searched: &'w Searched,
}

impl CommitContext<'_> {
    /// Which versions are current where this commit starts.
    pub(super) fn current(&self) -> Document {
        doc! { "env": self.env, "rev_from": { "$lte": self.base }, "rev_to": { "$gt": self.base } }
    }

    /// Which scopes and members are current where this commit starts.
    pub(super) fn current_scopes(&self) -> Document {
        doc! { "env": self.env, "seq_from": { "$lte": self.seq }, "seq_to": { "$gt": self.seq } }
    }
}

/// What is to be written to one collection.
#[derive(Debug)]
pub(super) struct Writes {
    /// The place of the collection in [`VERSIONS`].
    pub(super) kind: usize,
    pub(super) inserts: Vec<RawDocumentBuf>,
    /// Versions that end.
    pub(super) ends: Vec<ObjectId>,
    /// What is counted of it.
    pub(super) tally: Tally,
}

/// Places of the collections in [`VERSIONS`].
pub(super) const OBJECT: usize = 0;
pub(super) const LINK: usize = 1;
pub(super) const CLIQUE: usize = 2;
pub(super) const SCOPE: usize = 3;
/// Of their members.
pub(super) const MEMBER: usize = 4;

impl Writes {
    pub(super) fn new(kind: usize) -> Self {
        Self { kind, inserts: Vec::new(), ends: Vec::new(), tally: Tally::default() }
    }

    fn is_empty(&self) -> bool {
        self.inserts.is_empty() && self.ends.is_empty()
    }

    fn documents(&self) -> usize {
        self.inserts.len() + self.ends.len()
    }

    fn bytes(&self) -> usize {
        self.inserts.iter().map(|doc| doc.as_bytes().len()).sum()
    }

    /// Cuts it into pieces of at most `most` documents. The tally goes with the first piece.
    fn pieces(self, most: usize) -> Vec<Self> {
        if self.documents() <= most && self.bytes() <= BATCH_BYTES {
            return vec![self];
        }
        let mut pieces = Vec::new();
        let mut piece = Self { tally: self.tally, ..Self::new(self.kind) };
        let mut bytes = 0;
        for doc in self.inserts {
            if piece.documents() >= most.max(1) || (bytes > 0 && bytes + doc.as_bytes().len() > BATCH_BYTES) {
                pieces.push(std::mem::replace(&mut piece, Self::new(self.kind)));
                bytes = 0;
            }
            bytes += doc.as_bytes().len();
            piece.inserts.push(doc);
        }
        for id in self.ends {
            if piece.documents() >= most.max(1) {
                pieces.push(std::mem::replace(&mut piece, Self::new(self.kind)));
            }
            piece.ends.push(id);
        }
        pieces.push(piece);
        pieces
    }
}

/// How many things were written and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// New and changed.
    pub(super) written: Counts,
    pub(super) removed: Counts,
}

impl Tally {
    fn add(&mut self, other: Self) {
        for (sum, more) in [(&mut self.written, other.written), (&mut self.removed, other.removed)] {
            sum.objects += more.objects;
            sum.links += more.links;
            sum.cliques += more.cliques;
        }
    }
}

/// A part of a change that is compared with what is stored, and then written.
enum Part<'w> {
    Objects(&'w [object::Item<'w>]),
    Links(&'w [link::Item<'w>]),
    Cliques(&'w [clique::Item<'w>]),
    Scope(scope::Item<'w>),
    Updates(&'w [update::Update<'w>]),
    Ready(Writes),
}

impl Part<'_> {
    async fn prepare(self, db: &Db, context: CommitContext<'_>) -> Result<Vec<Writes>, StoreError> {
        match self {
            Self::Objects(items) => Ok(vec![object::prepare(db, context, items).await?]),
            Self::Links(items) => Ok(vec![link::prepare(db, context, items).await?]),
            Self::Cliques(items) => Ok(vec![clique::prepare(db, context, items).await?]),
            Self::Scope(item) => scope::prepare(db, context, item).await,
            Self::Updates(updates) => update::prepare(db, context, updates).await,
            Self::Ready(writes) => Ok(vec![writes]),
        }
    }
}

/// Says by what objects are found, and makes what is current fit it. Done again it does the same, so it may break off.
pub(super) async fn search_by(db: &Db, lease: &Lease, searched: &Searched) -> Result<(), StoreError> {
    let name = &*lease.environment;
    let _turn = db.turn(name).await;
    let state = environment::state(db, name).await?;
    environment::guard_lease(&state, lease)?;
    if state.searched == *searched {
        return Ok(());
    }
    let types: BTreeSet<&Str> = state.searched.keys().chain(searched.keys()).collect();
    for object_type in types.into_iter().filter(|name| state.searched.get(*name) != searched.get(*name)) {
        object::find_by(db, &state, object_type, searched).await?;
    }
    // Last, so that the next attempt begins again after one that broke off.
    let said = db
        .at(ENVIRONMENTS)
        .update_one(
            doc! { "_id": name, "fence": to_db(lease.fence) },
            doc! { "$set": { "searched": form::searched_text(searched) } },
        )
        .await
        .doing(db, "say what is searched")?;
    if said.matched_count == 0 {
        return Err(StoreError::LeaseLost { environment: lease.environment.clone() });
    }
    Ok(())
}

/// Commits, or changes nothing that anybody sees. Everything goes, if that is what is wanted.
pub(super) async fn commit(db: &Db, work: &Commit<'_>, clear: bool) -> Result<Revision, StoreError> {
    form::check(work)?;
    let at_millis = form::millis(&work.info.at)?;
    let objects = object::items(work.delta)?;
    let links = link::items(work.delta)?;
    let cliques = clique::items(work.delta)?;
    let _turn = db.turn(work.environment).await;
    let state = db.within(environment::state(db, work.environment)).await?;
    environment::guard(&state, work.environment, work.base, work.lease)?;
    let context = CommitContext {
        environment: work.environment,
        env: state.env,
        base: to_db(work.base),
        revision: to_db(work.base + 1),
        seq: state.seq,
        commit: ObjectId::new(),
        searched: &state.searched,
    };
    let finish = Finish { work, context, at_millis };
    let scopes = work.scopes;
    let updates = db.within(update::find(db, context, &scopes.update)).await?;

    let mut parts: Vec<Part<'_>> = Vec::new();
    if clear {
        parts.extend(everything(db, context).await?.into_iter().map(Part::Ready));
    }
    parts.extend(objects.chunks(PIECE).map(Part::Objects));
    parts.extend(links.chunks(PIECE).map(Part::Links));
    parts.extend(cliques.chunks(PIECE).map(Part::Cliques));
    parts.extend(scopes.remove.iter().map(|key| Part::Scope(scope::Item::Remove(key))));
    parts.extend(scopes.put.iter().map(|record| Part::Scope(scope::Item::Put(record))));
    parts.extend(updates.chunks(PIECE).map(Part::Updates));
    let members: usize = scopes.put.iter().map(|record| record.members.len() + 1).sum();
    let changed: usize = updates.iter().map(update::Update::size).sum();
    let size = objects.len() + links.len() + cliques.len() + scopes.remove.len() + members + changed;

    if !clear && size <= db.options.at_once && state.unfinished.is_empty() {
        let mut ready = Vec::new();
        for part in parts {
            ready.extend(part.prepare(db, context).await?.into_iter().filter(|writes| !writes.is_empty()));
        }
        if ready.is_empty() && work.rows.is_empty() {
            return Ok(work.base);
        }
        let fits = ready.iter().map(Writes::documents).sum::<usize>() <= db.options.at_once.saturating_mul(2)
            && ready.iter().map(Writes::bytes).sum::<usize>() <= BATCH_BYTES;
        if fits {
            let mut tally = Tally::default();
            ready.iter().for_each(|writes| tally.add(writes.tally));
            let revision = finish.run(db, tally, &ready, None).await?;
            return tidy(db, context, revision, clear || !scopes.is_empty()).await;
        }
        parts = ready.into_iter().map(Part::Ready).collect();
    }

    // The last step checks again; nothing is written yet.
    db.within(row::check(db, work.rows)).await?;
    let gates: OnceCell<Gates> = OnceCell::new();
    let tally = Mutex::new(Tally::default());
    let parts = Mutex::new(parts.into_iter());
    let lanes = db.options.lanes.clamp(1, environment::MOST_LANES);
    let lane = async |lane: usize| -> Result<(), StoreError> {
        loop {
            let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(part) = next else { return Ok(()) };
            for writes in db.within(part.prepare(db, context)).await? {
                if writes.is_empty() {
                    continue;
                }
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(writes.tally);
                // Nothing is begun until something differs.
                let gates = gates.get_or_try_init(|| gate::open(db, work, context)).await?;
                for piece in writes.pieces(db.options.batch) {
                    gates.write(db, work, context, lane, &piece).await?;
                }
            }
        }
    };
    try_join_all((0..lanes).map(lane)).await?;
    if gates.get().is_none() {
        if work.rows.is_empty() {
            return Ok(work.base);
        }
        // Only the last step, after the leftovers of earlier commits are removed.
        gates.get_or_try_init(|| gate::open(db, work, context)).await?;
    }
    let tally = *tally.lock().unwrap_or_else(PoisonError::into_inner);
    let revision = finish.run(db, tally, &[], Some(context.commit)).await?;
    tidy(db, context, revision, clear || !scopes.is_empty()).await
}

/// The ends of everything that is current.
async fn everything(db: &Db, context: CommitContext<'_>) -> Result<Vec<Writes>, StoreError> {
    let mut all = Vec::new();
    for (kind, (collection, _, _)) in VERSIONS.iter().enumerate() {
        let filter = if kind < SCOPE { context.current() } else { context.current_scopes() };
        let mut found =
            db.at(collection).find(filter).projection(doc! { "_id": 1 }).await.doing(db, "look for all there is")?;
        let mut writes = Writes::new(kind);
        while let Some(doc) = found.try_next().await.doing(db, "look for all there is")? {
            writes.ends.push(crate::mongo::codec::id(&doc, "_id")?);
        }
        let gone = writes.ends.len() as u64;
        match kind {
            OBJECT => writes.tally.removed.objects = gone,
            LINK => writes.tally.removed.links = gone,
            CLIQUE => writes.tally.removed.cliques = gone,
            _ => {}
        }
        all.extend(writes.pieces(db.options.batch));
    }
    Ok(all)
}

/// Removes versions of scopes that no reader can ask for any more. A failure does no harm: the next commit tries again.
async fn tidy(db: &Db, context: CommitContext<'_>, revision: Revision, scopes: bool) -> Result<Revision, StoreError> {
    if scopes {
        for collection in [SCOPES, MEMBERS] {
            let past = doc! { "env": context.env, "seq_to": { "$lte": context.seq + 1 } };
            if let Err(error) = db.at(collection).delete_many(past).await.doing(db, "remove old scopes") {
                tracing::warn!(%error, "Old versions of scopes could not be removed yet.");
            }
        }
    }
    Ok(revision)
}
