//! The index of one join: keys, and the rows of both ends that have them.

use calipso_model::Value;

use crate::{
    hash::{LookUp, Seeded},
    nodes::NIL,
    same::same_list,
};

/// One key that an object has at one end, before it is in the index. Its parts, then the generator values that later
/// expressions read, stand among the values of its [`Drafts`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) hash: u64,
    start: u32,
    parts: u16,
    binds: u16,
}

/// Keys of some objects at one end.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) list: Vec<Draft>,
    pub(crate) values: Vec<Value>,
}

impl Drafts {
    /// Adds a key.
    pub(crate) fn push(&mut self, seed: KeyHash, parts: &mut Vec<Value>, binds: impl Iterator<Item = Value>) {
        let start = self.values.len();
        let hash = seed.key(parts);
        self.values.append(parts);
        let after = self.values.len();
        self.values.extend(binds);
        self.list.push(Draft {
            hash,
            start: u32::try_from(start).expect("one task drafts fewer than 2^32 values"),
            parts: u16::try_from(after - start).expect("a key is written in a spec and has few parts"),
            binds: u16::try_from(self.values.len() - after).expect("a rule binds few names"),
        });
    }
}

impl Draft {
    fn parts(self, values: &[Value]) -> &[Value] {
        &values[self.start as usize..][..usize::from(self.parts)]
    }

    fn binds(self, values: &[Value]) -> &[Value] {
        &values[self.start as usize + usize::from(self.parts)..][..usize::from(self.binds)]
    }

    /// Takes the generator values out.
    fn take_binds(self, values: &mut [Value]) -> Box<[Value]> {
        let binds = &mut values[self.start as usize + usize::from(self.parts)..][..usize::from(self.binds)];
        binds.iter_mut().map(std::mem::take).collect()
    }

    /// Takes the key out.
    fn take_parts(self, values: &mut [Value]) -> Box<[Value]> {
        values[self.start as usize..][..usize::from(self.parts)].iter_mut().map(std::mem::take).collect()
    }
}

/// One key that an object has at one end.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) object: u32,
    pub(crate) key: u32,
    /// Place in the generators' order.
    pub(crate) order: u32,
    previous: u32,
    next: u32,
    /// Next row of the same object.
    sibling: u32,
    pub(crate) binds: Box<[Value]>,
}

#[derive(Debug)]
struct Key {
    parts: Box<[Value]>,
    hash: u64,
    /// Next key with the same hash.
    same_hash: u32,
    heads: [u32; 2],
}

#[derive(Debug, Default)]
struct Side {
    rows: Vec<Row>,
    free: Vec<u32>,
    /// First row of each object.
    heads: Vec<u32>,
}

/// The index of one join.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_hash: LookUp<u64, u32>,
    keys: Vec<Key>,
    free_keys: Vec<u32>,
    sides: [Side; 2],
    /// Room for the rows of one object.
    chained: Vec<u32>,
}

/// The other end.
pub(crate) fn opposite(side: usize) -> usize {
    1 - side
}

impl Index {
    pub(crate) fn row(&self, side: usize, row: u32) -> &Row {
        &self.sides[side].rows[row as usize]
    }

