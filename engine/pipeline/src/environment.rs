//! The resident environment: one thing in memory that scans feed and read, so that a change costs what changed.
//!
//! It is a cache of the store, never the only copy: whoever meets a reason for doubt forgets it and boots again. The process that
//! works on it holds the lease of the environment; within it several may contribute at once, each from a view of its own.

mod contributors;
mod lease;
mod parts;
mod residents;
mod unsaved;
mod view;

use std::sync::Arc;

use calipso_derive::{Documents, Graph, NoDocuments, Rules};
use calipso_model::{Delta, Map, ObjectKey, Revision, Value};
use calipso_store::{Backend, Collection, Expect, Lease, RowWrite, ScopeChanges, StoreError, work};

pub(crate) use self::{contributors::Contributor, view::View};
use self::{lease::EnvironmentLease, unsaved::Unsaved};
pub use self::{parts::parts, residents::Residents};
use crate::{
    identity::{Identities, Places},
    known::Known,
    merge::Ticket,
    plan::Plan,
    report::ScanReport,
    scan::{ScanError, ScanMode, at_length},
};

/// One environment in memory.
pub(crate) struct Resident {
    plan: Arc<Plan>,
    ids: Identities,
    /// The number that the store gave to the environment when it was made.
    made: u64,
    /// The revision that all this equals, but for what is not saved.
    revision: Revision,
    /// The lease under which this was saved last; none: this was never saved.
    fence: Option<u64>,
    /// Grows with everything that is taken over.
    version: u64,
    view: View,
    /// What follows from the view; nothing before it is first asked for.
    derived: Option<Derived>,
}

/// What follows from the objects.
struct Derived {
    places: Places,
    graph: Graph,
    unsaved: Unsaved,
}

/// Objects as they are placed: what the graph was given of them, without what it derived.
struct Placed<'a> {
    ids: &'a Identities,
    known: &'a Known,
    places: &'a Places,
}

impl Documents for Placed<'_> {
    fn document(&self, key: &ObjectKey) -> Option<Map> {
        self.places.document(self.ids, self.known, key)
    }
}

impl Resident {
    /// Reads what the store knows. The lease of the environment has to be held.
    pub(crate) async fn boot(plan: Arc<Plan>, store: &dyn Backend) -> Result<Self, StoreError> {
        let environment = plan.environment.name.clone();
        let made = store.made(&environment).await?;
        let revision = store.current(&environment).await?;
        let records = store.scopes(&environment).await?;
        let ids = Identities::new(&plan.specs, plan.values(), &environment);
        let view = at_length(|| View::from_records(&ids, records));
        Ok(Self { plan, ids, made, revision, fence: None, version: 0, view, derived: None })
    }

    /// Whether this is still what the store and the specs say.
    async fn is_current(&self, plan: &Plan, store: &dyn Backend) -> Result<bool, StoreError> {
        let environment = &plan.environment.name;
        if !residents::is_same_plan(&self.plan, plan)
            || store.made(environment).await? != self.made
            || store.current(environment).await? != self.revision
        {
            return Ok(false);
        }
        // A commit that makes no revision changes scopes all the same.
        let signed = store.record(Collection::Settings, &work::last_writer(environment)).await?;
        let fence = signed.as_ref().and_then(|record| record.doc.get("fence")).and_then(Value::as_int);
        Ok(self.fence.is_some() && fence == self.fence.and_then(|fence| i64::try_from(fence).ok()))
    }

    /// Says in a commit who wrote the environment last: everybody else's picture of it is out of date then.
    pub(crate) fn signed(&self, lease: &Lease) -> RowWrite {
        let environment = &self.plan.environment.name;
        let fence = i64::try_from(lease.fence).unwrap_or(i64::MAX);
        let fields: [(&str, Value); 3] = [
            ("environment", Value::Str(environment.clone())),
            ("fence", Value::Int(fence)),
            ("kind", Value::text("last_writer")),
        ];
        let doc = Map::from_pairs(fields.into_iter().map(|(name, value)| (name.into(), value)).collect());
        RowWrite {
            collection: Collection::Settings,
            id: work::last_writer(environment).into(),
            expect: Expect::Anything,
            doc: Some(doc),
        }
    }

    /// How many objects it holds.
    fn n_objects(&self) -> usize {
        self.view.known.len()
    }

    fn ids(&self) -> &Identities {
        &self.ids
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    fn version(&self) -> u64 {
        self.version
    }

    /// What somebody sees who is about to contribute.
    fn view(&self, writer: Ticket) -> View {
        self.view.for_writer(writer)
    }

    /// Forgets who wrote what before a contribution.
    fn forget_before(&mut self, oldest: Ticket) {
        self.view.inventory.forget_before(oldest);
    }

    /// Takes over what a contributor brought who began at `version`, and brings everything up to date that follows from it.
    ///
    /// # Errors
    /// The rules cannot be followed, or the store cannot be read. It has to be forgotten then.
    async fn contribute(&mut self, view: View, version: u64, store: &dyn Backend) -> Result<(), ScanError> {
        let ids = &self.ids;
        if version == self.version {
            self.view = view;
            self.view.refresh(ids);
        } else {
            self.view.take_over(view, ids);
        }
        self.version += 1;
        let changed = self.view.take_changed();
        if let Some(Derived { places, graph, unsaved }) = &mut self.derived {
            let known = &self.view.known;
            let delta = at_length(|| {
                let changes = places.apply(ids, known, &changed);
                graph.apply(changes, &Placed { ids, known, places })
            });
            unsaved.add(delta?.delta);
        } else {
            let rules = Rules::new(&self.plan.specs, &self.plan.environment);
            let rules = rules.map_err(ScanError::Rules)?;
            let known = &self.view.known;
            let mut places = Places::new(self.plan.emitted(), known.tables());
            let mut graph = Graph::new(Arc::new(rules));
            let all = known.keys().collect();
            let delta = at_length(|| graph.apply(places.apply(ids, known, &all), &NoDocuments));
            let unsaved = Unsaved::between(store, &self.plan.environment.name, delta?.delta).await?;
            self.derived = Some(Derived { places, graph, unsaved });
        }
        match self.derived.as_ref().and_then(|derived| derived.graph.crowded()) {
            Some(why) => Err(ScanError::Crowded(why)),
            None => Ok(()),
        }
    }

    /// Tells a report what there is, and what does not fit.
    pub(crate) fn tell(&self, report: &mut ScanReport) {
        report.stale = self.view.inventory.stale();
        let Some(Derived { places, graph, .. }) = &self.derived else { return };
        report.misplaced = places.misplaced().into_iter().map(|found| (found.key, found.sentence)).collect();
        report.read_graph(graph);
        report.count(graph.counts());
    }

    /// What a scan of this mode writes of what is not in the store yet.
    pub(crate) async fn pending(
        &mut self,
        mode: &ScanMode,
        store: &dyn Backend,
    ) -> Result<(Delta, ScopeChanges), StoreError> {
        let delta = match &mut self.derived {
            Some(derived) => derived.unsaved.take(mode, store, &self.plan.environment.name).await?,
            None => Delta::default(),
        };
        Ok((delta, self.view.inventory.changes()))
    }

    /// Notes that what was pending is in the store now.
    pub(crate) fn saved(&mut self, revision: Revision, lease: &Lease) {
        self.revision = revision;
        self.fence = Some(lease.fence);
        self.view.inventory.saved();
        // A rule that was given up stays so as long as the graph lives: the next one tries it again.
        if self.derived.as_ref().is_some_and(|derived| !derived.graph.exceeded().is_empty()) {
            self.derived = None;
        }
    }
}
