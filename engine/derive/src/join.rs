//! The index of one join: keys, and the rows of both ends that have them.

use calipso_model::{Value, same::same_list};
use hashbrown::{HashTable, hash_table::Entry};

use crate::{
    graph::{Heap, room, table},
    hash::KeyHash,
    nodes::NIL,
};

/// Keys of some objects at one end, before they are in the index: their hashes, and for each the generator values that
/// later expressions read.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) keys: Vec<KeyHash>,
    pub(crate) binds: Vec<Value>,
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
}

#[derive(Debug)]
struct Key {
    hash: KeyHash,
    /// First row of each end that has it.
    heads: [u32; 2],
}

#[derive(Debug, Default)]
struct Side {
    rows: Vec<Row>,
    free: Vec<u32>,
    /// First row of each object.
    heads: Vec<u32>,
    /// By row: the generator values that later expressions read.
    binds: Vec<Value>,
    /// How many there are of each row.
    width: usize,
}

/// The index of one join.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Numbers of keys, by the first half of their hashes.
    by_hash: HashTable<u32>,
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
    /// An empty index with so many generator values for each row of an end.
    pub(crate) fn new(widths: [usize; 2]) -> Self {
        let sides = widths.map(|width| Side { width, ..Side::default() });
        Self { sides, ..Self::default() }
    }

    /// Generator values of a row.
    pub(crate) fn binds(&self, side: usize, row: u32) -> &[Value] {
        let Side { binds, width, .. } = &self.sides[side];
        &binds[row as usize * width..][..*width]
    }

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

    /// Makes room for `rows` more rows at an end of `places` objects.
    pub(crate) fn reserve(&mut self, side: usize, places: usize, rows: usize) {
        let end = &mut self.sides[side];
        if end.heads.len() < places {
            end.heads.resize(places, NIL);
        }
        if rows > 1_000 {
            end.rows.reserve(rows);
            end.binds.reserve(rows * end.width);
            let missing = rows.saturating_sub(self.keys.len());
            self.keys.reserve(missing);
            let keys = &self.keys;
            self.by_hash.reserve(missing, |key| keys[*key as usize].hash.0[0]);
        }
    }

    /// Gives an object the rows that it has now, with the generator values of all of them; `changed` hears the key of
    /// every row that came or went, while the key is still there. Rows at the beginning and the end that stay equal are
    /// left alone.
    pub(crate) fn replace(
        &mut self,
        side: usize,
        object: u32,
        keys: &[KeyHash],
        binds: &[Value],
        changed: &mut dyn FnMut(&Self, u32),
    ) -> bool {
        let width = self.sides[side].width;
        let old: Vec<u32> = self.rows_of(side, object).collect();
        let same = |row: u32, place: usize| {
            self.keys[self.row(side, row).key as usize].hash == keys[place]
                && same_list(self.binds(side, row), &binds[place * width..][..width])
        };
        let front = old.iter().zip(0..keys.len()).take_while(|(row, place)| same(**row, *place)).count();
        let rest = (front..keys.len()).rev();
        let back = old[front..].iter().rev().zip(rest).take_while(|(row, place)| same(**row, *place)).count();
        if front + back == old.len() && front + back == keys.len() {
            return false;
        }
        let old_end = old.len() - back;
        for row in &old[front..old_end] {
            let key = self.row(side, *row).key;
            changed(self, key);
            self.unlink(side, *row);
        }
        let new_end = keys.len() - back;
        let mut chain = std::mem::take(&mut self.chained);
        chain.extend_from_slice(&old[..front]);
        for place in front..new_end {
            let key = self.key(keys[place]);
            let row = self.link(side, object, key, &binds[place * width..][..width]);
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

    fn key(&mut self, hash: KeyHash) -> u32 {
        let keys = &mut self.keys;
        let slot =
            self.by_hash.entry(hash.0[0], |key| keys[*key as usize].hash == hash, |key| keys[*key as usize].hash.0[0]);
        let slot = match slot {
            Entry::Occupied(known) => return *known.get(),
            Entry::Vacant(slot) => slot,
        };
        let key = Key { hash, heads: [NIL; 2] };
        let number = match self.free_keys.pop() {
            Some(number) => {
                keys[number as usize] = key;
                number
            }
            None => {
                let number = u32::try_from(keys.len()).expect("a join has fewer than 2^32 keys");
                keys.push(key);
                number
            }
        };
        slot.insert(number);
        number
    }

    fn link(&mut self, side: usize, object: u32, key: u32, binds: &[Value]) -> u32 {
        let head = std::mem::replace(&mut self.keys[key as usize].heads[side], NIL);
        let end = &mut self.sides[side];
        let row = Row { object, key, order: 0, previous: NIL, next: head, sibling: NIL };
        let place = match end.free.pop() {
            Some(place) => {
                end.rows[place as usize] = row;
                end.binds[place as usize * end.width..][..end.width].clone_from_slice(binds);
                place
            }
            None => {
                let place = u32::try_from(end.rows.len()).expect("a join has fewer than 2^32 rows");
                end.rows.push(row);
                end.binds.extend_from_slice(binds);
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
        row.object = NIL;
        end.binds[place as usize * end.width..][..end.width].fill(Value::Null);
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

    fn drop_key(&mut self, number: u32) {
        let hash = self.keys[number as usize].hash.0[0];
        if let Ok(known) = self.by_hash.find_entry(hash, |key| *key == number) {
            known.remove();
        }
        self.free_keys.push(number);
    }

    /// Bytes that it holds.
    pub(crate) fn memory(&self, heap: &mut Heap) -> usize {
        let side = |side: &Side, heap: &mut Heap| {
            let binds = side.binds.iter().map(|value| heap.value(value)).sum::<usize>();
            room(&side.rows) + room(&side.free) + room(&side.heads) + room(&side.binds) + binds
        };
        let sides = self.sides.iter().map(|end| side(end, heap)).sum::<usize>();
        table(&self.by_hash) + room(&self.keys) + room(&self.free_keys) + sides
    }
}

#[cfg(test)]
mod tests {
    use calipso_expr::KeyPart;

    use super::*;
    use crate::hash::{Bytes, Seed};

    fn hash(key: &str) -> KeyHash {
        use std::sync::LazyLock;
        static SEED: LazyLock<Seed> = LazyLock::new(Seed::random);
        let mut bytes = Bytes::new(*SEED);
        bytes.key_part(KeyPart::Text(key));
        // One first half for all: keys have to be told apart by the second one.
        KeyHash([1, bytes.key().0[1]])
    }

    fn replace(index: &mut Index, side: usize, object: u32, keys: &[&str]) -> usize {
        let keys: Vec<KeyHash> = keys.iter().map(|key| hash(key)).collect();
        let mut heard = 0;
        index.replace(side, object, &keys, &[], &mut |_, _| heard += 1);
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
        assert_eq!(index.by_hash.len(), 2);
    }
}
