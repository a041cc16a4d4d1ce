//! What a change made different, in the order of its keys.

use calipso_model::{Delta, Link, LinkRef, Object, ObjectKey, Str, same::same_map};

use super::{Graph, clique::CliqueChanges};
use crate::{
    nodes::{Nodes, Touched},
    par,
    rules::Rules,
    store::{Entry, Gone, Links},
};

/// What a link that stands for a chain of others names as its rule.
pub(crate) const IMPLICIT_RULE: &str = "implicit";

/// Makes links as others see them, with names of its own: counting references to one name from two threads is slow.
pub(super) struct LinkMaker<'a> {
    ends: [&'a Nodes; 2],
    type_names: [Str; 2],
    name: Str,
    rule_names: Vec<(Option<u32>, Str)>,
    rules: &'a Rules,
}

impl<'a> LinkMaker<'a> {
    pub(super) fn new(rules: &'a Rules, nodes: &'a [Nodes], ends: [usize; 2]) -> Self {
        let ends = ends.map(|type_id| &nodes[type_id]);
        let type_names: [Str; 2] = ends.map(|nodes| Str::from(&*nodes.name));
        let name = format!("{}-{}", type_names[0], type_names[1]).into();
        Self { ends, type_names, name, rule_names: Vec::new(), rules }
    }

    fn key(&self, side: usize, place: u32) -> ObjectKey {
        ObjectKey { object_type: self.type_names[side].clone(), id: self.ends[side].slot(place).id.clone() }
    }

    pub(super) fn link(&mut self, entry: Entry<'_>) -> Link {
        let body = entry.body;
        Link {
            link_type: self.name.clone(),
            source: self.key(0, entry.ends[0]),
            target: self.key(1, entry.ends[1]),
            name: body.name.clone(),
            state: body.state,
            host: body.host.clone(),
            switch: body.switch.clone(),
            attributes: body.attributes.clone(),
            implicit: body.rule.is_none(),
            rule: self.rule(body.rule),
        }
    }

    pub(super) fn reference(&self, ends: [u32; 2]) -> LinkRef {
        LinkRef { link_type: self.name.clone(), source: self.key(0, ends[0]), target: self.key(1, ends[1]) }
    }

    fn rule(&mut self, rule: Option<u32>) -> Str {
        if let Some((_, name)) = self.rule_names.iter().find(|(known, _)| *known == rule) {
            return name.clone();
        }
        let name = rule.and_then(|rule| self.rules.joins.get(rule as usize)).map_or(IMPLICIT_RULE, |join| &join.name);
        let name: Str = Str::from(name);
        self.rule_names.push((rule, name.clone()));
        name
    }

    fn order(&self, a: [u32; 2], b: [u32; 2]) -> std::cmp::Ordering {
        self.ends[0].order(a[0], b[0]).then_with(|| self.ends[1].order(a[1], b[1]))
    }
}

type LinkChanges = (Str, Vec<Link>, Vec<LinkRef>);

type ObjectChanges = (Vec<Object>, Vec<ObjectKey>);

impl Graph {
    fn emit_objects(&self, delta: &mut Delta) {
        let mut by_name: Vec<&Nodes> = self.nodes.iter().collect();
        by_name.sort_by(|a, b| a.name.cmp(&b.name));
        let threads = par::threads_for(self.threads, by_name.iter().map(|nodes| nodes.touched.len()).sum());
        let mut pieces: Vec<(&Nodes, &[Touched])> = Vec::new();
        for nodes in by_name {
            let ranges = par::ranges(threads, nodes.touched.len()).into_iter();
            pieces.extend(ranges.map(|range| (nodes, &nodes.touched[range])));
        }
        let parts = par::run(
            threads,
            pieces,
            || (),
            |(), (nodes, touched)| object_changes(nodes, &Str::from(&*nodes.name), touched),
        );
        delta.objects.reserve_exact(parts.iter().map(|(changed, _)| changed.len()).sum());
        for (mut changed, mut removed) in parts {
            delta.objects.append(&mut changed);
            delta.removed_objects.append(&mut removed);
        }
    }

