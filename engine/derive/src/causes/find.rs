//! From a difference to causes: which of them explains what.

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Clique, Link, LinkRef, Object, ObjectKey, Value};

use super::{
    Cause, Causes, Class, Consequences, Difference, Happening, TypeFacts, Unit, UnitKind,
    group::{Group, Side, groups, is_folder, parent},
    units::{is_time, leaves, units},
};

/// Shorter texts say nothing of what they are from.
const TELLING: usize = 3;

/// Minimum number of letters, beside digits, of a text that stands for one thing only.
const UNIQUE: usize = 6;

/// Texts by which a cause is known, each with the causes.
type Words<'d> = BTreeMap<&'d str, Vec<usize>>;

pub(super) struct Finder<'d> {
    difference: &'d Difference<'d>,
    known: &'d TypeFacts,
    indexes: BTreeMap<&'d ObjectKey, usize>,
    /// How each object differs that is at both sides.
    units: Vec<Vec<Unit>>,
    causes: Vec<Cause>,
    /// By object: the cause that it is, or that it came or went with.
    cause_of: BTreeMap<usize, usize>,
    /// By object: causes that explain something of it.
    touched: BTreeMap<usize, BTreeSet<usize>>,
    /// By side: texts that only the group of a cause has.
    unique: [Words<'d>; 2],
    /// By side: all texts of the group of a cause.
    all: [Words<'d>; 2],
    /// Causes that turned out to follow from another one.
    alias: BTreeMap<usize, usize>,
    /// By side: every text of that side.
    texts: [BTreeSet<&'d str>; 2],
    /// By side: ids of what came or went.
    ids: [BTreeMap<&'d str, usize>; 2],
    /// Former name, new name, cause; in order of the causes.
    renames: Vec<(String, String, usize)>,
    rest: Consequences,
    newer: BTreeSet<usize>,
}

impl<'d> Finder<'d> {
    pub(super) fn new(difference: &'d Difference<'d>, known: &'d TypeFacts) -> Self {
        let indexes = difference
            .objects
            .iter()
            .enumerate()
            .filter_map(|(index, sides)| Some((&sides.last()?.key, index)))
            .collect();
        let units = difference.objects.iter().map(|sides| match (sides.before, sides.after) {
            (Some(before), Some(after)) => units(&before.doc, &after.doc),
            _ => Vec::new(),
        });
        Self {
            difference,
            known,
            indexes,
            units: units.collect(),
            causes: Vec::new(),
            cause_of: BTreeMap::new(),
            touched: BTreeMap::new(),
            unique: Default::default(),
            all: Default::default(),
            alias: BTreeMap::new(),
            texts: Side::BOTH.map(|side| {
                let mut texts = BTreeSet::new();
                for object in difference.objects.iter().filter_map(|sides| side.of(sides)) {
                    object.doc.iter().for_each(|(_, value)| {
                        leaves(value, &mut |text| {
                            texts.insert(text);
                        })
                    });
                }
                texts
            }),
            ids: Default::default(),
            renames: Vec::new(),
            rest: Consequences::default(),
            newer: BTreeSet::new(),
        }
    }

    pub(super) fn find(mut self) -> Causes {
        let mut found = Vec::new();
        for side in Side::BOTH {
            found.extend(groups(self.difference, self.known, side));
        }
        for group in &found {
            self.take_group(group);
        }
        self.take_renames();
        for index in 0..self.units.len() {
            self.take_own(index);
        }
        self.lead_back(&found);
        for index in 0..self.units.len() {
            self.take_derived(index);
        }
        self.take_links();
        self.take_cliques();
        self.finish()
    }

    fn object(&self, index: usize) -> Option<&'d Object> {
        self.difference.objects.get(index)?.last()
    }

    fn host(&self, index: usize) -> Option<&'d str> {
        self.object(index)?.text("host")
    }

    /// The cause that stands for a cause.
    fn real(&self, cause: usize) -> usize {
        self.alias.get(&cause).copied().unwrap_or(cause)
    }

    /// The cause that an object is, or that it came or went with.
    fn own_cause(&self, index: usize) -> Option<usize> {
        self.cause_of.get(&index).map(|cause| self.real(*cause))
    }

    /// The first cause that explains something of an object.
    fn first_touch(&self, index: usize) -> Option<usize> {
        self.touched.get(&index)?.first().map(|cause| self.real(*cause))
    }

    fn is_focal(&self, index: usize) -> bool {
        self.object(index).is_some_and(|object| self.known.is_focal(&object.key.object_type))
    }

    fn add_cause(&mut self, object: usize, happening: Happening, units: Vec<Unit>) -> usize {
        let number = self.causes.len();
        self.causes.push(Cause { object, happening, units, consequences: Consequences::default() });
        self.cause_of.insert(object, number);
        number
    }

    /// What came or went together, and the texts by which it is known again.
    fn take_group(&mut self, group: &Group) {
        let happening = if group.side == Side::After { Happening::Came } else { Happening::Went };
        let cause = self.add_cause(group.head, happening, Vec::new());
        let side = group.side as usize;
        let mut common = BTreeSet::new();
        for index in &group.members {
            let Some(object) = self.object(*index) else { continue };
            if *index != group.head {
                self.causes[cause].consequences.objects.insert(*index);
                self.cause_of.insert(*index, cause);
            }
            // Where it is was there without it.
            common.extend(object.text("host"));
            common.extend(object.text("id_path").into_iter().flat_map(|path| path.split('/')));
        }
        let other = 1 - side;
        let members: Vec<&'d Object> = group.members.iter().filter_map(|index| self.object(*index)).collect();
        for object in members {
            if is_folder(object) {
                continue;
            }
            self.ids[side].insert(&object.key.id, cause);
            let names = [Some(&*object.key.id), object.text("name"), object.text("object_name")];
            let mut add = |text: &'d str| {
                if text.len() < TELLING || is_time(text) {
                    return;
                }
                note(&mut self.all[side], text, cause);
                let is_name = names.contains(&Some(text));
                let looks_unique = text.len() >= UNIQUE && text.contains(|letter: char| letter.is_ascii_digit());
                if (is_name || (looks_unique && !common.contains(text))) && !self.texts[other].contains(text) {
                    note(&mut self.unique[side], text, cause);
                }
            };
            add(&object.key.id);
            for (_, value) in &object.doc {
                leaves(value, &mut add);
            }
        }
    }

    /// Objects with a name of their own that is another one now; one that follows another's name is no cause.
    fn take_renames(&mut self) {
        let mut found: Vec<(usize, String, String)> = Vec::new();
        for (index, units) in self.units.iter().enumerate() {
            let Some(object) = self.object(index) else { continue };
            let own = |unit: &&Unit| {
                unit.path == "name"
                    && self.known.class(&object.key.object_type, "name") == Class::Own
                    && !is_folder(object)
            };
            if let Some((before, after)) = units.iter().find(own).and_then(Unit::texts) {
                found.push((index, before.to_owned(), after.to_owned()));
            }
        }
        // The shortest name first: what holds it follows it. Of equal ones that which operators ask for by itself.
        found.sort_by_key(|(index, before, after)| (before.len() + after.len(), !self.is_focal(*index), *index));
        for (index, before, after) in found {
            if self.renamed(&before, &after, None).is_none() {
                let units = self.own_units(index).into_iter().filter(|unit| unit.path != "name").collect();
                let cause = self.add_cause(index, Happening::Renamed(before.clone(), after.clone()), units);
                self.renames.push((before, after, cause));
            }
        }
    }

    fn own_units(&self, index: usize) -> Vec<Unit> {
        let Some(object) = self.object(index).filter(|object| !is_folder(object)) else { return Vec::new() };
        let own = |unit: &&Unit| self.known.class(&object.key.object_type, &unit.attribute) == Class::Own;
        self.units[index].iter().filter(own).cloned().collect()
    }

    /// The renaming that turns one text into another. Several objects may have had the name.
    fn renamed(&self, before: &str, after: &str, host: Option<&str>) -> Option<usize> {
        let fits = self.renames.iter().filter(|(old, new, _)| {
            !old.is_empty() && before.contains(old.as_str()) && before.replace(old, new) == after
        });
        self.choose(fits.map(|(_, _, cause)| *cause), host)
    }

    /// Of several causes the one on the same host; else the first.
    fn choose(&self, causes: impl Iterator<Item = usize>, host: Option<&str>) -> Option<usize> {
        let mut first = None;
        for cause in causes.map(|cause| self.real(cause)) {
            if host.is_some() && self.causes.get(cause).and_then(|known| self.host(known.object)) == host {
                return Some(cause);
            }
            first = first.or(Some(cause));
        }
        first
    }

    /// A cause that one of the texts of a value tells of.
    fn told(&self, words: &[Words<'d>; 2], side: Side, value: &Value, host: Option<&str>) -> Option<usize> {
        let mut found: Vec<usize> = Vec::new();
        leaves(value, &mut |text| found.extend(words[side as usize].get(text).into_iter().flatten()));
        self.choose(found.into_iter(), host)
    }

    /// The cause of something that was fetched; none when it is one by itself.
    fn explains_own(&self, unit: &Unit, host: Option<&str>) -> Option<usize> {
        if let Some((before, after)) = unit.texts()
            && let Some(cause) = self.renamed(before, after, host)
        {
            return Some(cause);
        }
        let sides = [(Side::Before, &unit.before), (Side::After, &unit.after)];
        if unit.kind == UnitKind::Element || unit.before.is_none() != unit.after.is_none() {
            return sides.into_iter().find_map(|(side, value)| self.told(&self.unique, side, value.as_ref()?, host));
        }
        // What only came stands where what only went did.
        if let (Some(before), Some(after)) = (&unit.before, &unit.after)
            && self.told(&self.unique, Side::Before, before, host).is_some()
            && let Some(cause) = self.told(&self.unique, Side::After, after, host)
        {
            return Some(cause);
        }
        // It refers to something that came, or no longer to something that went.
        let referred = |(side, value): (Side, &Option<Value>)| -> Option<usize> {
            self.ids[side as usize].get(value.as_ref()?.as_str()?).map(|cause| self.real(*cause))
        };
        let nothing =
            |value: &Option<Value>| value.as_ref().is_none_or(|value| value.is_null() || value.as_str() == Some(""));
        let [before, after] = sides;
        match (referred(before), referred(after)) {
            (None, None) => None,
            (Some(cause), None) => nothing(after.1).then_some(cause),
            (None, Some(cause)) => nothing(before.1).then_some(cause),
            (Some(_), Some(cause)) => Some(cause),
        }
    }

    fn touch(&mut self, index: usize, cause: usize) {
        let cause = self.real(cause);
        self.touched.entry(index).or_default().insert(cause);
        if self.causes[cause].object != index {
            self.causes[cause].consequences.objects.insert(index);
        }
    }

    /// What changed of an object by itself.
    fn take_own(&mut self, index: usize) {
        let Some(object) = self.object(index) else { return };
        let host = object.text("host");
        let mut left = Vec::new();
        let renamed = self.cause_of.get(&index).copied();
        let units = match renamed {
            Some(cause) => std::mem::take(&mut self.causes[cause].units),
            None => self.own_units(index),
        };
        for unit in units {
            match self.explains_own(&unit, host).filter(|cause| Some(*cause) != renamed) {
                Some(cause) => self.touch(index, cause),
                None => left.push(unit),
            }
        }
        let object_type = &object.key.object_type;
        let (newer, own): (Vec<Unit>, Vec<Unit>) =
            left.into_iter().partition(|unit| self.known.is_bookkeeping(object_type, unit));
        match renamed {
            Some(cause) => {
                let follows = |unit: &Unit| self.texts_follow(unit, cause);
                self.causes[cause].units = own.into_iter().filter(|unit| !follows(unit)).collect();
            }
            None if !own.is_empty() => {
                self.add_cause(index, Happening::Changed, own);
            }
            None if !newer.is_empty() && !self.touched.contains_key(&index) => {
                self.newer.insert(index);
            }
            None => {}
        }
    }

    /// Whether an attribute repeats the new name of its object.
    fn texts_follow(&self, unit: &Unit, cause: usize) -> bool {
        let Happening::Renamed(old, new) = &self.causes[cause].happening else { return false };
        unit.texts().is_some_and(|(before, after)| before == old && after == new)
    }

    /// What came or went without anything that operators ask for by itself may follow from what changed: a device that an
    /// object lost is named by what went with it.
    fn lead_back(&mut self, groups: &[Group]) {
        let mut words: [Words<'_>; 2] = Default::default();
        let mut owned: Vec<(usize, usize, String)> = Vec::new();
        for (number, cause) in self.causes.iter().enumerate() {
            for unit in cause.units.iter().filter(|unit| unit.kind == UnitKind::Value) {
                for (side, value) in [(Side::Before, &unit.before), (Side::After, &unit.after)] {
                    if let Some(text) = value.as_ref().and_then(Value::as_str) {
                        let telling = text.len() >= UNIQUE && text.contains(|letter: char| letter.is_ascii_digit());
                        if telling && !is_time(text) {
                            owned.push((side as usize, number, text.to_owned()));
                        }
                    }
                }
            }
        }
        for (side, number, text) in &owned {
            note(&mut words[*side], text, *number);
        }
        for group in groups {
            if self.is_focal(group.head) {
                continue;
            }
            let Some(cause) = self.cause_of.get(&group.head).copied() else { continue };
            let Some(object) = self.object(group.head) else { continue };
            let host = object.text("host");
            let mut found = Vec::new();
            for member in group.members.iter().filter_map(|index| self.object(*index)) {
                let fields = member.doc.iter().filter(|(name, _)| !["host", "id_path", "parent_id"].contains(&&**name));
                for (_, value) in fields {
                    leaves(value, &mut |text| found.extend(words[group.side as usize].get(text).into_iter().flatten()));
                }
            }
            let same_host = |other: &usize| *other != cause && self.host(self.causes[*other].object) == host;
            if let Some(reason) = found.into_iter().find(same_host) {
                let mut taken = std::mem::take(&mut self.causes[cause].consequences);
                taken.objects.insert(group.head);
                self.causes[reason].consequences.take(&mut taken);
                self.alias.insert(cause, reason);
            }
        }
    }

    /// What follows by rule: paths, names that are put together, derived attributes.
    fn take_derived(&mut self, index: usize) {
        let Some(object) = self.object(index) else { return };
        let host = object.text("host");
        let mut unexplained = false;
        for unit in std::mem::take(&mut self.units[index]) {
            let class = if is_folder(object) {
                Class::Path
            } else {
                self.known.class(&object.key.object_type, &unit.attribute)
            };
            let own = self.own_cause(index);
            let renamed = unit.texts().and_then(|(before, after)| self.renamed(before, after, host));
            let cause = match class {
                Class::Own => continue,
                Class::Path => own.or_else(|| self.above(object)).or(renamed),
                Class::Composed => own.or(renamed).or_else(|| self.above(object)),
                Class::Derived => renamed
                    .or_else(|| {
                        let told = |side, value: &Option<Value>| self.told(&self.all, side, value.as_ref()?, host);
                        told(Side::After, &unit.after).or_else(|| told(Side::Before, &unit.before))
                    })
                    .or(own),
            };
            match cause.or_else(|| self.first_touch(index)) {
                Some(cause) => self.touch(index, cause),
                None => unexplained = true,
            }
        }
        if unexplained && !self.touched.contains_key(&index) {
            self.rest.objects.insert(index);
        }
    }

    /// The nearest object above that is a cause.
    fn above(&self, object: &Object) -> Option<usize> {
        let mut at = parent(object);
        for _ in 0..self.difference.objects.len() {
            let index = *self.indexes.get(&at?)?;
            if let Some(cause) = self.own_cause(index) {
                return Some(cause);
            }
            at = parent(self.object(index)?);
        }
        None
    }

    /// The cause that an object is, came or went with; else one that explains something of it.
    fn of_object(&self, key: &ObjectKey) -> Option<usize> {
        let index = *self.indexes.get(key)?;
        self.own_cause(index).or_else(|| self.first_touch(index))
    }

    /// The cause with which an object came or went.
    fn of_group(&self, key: &ObjectKey) -> Option<usize> {
        let index = self.indexes.get(key)?;
        let sides = self.difference.objects.get(*index)?;
        let only = sides.before.is_none() || sides.after.is_none();
        self.own_cause(*index).filter(|_| only)
    }

    fn take_links(&mut self) {
        for (index, sides) in self.difference.links.iter().enumerate() {
            let Some(link) = sides.last() else { continue };
            let ends = [&link.source, &link.target];
            let by_group = || ends.iter().find_map(|end| self.of_group(end));
            let by_value = || match (sides.before, sides.after) {
                (Some(before), Some(after)) => self.link_value(before, after),
                _ => None,
            };
            let cause = by_group().or_else(by_value).or_else(|| ends.iter().find_map(|end| self.of_object(end)));
            self.follow(cause).links.insert(index);
        }
    }

    /// The cause of what differs in a link.
    fn link_value(&self, before: &Link, after: &Link) -> Option<usize> {
        let host = after.host.as_deref();
        if let Some(cause) = self.renamed(&before.name, &after.name, host) {
            return Some(cause);
        }
        units(&before.attributes, &after.attributes).iter().find_map(|unit| {
            let renamed = unit.texts().and_then(|(before, after)| self.renamed(before, after, host));
            let told = |side, value: &Option<Value>| self.told(&self.all, side, value.as_ref()?, host);
            renamed.or_else(|| told(Side::After, &unit.after)).or_else(|| told(Side::Before, &unit.before))
        })
    }

    fn take_cliques(&mut self) {
        for (index, sides) in self.difference.cliques.iter().enumerate() {
            let Some(clique) = sides.last() else { continue };
            let by_group = self.of_group(&clique.focal_point);
            let by_parts = || match (sides.before, sides.after) {
                (Some(before), Some(after)) => self.clique_parts(before, after),
                _ => None,
            };
            let cause = by_group.or_else(by_parts).or_else(|| self.of_object(&clique.focal_point));
            self.follow(cause).cliques.insert(index);
        }
    }

    /// The cause of what a clique gained or lost.
    fn clique_parts(&self, before: &Clique, after: &Clique) -> Option<usize> {
        let moved = |a: &Clique, b: &Clique| -> Option<usize> {
            let nodes: BTreeSet<&ObjectKey> = b.nodes.iter().collect();
            let links: BTreeSet<&LinkRef> = b.links.iter().collect();
            let more = || a.nodes.iter().filter(|node| !nodes.contains(node));
            let ends =
                a.links.iter().filter(|link| !links.contains(link)).flat_map(|link| [&link.source, &link.target]);
            more()
                .find_map(|node| self.of_group(node))
                .or_else(|| more().chain(ends).find_map(|node| self.of_object(node)))
        };
        moved(after, before).or_else(|| moved(before, after))
    }

    fn follow(&mut self, cause: Option<usize>) -> &mut Consequences {
        match cause {
            Some(cause) => &mut self.causes[cause].consequences,
            None => &mut self.rest,
        }
    }

    fn finish(self) -> Causes {
        let Self { difference, known, causes, alias, rest, newer, .. } = self;
        let kept = causes.into_iter().enumerate().filter(|(number, _)| !alias.contains_key(number));
        let mut list: Vec<Cause> = kept.map(|(_, cause)| cause).collect();
        let key = |cause: &Cause| {
            let object = difference.objects.get(cause.object).and_then(|sides| sides.last());
            object.map(|object| (!known.is_focal(&object.key.object_type), &object.key))
        };
        list.sort_by(|a, b| key(a).cmp(&key(b)));
        Causes { list, rest, newer }
    }
}

fn note<'w>(words: &mut Words<'w>, text: &'w str, cause: usize) {
    let causes = words.entry(text).or_default();
    if causes.last() != Some(&cause) {
        causes.push(cause);
    }
}
