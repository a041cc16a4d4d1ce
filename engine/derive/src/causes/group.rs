//! Objects that came, or went, together: what lies below one of them, what is linked to it, what names it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use calipso_model::{Link, Object, ObjectKey};

use super::{Difference, Sides, TypeFacts, units::leaves};

/// Which side of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Before, Side::After];

    pub(super) fn of<'d, T>(self, sides: &Sides<'d, T>) -> Option<&'d T> {
        match self {
            Self::Before => sides.before,
            Self::After => sides.after,
        }
    }

    /// The thing, when it is at this side only.
    pub(super) fn only<'d, T>(self, sides: &Sides<'d, T>) -> Option<&'d T> {
        match (self, sides.before, sides.after) {
            (Self::Before, Some(thing), None) | (Self::After, None, Some(thing)) => Some(thing),
            _ => None,
        }
    }
}

/// Objects that came or went together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) side: Side,
    /// The object for whose sake the others are there.
    pub(super) head: usize,
    /// All of them, the head too.
    pub(super) members: Vec<usize>,
}

pub(super) fn is_folder(object: &Object) -> bool {
    object.key.object_type.ends_with("_folder")
}

pub(super) fn parent(object: &Object) -> Option<ObjectKey> {
    Some(ObjectKey::new(object.text("parent_type")?, object.text("parent_id")?))
}

/// The groups of one side. Folders without anything of their own group in them are left out.
pub(super) fn groups(difference: &Difference<'_>, known: &TypeFacts, side: Side) -> Vec<Group> {
    let things: BTreeMap<usize, &Object> =
        difference.objects.iter().enumerate().filter_map(|(index, sides)| Some((index, side.only(sides)?))).collect();
    let indexes: BTreeMap<&ObjectKey, usize> = things.iter().map(|(index, object)| (&object.key, *index)).collect();
    let root = |index: usize| -> usize {
        let (mut at, mut best) = (index, index);
        // No chain of parents is longer than there are objects.
        for _ in 0..things.len() {
            let Some(above) = things.get(&at).and_then(|object| parent(object)).and_then(|key| indexes.get(&key))
            else {
                break;
            };
            at = *above;
            if things.get(&at).is_some_and(|object| !is_folder(object)) {
                best = at;
            }
        }
        best
    };
    let mut trees: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut loose_folders = Vec::new();
    for (index, object) in &things {
        let root = root(*index);
        if root == *index && is_folder(object) {
            loose_folders.push(*index);
        } else {
            trees.entry(root).or_default().push(*index);
        }
    }
    // A folder that came with what is in it belongs to the first of that.
    for folder in loose_folders {
        let Some(key) = things.get(&folder).map(|object| &object.key) else { continue };
        let child =
            trees.keys().copied().find(|root| things.get(root).and_then(|child| parent(child)).as_ref() == Some(key));
        if let Some(members) = child.and_then(|child| trees.get_mut(&child)) {
            members.push(folder);
        }
    }
    let tree_of: BTreeMap<usize, usize> =
        trees.iter().flat_map(|(root, members)| members.iter().map(|member| (*member, *root))).collect();
    let near = neighbours(difference, side, &things, &indexes, &tree_of);
    // What operators ask for by itself draws in what it is linked to or what names it.
    let mut owner: BTreeMap<usize, usize> = BTreeMap::new();
    let is_head = |root: &usize| things.get(root).is_some_and(|object| known.is_focal(&object.key.object_type));
    let mut queue: VecDeque<usize> = trees.keys().copied().filter(is_head).collect();
    owner.extend(queue.iter().map(|root| (*root, *root)));
    while let Some(root) = queue.pop_front() {
        let Some(head) = owner.get(&root).copied() else { continue };
        for other in near.get(&root).into_iter().flatten() {
            if !owner.contains_key(other) {
                owner.insert(*other, head);
                queue.push_back(*other);
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (root, members) in trees {
        groups.entry(owner.get(&root).copied().unwrap_or(root)).or_default().extend(members);
    }
    groups.into_iter().map(|(head, members)| Group { side, head, members }).collect()
}

/// Trees that a link of the same side joins, or of which one names an object of the other.
fn neighbours(
    difference: &Difference<'_>,
    side: Side,
    things: &BTreeMap<usize, &Object>,
    indexes: &BTreeMap<&ObjectKey, usize>,
    tree_of: &BTreeMap<usize, usize>,
) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut near: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut join = |a: usize, b: usize| {
        if a != b {
            near.entry(a).or_default().insert(b);
            near.entry(b).or_default().insert(a);
        }
    };
    let tree = |key: &ObjectKey| tree_of.get(indexes.get(key)?).copied();
    for link in difference.links.iter().filter_map(|sides: &Sides<'_, Link>| side.only(sides)) {
        if let (Some(a), Some(b)) = (tree(&link.source), tree(&link.target)) {
            join(a, b);
        }
    }
    let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, object) in things.iter().filter(|(_, object)| !is_folder(object)) {
        if let Some(tree) = tree_of.get(index) {
            by_id.insert(&object.key.id, *tree);
        }
    }
    for (index, object) in things {
        let Some(own) = tree_of.get(index).copied() else { continue };
        for (_, value) in &object.doc {
            leaves(value, &mut |text| {
                if let Some(other) = by_id.get(text) {
                    join(own, *other);
                }
            });
        }
    }
    near
}
