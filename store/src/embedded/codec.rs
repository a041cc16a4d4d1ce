//! A clique as few bytes: numbers of keys and words, each as short as it can be.

use calipso_model::{Clique, LinkRef, Map, ObjectKey};

use crate::{
    embedded::{
        fault::{from_db, to_db},
        key::{Names, Numbers},
        row,
    },
    error::StoreError,
};

/// The layout of the bytes.
const LAYOUT: u64 = 1;

/// What the bytes of a clique hold, in numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// The constraints as text.
    pub(super) constraints: String,
    /// Keys of the nodes, rising.
    pub(super) nodes: Vec<i64>,
    /// Link type, source and target of each link, in order.
    pub(super) links: Vec<(i64, i64, i64)>,
}

impl Body {
    /// Numbers everything in a clique.
    pub(super) fn of(clique: &Clique, numbers: &mut Numbers<'_>) -> Result<Self, StoreError> {
        let mut nodes = clique.nodes.iter().map(|node| numbers.make(node)).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_unstable();
        nodes.dedup();
        let links = clique
            .links
            .iter()
            .map(|link| Ok((numbers.word(&link.link_type)?, numbers.make(&link.source)?, numbers.make(&link.target)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Self { constraints: row::map_text(&clique.constraints), nodes, links })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.constraints.len() + 3 * self.nodes.len() + 8 * self.links.len());
        push(&mut out, LAYOUT);
        push(&mut out, self.constraints.len() as u64);
        out.extend_from_slice(self.constraints.as_bytes());
        push(&mut out, self.nodes.len() as u64);
        let mut last = 0;
        for node in &self.nodes {
            push(&mut out, from_db(node - last));
            last = *node;
        }
        push(&mut out, self.links.len() as u64);
        for (link_type, source, target) in &self.links {
            for number in [link_type, source, target] {
                push(&mut out, from_db(*number));
            }
        }
        out
    }

    /// What the bytes say.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        Bytes(bytes).body().ok_or_else(|| StoreError::corrupt("a clique is not readable"))
    }

    /// The clique itself.
    pub(super) fn name(
        self,
        focal_point: ObjectKey,
        clique_type: i64,
        names: &mut Names<'_>,
    ) -> Result<Clique, StoreError> {
        let constraints: Map = row::map_from(&self.constraints)?;
        let mut nodes = self.nodes.iter().map(|node| names.key(*node)).collect::<Result<Vec<_>, _>>()?;
        nodes.sort();
        let links = self
            .links
            .iter()
            .map(|(link_type, source, target)| {
                Ok(LinkRef {
                    link_type: names.word(*link_type)?,
                    source: names.key(*source)?,
                    target: names.key(*target)?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Clique { focal_point, clique_type: names.word(clique_type)?, constraints, nodes, links })
    }
}

/// Seven bits a byte, lowest first; the high bit says that more follow.
fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn body(&mut self) -> Option<Body> {
        if self.number()? != LAYOUT {
            return None;
        }
        let length = self.length()?;
        let (constraints, rest) = self.0.split_at_checked(length)?;
        let constraints = std::str::from_utf8(constraints).ok()?.to_owned();
        self.0 = rest;
        let mut body = Body { constraints, ..Body::default() };
        let mut last = 0_i64;
        for _ in 0..self.length()? {
            last = last.checked_add(to_db(self.number()?))?;
            body.nodes.push(last);
        }
        for _ in 0..self.length()? {
            body.links.push((to_db(self.number()?), to_db(self.number()?), to_db(self.number()?)));
        }
        self.0.is_empty().then_some(body)
    }

    /// A number of things that follow; each takes a byte at least.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|length| *length <= self.0.len())
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Body;

    #[test]
    fn bytes_say_what_was_put_in() {
        let body = Body {
            constraints: "{\"network\":\"ä\"}".to_owned(),
            nodes: vec![0, 1, 127, 128, 300, 1 << 40, i64::MAX],
            links: vec![(1, 2, 3), (i64::MAX, 0, 16_384)],
        };
        assert_eq!(Body::decode(&body.encode()).unwrap(), body);
    }

    #[test]
    fn cut_or_foreign_bytes_are_refused() {
        let body = Body { constraints: "{}".to_owned(), nodes: vec![5, 900], links: vec![(1, 5, 900)] }.encode();
        for length in 0..body.len() {
            assert!(Body::decode(&body[..length]).is_err(), "{length} bytes were taken for a whole");
        }
        let mut longer = body.clone();
        longer.push(0);
        assert!(Body::decode(&longer).is_err());
        let mut other = body;
        other[0] = 2;
        assert!(Body::decode(&other).is_err());
    }
}
