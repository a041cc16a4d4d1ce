//! Which ends that met nothing are as they should be, as far as the rules and what is there can tell: the object is linked by
//! an alternative, or its like elsewhere meet nothing either.

use std::collections::BTreeMap;

use calipso_model::{Str, Value};

use super::{DanglingEnd, End};
use crate::graph::Graph;

/// Why an end that met nothing is no reason to worry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usual {
    /// Another key or rule gives the object a link of this type.
    LinkedOtherwise,
    /// The object has a link of another type that leads the same way.
    Alternative(Str),
    /// What has this key on other hosts, or has a key of this shape, mostly meets nothing either.
    LikeOthers,
}

/// How many keys met something, and how many did not.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    met: usize,
    dangling: usize,
}

impl Tally {
    fn add(&mut self, meets: bool) {
        if meets {
            self.met += 1;
        } else {
            self.dangling += 1;
        }
    }
}

/// Keys of one end of a rule, counted by what is the same about them.
#[derive(Default)]
struct Peers {
    /// By the key without the host.
    by_name: BTreeMap<String, Tally>,
    /// By the shape of the key.
    by_shape: BTreeMap<String, Tally>,
}

impl Peers {
    /// Whether most keys like this one meet nothing: those that differ in the host only, if there are any; else those
    /// that look like it.
    fn mostly_dangle(&self, name: &str) -> bool {
        let of = |tallies: &BTreeMap<String, Tally>, name: &str| tallies.get(name).copied().unwrap_or_default();
        let alike = of(&self.by_name, name);
        let judged = if alike.met + alike.dangling > 1 { alike } else { of(&self.by_shape, &shape(name)) };
        judged.dangling > judged.met
    }
}

impl Graph {
    /// For each end that met nothing, why that is usual; nothing where it is not.
    #[must_use]
    pub fn usual(&self, ends: &[DanglingEnd]) -> Vec<Option<Usual>> {
        let mut peers: BTreeMap<(usize, usize), Peers> = BTreeMap::new();
        ends.iter()
            .map(|end| {
                if end.linked_otherwise {
                    return Some(Usual::LinkedOtherwise);
                }
                let rules = self.rules();
                let side = usize::from(end.end == End::Far);
                let number = rules.link_types.iter().position(|known| known.name == end.of)?;
                let join = *rules.link_types[number].joins.iter().find(|join| rules.joins[**join].at == end.at)?;
                let type_id = rules.joins[join].ends[side].type_id;
                let object = self.nodes_of(type_id).find(&end.object.id)?;
                let others = rules.link_types.iter().enumerate().filter(|(other, _)| *other != number);
                let mut leading = others.filter(|(_, known)| known.ends[side] == type_id);
                if let Some((_, other)) = leading.find(|(other, _)| !self.links_at(*other).of(side, object).is_empty())
                {
                    return Some(Usual::Alternative(other.name.clone()));
                }
                let peers = peers.entry((join, side)).or_insert_with(|| self.peers(join, side));
                let name = without_host(&end.key, self.host(type_id, object));
                peers.mostly_dangle(&name).then_some(Usual::LikeOthers)
            })
            .collect()
    }

    fn host(&self, type_id: usize, object: u32) -> &str {
        let number = self.rules().types[type_id].numbers.get("host");
        let host = number.and_then(|number| self.nodes_of(type_id).record(object).get(*number));
        host.and_then(Value::as_str).unwrap_or_default()
    }

    fn peers(&self, join: usize, side: usize) -> Peers {
        let index = self.index(join);
        let evaluator = self.evaluator();
        let type_id = self.rules().joins[join].ends[side].type_id;
        let nodes = self.nodes_of(type_id);
        let mut peers = Peers::default();
        for object in nodes.in_order() {
            let host = self.host(type_id, object);
            let keys = evaluator.keys(join, side, object);
            for row in index.rows_of(side, object) {
                let Some(key) = keys.get(index.row(side, row).order as usize) else { continue };
                let name = without_host(key, host);
                let meets = index.meets(side, row);
                peers.by_shape.entry(shape(&name)).or_default().add(meets);
                peers.by_name.entry(name).or_default().add(meets);
            }
        }
        peers
    }
}

/// A key in which the host is left out wherever it stands.
fn without_host(key: &[Value], host: &str) -> String {
    let mut text = Value::list(key.to_vec()).to_json();
    if !host.is_empty() {
        text = text.replace(host, "\u{b7}");
    }
    text
}

/// A text in which everything that is a number or an id is the same: of each word with a digit only its beginning counts.
fn shape(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let end = word.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        if end.contains(|letter: char| letter.is_ascii_digit()) {
            out.extend(end.chars().take(3).filter(|letter| letter.is_alphabetic()));
            out.push('#');
            out.push_str(&word[end.len()..]);
        } else {
            out.push_str(word);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use calipso_model::Value;

    use super::{shape, without_host};

    #[test]
    fn what_differs_in_the_host_only_is_alike() {
        let key = |host: &str, card: &str| [Value::text(host), Value::text(card)];
        assert_eq!(without_host(&key("h1", "h1-eth0"), "h1"), without_host(&key("h2", "h2-eth0"), "h2"));
        assert_ne!(without_host(&key("h1", "eth0"), "h1"), without_host(&key("h1", "eth1"), "h1"));
        assert_eq!(shape("[\"a\",\"tap3dbb3c46-0e\"]"), shape("[\"a\",\"tapcb866500-1e\"]"));
        assert_ne!(shape("tap3dbb3c46-0e"), shape("qvo3dbb3c46-0e"));
    }
}
