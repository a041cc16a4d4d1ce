//! Reading the graph.

use std::collections::BTreeMap;

use calipso_model::{Clique, Link, LinkRef, Map, ObjectKey, Str};

use super::{Graph, emit::LinkMaker};
use crate::{
    bounds::{Exceeded, UNMETERED},
    cliques::{Names, Scratch, View},
    eval::Evaluator,
    faults::{Part, RuleFault},
    hash::NOTHING,
    join::Index,
    nodes::{NIL, Nodes},
    rules::AttributeRule,
    store::{Body, Links},
};

/// How much a graph holds, by type; types without any are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeCounts {
    /// Objects by object type.
    pub objects: BTreeMap<Str, usize>,
    /// Links by link type, implicit ones included.
    pub links: BTreeMap<Str, usize>,
    /// Cliques by clique type.
    pub cliques: BTreeMap<Str, usize>,
}

/// How much a graph holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Number of objects.
    pub objects: usize,
    /// Number of explicit links.
    pub links: usize,
    /// Number of implicit links.
    pub implicit_links: usize,
    /// Number of cliques.
    pub cliques: usize,
}

impl Graph {
    /// The rules that took more work or memory than the objects allow, and yield nothing since.
    #[must_use]
    pub fn exceeded(&self) -> Vec<Exceeded> {
        self.meter.exceeded(&self.rules)
    }

    /// Whether a join was given up.
    pub(crate) fn gave_up(&self, join: usize) -> bool {
        self.meter.is_over(join)
    }

    /// Why nothing at all is derived: the rules take too much together.
    #[must_use]
    pub fn crowded(&self) -> Option<String> {
        self.meter.crowded()
    }

