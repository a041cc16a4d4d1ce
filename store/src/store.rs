//! The trait that every store implements.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use calipso_model::{Clique, Environment, Link, LinkRef, Object, ObjectKey, Revision, Str, Value};

use crate::{
    commit::{Commit, CommitInfo},
    error::StoreError,
    health::{IntegrityReport, StoreHealth},
    query::{CliqueQuery, LinkQuery, Page, Paged, Query},
    scope::{ScopeKey, ScopeRecord},
};

/// The right to write one environment, for a while.
///
/// # Shape
/// `fence` grows each time the environment changes hands; a writer whose number is no longer the newest is refused, however
/// late it wakes up. A lease that ran out, but that nobody took over, is still good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Name of the environment.
    pub environment: Str,
    /// Who holds it, for messages.
    pub holder: Str,
    /// The fencing number.
    pub fence: u64,
    /// When it runs out, in milliseconds since 1970 UTC.
    pub until_millis: i64,
}

/// By what objects are found beside names: by object type, fields of the document, or paths into it with dots, which lead
/// through lists.
pub type Searched = BTreeMap<Str, Vec<Str>>;

/// What a writer believes to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whatever there is.
    #[default]
    Anything,
    /// Nothing of that name.
    Nothing,
    /// The row must be there in this version.
    Version(u64),
}

/// How many objects, links and cliques.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of objects.
    pub objects: u64,
    /// Number of links.
    pub links: u64,
    /// Number of cliques.
    pub cliques: u64,
}

/// One readable revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionInfo {
    /// Counts from 1 within the environment.
    pub revision: Revision,
    /// When it was committed, RFC 3339.
    pub at: Str,
    /// Why, for people.
    pub note: Str,
    /// How much it wrote anew.
    pub written: Counts,
    /// How much it took away.
    pub removed: Counts,
}

/// How one thing differs between two revisions: at least one side is there, and the sides differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<T> {
    /// At the first revision.
    pub before: Option<T>,
    /// At the second revision.
    pub after: Option<T>,
}

/// An object with its scopes.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeObject {
    /// Type and id of the object.
    pub key: ObjectKey,
    /// Its whole document as JSON text, keys sorted.
    pub json: String,
    /// The scopes that it is a member of, by key, each with this object's members only.
    pub scopes: Vec<ScopeRecord>,
}

/// A clique with all that it names, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeClique {
    /// The clique itself, as keys.
    pub clique: Clique,
    /// Its links; missing ones are left out.
    pub links: Vec<Link>,
    /// Its objects; missing ones are left out.
    pub objects: Vec<Object>,
}

/// Everything that differs between two revisions, each list in key order (links by source, link type, target).
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// The first revision.
    pub from: Revision,
    /// The second revision.
    pub to: Revision,
    /// Differing objects, by type and id.
    pub objects: Vec<Change<Object>>,
    /// Differing links, by source, link type and target.
    pub links: Vec<Change<Link>>,
    /// Differing cliques, by focal point.
    pub cliques: Vec<Change<Clique>>,
}

impl Diff {
    /// Whether the revisions are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.links.is_empty() && self.cliques.is_empty()
    }
}

/// Which revisions retention leaves readable. The current one always stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// This number of the newest ones.
    Last(u64),
    /// Whatever was current at this time (RFC 3339) or later.
    Since(Str),
}

/// What retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The oldest revision that is still readable.
    pub oldest: Revision,
    /// How many revisions went away.
    pub revisions: u64,
}

/// Number of a report within its environment; later ones are larger.
pub type ReportId = u64;

/// A report without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportEntry {
    /// Counts from 1 within the environment.
    pub id: ReportId,
    /// When it was made, RFC 3339.
    pub at: Str,
    /// The revision it is about.
    pub revision: Revision,
}

/// What takes a stream, piece by piece; an error ends the stream and is handed on.
pub type Sink<'a, T> = &'a mut (dyn FnMut(Vec<T>) -> Result<(), StoreError> + Send);

/// How many things a stream hands over in one piece.
const PIECE: usize = 4_096;

