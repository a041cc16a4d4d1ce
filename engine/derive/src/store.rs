//! The links of one type, by both ends.

use calipso_model::{LinkState, Map, Str, Value};
use hashbrown::HashTable;

use crate::{
    graph::{Heap, room, table},
    hash::{Bytes, Digest, NOTHING, Seed},
    nodes::{NIL, Nodes},
};

/// What a rule gives to a link beside its two ends.
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
    /// Bytes of its texts and values.
    pub(crate) fn bytes(&self) -> u64 {
        let text = |text: &Option<Str>| text.as_ref().map_or(0, |text| text.len());
        let texts = (self.name.len() + text(&self.host) + text(&self.switch)) as u64;
        texts + self.attributes.iter().map(|(_, value)| crate::bounds::size(value)).sum::<u64>()
    }

    /// Two links of one rule between the same objects with one digest are the same.
    fn digest(&self, bytes: &mut Bytes) -> Digest {
        bytes.text(&self.name);
        bytes.number(u32::from(self.state == LinkState::Up));
        bytes.some_text(self.host.as_ref());
        bytes.some_text(self.switch.as_ref());
        bytes.same_map(&self.attributes);
        bytes.digest()
    }
}

/// The part of a link that walks read, apart from the rest so that many fit into a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) ends: [u32; 2],
    /// Number of its combination of constraint attributes; 0: it has none.
    pub(crate) profile: u32,
}

/// The links of each object at one end of a type.
#[derive(Debug, Default)]
struct ByObject {
    /// By object: its only link; or the number of a list, with the highest bit set; or [`NIL`].
    heads: Vec<u32>,
    lists: Vec<Vec<u32>>,
    free: Vec<u32>,
}

/// Set in a head that is the number of a list.
const IS_LIST: u32 = 1 << 31;

impl ByObject {
    fn of(&self, object: u32) -> &[u32] {
        match self.heads.get(object as usize) {
            None | Some(&NIL) => &[],
            Some(head) if head & IS_LIST == 0 => std::slice::from_ref(head),
            Some(head) => &self.lists[(head & !IS_LIST) as usize],
        }
    }

    fn insert(&mut self, object: u32, position: usize, link: u32) {
        let head = &mut self.heads[object as usize];
        if *head == NIL {
            *head = link;
        } else if *head & IS_LIST == 0 {
            let mut list = vec![*head];
            list.insert(position, link);
            let number = self.free.pop().unwrap_or(self.lists.len() as u32);
            match self.lists.get_mut(number as usize) {
                Some(unused) => *unused = list,
                None => self.lists.push(list),
            }
            *head = number | IS_LIST;
        } else {
            self.lists[(*head & !IS_LIST) as usize].insert(position, link);
        }
    }

    fn remove(&mut self, object: u32, position: usize) {
        let head = &mut self.heads[object as usize];
        if *head & IS_LIST == 0 {
            *head = NIL;
            return;
        }
        let number = *head & !IS_LIST;
        let list = &mut self.lists[number as usize];
        list.remove(position);
        if let [only] = list[..] {
            *head = only;
            *list = Vec::new();
            self.free.push(number);
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
    /// Links whose rule, name, state or attributes changed, by entry; with the profile before.
    pub(crate) other: Vec<(u32, u32)>,
    /// Links that went.
    pub(crate) gone: Vec<Gone>,
    /// The bodies of the links that came or changed.
    pub(crate) bodies: Vec<(u32, Body)>,
}

impl Changed {
    pub(crate) fn is_empty(&self) -> bool {
        self.came.is_empty() && self.other.is_empty() && self.gone.is_empty()
    }
}

/// What a clique's focal point allows, in the numbers of one [`Profiles`]: by constraint of the focal point, the number
/// of the constraint and the numbers of the values.
pub(crate) type Allowed = Vec<(usize, Vec<u32>)>;

/// A value that a focal point has for a constraint: the number of the constraint, the value, and the hashes of its elements.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) constraint: usize,
    pub(crate) value: Value,
    hashes: Vec<u64>,
}

impl Limit {
    pub(crate) fn new(constraint: usize, value: Value, seed: Seed) -> Self {
        let hashes = elements(&value).iter().map(|value| seed.value(value)).collect();
        Self { constraint, value, hashes }
    }
}

/// By constraint: sorted numbers of values; none: the links do not have the attribute.
type Profile = Box<[Option<Box<[u32]>>]>;

/// Combinations of constraint attributes that links of one type have. Each value, and each element of a list, has a
/// number, so that a look-up tells whether a list of thousands agrees with a focal point.
#[derive(Debug)]
pub(crate) struct Profiles {
    seed: Seed,
    list: Vec<Profile>,
    by_hash: HashTable<u32>,
    values: Vec<Value>,
    /// By value: the profile that has it alone, where there is one constraint; 0: not known yet.
    alone: Vec<u32>,
    /// Numbers of values.
    values_by_hash: HashTable<u32>,
}

/// The elements of a list; else the value itself.
fn elements(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        one => std::slice::from_ref(one),
    }
}