    /// Rows of an object, in the generators' order.
    pub(crate) fn rows_of(&self, side: usize, object: u32) -> impl Iterator<Item = u32> + '_ {
        let rows = &self.sides[side].rows;
        let mut next = self.sides[side].heads.get(object as usize).copied().unwrap_or(NIL);
        std::iter::from_fn(move || {
            let row = rows.get(next as usize)?;
            Some(std::mem::replace(&mut next, row.sibling))
        })
    }

    /// Rows of one end that have a key, in no particular order.
    pub(crate) fn rows_with(&self, side: usize, key: u32) -> impl Iterator<Item = u32> + '_ {
        let rows = &self.sides[side].rows;
        let mut next = self.keys[key as usize].heads[side];
        std::iter::from_fn(move || {
            let row = rows.get(next as usize)?;
            Some(std::mem::replace(&mut next, row.next))
        })
    }

    /// Whether the other end has this row's key.
    pub(crate) fn meets(&self, side: usize, row: u32) -> bool {
        let key = self.row(side, row).key;
        self.keys[key as usize].heads[opposite(side)] != NIL
    }

    /// The parts of a key.
    pub(crate) fn parts(&self, key: u32) -> &[Value] {
        &self.keys[key as usize].parts
    }

    /// Makes room for `rows` more rows at an end of `places` objects.
    pub(crate) fn reserve(&mut self, side: usize, places: usize, rows: usize) {
        let end = &mut self.sides[side];
        if end.heads.len() < places {
            end.heads.resize(places, NIL);
        }
        if rows > 1_000 {
            end.rows.reserve(rows);
            let missing = rows.saturating_sub(self.keys.len());
            self.keys.reserve(missing);
            self.by_hash.reserve(missing);
        }
    }

    /// Gives an object the rows that it has now, taken out of `values`; `changed` hears the key of every row that came
    /// or went, while the key is still there. Rows at the beginning and the end that stay equal are left alone.
    pub(crate) fn replace(
        &mut self,
        side: usize,
        object: u32,
        drafts: &[Draft],
        values: &mut [Value],
        changed: &mut dyn FnMut(&Self, u32),
    ) -> bool {
        let old: Vec<u32> = self.rows_of(side, object).collect();
        let same = |index: &Self, row: u32, draft: &Draft| {
            let row = index.row(side, row);
            let key = &index.keys[row.key as usize];
            key.hash == draft.hash && *key.parts == *draft.parts(values) && same_list(&row.binds, draft.binds(values))
        };
        let front = old.iter().zip(drafts).take_while(|(row, draft)| same(self, **row, draft)).count();
        let back = old[front..]
            .iter()
            .rev()
            .zip(drafts[front..].iter().rev())
            .take_while(|(row, draft)| same(self, **row, draft))
            .count();
        if front + back == old.len() && front + back == drafts.len() {
            return false;
        }
        let old_end = old.len() - back;
        for row in &old[front..old_end] {
            let key = self.row(side, *row).key;
            changed(self, key);
            self.unlink(side, *row);
        }
        let new_end = drafts.len() - back;
        let mut chain = std::mem::take(&mut self.chained);
        chain.extend_from_slice(&old[..front]);
        for draft in &drafts[front..new_end] {
            let key = self.key(*draft, values);
            let row = self.link(side, object, key, draft.take_binds(values));
            changed(self, key);
            chain.push(row);
        }
        chain.extend_from_slice(&old[old_end..]);
        self.chain(side, object, &chain);
        chain.clear();
        self.chained = chain;
        true
    }

    fn chain(&mut self, side: usize, object: u32, rows: &[u32]) {
        let end = &mut self.sides[side];
        if end.heads.len() <= object as usize {
            end.heads.resize(object as usize + 1, NIL);
        }
        end.heads[object as usize] = rows.first().copied().unwrap_or(NIL);
        for (order, row) in rows.iter().enumerate() {
            let next = rows.get(order + 1).copied().unwrap_or(NIL);
            let row = &mut end.rows[*row as usize];
            row.order = order as u32;
            row.sibling = next;
        }
    }

    fn key(&mut self, draft: Draft, values: &mut [Value]) -> u32 {
        let hash = draft.hash;
        let first = self.by_hash.get(&hash).copied().unwrap_or(NIL);
        let mut next = first;
        while let Some(key) = self.keys.get(next as usize) {
            if *key.parts == *draft.parts(values) {
                return next;
            }
            next = key.same_hash;
        }
        let key = Key { parts: draft.take_parts(values), hash, same_hash: first, heads: [NIL; 2] };
        let place = match self.free_keys.pop() {
            Some(place) => {
                self.keys[place as usize] = key;
                place
            }
            None => {
                let place = u32::try_from(self.keys.len()).expect("a join has fewer than 2^32 keys");
                self.keys.push(key);
                place
            }
        };
        self.by_hash.insert(hash, place);
        place
    }

    fn link(&mut self, side: usize, object: u32, key: u32, binds: Box<[Value]>) -> u32 {
        let head = self.keys[key as usize].heads[side];
        let end = &mut self.sides[side];
        let row = Row { object, key, order: 0, previous: NIL, next: head, sibling: NIL, binds };
        let place = match end.free.pop() {
            Some(place) => {
                end.rows[place as usize] = row;
                place
            }
            None => {
                let place = u32::try_from(end.rows.len()).expect("a join has fewer than 2^32 rows");
                end.rows.push(row);
                place
            }
        };
        if let Some(after) = end.rows.get_mut(head as usize) {
            after.previous = place;
        }
        self.keys[key as usize].heads[side] = place;
        place
    }

    fn unlink(&mut self, side: usize, place: u32) {
        let end = &mut self.sides[side];
        let row = &mut end.rows[place as usize];
        let (key, previous, next) = (row.key, row.previous, row.next);
        row.binds = Box::default();
        row.object = NIL;
        if let Some(after) = end.rows.get_mut(next as usize) {
            after.previous = previous;
        }
        match end.rows.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.keys[key as usize].heads[side] = next,
        }
        end.free.push(place);
        if self.keys[key as usize].heads == [NIL; 2] {
            self.drop_key(key);
        }
    }

    fn drop_key(&mut self, place: u32) {
        let key = &mut self.keys[place as usize];
        let (hash, after) = (key.hash, key.same_hash);
        key.parts = Box::default();
        let first = self.by_hash.get(&hash).copied().unwrap_or(NIL);
        if first == place {
            if after == NIL {
                self.by_hash.remove(&hash);
            } else {
                self.by_hash.insert(hash, after);
            }
        } else {
            let mut before = first;
            while let Some(key) = self.keys.get_mut(before as usize) {
                if key.same_hash == place {
                    key.same_hash = after;
                    break;
                }
                before = key.same_hash;
            }
        }
        self.free_keys.push(place);
    }
}