/// Hands page after page to a sink; all are of the revision of the first.
macro_rules! stream {
    ($self:ident, $environment:ident, $at:ident, $sink:ident, $ask:ident, $query:expr) => {{
        let mut page = Page::first(PIECE);
        loop {
            let at = if page.after.is_none() { $at } else { None };
            let answer = $self.$ask($environment, at, &$query, &page).await?;
            if !answer.items.is_empty() {
                $sink(answer.items)?;
            }
            match answer.next {
                Some(next) => page = Page::after(next, PIECE),
                None => return Ok(answer.revision),
            }
        }
    }};
}

/// A store: environments, and of each one its revisions, scopes and reports.
///
/// # Shape
/// An environment starts at revision 0, which is empty. `at: None` means the current revision. Reading never waits for
/// writing. Whatever names an environment fails with [`StoreError::NotFound`] when there is none of that name, and whatever
/// names a revision with [`StoreError::NoRevision`] when it cannot be read.
#[async_trait]
pub trait Store: Send + Sync {
    /// Creates an environment or replaces its configuration; its inventory stays. Returns the version of the configuration,
    /// which grows with each change and is never used again, not even for another environment of the name.
    ///
    /// # Errors
    /// [`StoreError::Exists`] or [`StoreError::Changed`] when it is not what is expected.
    async fn put_environment(&self, environment: &Environment, expect: Expect) -> Result<u64, StoreError>;

    /// The configuration of an environment.
    async fn environment(&self, name: &str) -> Result<Environment, StoreError> {
        Ok(self.versioned_environment(name).await?.0)
    }

    /// The configuration of an environment and its version.
    async fn versioned_environment(&self, name: &str) -> Result<(Environment, u64), StoreError>;

    /// The health of the store as of its last answers.
    async fn health(&self) -> StoreHealth;

    /// Reads everything that is stored and lists what is damaged.
    ///
    /// # Errors
    /// The store cannot be read at all.
    async fn check(&self) -> Result<IntegrityReport, StoreError>;

    /// The number that an environment got when it was made. One that is removed and made again under its name has another.
    async fn made(&self, environment: &str) -> Result<u64, StoreError>;

    /// All environments, by name.
    async fn environments(&self) -> Result<Vec<Environment>, StoreError>;

    /// Removes an environment with all that belongs to it.
    ///
    /// # Errors
    /// [`StoreError::LeaseHeld`] while somebody holds its lease at `now_millis`.
    async fn remove_environment(&self, name: &str, now_millis: i64) -> Result<(), StoreError>;

    /// Takes the lease of an environment if it is free or has run out.
    ///
    /// # Units
    /// `now_millis` in milliseconds since 1970 UTC.
    /// # Errors
    /// [`StoreError::LeaseHeld`] while another call's lease runs, the same holder's included.
    async fn acquire(
        &self,
        environment: &str,
        holder: &str,
        now_millis: i64,
        ttl: Duration,
    ) -> Result<Lease, StoreError>;

    /// Makes a lease last longer; the fencing number stays.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when somebody took it over.
    async fn renew(&self, lease: &Lease, now_millis: i64, ttl: Duration) -> Result<Lease, StoreError>;

    /// Gives a lease back. A lease that is already lost is no error.
    async fn release(&self, lease: &Lease) -> Result<(), StoreError>;