impl Profiles {
    fn new(seed: Seed) -> Self {
        Self {
            seed,
            list: Vec::new(),
            by_hash: HashTable::new(),
            values: Vec::new(),
            alone: Vec::new(),
            values_by_hash: HashTable::new(),
        }
    }

    /// How many there are, profile 0 included.
    pub(crate) fn len(&self) -> usize {
        self.list.len() + 1
    }

    /// The numbers of what a focal point allows, into room that is used again and again.
    pub(crate) fn allowed(&self, limits: &[Limit], allowed: &mut Allowed) {
        allowed.resize_with(limits.len(), Default::default);
        for (limit, (constraint, numbers)) in limits.iter().zip(allowed) {
            *constraint = limit.constraint;
            numbers.clear();
            let values = elements(&limit.value).iter().zip(&limit.hashes);
            numbers.extend(values.filter_map(|(value, hash)| self.find_value(value, *hash)));
        }
    }

    fn find_value(&self, value: &Value, hash: u64) -> Option<u32> {
        self.values_by_hash.find(hash, |known| self.values[*known as usize] == *value).copied()
    }

    /// Whether links with a profile agree with what is allowed: each constraint attribute that they have has a value,
    /// or an element, that is allowed.
    pub(crate) fn passes(&self, profile: u32, allowed: &Allowed) -> bool {
        let Some(values) = profile.checked_sub(1).and_then(|index| self.list.get(index as usize)) else { return true };
        allowed.iter().all(|(constraint, allowed)| match values.get(*constraint) {
            Some(Some(values)) => allowed.iter().any(|number| values.binary_search(number).is_ok()),
            _ => true,
        })
    }

