//! Specs of the tests, loaded as the program loads them, and the state that deltas add up to.

use std::{collections::BTreeMap, ops::Deref, path::Path, sync::Arc};

use calipso_derive::{Applied, Changes, Graph, Rules};
use calipso_model::{Clique, Delta, Environment, Link, LinkRef, Map, Object, ObjectKey};
use calipso_spec::{Specs, load, read_layer};

/// The specs beside the tests; mistakes in them fail the test.
pub fn specs() -> Specs {
    let layer = read_layer(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specs")).expect("the specs are there");
    let loaded = load(&[layer]);
    // No fetcher is there on purpose, so that only what the language itself says of these specs counts.
    let mistakes: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|found| {
            ["yaml/", "expr/", "derive/", "link/", "clique/"].iter().any(|area| found.code.starts_with(area))
        })
        .filter(|found| found.severity == calipso_spec::Severity::Error)
        .map(|found| format!("{}: {} {}", found.code, found.message, found.primary.text))
        .collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    loaded.specs
}

/// The rules for an environment with these flags.
pub fn rules(flags: &[&str]) -> Arc<Rules> {
    let environment = Environment {
        name: "test".into(),
        flags: flags.iter().map(|flag| (*flag).into()).collect(),
        ..Environment::default()
    };
    Arc::new(Rules::new(&specs(), &environment).expect("the rules fit together"))
}

/// A graph with the documents that it was given.
pub struct Given {
    pub graph: Graph,
    pub documents: BTreeMap<ObjectKey, Map>,
}

impl Given {
    pub fn new(rules: Arc<Rules>, threads: usize) -> Self {
        Self { graph: Graph::with_threads(rules, threads), documents: BTreeMap::new() }
    }

    pub fn apply(&mut self, changes: Changes) -> Applied {
        for key in &changes.remove {
            self.documents.remove(key);
        }
        for object in &changes.upsert {
            self.documents.insert(object.key.clone(), object.doc.clone());
        }
        self.graph.apply(changes, &self.documents).expect("every document is at hand")
    }

    /// An object with its derived attributes.
    pub fn object(&self, key: &ObjectKey) -> Option<Object> {
        let doc = self.graph.derived(key, self.documents.get(key)?.clone())?;
        Some(Object { key: key.clone(), doc })
    }
}

impl Deref for Given {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        &self.graph
    }
}

/// What deltas add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub objects: BTreeMap<ObjectKey, Map>,
    pub links: BTreeMap<LinkRef, Link>,
    pub cliques: BTreeMap<ObjectKey, Clique>,
}

pub fn reference(link: &Link) -> LinkRef {
    LinkRef { link_type: link.link_type.clone(), source: link.source.clone(), target: link.target.clone() }
}

impl State {
    /// Adds a delta, and fails when it says something that is no difference or is out of order.
    pub fn add(&mut self, delta: &Delta) {
        assert!(delta.objects.is_sorted_by(|a, b| a.key < b.key));
        assert!(delta.links.is_sorted_by(|a, b| reference(a) < reference(b)));
        assert!(delta.cliques.is_sorted_by(|a, b| a.focal_point < b.focal_point));
        assert!(delta.removed_objects.is_sorted_by(|a, b| a < b));
        assert!(delta.removed_links.is_sorted_by(|a, b| a < b));
        assert!(delta.removed_cliques.is_sorted_by(|a, b| a < b));
        for key in &delta.removed_objects {
            assert!(self.objects.remove(key).is_some(), "{key} is removed but was not there");
        }
        for link in &delta.removed_links {
            assert!(self.links.remove(link).is_some(), "{link:?} is removed but was not there");
        }
        for key in &delta.removed_cliques {
            assert!(self.cliques.remove(key).is_some(), "the clique of {key} is removed but was not there");
        }
        for object in &delta.objects {
            let before = self.objects.insert(object.key.clone(), object.doc.clone());
            // The language takes 2 and 2.0 for equal; readers of documents do not.
            let (before, after) = (format!("{before:?}"), format!("{:?}", Some(&object.doc)));
            assert_ne!(before, after, "{} is no difference", object.key);
        }
        for link in &delta.links {
            let before = self.links.insert(reference(link), link.clone());
            assert_ne!(format!("{before:?}"), format!("{:?}", Some(link)), "{link:?} is no difference");
        }
        for clique in &delta.cliques {
            let before = self.cliques.insert(clique.focal_point.clone(), clique.clone());
            assert_ne!(before.as_ref(), Some(clique), "the clique of {} is no difference", clique.focal_point);
        }
    }

    /// What a graph says when asked for everything.
    pub fn of(graph: &Given) -> Self {
        let object = |key: ObjectKey| graph.object(&key).map(|object| (object.key, object.doc));
        Self {
            objects: graph.keys().map(|key| object(key).expect("what the graph has was given to it")).collect(),
            links: graph.links().map(|link| (reference(&link), link)).collect(),
            cliques: graph.cliques().into_iter().map(|clique| (clique.focal_point.clone(), clique)).collect(),
        }
    }
}
