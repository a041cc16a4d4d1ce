//! What a change made different, in the order of its keys.

use std::collections::BTreeSet;

use calipso_model::{Delta, Link, LinkRef, Object, ObjectKey, Str};

use super::{Documents, Graph, MissingDocument, clique::CliqueChanges};
use crate::{
    nodes::{Nodes, Touched},
    par,
    rules::Rules,
    store::{Body, Gone, Links},
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

    fn key(&self, side: usize, object: u32) -> ObjectKey {
        ObjectKey { object_type: self.type_names[side].clone(), id: self.ends[side].id(object).clone() }
    }

    pub(super) fn link(&mut self, ends: [u32; 2], body: Body) -> Link {
        Link {
            link_type: self.name.clone(),
            source: self.key(0, ends[0]),
            target: self.key(1, ends[1]),
            implicit: body.rule.is_none(),
            rule: self.rule(body.rule),
            name: body.name,
            state: body.state,
            host: body.host,
            switch: body.switch,
            attributes: body.attributes,
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

type ObjectChanges = (Vec<Object>, Vec<ObjectKey>);

impl Graph {
    fn emit_objects(&mut self, delta: &mut Delta, documents: &dyn Documents) -> Result<(), MissingDocument> {
        let mut touched: Vec<Vec<Touched>> =
            self.nodes.iter_mut().map(|nodes| std::mem::take(&mut nodes.touched)).collect();
        let threads = par::threads_for(self.threads, touched.iter().map(Vec::len).sum());
        let mut by_name: Vec<(usize, &mut Vec<Touched>)> = touched.iter_mut().enumerate().collect();
        by_name.sort_by(|a, b| self.nodes[a.0].name.cmp(&self.nodes[b.0].name));
        let mut pieces: Vec<(usize, &mut [Touched])> = Vec::new();
        for (type_id, touched) in by_name {
            let step = par::step(threads, touched.len());
            pieces.extend(touched.chunks_mut(step).map(|piece| (type_id, piece)));
        }
        let (nodes, rules) = (&self.nodes, &self.rules);
        let parts = par::run(
            threads,
            pieces,
            || (),
            |(), (type_id, touched)| {
                let derived = rules.types.get(type_id).map_or(&[][..], |known| &known.derived);
                object_changes(&nodes[type_id], derived, touched, documents)
            },
        );
        let parts: Vec<ObjectChanges> = parts.into_iter().collect::<Result<_, _>>()?;
        delta.objects.reserve_exact(parts.iter().map(|(changed, _)| changed.len()).sum());
        for (mut changed, mut removed) in parts {
            delta.objects.append(&mut changed);
            delta.removed_objects.append(&mut removed);
        }
        for (nodes, touched) in self.nodes.iter_mut().zip(touched) {
            nodes.touched = touched;
        }
        Ok(())
    }

    fn emit_links(&mut self, delta: &mut Delta) {
        let (rules, nodes) = (&self.rules, &self.nodes);
        let explicit = self.links.iter_mut().zip(&rules.link_types).map(|(links, known)| (links, known.ends));
        let implicit = self.implicit.iter_mut().map(|((from, to), links)| (links, [*from, *to]));
        let changed = explicit.chain(implicit).filter(|(links, _)| !links.changed.is_empty());
        let mut changed: Vec<(&mut Links, LinkMaker<'_>)> =
            changed.map(|(links, ends)| (links, LinkMaker::new(rules, nodes, ends))).collect();
        changed.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        let size = changed.iter().map(|(links, _)| links.changed.bodies.len()).sum();
        delta.links.reserve_exact(size);
        let mut former: Option<Str> = None;
        let mut one_order = |delta: &mut Delta, name: Str| {
            if former.replace(name.clone()) == Some(name) {
                put_in_one_order(delta);
            }
        };
        let threads = par::threads_for(self.threads, size);
        if threads <= 1 {
            for (links, mut maker) in changed {
                add_links(&mut maker, links, delta);
                one_order(delta, maker.name);
            }
            return;
        }
        let made = par::run(
            threads,
            changed,
            || (),
            |(), (links, mut maker)| {
                let mut made = Delta::default();
                made.links.reserve_exact(links.changed.bodies.len());
                add_links(&mut maker, links, &mut made);
                (maker.name, made)
            },
        );
        for (name, mut made) in made {
            delta.links.append(&mut made.links);
            delta.removed_links.append(&mut made.removed_links);
            one_order(delta, name);
        }
    }

    pub(super) fn emit(&mut self, cliques: CliqueChanges, documents: &dyn Documents) -> Result<Delta, MissingDocument> {
        let mut delta = Delta::default();
        self.emit_objects(&mut delta, documents)?;
        self.emit_links(&mut delta);
        delta.cliques = cliques.changed;
        delta.removed_cliques = cliques.removed;
        if !delta.cliques.is_sorted_by(|a, b| a.focal_point <= b.focal_point) {
            delta.cliques.sort_by(|a, b| a.focal_point.cmp(&b.focal_point));
        }
        delta.removed_cliques.sort();
        Ok(delta)
    }
}

/// What some objects of a type add to the changes. Names are copied: counting references to one name from two threads is slow.
fn object_changes(
    nodes: &Nodes,
    derived: &[(Str, usize)],
    touched: &mut [Touched],
    documents: &dyn Documents,
) -> Result<ObjectChanges, MissingDocument> {
    let object_type = Str::from(&*nodes.name);
    let derived: Vec<(Str, usize)> = derived.iter().map(|(name, number)| (Str::from(&**name), *number)).collect();
    let (mut changed, mut removed) = (Vec::with_capacity(touched.len()), Vec::new());
    for Touched { object, document } in touched {
        let key = ObjectKey { object_type: object_type.clone(), id: nodes.id(*object).clone() };
        if !nodes.is_live(*object) {
            removed.push(key);
            continue;
        }
        let Some(mut doc) = document.take().or_else(|| documents.document(&key)) else {
            return Err(MissingDocument(key));
        };
        doc.merge(nodes.derived(&derived, *object));
        changed.push(Object { key, doc });
    }
    Ok((changed, removed))
}

/// Adds what changed of the links of one type.
fn add_links(maker: &mut LinkMaker<'_>, links: &mut Links, delta: &mut Delta) {
    let mut said = std::mem::take(&mut links.changed.bodies);
    let order = |a: &(u32, Body), b: &(u32, Body)| maker.order(links.step(a.0).ends, links.step(b.0).ends);
    if !said.is_sorted_by(|a, b| order(a, b).is_le()) {
        said.sort_by(order);
    }
    let mut gone: Vec<Gone> = links.changed.gone.clone();
    gone.sort_by(|a, b| maker.order(a.ends, b.ends));
    delta.removed_links.extend(gone.into_iter().map(|gone| maker.reference(gone.ends)));
    delta.links.extend(said.into_iter().map(|(entry, body)| maker.link(links.step(entry).ends, body)));
}

/// Explicit and implicit links of one type stand in one order; a link that turned from one into the other is changed, not removed.
fn put_in_one_order(delta: &mut Delta) {
    let reference = |link: &Link| (link.link_type.clone(), link.source.clone(), link.target.clone());
    delta.links.sort_by_cached_key(reference);
    delta.removed_links.sort();
    let kept: BTreeSet<_> = delta.links.iter().map(reference).collect();
    let is_kept = |gone: &LinkRef| kept.contains(&(gone.link_type.clone(), gone.source.clone(), gone.target.clone()));
    delta.removed_links.retain(|gone| !is_kept(gone));
}