    fn number_of_value(&mut self, value: &Value) -> u32 {
        let seed = self.seed;
        let hash = seed.value(value);
        if let Some(known) = self.find_value(value, hash) {
            return known;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.alone.push(0);
        let values = &self.values;
        self.values_by_hash.insert_unique(hash, number, |known| seed.value(&values[*known as usize]));
        number
    }

    fn number(&mut self, constraints: &[Str], attributes: &Map) -> u32 {
        let value = match constraints {
            [name] => attributes.get(name).filter(|value| !matches!(value, Value::List(_))),
            _ => None,
        };
        let Some(value) = value else { return self.number_of_all(constraints, attributes) };
        let number = self.number_of_value(value) as usize;
        if self.alone[number] == 0 {
            self.alone[number] = self.number_of_all(constraints, attributes);
        }
        self.alone[number]
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
        let seed = self.seed;
        let numbers = |profile: &[Option<Box<[u32]>>]| -> Vec<u32> {
            let length =
                |numbers: &Option<Box<[u32]>>| numbers.as_ref().map_or(u32::MAX, |numbers| numbers.len() as u32);
            profile
                .iter()
                .flat_map(|numbers| [length(numbers)].into_iter().chain(numbers.iter().flatten().copied()))
                .collect()
        };
        let hash = seed.numbers(&numbers(&profile));
        let list = &self.list;
        if let Some(known) = self.by_hash.find(hash, |known| *list[*known as usize - 1] == *profile) {
            return *known;
        }
        self.list.push(profile.into_boxed_slice());
        let number = self.list.len() as u32;
        let list = &self.list;
        self.by_hash.insert_unique(hash, number, |known| seed.numbers(&numbers(&list[*known as usize - 1])));
        number
    }
}

/// All links of one type.
///
/// # Shape
/// Bodies are kept only where chains are made of the links. Else a digest tells whether a link changed, and the body is
/// evaluated again when a caller asks for it.
#[derive(Debug)]
pub(crate) struct Links {
    steps: Vec<Step>,
    digests: Vec<Digest>,
    /// By link: the join that made it; [`NIL`]: it stands for a chain of others.
    rules: Vec<u32>,
    bodies: Vec<Body>,
    keeps_bodies: bool,
    free: Vec<u32>,
    /// Entries that the current change left; free after it.
    freed: Vec<u32>,
    /// Entries by the object at each side, in the order of the other object's id.
    by_end: [ByObject; 2],
    live: usize,
    bytes: Bytes,
    pub(crate) profiles: Profiles,
    pub(crate) changed: Changed,
}

impl Links {
    pub(crate) fn new(keeps_bodies: bool, seed: Seed) -> Self {
        Self {
            steps: Vec::new(),
            digests: Vec::new(),
            rules: Vec::new(),
            bodies: Vec::new(),
            keeps_bodies,
            free: Vec::new(),
            freed: Vec::new(),
            by_end: Default::default(),
            live: 0,
            bytes: Bytes::new(seed),
            profiles: Profiles::new(seed),
            changed: Changed::default(),
        }
    }

