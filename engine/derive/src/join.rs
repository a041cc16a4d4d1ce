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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) object: u32,
    pub(crate) key: u32,
    /// Position in the generators' order.
    pub(crate) order: u32,
}

#[derive(Debug)]
struct Key {
    hash: KeyHash,
    /// First row of each end that has it.
    heads: [u32; 2],
}

/// A row among those of its key.
#[derive(Clone, Copy, Debug)]
struct Chained {
    /// [`NIL`]: there is no such row.
    key: u32,
    previous: u32,
    next: u32,
}

/// A row that is not in use.
const UNUSED: Chained = Chained { key: NIL, previous: NIL, next: NIL };

/// The object that a row belongs to.
#[derive(Clone, Copy, Debug)]
struct Owner {
    object: u32,
    order: u32,
    /// Next row of the same object.
    sibling: u32,
}

/// Of an end whose objects may have several rows each: whose they are.
#[derive(Debug, Default)]
struct Owners {
    rows: Vec<Owner>,
    free: Vec<u32>,
    /// First row of each object.
    heads: Vec<u32>,
    /// By row: the generator values that later expressions read.
    binds: Vec<Value>,
    /// How many there are of each row.
    width: usize,
}

#[derive(Debug, Default)]
struct Side {
    rows: Vec<Chained>,
    /// None: every object has one row at most, and its number is that of the row.
    owners: Option<Owners>,
}

impl Side {
    /// The first row of an object, or [`NIL`].
    fn first(&self, object: u32) -> u32 {
        match &self.owners {
            Some(owners) => owners.heads.get(object as usize).copied().unwrap_or(NIL),
            None => self.rows.get(object as usize).filter(|row| row.key != NIL).map_or(NIL, |_| object),
        }
    }

    /// The next row of the same object, or [`NIL`].
    fn sibling(&self, row: u32) -> u32 {
        self.owners.as_ref().map_or(NIL, |owners| owners.rows[row as usize].sibling)
    }

    fn binds(&self, row: u32) -> &[Value] {
        self.owners.as_ref().map_or(&[], |owners| &owners.binds[row as usize * owners.width..][..owners.width])
    }

    fn width(&self) -> usize {
        self.owners.as_ref().map_or(0, |owners| owners.width)
    }

    /// Room for a row of an object that is in no chain yet.
    fn add(&mut self, object: u32, binds: &[Value]) -> u32 {
        let Some(owners) = &mut self.owners else {
            if self.rows.len() <= object as usize {
                self.rows.resize(object as usize + 1, UNUSED);
            }
            return object;
        };
        let owner = Owner { object, order: 0, sibling: NIL };
        if let Some(row) = owners.free.pop() {
            owners.rows[row as usize] = owner;
            owners.binds[row as usize * owners.width..][..owners.width].clone_from_slice(binds);
            return row;
        }
        let row = u32::try_from(self.rows.len()).expect("a join has fewer than 2^32 rows");
        self.rows.push(UNUSED);
        owners.rows.push(owner);
        owners.binds.extend_from_slice(binds);
        row
    }

    /// Forgets a row that is in no chain any more.
    fn drop(&mut self, row: u32) {
        self.rows[row as usize] = UNUSED;
        if let Some(owners) = &mut self.owners {
            owners.rows[row as usize].object = NIL;
            owners.binds[row as usize * owners.width..][..owners.width].fill(Value::Null);
            owners.free.push(row);
        }
    }
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

/// Number of rows from which on room for all of them is made at once.
const MANY: usize = 1_000;

/// The number of the other end: 1 of 0, 0 of 1.
pub(crate) fn opposite(side: usize) -> usize {
    1 - side
}

impl Index {
    /// An empty index. `widths`: where objects of an end may have several rows each, the number of generator values of a row.
    pub(crate) fn new(widths: [Option<usize>; 2]) -> Self {
        let side = |width: usize| Owners { width, ..Owners::default() };
        let sides = widths.map(|width| Side { owners: width.map(side), ..Side::default() });
        Self { sides, ..Self::default() }
    }

    /// Generator values of a row.
    pub(crate) fn binds(&self, side: usize, row: u32) -> &[Value] {
        self.sides[side].binds(row)
    }

    pub(crate) fn row(&self, side: usize, row: u32) -> Row {
        let end = &self.sides[side];
        let key = end.rows[row as usize].key;
        match &end.owners {
            Some(owners) => {
                let Owner { object, order, .. } = owners.rows[row as usize];
                Row { object, key, order }
            }
            None => Row { object: row, key, order: 0 },
        }
    }