    /// How much it holds.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes {
            objects: self.nodes.iter().map(crate::nodes::Nodes::live).sum(),
            links: self.links.iter().map(Links::live).sum(),
            implicit_links: self.implicit.values().map(Links::live).sum(),
            cliques: self.fingerprints.iter().flatten().filter(|print| **print != NOTHING).count(),
        }
    }

    /// How much it holds, by type.
    #[must_use]
    pub fn counts(&self) -> TypeCounts {
        let mut counts = TypeCounts::default();
        let mut add = |into: fn(&mut TypeCounts) -> &mut BTreeMap<Str, usize>, name: Str, n: usize| {
            if n > 0 {
                *into(&mut counts).entry(name).or_default() += n;
            }
        };
        for nodes in &self.nodes {
            add(|counts| &mut counts.objects, nodes.name.clone(), nodes.live());
        }
        for (links, [from, to]) in self.stores() {
            let name = format!("{}-{}", self.nodes[from].name, self.nodes[to].name);
            add(|counts| &mut counts.links, name.into(), links.live());
        }
        for (plan, prints) in self.rules.cliques.iter().zip(&self.fingerprints) {
            let n = prints.iter().filter(|print| **print != NOTHING).count();
            add(|counts| &mut counts.cliques, plan.name.clone(), n);
        }
        counts
    }

    /// Whether an object is there.
    #[must_use]
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.locate(key).is_some()
    }

    /// A fetched document with the derived attributes that its object has now; none when the object is not there.
    #[must_use]
    pub fn derived(&self, key: &ObjectKey, mut document: Map) -> Option<Map> {
        let (type_id, object) = self.locate(key)?;
        if let Some(known) = self.rules.types.get(type_id) {
            document.merge(self.nodes[type_id].derived(&known.derived, object));
        }
        Some(document)
    }

    /// The key of every object, in order.
    pub fn keys(&self) -> impl Iterator<Item = ObjectKey> + '_ {
        let types = self.type_ids.values().map(|type_id| &self.nodes[*type_id]);
        types.flat_map(|nodes| nodes.in_order().into_iter().map(|object| nodes.key(object)))
    }

    /// Every store of links with the types at its ends, in the order of the link types' names.
    fn stores(&self) -> Vec<(&Links, [usize; 2])> {
        let explicit = self.links.iter().zip(&self.rules.link_types).map(|(links, known)| (links, known.ends));
        let implicit = self.implicit.iter().map(|((from, to), links)| (links, [*from, *to]));
        let mut stores: Vec<_> = explicit.chain(implicit).collect();
        let name = |ends: [usize; 2]| format!("{}-{}", self.nodes[ends[0]].name, self.nodes[ends[1]].name);
        stores.sort_by_cached_key(|(_, ends)| name(*ends));
        stores
    }

    /// Every link, by link type; explicit before implicit ones, each in the order of source and target.
    pub fn links(&self) -> impl Iterator<Item = Link> + '_ {
        self.stores().into_iter().flat_map(|(links, ends)| {
            let mut maker = LinkMaker::new(&self.rules, &self.nodes, ends);
            let mut evaluator = self.evaluator();
            let entries = links.in_order(&self.nodes[ends[0]]);
            entries.map(move |entry| maker.link(links.step(entry).ends, said(&mut evaluator, links, entry)))
        })
    }

    /// The links of one object, at either side.
    #[must_use]
    pub fn links_of(&self, key: &ObjectKey) -> Vec<Link> {
        let Some((type_id, object)) = self.locate(key) else { return Vec::new() };
        let mut found = Vec::new();
        let mut evaluator = self.evaluator();
        for (links, ends) in self.stores() {
            let mut maker = LinkMaker::new(&self.rules, &self.nodes, ends);
            for side in (0..2).filter(|side| ends[*side] == type_id) {
                for entry in links.of(side, object) {
                    let objects = links.step(*entry).ends;
                    // A link from an object to itself is one link.
                    if side == 0 || ends[0] != ends[1] || objects[0] != objects[1] {
                        found.push(maker.link(objects, said(&mut evaluator, links, *entry)));
                    }
                }
            }
        }
        found
    }

    #[must_use]
    pub fn link(&self, link: &LinkRef) -> Option<Link> {
        let (links, entry, ends) = self.entry(link)?;
        let body = said(&mut self.evaluator(), links, entry);
        Some(LinkMaker::new(&self.rules, &self.nodes, ends).link(links.step(entry).ends, body))
    }

    /// Evaluates rules as they are now, to tell what is not kept.
    pub(crate) fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.rules, &self.nodes, &self.indexes, 1, &UNMETERED)
    }

    /// The store of a link, its entry there, and the types at its ends.
    pub(crate) fn entry(&self, link: &LinkRef) -> Option<(&Links, u32, [usize; 2])> {
        let (from, source) = self.locate(&link.source)?;
        let (to, target) = self.locate(&link.target)?;
        if *link.link_type != *format!("{}-{}", self.nodes[from].name, self.nodes[to].name) {
            return None;
        }
        let nodes = [&self.nodes[from], &self.nodes[to]];
        let stores = self.stores().into_iter().filter(|(_, ends)| *ends == [from, to]);
        stores.filter_map(|(links, ends)| Some((links, links.find(nodes, [source, target])?, ends))).next()
    }

    pub(crate) fn index(&self, join: usize) -> &Index {
        &self.indexes[self.rules.joins[join].index]
    }

    pub(crate) fn nodes_of(&self, type_id: usize) -> &Nodes {
        &self.nodes[type_id]
    }

    pub(crate) fn links_at(&self, number: usize) -> &Links {
        &self.links[number]
    }

    pub(crate) fn view(&self) -> View<'_> {
        View::new(&self.rules, &self.nodes, &self.links, &self.implicit, self.seed)
    }

    /// The clique of a focal point, built now; none when no clique type is for its type, or nothing is linked to it.
    #[must_use]
    pub fn clique(&self, focal_point: &ObjectKey) -> Option<Clique> {
        let (type_id, object) = self.locate(focal_point)?;
        let number = self.rules.cliques.iter().position(|plan| plan.focal == type_id)?;
        let view = self.view();
        let mut found = Scratch::default().walk(&view, number, object, None);
        (!found.links.is_empty()).then(|| found.clique(&view, &Names::new(&view), &self.rules.cliques[number], object))
    }

    /// Every clique, built now, in the order of the focal points.
    #[must_use]
    pub fn cliques(&self) -> Vec<Clique> {
        let view = self.view();
        let names = Names::new(&view);
        let mut scratch = Scratch::default();
        let mut all = Vec::new();
        for (number, plan) in self.rules.cliques.iter().enumerate() {
            for object in self.nodes[plan.focal].in_order() {
                let mut found = scratch.walk(&view, number, object, None);
                if !found.links.is_empty() {
                    all.push(found.clique(&view, &names, plan, object));
                }
            }
        }
        all.sort_by(|a, b| a.focal_point.cmp(&b.focal_point));
        all
    }

    /// Every run-time fault that stands now, in the order in which the rules stand in their files.
    #[must_use]
    pub fn faults(&self) -> Vec<RuleFault> {
        let mut owns = std::collections::BTreeMap::new();
        for attribute in &self.rules.attributes {
            for rule in &attribute.rules {
                if let AttributeRule::Own(own) = rule {
                    owns.insert(self.rules.joins.len() + own.number, (attribute.type_id, own));
                }
            }
        }
        let mut faults: Vec<RuleFault> = self
            .faults
            .iter()
            .filter_map(|(key, message)| {
                let (at, rule, types) = match (self.rules.joins.get(key.rule), owns.get(&key.rule)) {
                    (Some(join), _) => (&join.at, &join.name, [join.ends[0].type_id, join.ends[1].type_id]),
                    (None, Some((type_id, own))) => (&own.at, &own.name, [*type_id; 2]),
                    (None, None) => return None,
                };
                let near = if key.part == Part::Far { types[1] } else { types[0] };
                Some(RuleFault {
                    at: at.clone(),
                    rule: rule.clone(),
                    object: self.nodes[near].key(key.a),
                    other: (key.b != NIL).then(|| self.nodes[types[1]].key(key.b)),
                    message: message.clone(),
                })
            })
            .collect();
        faults.sort();
        faults
    }
}

/// The body of a link: as it is kept, or evaluated again by its rule.
fn said(evaluator: &mut Evaluator<'_>, links: &Links, entry: u32) -> Body {
    match (links.body(entry), links.rule(entry)) {
        (Some(body), _) => body.clone(),
        (None, Some(rule)) => evaluator.body_of(rule as usize, links.step(entry).ends).unwrap_or_default(),
        (None, None) => Body::default(),
    }
}
