//! Look-ups of many callers at the same time, sent to the server together.
//!
//! A caller that comes while a round runs waits for the next one, shared with all callers that came meanwhile: each
//! answer is as fresh as if it had been asked for alone.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use calipso_model::{Clique, Link, LinkRef, Object, ObjectKey, Revision, Str};
use mongodb::bson::{Timestamp, doc};
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    mongo::{
        codec,
        db::Db,
        environment::{State, without_config},
        fault::{Doing, repeat},
        index::ENVIRONMENTS,
        read::{View, clique, link, object, scope},
    },
    scope::ScopeRecord,
};

/// Maximum number of bytes of the keys of one round. A single request may have more; it then has a round alone.
const MOST_BYTES: usize = 512 * 1024;

/// A round that takes longer than this no longer blocks the next one.
const SLOW: Duration = Duration::from_secs(1);

/// An environment as it was at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    /// What was known of it.
    pub(super) state: State,
    /// The moment, for sessions that see the same.
    pub(super) time: Timestamp,
}

/// Where the answer goes. The caller may have given up.
type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Things that are looked for by key at one revision.
pub(super) struct Wanted<K, T> {
    /// The revision; the current one if none is named.
    pub(super) at: Option<Revision>,
    pub(super) keys: K,
    /// Takes the revision that was read, and what was found.
    pub(super) reply: Reply<(Revision, T)>,
}

/// An id, of one type or of any.
pub(super) struct Named {
    pub(super) id: Str,
    pub(super) object_type: Option<Str>,
}

impl Named {
    /// The keys that may be meant, by type.
    fn candidates<'n>(&'n self, all: &'n [Str]) -> impl Iterator<Item = ObjectKey> {
        let types = self.object_type.as_slice();
        let types = if types.is_empty() { all } else { types };
        types.iter().map(|object_type| ObjectKey { object_type: object_type.clone(), id: self.id.clone() })
    }
}

/// An object and the scopes that it is a member of.
pub(super) type Sighting = (Object, Vec<ScopeRecord>);

/// What one caller wants to know.
pub(super) enum Wish {
    Moment(Reply<Arc<Moment>>),
    Objects(Wanted<Vec<ObjectKey>, Vec<Object>>),
    Links(Wanted<Vec<LinkRef>, Vec<Link>>),
    Clique(Wanted<ObjectKey, Option<Clique>>),
    Sightings(Wanted<Named, Vec<Sighting>>),
}

impl Wish {
    fn bytes(&self) -> usize {
        let key = |key: &ObjectKey| key.object_type.len() + key.id.len();
        match self {
            Self::Moment(_) => 0,
            Self::Objects(wanted) => wanted.keys.iter().map(key).sum(),
            Self::Links(wanted) => wanted.keys.iter().map(|link| key(&link.source) + key(&link.target)).sum(),
            Self::Clique(wanted) => key(&wanted.keys),
            Self::Sightings(wanted) => wanted.keys.id.len(),
        }
    }

    fn refuse(self, error: &StoreError) {
        match self {
            Self::Moment(reply) => send(reply, Err(repeat(error))),
            Self::Objects(wanted) => send(wanted.reply, Err(repeat(error))),
            Self::Links(wanted) => send(wanted.reply, Err(repeat(error))),
            Self::Clique(wanted) => send(wanted.reply, Err(repeat(error))),
            Self::Sightings(wanted) => send(wanted.reply, Err(repeat(error))),
        }
    }
}

fn send<T>(reply: Reply<T>, answer: Result<T, StoreError>) {
    drop(reply.send(answer));
}

/// Who waits, by the name of the environment; of each that is here rounds run.
#[derive(Default)]
pub(super) struct Rounds(Mutex<BTreeMap<String, VecDeque<Wish>>>);

