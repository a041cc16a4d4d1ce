//! The links of one type, by both ends.

use calipso_model::{LinkState, Map, Str, Value, same::same_map};

use crate::{
    hash::{Digest, LookUp, Seeded},
    nodes::{NIL, Nodes},
};

/// What is said of a link.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) name: Str,
    pub(crate) state: LinkState,
    pub(crate) host: Option<Str>,
    pub(crate) switch: Option<Str>,
    pub(crate) attributes: Map,
    /// The join that made it; none: it stands for a chain of others.
    pub(crate) rule: Option<u32>,
}

impl Body {
    /// How long it is.
    pub(crate) fn bytes(&self) -> u64 {
        let text = |text: &Option<Str>| text.as_ref().map_or(0, |text| text.len());
        let texts = (self.name.len() + text(&self.host) + text(&self.switch)) as u64;
        texts + self.attributes.iter().map(|(_, value)| crate::bounds::size(value)).sum::<u64>()
    }

    fn same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.state == other.state
            && self.host == other.host
            && self.switch == other.switch
            && self.rule == other.rule
            && same_map(&self.attributes, &other.attributes)
    }
}

/// What walks read of a link: kept apart from what is said of it, so that many fit into a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) ends: [u32; 2],
    /// Number of its combination of constraint attributes; 0: it has none.
    pub(crate) profile: u32,
}

/// One link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) ends: [u32; 2],
    pub(crate) body: &'a Body,
}

/// A few numbers, mostly one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Few {
    #[default]
    None,
    One(u32),
    Many(Vec<u32>),
}

impl Few {
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }

    fn insert(&mut self, place: usize, number: u32) {
        match self {
            Self::None => *self = Self::One(number),
            Self::One(known) => {
                let mut numbers = vec![*known];
                numbers.insert(place, number);
                *self = Self::Many(numbers);
            }
            Self::Many(numbers) => numbers.insert(place, number),
        }
    }

    fn remove(&mut self, place: usize) {
        match self {
            Self::None => {}
            Self::One(_) => *self = Self::None,
            Self::Many(numbers) => {
                numbers.remove(place);
                if numbers.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }
}

/// A link of the current change that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) ends: [u32; 2],
    pub(crate) profile: u32,
}

/// What the current change did to links of one type.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// Links that came, by entry.
    pub(crate) came: Vec<u32>,
    /// Links of which something else is said now, by entry; with the profile before.
    pub(crate) other: Vec<(u32, u32)>,
    /// Links that went.
    pub(crate) gone: Vec<Gone>,
}

impl Changed {
    pub(crate) fn is_empty(&self) -> bool {
        self.came.is_empty() && self.other.is_empty() && self.gone.is_empty()
    }
}

/// What a clique's focal point allows, in the numbers of one [`Profiles`]: by constraint of the focal point, the place
/// of the constraint and the numbers of the values.
pub(crate) type Allowed = Vec<(usize, Vec<u32>)>;

/// A value that a focal point has for a constraint: the place of the constraint, the value, and the hashes of its elements.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) place: usize,
    pub(crate) value: Value,
    hashes: Vec<u64>,
}

/// Seed of the hashes by which values of constraints are found.
const VALUE_SEED: u64 = 0x2545_f491_4f6c_dd1d;

impl Limit {
    pub(crate) fn new(place: usize, value: Value) -> Self {
        let seed = Seeded::fixed(VALUE_SEED);
        let hashes = elements(&value).iter().map(|value| seed.value(value)).collect();
        Self { place, value, hashes }
    }
}

/// By constraint: sorted numbers of values; none: the links do not have the attribute.
type Profile = Box<[Option<Box<[u32]>>]>;

/// Combinations of constraint attributes that links of one type have. Each value, and each element of a list, has a
/// number, so that a look-up tells whether a list of thousands agrees with a focal point.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    list: Vec<Profile>,
    by_hash: LookUp<u64, Vec<u32>>,
    values: Vec<Value>,
    /// By value: the next one with the same hash.
    same_hash: Vec<u32>,
    /// By value: the profile that has it alone, where there is one constraint; 0: not known yet.
    alone: Vec<u32>,
    values_by_hash: LookUp<u64, u32>,
}

/// The elements of a list; else the value itself.
fn elements(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        one => std::slice::from_ref(one),
    }
}

impl Profiles {
    /// How many there are, profile 0 included.
    pub(crate) fn len(&self) -> usize {
        self.list.len() + 1
    }

    /// The numbers of what a focal point allows, into room that is used again and again.
    pub(crate) fn allowed(&self, limits: &[Limit], allowed: &mut Allowed) {
        allowed.resize_with(limits.len(), Default::default);
        for (limit, (place, numbers)) in limits.iter().zip(allowed) {
            *place = limit.place;
            numbers.clear();
            let values = elements(&limit.value).iter().zip(&limit.hashes);
            numbers.extend(values.filter_map(|(value, hash)| self.find_value(value, *hash)));
        }
    }