    /// How many links there are.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// How many entries there are, free ones included.
    pub(crate) fn n_entries(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn step(&self, entry: u32) -> Step {
        self.steps[entry as usize]
    }

    /// The join that made a link; none: it stands for a chain of others.
    pub(crate) fn rule(&self, entry: u32) -> Option<u32> {
        Some(self.rules[entry as usize]).filter(|rule| *rule != NIL)
    }

    /// The body of a link, where bodies are kept.
    pub(crate) fn body(&self, entry: u32) -> Option<&Body> {
        self.bodies.get(entry as usize)
    }

    /// Links of an object at one side, in the order of the other objects' ids.
    pub(crate) fn of(&self, side: usize, object: u32) -> &[u32] {
        self.by_end[side].of(object)
    }

    /// The link between two objects.
    pub(crate) fn find(&self, nodes: [&Nodes; 2], ends: [u32; 2]) -> Option<u32> {
        let position = self.position(nodes, 0, ends).ok()?;
        self.of(0, ends[0]).get(position).copied()
    }

    /// Where a link stands, or would stand, among those of its object at one side.
    fn position(&self, nodes: [&Nodes; 2], side: usize, ends: [u32; 2]) -> Result<usize, usize> {
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

    /// Makes room for `more` links.
    pub(crate) fn reserve(&mut self, more: usize) {
        if more > 1_000 {
            self.steps.reserve(more);
            self.digests.reserve(more);
            self.rules.reserve(more);
            self.changed.came.reserve(more);
            self.changed.bodies.reserve(more);
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
        let positions = [0, 1].map(|side| self.position(nodes, side, ends).unwrap_or_else(|position| position));
        let step = Step { ends, profile };
        let digest = body.digest(&mut self.bytes);
        let rule = body.rule.unwrap_or(NIL);
        let number = match self.free.pop() {
            Some(number) => {
                self.steps[number as usize] = step;
                self.digests[number as usize] = digest;
                self.rules[number as usize] = rule;
                number
            }
            None => {
                let number = u32::try_from(self.steps.len()).expect("a link type has fewer than 2^31 links");
                assert!(number < IS_LIST, "a link type has fewer than 2^31 links");
                self.steps.push(step);
                self.digests.push(digest);
                self.rules.push(rule);
                if self.keeps_bodies {
                    self.bodies.push(Body::default());
                }
                number
            }
        };
        for side in 0..2 {
            let by_end = &mut self.by_end[side];
            let object = ends[side];
            if by_end.heads.len() <= object as usize {
                by_end.heads.resize(nodes[side].n_numbers().max(object as usize + 1), NIL);
            }
            by_end.insert(object, positions[side], number);
        }
        self.live += 1;
        self.changed.came.push(number);
        self.say(number, body);
    }

    fn say(&mut self, number: u32, body: Body) {
        if self.keeps_bodies {
            self.bodies[number as usize] = body.clone();
        }
        self.changed.bodies.push((number, body));
    }

    fn update(&mut self, constraints: &[Str], number: u32, body: Body) {
        let (digest, rule) = (body.digest(&mut self.bytes), body.rule.unwrap_or(NIL));
        if self.digests[number as usize] == digest && self.rules[number as usize] == rule {
            return;
        }
        let profile = self.profiles.number(constraints, &body.attributes);
        let step = &mut self.steps[number as usize];
        self.changed.other.push((number, step.profile));
        step.profile = profile;
        self.digests[number as usize] = digest;
        self.rules[number as usize] = rule;
        self.say(number, body);
    }

    fn remove(&mut self, nodes: [&Nodes; 2], number: u32) {
        let Step { ends, profile } = self.step(number);
        for side in 0..2 {
            if let Ok(position) = self.position(nodes, side, ends) {
                self.by_end[side].remove(ends[side], position);
            }
        }
        if let Some(body) = self.bodies.get_mut(number as usize) {
            *body = Body::default();
        }
        self.digests[number as usize] = NOTHING;
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
    pub(crate) fn in_order(&self, sources: &Nodes) -> impl Iterator<Item = u32> {
        let sources = if self.live == 0 { Vec::new() } else { sources.in_order() };
        sources.into_iter().flat_map(|source| self.of(0, source)).copied()
    }

    /// Forgets the current change; the entries of what is gone become free. An entry is never reused within one
    /// change, so that what a change says of entries stays true until here.
    pub(crate) fn settle(&mut self) {
        self.changed = Changed::default();
        self.free.append(&mut self.freed);
    }
}

impl ByObject {
    fn memory(&self) -> usize {
        room(&self.heads) + room(&self.lists) + room(&self.free) + self.lists.iter().map(room).sum::<usize>()
    }
}

impl Profiles {
    fn memory(&self, heap: &mut Heap) -> usize {
        let numbers =
            self.list.iter().flat_map(|profile| profile.iter().flatten()).map(|numbers| size_of_val(&**numbers));
        let profiles = self.list.iter().map(|profile| size_of_val(&**profile)).sum::<usize>() + numbers.sum::<usize>();
        let tables = table(&self.by_hash) + table(&self.values_by_hash);
        let values = self.values.iter().map(|value| heap.value(value)).sum::<usize>();
        room(&self.list) + profiles + room(&self.values) + values + room(&self.alone) + tables
    }
}

impl Links {
    /// Bytes that they hold.
    pub(crate) fn memory(&self, heap: &mut Heap) -> usize {
        let own = room(&self.steps) + room(&self.digests) + room(&self.rules) + room(&self.bodies) + room(&self.free);
        let bodies = self.bodies.iter().map(|body| {
            let texts = [Some(&body.name), body.host.as_ref(), body.switch.as_ref()];
            let texts = texts.into_iter().flatten().map(|text| heap.text(text)).sum::<usize>();
            texts + heap.value(&Value::Map(body.attributes.clone()))
        });
        let bodies = bodies.sum::<usize>();
        own + bodies + self.by_end.iter().map(ByObject::memory).sum::<usize>() + self.profiles.memory(heap)
    }
}

fn pair(side: usize, object: u32, other: u32) -> [u32; 2] {
    if side == 0 { [object, other] } else { [other, object] }
}