impl Rounds {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Wish>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks in the next round.
pub(super) async fn ask<T>(db: &Arc<Db>, name: &str, wish: impl FnOnce(Reply<T>) -> Wish) -> Result<T, StoreError> {
    let (reply, answer) = oneshot::channel();
    let begins = {
        let mut all = db.rounds.waiting();
        let begins = !all.contains_key(name);
        all.entry(name.to_owned()).or_default().push_back(wish(reply));
        begins
    };
    if begins {
        begin(Arc::clone(db), name.into());
    }
    // A round ends without an answer only with its run-time.
    answer.await.unwrap_or(Err(StoreError::Busy))
}

/// The state of an environment, no older than this call.
pub(super) async fn moment(db: &Arc<Db>, name: &str) -> Result<Arc<Moment>, StoreError> {
    ask(db, name, Wish::Moment).await
}

/// Runs rounds of an environment while callers wait. A task of its own, because a call may be dropped while others wait for the
/// same round.
fn begin(db: Arc<Db>, name: Str) {
    tokio::spawn(Lane { db, name, ended: false }.work());
}

/// One round after the other.
struct Lane {
    db: Arc<Db>,
    name: Str,
    ended: bool,
}

impl Lane {
    async fn work(mut self) {
        loop {
            // Callers that are about to ask, too, come first.
            tokio::task::yield_now().await;
            let Some(wishes) = self.next() else { return };
            let (db, name) = (Arc::clone(&self.db), Arc::clone(&self.name));
            let mut round = std::pin::pin!(run(&db, &name, wishes));
            if tokio::time::timeout(SLOW, &mut round).await.is_err() {
                self.ended = true;
                begin(Arc::clone(&db), Arc::clone(&name));
                // All callers that wait for this one have given up before.
                let time = db.options.answer_timeout;
                return drop(tokio::time::timeout(time, round).await);
            }
        }
    }

    fn next(&mut self) -> Option<Vec<Wish>> {
        let mut all = self.db.rounds.waiting();
        let waiting = all.get_mut(&*self.name)?;
        let (mut wishes, mut bytes) = (Vec::new(), 0);
        while let Some(wish) = waiting.pop_front() {
            bytes += wish.bytes();
            if bytes > MOST_BYTES && !wishes.is_empty() {
                waiting.push_front(wish);
                break;
            }
            wishes.push(wish);
        }
        if wishes.is_empty() {
            self.ended = true;
            all.remove(&*self.name);
            return None;
        }
        Some(wishes)
    }
}

/// However a lane ends, another can begin; callers that still wait ask again.
impl Drop for Lane {
    fn drop(&mut self) {
        if !self.ended {
            self.db.rounds.waiting().remove(&*self.name);
        }
    }
}

/// What is looked for at one revision.
#[derive(Default)]
struct Batch {
    objects: Vec<Wanted<Vec<ObjectKey>, Vec<Object>>>,
    links: Vec<Wanted<Vec<LinkRef>, Vec<Link>>>,
    cliques: Vec<Wanted<ObjectKey, Option<Clique>>>,
    sightings: Vec<Wanted<Named, Vec<Sighting>>>,
}

async fn run(db: &Arc<Db>, name: &str, wishes: Vec<Wish>) {
    let moment = match look(db, name).await {
        Ok(moment) => Arc::new(moment),
        Err(error) => return wishes.into_iter().for_each(|wish| wish.refuse(&error)),
    };
    let mut batches: BTreeMap<Revision, Batch> = BTreeMap::new();
    macro_rules! sort {
        ($wanted:ident, $list:ident) => {
            match moment.state.revision(name, $wanted.at) {
                Ok(revision) => batches.entry(revision).or_default().$list.push($wanted),
                Err(error) => send($wanted.reply, Err(error)),
            }
        };
    }
    for wish in wishes {
        match wish {
            Wish::Moment(reply) => send(reply, Ok(Arc::clone(&moment))),
            Wish::Objects(wanted) => sort!(wanted, objects),
            Wish::Links(wanted) => sort!(wanted, links),
            Wish::Clique(wanted) => sort!(wanted, cliques),
            Wish::Sightings(wanted) => sort!(wanted, sightings),
        }
    }
    for (revision, batch) in batches {
        let point = ReadPoint { db, moment: &moment, revision };
        tokio::join!(
            objects(point, batch.objects),
            links(point, batch.links),
            cliques(point, batch.cliques),
            sightings(point, batch.sightings),
        );
    }
}

/// The state of an environment, and the moment that it is of.
async fn look(db: &Db, name: &str) -> Result<Moment, StoreError> {
    let mut session = db.snapshot(None).await?;
    let found = db
        .at_snapshot(ENVIRONMENTS)
        .find_one(doc! { "_id": name })
        .projection(without_config())
        .session(&mut session)
        .await
        .doing(db, "look up an environment")?
        .ok_or_else(|| StoreError::no_environment(name))?;
    let time = session.snapshot_time().ok_or_else(|| codec::damaged("atClusterTime"))?;
    Ok(Moment { state: State::of(&found)?, time })
}

/// The revision that a part of a round is read at.
#[derive(Clone, Copy)]
struct ReadPoint<'d> {
    db: &'d Arc<Db>,
    moment: &'d Arc<Moment>,
    revision: Revision,
}