    /// Rows of an object, in the generators' order.
    pub(crate) fn rows_of(&self, side: usize, object: u32) -> impl Iterator<Item = u32> + '_ {
        let end = &self.sides[side];
        let mut next = end.first(object);
        std::iter::from_fn(move || {
            let row = next;
            (row != NIL).then(|| {
                next = end.sibling(row);
                row
            })
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

    /// Makes room for `rows` more rows at an end of a type that has `objects`.
    pub(crate) fn reserve(&mut self, side: usize, objects: usize, rows: usize) {
        if rows <= MANY {
            return;
        }
        let end = &mut self.sides[side];
        match &mut end.owners {
            Some(owners) => {
                owners.heads.reserve_exact(objects.saturating_sub(owners.heads.len()));
                end.rows.reserve(rows);
                owners.rows.reserve(rows);
                owners.binds.reserve(rows * owners.width);
            }
            None => end.rows.reserve_exact(objects.saturating_sub(end.rows.len())),
        }
        let missing = rows.saturating_sub(self.keys.len());
        self.keys.reserve(missing);
        let keys = &self.keys;
        self.by_hash.reserve(missing, |key| keys[*key as usize].hash.0[0]);
    }

    /// Gives room back where a large change, of `n_rows`, made too much of it: how many keys differ is known only when all have
    /// come. A small change gives nothing back, since that copies everything.
    pub(crate) fn settle(&mut self, n_rows: usize) {
        if n_rows <= MANY || n_rows < self.keys.len() / 4 {
            return;
        }
        let is_waste = |used: usize, room: usize| room > MANY && room.saturating_sub(used) > used / 4;
        if is_waste(self.keys.len(), self.keys.capacity()) {
            self.keys.shrink_to_fit();
        }
        // A table has twice the places that it needs, at most.
        if is_waste(self.by_hash.len() * 2, self.by_hash.capacity()) {
            let keys = &self.keys;
            self.by_hash.shrink_to_fit(|key| keys[*key as usize].hash.0[0]);
        }
        for end in &mut self.sides {
            if is_waste(end.rows.len(), end.rows.capacity()) {
                end.rows.shrink_to_fit();
            }
        }
    }

    /// Gives an object the rows that it has now, with the generator values of all of them; `changed` is told the key of
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
        let width = self.sides[side].width();
        let old: Vec<u32> = self.rows_of(side, object).collect();
        let same = |row: u32, position: usize| {
            self.keys[self.row(side, row).key as usize].hash == keys[position]
                && same_list(self.binds(side, row), &binds[position * width..][..width])
        };
        let front = old.iter().zip(0..keys.len()).take_while(|(row, position)| same(**row, *position)).count();
        let rest = (front..keys.len()).rev();
        let back = old[front..].iter().rev().zip(rest).take_while(|(row, position)| same(**row, *position)).count();
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
        for position in front..new_end {
            let key = self.key(keys[position]);
            let row = self.link(side, object, key, &binds[position * width..][..width]);
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
        let Some(owners) = &mut self.sides[side].owners else { return };
        if owners.heads.len() <= object as usize {
            owners.heads.resize(object as usize + 1, NIL);
        }
        owners.heads[object as usize] = rows.first().copied().unwrap_or(NIL);
        for (order, row) in rows.iter().enumerate() {
            let sibling = rows.get(order + 1).copied().unwrap_or(NIL);
            owners.rows[*row as usize] = Owner { object, order: order as u32, sibling };
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
        let end = &mut self.sides[side];
        let row = end.add(object, binds);
        let next = std::mem::replace(&mut self.keys[key as usize].heads[side], row);
        end.rows[row as usize] = Chained { key, previous: NIL, next };
        if let Some(after) = end.rows.get_mut(next as usize) {
            after.previous = row;
        }
        row
    }

    fn unlink(&mut self, side: usize, row: u32) {
        let end = &mut self.sides[side];
        let Chained { key, previous, next } = end.rows[row as usize];
        if let Some(after) = end.rows.get_mut(next as usize) {
            after.previous = previous;
        }
        match end.rows.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.keys[key as usize].heads[side] = next,
        }
        end.drop(row);
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
            let owners = side.owners.as_ref().map_or(0, |owners| {
                let binds = owners.binds.iter().map(|value| heap.value(value)).sum::<usize>();
                room(&owners.rows) + room(&owners.free) + room(&owners.heads) + room(&owners.binds) + binds
            });
            room(&side.rows) + owners
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
        let mut told = 0;
        index.replace(side, object, &keys, &[], &mut |_, _| told += 1);
        told
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

    /// Objects may have several rows at both ends.
    fn several() -> Index {
        Index::new([Some(0), Some(0)])
    }

    #[test]
    fn one_row_each_is_enough_for_ends_without_generators() {
        let mut index = Index::new([None, Some(0)]);
        for object in 0..4 {
            replace(&mut index, 0, object, &["a"]);
        }
        replace(&mut index, 1, 9, &["b", "a"]);
        assert_eq!(partners(&index, 1, 9), [0, 1, 2, 3]);
        assert_eq!(replace(&mut index, 0, 2, &["a"]), 0);
        replace(&mut index, 0, 2, &["b"]);
        replace(&mut index, 0, 0, &[]);
        assert_eq!((partners(&index, 1, 9), partners(&index, 0, 0)), (vec![1, 2, 3], vec![]));
        replace(&mut index, 1, 9, &["b"]);
        assert_eq!((partners(&index, 1, 9), partners(&index, 0, 3)), (vec![2], vec![]));
    }

    #[test]
    fn equal_keys_meet_and_part_again() {
        let mut index = several();
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
    fn only_rows_that_changed_are_told() {
        let mut index = several();
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
        let mut index = several();
        for round in 0..100 {
            replace(&mut index, 0, 0, &[&format!("k{round}"), &format!("l{round}")]);
        }
        assert!(index.keys.len() <= 4);
        assert_eq!(index.by_hash.len(), 2);
    }
}
