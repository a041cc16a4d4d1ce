//! Implicit links: chains of explicit links, as one link from the first object to the last.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{LinkRef, LinkState, Map, Str, Value};

use super::{Graph, emit::LinkMaker};
use crate::{
    bounds::{LINK_BYTES, PAIR, chain_rule},
    cliques::agree,
    store::{Body, Links},
};

/// An object: its type and its number.
type Node = (usize, u32);

/// Values of the constraint attributes that a chain carries.
type Carried = BTreeMap<Str, Value>;

/// Implicit links, by the types at their ends, by source.
type Wanted = BTreeMap<(usize, usize), BTreeMap<u32, Vec<(u32, Body)>>>;

/// State, host, switch and constraint values of a chain between two objects.
#[derive(Clone, Debug)]
struct Chain {
    state: LinkState,
    host: Option<Str>,
    switch: Option<Str>,
    carried: Carried,
}

/// A step that a chain can take.
struct Hop<'a> {
    to: Node,
    body: &'a Body,
}

impl Graph {
    /// Computes the chains anew from the explicit links and keeps what is different.
    ///
    /// # Shape
    /// A chain goes from source to target over links of which each carries no other value of a constraint attribute than
    /// the chain before it, never back to where it began, and never by a link between objects of the types that the chain
    /// itself connects. The set of (first object, last object, carried values) is finite, so circles end. Chains between
    /// the same two objects are one link: it carries the values of all of them, or none when one of them carries none;
    /// state, host and switch are those of the shortest. Where an explicit link stands, there is no implicit one.
    pub(super) fn close_chains(&mut self) {
        let rules = self.rules.clone();
        if self.links.iter().all(|links| links.changed.is_empty()) {
            return;
        }
        let rule = chain_rule(&rules);
        let mut wanted = Wanted::new();
        if !self.meter.is_over(rule) {
            wanted = self.chains(&rules.constraints, rule);
        }
        // Some of them would tell less than none.
        if self.meter.is_over(rule) {
            wanted.clear();
        }
        let mut stores = std::mem::take(&mut self.implicit);
        for ends in wanted.keys() {
            stores.entry(*ends).or_insert_with(|| Links::new(true, self.seed));
        }
        for ((from, to), links) in &mut stores {
            let nodes = [&self.nodes[*from], &self.nodes[*to]];
            let mut wanted = wanted.get(&(*from, *to)).cloned().unwrap_or_default();
            let known: BTreeSet<u32> = (0..links.n_entries() as u32)
                .map(|number| links.step(number).ends[0])
                .filter(|source| *source != crate::nodes::NIL)
                .collect();
            let sources: BTreeSet<u32> = wanted.keys().copied().chain(known).collect();
            for source in sources {
                let mut bodies = wanted.remove(&source).unwrap_or_default();
                bodies.sort_by(|a, b| nodes[1].order(a.0, b.0));
                links.replace(nodes, &rules.constraints, 0, source, bodies.into_iter(), &|_| false);
            }
        }
        self.implicit = stores;
    }

    /// By types at the ends, by source.
    fn chains(&self, constraints: &[Str], rule: usize) -> Wanted {
        let mut hops: BTreeMap<Node, Vec<Hop<'_>>> = BTreeMap::new();
        let mut explicit: BTreeSet<(Node, Node)> = BTreeSet::new();
        for (links, known) in self.links.iter().zip(&self.rules.link_types) {
            for entry in links.in_order(&self.nodes[known.ends[0]]) {
                let ends = links.step(entry).ends;
                let (from, to) = ((known.ends[0], ends[0]), (known.ends[1], ends[1]));
                if let Some(body) = links.body(entry) {
                    hops.entry(from).or_default().push(Hop { to, body });
                }
                explicit.insert((from, to));
            }
        }
        let mut wanted = Wanted::new();
        for first in hops.keys() {
            if self.meter.is_over(rule) {
                break;
            }
            for (last, chains) in self.chains_from(*first, &hops, constraints, rule) {
                if !explicit.contains(&(*first, last)) {
                    let body = body(&chains, constraints);
                    self.meter.keep(rule, body.bytes() + LINK_BYTES);
                    wanted.entry((first.0, last.0)).or_default().entry(first.1).or_default().push((last.1, body));
                }
            }
        }
        wanted
    }