    fn find_value(&self, value: &Value, hash: u64) -> Option<u32> {
        let mut next = self.values_by_hash.get(&hash).copied()?;
        while let Some(known) = self.values.get(next as usize) {
            if known == value {
                return Some(next);
            }
            next = self.same_hash[next as usize];
        }
        None
    }

    /// Whether links with a profile agree with what is allowed: each constraint attribute that they have has a value,
    /// or an element, that is allowed.
    pub(crate) fn passes(&self, profile: u32, allowed: &Allowed) -> bool {
        let Some(values) = profile.checked_sub(1).and_then(|place| self.list.get(place as usize)) else { return true };
        allowed.iter().all(|(place, allowed)| match values.get(*place) {
            Some(Some(values)) => allowed.iter().any(|number| values.binary_search(number).is_ok()),
            _ => true,
        })
    }

    fn number_of_value(&mut self, value: &Value) -> u32 {
        let hash = Seeded::fixed(VALUE_SEED).value(value);
        if let Some(known) = self.find_value(value, hash) {
            return known;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.alone.push(0);
        self.same_hash.push(self.values_by_hash.insert(hash, number).unwrap_or(NIL));
        number
    }

    fn number(&mut self, constraints: &[Str], attributes: &Map) -> u32 {
        let value = match constraints {
            [name] => attributes.get(name).filter(|value| !matches!(value, Value::List(_))),
            _ => None,
        };
        let Some(value) = value else { return self.number_of_all(constraints, attributes) };
        let place = self.number_of_value(value) as usize;
        if self.alone[place] == 0 {
            self.alone[place] = self.number_of_all(constraints, attributes);
        }
        self.alone[place]
    }

    fn number_of_all(&mut self, constraints: &[Str], attributes: &Map) -> u32 {
        let mut profile: Vec<Option<Box<[u32]>>> = Vec::with_capacity(constraints.len());
        for name in constraints {
            profile.push(attributes.get(name).map(|value| {
                let mut numbers: Vec<u32> = elements(value).iter().map(|value| self.number_of_value(value)).collect();
                numbers.sort_unstable();
                numbers.dedup();
                numbers.into_boxed_slice()
            }));
        }
        if profile.iter().all(Option::is_none) {
            return 0;
        }
        let mut hash = Digest::new();
        for numbers in &profile {
            hash.add(numbers.as_ref().map_or(u64::MAX, |numbers| numbers.len() as u64));
            numbers.iter().flatten().for_each(|number| hash.add(u64::from(*number)));
        }
        let same = self.by_hash.entry(hash.finish() as u64).or_default();
        if let Some(known) = same.iter().find(|known| *self.list[**known as usize - 1] == *profile) {
            return *known;
        }
        self.list.push(profile.into_boxed_slice());
        let number = self.list.len() as u32;
        same.push(number);
        number
    }
}

/// All links of one type.
#[derive(Debug, Default)]
pub(crate) struct Links {
    steps: Vec<Step>,
    bodies: Vec<Body>,
    free: Vec<u32>,
    /// Entries that the current change left; free after it.
    freed: Vec<u32>,
    /// Entries by the object at each side, in the order of the other object's id.
    by_end: [Vec<Few>; 2],
    live: usize,
    pub(crate) profiles: Profiles,
    pub(crate) changed: Changed,
}

impl Links {
    /// How many links there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// How many entries there are, free ones included.
    pub(crate) fn places(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn step(&self, entry: u32) -> Step {
        self.steps[entry as usize]
    }

    pub(crate) fn entry(&self, entry: u32) -> Entry<'_> {
        Entry { ends: self.step(entry).ends, body: &self.bodies[entry as usize] }
    }

    /// Links of an object at one side, in the order of the other objects' ids.
    pub(crate) fn of(&self, side: usize, object: u32) -> &[u32] {
        self.by_end[side].get(object as usize).map_or(&[], Few::as_slice)
    }

    /// The link between two objects.
    pub(crate) fn find(&self, nodes: [&Nodes; 2], ends: [u32; 2]) -> Option<u32> {
        let place = self.place(nodes, 0, ends).ok()?;
        self.of(0, ends[0]).get(place).copied()
    }

    /// Where a link stands, or would stand, among those of its object at one side.
    fn place(&self, nodes: [&Nodes; 2], side: usize, ends: [u32; 2]) -> Result<usize, usize> {
        let across = 1 - side;
        let known = self.of(side, ends[side]);
        let other = |entry: u32| self.step(entry).ends[across];
        // What comes in order is the common case.
        match known.last() {
            None => return Err(0),
            Some(last) if nodes[across].order(other(*last), ends[across]).is_lt() => return Err(known.len()),
            Some(_) => {}
        }
        known.binary_search_by(|entry| nodes[across].order(other(*entry), ends[across]))
    }