/// The hash of join keys: one seed per process.
pub(crate) type KeyHash = Seeded;

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(index: &mut Index, side: usize, object: u32, keys: &[&str]) -> usize {
        let mut drafts = Drafts::default();
        for key in keys {
            drafts.push(Seeded::fixed(1), &mut vec![Value::text(key)], std::iter::empty());
        }
        // One hash for all: collisions have to be resolved by the parts.
        drafts.list.iter_mut().for_each(|draft| draft.hash = 1);
        let mut heard = 0;
        index.replace(side, object, &drafts.list, &mut drafts.values, &mut |_, _| heard += 1);
        heard
    }

    fn partners(index: &Index, side: usize, object: u32) -> Vec<u32> {
        let mut found: Vec<u32> = index
            .rows_of(side, object)
            .flat_map(|row| index.rows_with(opposite(side), index.row(side, row).key))
            .map(|row| index.row(opposite(side), row).object)
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn equal_keys_meet_and_part_again() {
        let mut index = Index::default();
        replace(&mut index, 0, 0, &["a", "b"]);
        replace(&mut index, 1, 5, &["b"]);
        replace(&mut index, 1, 6, &["b", "c"]);
        assert_eq!(partners(&index, 0, 0), [5, 6]);
        replace(&mut index, 1, 5, &["d"]);
        assert_eq!(partners(&index, 0, 0), [6]);
        replace(&mut index, 0, 0, &[]);
        assert_eq!(partners(&index, 1, 6), [] as [u32; 0]);
        replace(&mut index, 0, 1, &["c", "d"]);
        assert_eq!(partners(&index, 0, 1), [5, 6]);
    }

    #[test]
    fn only_rows_that_changed_are_heard() {
        let mut index = Index::default();
        assert_eq!(replace(&mut index, 0, 0, &["a", "b", "c"]), 3);
        assert_eq!(replace(&mut index, 0, 0, &["a", "b", "c"]), 0);
        assert_eq!(replace(&mut index, 0, 0, &["a", "x", "c"]), 2);
        assert_eq!(replace(&mut index, 0, 0, &["a", "c"]), 1);
        assert_eq!(replace(&mut index, 0, 0, &["a", "y", "z", "c"]), 2);
        let orders: Vec<u32> = index.rows_of(0, 0).map(|row| index.row(0, row).order).collect();
        assert_eq!(orders, [0, 1, 2, 3]);
    }

    #[test]
    fn keys_that_nobody_has_are_forgotten() {
        let mut index = Index::default();
        for round in 0..100 {
            replace(&mut index, 0, 0, &[&format!("k{round}"), &format!("l{round}")]);
        }
        assert!(index.keys.len() <= 4);
        assert_eq!(index.by_hash.len(), 1);
    }
}