    /// Chains of two and more links, by last object, the shortest first.
    fn chains_from(
        &self,
        first: Node,
        hops: &BTreeMap<Node, Vec<Hop<'_>>>,
        constraints: &[Str],
        rule: usize,
    ) -> BTreeMap<Node, Vec<Chain>> {
        let mut seen: BTreeSet<(Node, String)> = BTreeSet::new();
        let mut found: BTreeMap<Node, Vec<Chain>> = BTreeMap::new();
        let start = hops.get(&first).map_or(&[][..], Vec::as_slice);
        let mut front: Vec<(Node, Chain)> = Vec::new();
        for hop in start {
            let chain = Chain {
                state: hop.body.state,
                host: hop.body.host.clone(),
                switch: hop.body.switch.clone(),
                carried: carried(&hop.body.attributes, constraints),
            };
            front.push((hop.to, chain));
        }
        while !front.is_empty() {
            front.sort_by(|a, b| self.by_key(a.0, b.0));
            let mut next: Vec<(Node, Chain)> = Vec::new();
            for (at, chain) in &front {
                let n_hops = hops.get(at).map_or(0, Vec::len) as u64;
                if !self.meter.work(rule, n_hops * PAIR) {
                    return found;
                }
                for hop in hops.get(at).map_or(&[][..], Vec::as_slice) {
                    // A link of the type that the chain itself has is no step of it, and no chain ends where it began.
                    if hop.to == first || (first.0, at.0) == (at.0, hop.to.0) {
                        continue;
                    }
                    let Some(longer) = longer(chain, hop.body, constraints) else { continue };
                    if seen.insert((hop.to, identity(&longer.carried))) {
                        found.entry(hop.to).or_default().push(longer.clone());
                        next.push((hop.to, longer));
                    }
                }
            }
            front = next;
        }
        found
    }

    /// The explicit links of the shortest chain between two objects.
    pub(crate) fn shortest_chain(&self, types: [usize; 2], ends: [u32; 2]) -> Vec<LinkRef> {
        let (first, last) = ((types[0], ends[0]), (types[1], ends[1]));
        let mut came_from: BTreeMap<Node, (Node, LinkRef)> = BTreeMap::new();
        let mut front = vec![first];
        while !front.is_empty() && !came_from.contains_key(&last) {
            let mut next = Vec::new();
            for at in front {
                for (links, known) in self.links.iter().zip(&self.rules.link_types) {
                    if known.ends[0] != at.0 {
                        continue;
                    }
                    let maker = LinkMaker::new(&self.rules, &self.nodes, known.ends);
                    for ends in links.of(0, at.1).iter().map(|entry| links.step(*entry).ends) {
                        let to = (known.ends[1], ends[1]);
                        if to != first && !came_from.contains_key(&to) {
                            came_from.insert(to, (at, maker.reference(ends)));
                            next.push(to);
                        }
                    }
                }
            }
            front = next;
        }
        let mut chain = Vec::new();
        let mut at = last;
        while let Some((before, link)) = came_from.remove(&at) {
            chain.push(link);
            at = before;
        }
        chain.reverse();
        chain
    }

    fn by_key(&self, a: Node, b: Node) -> std::cmp::Ordering {
        a.0.cmp(&b.0).then_with(|| self.nodes[a.0].order(a.1, b.1))
    }
}

fn carried(attributes: &Map, constraints: &[Str]) -> Carried {
    constraints.iter().filter_map(|name| Some((name.clone(), attributes.get(name)?.clone()))).collect()
}

fn identity(carried: &Carried) -> String {
    Value::Map(carried.iter().map(|(name, value)| (name.clone(), value.clone())).collect()).to_json()
}

/// The chain with one more link; none when they carry different values.
fn longer(chain: &Chain, body: &Body, constraints: &[Str]) -> Option<Chain> {
    let mut all = carried(&body.attributes, constraints);
    for (name, value) in &chain.carried {
        if let Some(other) = all.get(name)
            && !agree(other, value)
        {
            return None;
        }
        all.insert(name.clone(), value.clone());
    }
    let state = if chain.state == LinkState::Down { LinkState::Down } else { body.state };
    Some(Chain {
        state,
        host: common(&chain.host, &body.host),
        switch: common(&chain.switch, &body.switch),
        carried: all,
    })
}

/// The text both have, or the only one there is.
fn common(a: &Option<Str>, b: &Option<Str>) -> Option<Str> {
    match (a, b) {
        (Some(a), Some(b)) => (a == b).then(|| a.clone()),
        (one, None) | (None, one) => one.clone(),
    }
}

fn body(chains: &[Chain], constraints: &[Str]) -> Body {
    let Some(shortest) = chains.first() else { return Body::default() };
    let mut attributes = Vec::new();
    for name in constraints {
        let values: Option<Vec<&Value>> = chains.iter().map(|chain| chain.carried.get(name)).collect();
        let Some(values) = values else { continue };
        let mut items: Vec<Value> = Vec::new();
        for value in &values {
            match value {
                Value::List(list) => items.extend(list.iter().cloned()),
                one => items.push((*one).clone()),
            }
        }
        items.sort_by(|a, b| a.total_cmp(b).then_with(|| a.kind().cmp(b.kind())));
        items.dedup();
        let alike = values.windows(2).all(|pair| pair[0] == pair[1]);
        let value = match values.first() {
            Some(first) if alike => (*first).clone(),
            _ => Value::list(items),
        };
        attributes.push((name.clone(), value));
    }
    Body {
        name: "".into(),
        state: shortest.state,
        host: shortest.host.clone(),
        switch: shortest.switch.clone(),
        attributes: Map::from_pairs(attributes),
        rule: None,
    }
}