    /// Commits what changed since a revision, all or nothing. Returns the revision that is then current: that same one when
    /// nothing in the delta differs from what is stored (scopes and rows are saved all the same).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the revision is not current, [`StoreError::LeaseLost`]. [`StoreError::Exists`] or
    /// [`StoreError::Changed`] with the row that is not as expected. [`StoreError::Invalid`], also when a scope is to be updated
    /// that is not stored.
    async fn commit(&self, commit: &Commit<'_>) -> Result<Revision, StoreError>;

    /// Commits a revision without any object, link or clique, and forgets all scopes. Earlier revisions stay readable.
    /// Returns the revision that is then current: `base` itself when it was empty already.
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn clear(
        &self,
        environment: &str,
        base: Revision,
        lease: &Lease,
        info: &CommitInfo,
    ) -> Result<Revision, StoreError>;

    /// The current revision.
    async fn current(&self, environment: &str) -> Result<Revision, StoreError>;

    /// All readable revisions, oldest first; the empty revision 0 is not listed.
    async fn revisions(&self, environment: &str) -> Result<Vec<RevisionInfo>, StoreError>;

    /// The readable revisions after one, oldest first, up to a limit.
    async fn revisions_after(
        &self,
        environment: &str,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<RevisionInfo>, StoreError> {
        let all = self.revisions(environment).await?;
        Ok(all.into_iter().filter(|known| known.revision > after).take(limit).collect())
    }

    /// How much there is at a revision, per object type, link type, and clique type.
    async fn counts(&self, environment: &str, at: Option<Revision>) -> Result<CountsByType, StoreError>;

    /// The object of a key; nothing when there is none at that revision.
    async fn object(
        &self,
        environment: &str,
        at: Option<Revision>,
        key: &ObjectKey,
    ) -> Result<Option<Object>, StoreError> {
        Ok(self.objects_by_key(environment, at, std::slice::from_ref(key)).await?.pop())
    }

    /// Several objects at one revision, in the order asked; missing ones are left out.
    async fn objects_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[ObjectKey],
    ) -> Result<Vec<Object>, StoreError>;

    /// The objects of an id, whole, with the scopes that each is a member of: one, unless several types have it and none is
    /// named; by type. Scopes are not versioned: they are what is known now. Returns the revision that was read, too.
    async fn whole_objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        id: &str,
        object_type: Option<&str>,
    ) -> Result<(Revision, Vec<WholeObject>), StoreError>;