    pub(super) fn emit(&mut self, cliques: CliqueChanges) -> Delta {
        let mut delta = Delta::default();
        self.emit_objects(&mut delta);
        let explicit = self.links.iter().zip(&self.rules.link_types).map(|(links, known)| (links, known.ends));
        let implicit = self.implicit.iter().map(|((from, to), links)| (links, [*from, *to]));
        let changed: Vec<(&Links, [usize; 2])> =
            explicit.chain(implicit).filter(|(links, _)| !links.changed.is_empty()).collect();
        let size = changed.iter().map(|(links, _)| links.changed.came.len() + links.changed.gone.len()).sum();
        let (rules, nodes) = (&self.rules, &self.nodes);
        let mut parts = par::run(
            par::threads_for(self.threads, size),
            changed,
            || (),
            |(), (links, ends)| link_changes(LinkMaker::new(rules, nodes, ends), links),
        );
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        delta.links.reserve_exact(parts.iter().map(|(_, links, _)| links.len()).sum());
        let mut before: Option<Str> = None;
        for (name, mut links, mut removed) in parts {
            // Explicit and implicit links of one type stand in one order; a link that turned from one into the other
            // is changed, not removed.
            let again = before.as_ref() == Some(&name);
            delta.links.append(&mut links);
            delta.removed_links.append(&mut removed);
            if again {
                let reference = |link: &Link| (link.link_type.clone(), link.source.clone(), link.target.clone());
                delta.links.sort_by_cached_key(reference);
                delta.removed_links.sort();
                let kept: std::collections::BTreeSet<_> = delta.links.iter().map(reference).collect();
                delta
                    .removed_links
                    .retain(|gone| !kept.contains(&(gone.link_type.clone(), gone.source.clone(), gone.target.clone())));
            }
            before = Some(name);
        }
        delta.cliques = cliques.changed;
        delta.removed_cliques = cliques.removed;
        if !delta.cliques.is_sorted_by(|a, b| a.focal_point <= b.focal_point) {
            delta.cliques.sort_by(|a, b| a.focal_point.cmp(&b.focal_point));
        }
        delta.removed_cliques.sort();
        delta
    }
}

/// What some objects of a type add to the changes, with a name of its own for the type.
fn object_changes(nodes: &Nodes, name: &Str, touched: &[Touched]) -> ObjectChanges {
    let (mut changed, mut removed) = (Vec::with_capacity(touched.len()), Vec::new());
    for Touched { place, before } in touched {
        let key = || ObjectKey { object_type: name.clone(), id: nodes.slot(*place).id.clone() };
        if nodes.is_live(*place) {
            let doc = nodes.doc(*place);
            if !before.as_ref().is_some_and(|before| same_map(before, doc)) {
                changed.push(Object { key: key(), doc: doc.clone() });
            }
        } else if before.is_some() {
            removed.push(key());
        }
    }
    (changed, removed)
}

fn link_changes(mut maker: LinkMaker<'_>, links: &Links) -> LinkChanges {
    let changed = &links.changed;
    let mut numbers: Vec<u32> =
        changed.came.iter().copied().chain(changed.other.iter().map(|(number, _)| *number)).collect();
    let order = |a: &u32, b: &u32| maker.order(links.step(*a).ends, links.step(*b).ends);
    if !numbers.is_sorted_by(|a, b| order(a, b).is_le()) {
        numbers.sort_by(order);
    }
    let mut gone: Vec<Gone> = changed.gone.clone();
    gone.sort_by(|a, b| maker.order(a.ends, b.ends));
    let removed = gone.into_iter().map(|gone| maker.reference(gone.ends)).collect();
    let made = numbers.into_iter().map(|number| maker.link(links.entry(number))).collect();
    (maker.name.clone(), made, removed)
}