    /// Makes room.
    pub(crate) fn reserve(&mut self, more: usize) {
        if more > 1_000 {
            self.steps.reserve(more);
            self.bodies.reserve(more);
        }
    }

    /// Sets the link of a pair, or removes it.
    pub(crate) fn set(&mut self, nodes: [&Nodes; 2], constraints: &[Str], ends: [u32; 2], body: Option<Body>) {
        match (self.find(nodes, ends), body) {
            (None, Some(body)) => self.insert(nodes, constraints, ends, body),
            (Some(entry), Some(body)) => self.update(constraints, entry, body),
            (Some(entry), None) => self.remove(nodes, entry),
            (None, None) => {}
        }
    }

    fn insert(&mut self, nodes: [&Nodes; 2], constraints: &[Str], ends: [u32; 2], body: Body) {
        let profile = self.profiles.number(constraints, &body.attributes);
        let places = [0, 1].map(|side| self.place(nodes, side, ends).unwrap_or_else(|place| place));
        let step = Step { ends, profile };
        let number = match self.free.pop() {
            Some(number) => {
                self.steps[number as usize] = step;
                self.bodies[number as usize] = body;
                number
            }
            None => {
                let number = u32::try_from(self.steps.len()).expect("a link type has fewer than 2^32 links");
                self.steps.push(step);
                self.bodies.push(body);
                number
            }
        };
        for side in 0..2 {
            let by_end = &mut self.by_end[side];
            let object = ends[side] as usize;
            if by_end.len() <= object {
                by_end.resize(nodes[side].places().max(object + 1), Few::None);
            }
            by_end[object].insert(places[side], number);
        }
        self.live += 1;
        self.changed.came.push(number);
    }

    fn update(&mut self, constraints: &[Str], number: u32, body: Body) {
        if self.bodies[number as usize].same(&body) {
            return;
        }
        let profile = self.profiles.number(constraints, &body.attributes);
        let step = &mut self.steps[number as usize];
        self.changed.other.push((number, step.profile));
        step.profile = profile;
        self.bodies[number as usize] = body;
    }

    fn remove(&mut self, nodes: [&Nodes; 2], number: u32) {
        let Step { ends, profile } = self.step(number);
        for side in 0..2 {
            if let Ok(place) = self.place(nodes, side, ends) {
                self.by_end[side][ends[side] as usize].remove(place);
            }
        }
        self.bodies[number as usize] = Body::default();
        self.steps[number as usize].ends = [NIL; 2];
        self.freed.push(number);
        self.live -= 1;
        self.changed.gone.push(Gone { ends, profile });
    }

    /// Gives an object at one side exactly these links, leaving alone those whose other end `skip` names. `wanted` is
    /// in the order of the other objects' ids.
    pub(crate) fn replace(
        &mut self,
        nodes: [&Nodes; 2],
        constraints: &[Str],
        side: usize,
        object: u32,
        wanted: impl Iterator<Item = (u32, Body)>,
        skip: &dyn Fn(u32) -> bool,
    ) {
        let across = 1 - side;
        let known: Vec<u32> = self.of(side, object).to_vec();
        let mut wanted = wanted.peekable();
        for number in known {
            let other = self.step(number).ends[across];
            if skip(other) {
                continue;
            }
            while let Some((before, body)) =
                wanted.next_if(|(other_wanted, _)| nodes[across].order(*other_wanted, other).is_lt())
            {
                self.insert(nodes, constraints, pair(side, object, before), body);
            }
            match wanted.next_if(|(other_wanted, _)| *other_wanted == other) {
                Some((_, body)) => self.update(constraints, number, body),
                None => self.remove(nodes, number),
            }
        }
        for (other, body) in wanted {
            self.insert(nodes, constraints, pair(side, object, other), body);
        }
    }

    /// Every link, in the order of source id and target id.
    pub(crate) fn in_order(&self, sources: &Nodes) -> impl Iterator<Item = Entry<'_>> {
        let sources = if self.live == 0 { Vec::new() } else { sources.in_order() };
        sources.into_iter().flat_map(|source| self.of(0, source)).map(|entry| self.entry(*entry))
    }

    /// Forgets the current change; the entries of what is gone become free. An entry is never reused within one
    /// change, so that what a change says of entries stays true until here.
    pub(crate) fn settle(&mut self) {
        self.changed = Changed::default();
        self.free.append(&mut self.freed);
    }
}

fn pair(side: usize, object: u32, other: u32) -> [u32; 2] {
    if side == 0 { [object, other] } else { [other, object] }
}