    /// Objects by type, parent, host, fields or text.
    async fn objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &Query,
        page: &Page,
    ) -> Result<Paged<Object>, StoreError>;

    /// All children of one object, by type and id.
    async fn children(
        &self,
        environment: &str,
        at: Option<Revision>,
        key: &ObjectKey,
    ) -> Result<Vec<Object>, StoreError> {
        let query = Query { parent: Some(key.clone()), ..Query::default() };
        Ok(self.objects(environment, at, &query, &Page::first(usize::MAX)).await?.items)
    }

    /// Links by type, end or host.
    async fn links(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &LinkQuery,
        page: &Page,
    ) -> Result<Paged<Link>, StoreError>;

    /// The link of a key; nothing when there is none at that revision.
    async fn link(&self, environment: &str, at: Option<Revision>, key: &LinkRef) -> Result<Option<Link>, StoreError> {
        Ok(self.links_by_key(environment, at, std::slice::from_ref(key)).await?.pop())
    }

    /// Several links at one revision, in the order asked; missing ones are left out.
    async fn links_by_key(
        &self,
        environment: &str,
        at: Option<Revision>,
        keys: &[LinkRef],
    ) -> Result<Vec<Link>, StoreError>;

    /// The clique of a focal point.
    async fn clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<Option<Clique>, StoreError>;

    /// The clique of a focal point with all its links and objects. Returns the revision that was read, too.
    async fn whole_clique(
        &self,
        environment: &str,
        at: Option<Revision>,
        focal_point: &ObjectKey,
    ) -> Result<(Revision, Option<WholeClique>), StoreError>;

    /// Cliques by type or content.
    async fn cliques(
        &self,
        environment: &str,
        at: Option<Revision>,
        query: &CliqueQuery,
        page: &Page,
    ) -> Result<Paged<Clique>, StoreError>;

    /// Says by which of their fields, beside names, search finds the objects of an environment from now on. What is current
    /// is found by them at once, whoever wrote it; past revisions by what counted then.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`].
    async fn search_by(&self, lease: &Lease, searched: &Searched) -> Result<(), StoreError>;

    /// What a person means who types this: objects with that id first, then those with that name or value (see
    /// [`Store::search_by`]), then those whose id starts with the text, then those of which a name or value contains it in
    /// whatever case (text of one or two characters: starts with it); by
    /// type and id among equals. Of more than some thousand names that fit a store may rank but some.
    async fn search(
        &self,
        environment: &str,
        at: Option<Revision>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Object>, StoreError>;

    /// What differs between two revisions; either may be the newer.
    async fn diff(&self, environment: &str, from: Revision, to: Revision) -> Result<Diff, StoreError>;

    /// All objects at one revision, by type and id. Returns the revision.
    async fn stream_objects(
        &self,
        environment: &str,
        at: Option<Revision>,
        sink: Sink<'_, Object>,
    ) -> Result<Revision, StoreError> {
        stream!(self, environment, at, sink, objects, Query::default())
    }

    /// All links at one revision, by source, link type, target. Returns the revision.
    async fn stream_links(
        &self,
        environment: &str,
        at: Option<Revision>,
        sink: Sink<'_, Link>,
    ) -> Result<Revision, StoreError> {
        stream!(self, environment, at, sink, links, LinkQuery::default())
    }

    /// All cliques at one revision, by focal point. Returns the revision.
    async fn stream_cliques(
        &self,
        environment: &str,
        at: Option<Revision>,
        sink: Sink<'_, Clique>,
    ) -> Result<Revision, StoreError> {
        stream!(self, environment, at, sink, cliques, CliqueQuery::default())
    }

    /// All scopes with their members, by key.
    async fn scopes(&self, environment: &str) -> Result<Vec<ScopeRecord>, StoreError>;

    /// One scope with its members.
    async fn scope(&self, environment: &str, key: &ScopeKey) -> Result<Option<ScopeRecord>, StoreError>;

    /// Every scope that an object is a member of, by key, each with that object's members only.
    async fn scopes_of(&self, environment: &str, key: &ObjectKey) -> Result<Vec<ScopeRecord>, StoreError>;

    /// When each of some objects was found last by a fetcher that asserts it, RFC 3339, in the order asked; nothing for one that
    /// no complete scope asserts. Scopes are not versioned: this is what is known now.
    async fn last_scanned(&self, environment: &str, keys: &[ObjectKey]) -> Result<Vec<Option<Str>>, StoreError> {
        let mut times = Vec::with_capacity(keys.len());
        for key in keys {
            let scopes = self.scopes_of(environment, key).await?;
            times.push(newest_scan(&scopes));
        }
        Ok(times)
    }

    /// Objects of which no scope that asserts them is up to date, and since when (RFC 3339). Scopes are not versioned: this is
    /// what is known now.
    async fn stale(&self, environment: &str) -> Result<BTreeMap<ObjectKey, Str>, StoreError>;

    /// Keeps a report, and of the reports before it the newest `keep - 1`.
    async fn put_report(
        &self,
        environment: &str,
        at: &str,
        revision: Revision,
        body: &Value,
        keep: usize,
    ) -> Result<ReportId, StoreError>;

    /// The reports, newest first.
    async fn reports(&self, environment: &str) -> Result<Vec<ReportEntry>, StoreError>;

    /// The body of a report.
    async fn report(&self, environment: &str, id: ReportId) -> Result<Value, StoreError>;

    /// Makes old revisions unreadable and frees what only they held.
    async fn prune(&self, environment: &str, keep: &Keep) -> Result<Pruned, StoreError>;
}

/// When an object was found last, by the scopes that it is a member of.
#[must_use]
pub fn newest_scan(scopes: &[ScopeRecord]) -> Option<Str> {
    scopes
        .iter()
        .filter(|scope| !scope.scanned_at.is_empty() && scope.members.iter().any(|member| member.asserts))
        .map(|scope| scope.scanned_at.clone())
        .max()
}

/// Since when what is known of an object may be out of date, by the scopes that it is a member of; nothing while one that
/// asserts it is complete.
#[must_use]
pub(crate) fn stale_since(scopes: &[ScopeRecord]) -> Option<Str> {
    let asserting = || scopes.iter().filter(|scope| scope.members.iter().any(|member| member.asserts));
    if asserting().any(|scope| scope.complete) {
        return None;
    }
    asserting().map(|scope| scope.stale_since.clone().unwrap_or_else(|| scope.tried_at.clone())).max()
}

/// How much there is at a revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CountsByType {
    /// The revision that was counted.
    pub revision: Revision,
    /// Object type to number.
    pub objects: Vec<(Str, u64)>,
    /// Link type to number.
    pub links: Vec<(Str, u64)>,
    /// Clique type to number.
    pub cliques: Vec<(Str, u64)>,
}