impl<'d> ReadPoint<'d> {
    async fn view(self) -> Result<View<'d>, StoreError> {
        View::new(self.db, self.moment, self.revision).await
    }

    /// Gives each caller its part of the result, or the same error.
    fn hand_out<K, T, F>(
        self,
        found: Result<F, StoreError>,
        wanted: Vec<Wanted<K, T>>,
        part: impl Fn(&F, &K) -> Result<T, StoreError>,
    ) {
        for Wanted { keys, reply, .. } in wanted {
            let answer = match &found {
                Ok(found) => part(found, &keys).map(|part| (self.revision, part)),
                Err(error) => Err(repeat(error)),
            };
            send(reply, answer);
        }
    }
}

async fn objects(point: ReadPoint<'_>, wanted: Vec<Wanted<Vec<ObjectKey>, Vec<Object>>>) {
    if wanted.is_empty() {
        return;
    }
    let found = async {
        let keys: BTreeSet<&ObjectKey> = wanted.iter().flat_map(|wanted| &wanted.keys).collect();
        object::by_key(&mut point.view().await?, &keys).await
    };
    let found = found.await;
    point.hand_out(found, wanted, |found, keys| found.in_order(keys));
}

async fn links(point: ReadPoint<'_>, wanted: Vec<Wanted<Vec<LinkRef>, Vec<Link>>>) {
    if wanted.is_empty() {
        return;
    }
    let found = async {
        let keys: BTreeSet<&LinkRef> = wanted.iter().flat_map(|wanted| &wanted.keys).collect();
        link::by_key(&mut point.view().await?, &keys).await
    };
    let found = found.await;
    point.hand_out(found, wanted, |found, keys| found.in_order(keys));
}

async fn cliques(point: ReadPoint<'_>, wanted: Vec<Wanted<ObjectKey, Option<Clique>>>) {
    if wanted.is_empty() {
        return;
    }
    let found = async {
        let keys: BTreeSet<&ObjectKey> = wanted.iter().map(|wanted| &wanted.keys).collect();
        clique::by_key(&mut point.view().await?, &keys).await
    };
    let found = found.await;
    point.hand_out(found, wanted, |found, key| found.get(key).transpose());
}

/// Objects by id, and the scopes that they are members of. Scopes are not versioned: those of the moment are read.
async fn sightings(point: ReadPoint<'_>, wanted: Vec<Wanted<Named, Vec<Sighting>>>) {
    if wanted.is_empty() {
        return;
    }
    let found = async {
        let (mut view, mut beside) = tokio::try_join!(point.view(), point.view())?;
        let is_open = wanted.iter().any(|wanted| wanted.keys.object_type.is_none());
        let types = if is_open { view.types().await? } else { Arc::default() };
        let keys: BTreeSet<ObjectKey> = wanted.iter().flat_map(|wanted| wanted.keys.candidates(&types)).collect();
        let keys = keys.iter().collect();
        let (objects, scopes) =
            tokio::try_join!(object::by_key(&mut view, &keys), scope::by_object(&mut beside, &keys))?;
        Ok((types, objects, scopes))
    };
    let found = found.await;
    point.hand_out(found, wanted, |(types, objects, scopes), named| {
        let sighting = |key: ObjectKey| {
            let object = objects.get(&key)?;
            Some(object.map(|object| (object, scopes.get(&key).cloned().unwrap_or_default())))
        };
        named.candidates(types).filter_map(sighting).collect()
    });
}
