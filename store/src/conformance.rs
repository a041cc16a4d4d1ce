//! The suite that every implementation of the trait must pass.
//!
//! [`run`] is given a way to make empty stores. Each case panics with a sentence when the store does not behave.

mod commits;
mod environments;
mod reads;
mod records;
mod revisions;
mod scopes;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use calipso_model::{
    Clique, Delta, Environment, Link, LinkRef, LinkState, Map, Object, ObjectKey, Revision, Str, Value,
};

use crate::{
    commit::{Commit, CommitInfo},
    error::StoreError,
    records::Backend,
    store::{Expect, Lease},
};

/// Makes an empty store; stays alive until the case is over.
pub type Make<'m> = &'m (dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Backend>> + Send>> + Send + Sync);

/// Runs every case, each on its own store.
///
/// # Panics
/// When a case fails; the message names it.
pub async fn run(make: Make<'_>) {
    environments::run(make).await;
    revisions::run(make).await;
    reads::run(make).await;
    scopes::run(make).await;
    commits::run(make).await;
    records::run(make).await;
}

/// Name of the environment that cases use.
pub(crate) const HOME: &str = "home";

/// A store with one environment, and the right to write it.
pub(crate) struct Case {
    pub(crate) store: Arc<dyn Backend>,
    /// The lease on [`HOME`].
    pub(crate) lease: Lease,
}

impl Case {
    /// Makes a store with the environment.
    pub(crate) async fn new(make: Make<'_>) -> Self {
        let store = make().await;
        store.put_environment(&environment(HOME), Expect::Anything).await.expect("an environment can be saved");
        let lease = store.acquire(HOME, "suite", 0, Duration::from_secs(60)).await.expect("a free lease can be taken");
        Self { store, lease }
    }

    /// Commits on top of what is current.
    pub(crate) async fn commit(&self, delta: &Delta) -> Revision {
        let base = self.store.current(HOME).await.expect("the current revision is known");
        self.try_commit(base, delta).await.expect("a commit on top of the current revision is taken")
    }

    /// Commits on top of a revision.
    pub(crate) async fn try_commit(&self, base: Revision, delta: &Delta) -> Result<Revision, StoreError> {
        self.store.commit(&Commit::new(base, &self.lease, delta, &info(base + 1))).await
    }
}

/// Information of a commit that was made this many minutes into a day.
pub(crate) fn info(minute: u64) -> CommitInfo {
    CommitInfo {
        at: format!("2026-01-02T{:02}:{:02}:00Z", minute / 60, minute % 60).into(),
        note: format!("commit {minute}").into(),
    }
}

/// An environment with something in every field.
pub(crate) fn environment(name: &str) -> Environment {
    Environment {
        name: name.into(),
        distribution: "acme".into(),
        version: "2".into(),
        mechanism_drivers: vec!["fast".into(), "slow".into()],
        type_drivers: vec!["tunnel".into()],
        flags: Vec::new(),
        connections: [(
            Str::from("api"),
            calipso_model::ConnectionConfig {
                spec: "rest".into(),
                fields: [("password", Value::text("env:PASSWORD")), ("port", Value::Int(5000))].into_iter().collect(),
            },
        )]
        .into_iter()
        .collect(),
        settings: [("description", Value::text("a cloud")), ("listen", Value::Bool(true))].into_iter().collect(),
    }
}

/// A key from `type/id`.
pub(crate) fn key(text: &str) -> ObjectKey {
    let (object_type, id) = text.split_once('/').expect("a key in a case has a slash");
    ObjectKey::new(object_type, id)
}

/// An object from `type/id` and more fields.
pub(crate) fn object(text: &str, fields: &[(&str, Value)]) -> Object {
    let key = key(text);
    let mut doc: Map =
        [("type", Value::Str(key.object_type.clone())), ("id", Value::Str(key.id.clone()))].into_iter().collect();
    for (field, value) in fields {
        doc.insert(*field, value.clone());
    }
    Object { key, doc }
}

/// A link between two `type/id`.
pub(crate) fn link(link_type: &str, source: &str, target: &str, speed: i64) -> Link {
    Link {
        link_type: link_type.into(),
        source: key(source),
        target: key(target),
        name: format!("{source} to {target}").into(),
        state: if speed == 0 { LinkState::Down } else { LinkState::Up },
        host: Some("h1".into()),
        switch: None,
        attributes: [("speed", Value::Int(speed))].into_iter().collect(),
        implicit: speed == 1,
        rule: format!("link_types/{link_type}.yaml:3:1").into(),
    }
}

/// The key of a link.
pub(crate) fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

/// A clique around the first of some nodes.
pub(crate) fn clique(focal_point: &str, others: &[&str], links: &[&Link]) -> Clique {
    let mut nodes: Vec<ObjectKey> = others.iter().copied().chain([focal_point]).map(key).collect();
    nodes.sort();
    Clique {
        focal_point: key(focal_point),
        clique_type: "round".into(),
        constraints: [("network", Value::Null)].into_iter().collect(),
        nodes,
        links: links.iter().map(|link| reference(link)).collect(),
    }
}

/// A delta of new objects.
pub(crate) fn objects(objects: &[Object]) -> Delta {
    Delta { objects: objects.to_vec(), ..Delta::default() }
}

/// The names of some objects, `type/id`, for comparing.
pub(crate) fn keys(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|object| object.key.to_string()).collect()
}
