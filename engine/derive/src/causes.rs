//! What of a difference made the rest of it: an object that came, went, was renamed or changed by itself is a cause; paths,
//! derived attributes, links and cliques follow, and so do objects and elements that are there only with it.

mod find;
mod group;
mod units;

use std::collections::{BTreeMap, BTreeSet};

use calipso_model::{Clique, Link, Object, Str};
use calipso_spec::Specs;

pub use units::{Unit, UnitKind, units};

/// One thing at both sides of a difference; at least one is there.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'d, T> {
    /// As it was; none: it came.
    pub before: Option<&'d T>,
    /// As it is; none: it went.
    pub after: Option<&'d T>,
}

impl<'d, T> Sides<'d, T> {
    /// As it is, or as it was when it is gone.
    #[must_use]
    pub fn last(&self) -> Option<&'d T> {
        self.after.or(self.before)
    }
}

/// Everything that differs between two states of an environment.
#[derive(Clone, Debug, Default)]
pub struct Difference<'d> {
    /// Objects that came, went or changed.
    pub objects: Vec<Sides<'d, Object>>,
    /// Links that came, went or changed.
    pub links: Vec<Sides<'d, Link>>,
    /// Cliques that came, went or changed.
    pub cliques: Vec<Sides<'d, Clique>>,
}

/// What the specs say of a type, as far as causes go.
#[derive(Clone, Debug, Default)]
struct FactsOfType {
    derived: BTreeSet<Str>,
    /// Attributes that only say how new a document is.
    versions: BTreeSet<Str>,
    /// Whether its name is an attribute of its own, and not put together from others.
    named: bool,
}

/// What the specs say, as far as causes go.
///
/// # Shape
/// Of a type that no spec declares, everything counts as fetched.
#[derive(Clone, Debug, Default)]
pub struct TypeFacts {
    types: BTreeMap<Str, FactsOfType>,
    focal: BTreeSet<Str>,
}

impl TypeFacts {
    /// The facts that the specs of a catalogue declare.
    #[must_use]
    pub fn of(specs: &Specs) -> Self {
        let known = |name: &Str, declared: &calipso_spec::checked::ObjectType| {
            let versions = declared.newest_by.iter().flat_map(|newest| newest.uses()).filter_map(|used| {
                // `self` is the only root that has attributes.
                used.path.into_iter().next()
            });
            let known = FactsOfType {
                derived: declared.derive.iter().map(|rule| rule.attribute.clone()).collect(),
                versions: versions.collect(),
                named: declared.attributes.contains_key("name"),
            };
            (name.clone(), known)
        };
        Self {
            types: specs.object_types.iter().map(|(name, declared)| known(name, declared)).collect(),
            focal: specs.clique_types.values().map(|declared| declared.focal_point.clone()).collect(),
        }
    }

    /// Whether operators ask for objects of this type by themselves: some clique type has it in its middle.
    #[must_use]
    pub fn is_focal(&self, object_type: &str) -> bool {
        self.focal.contains(object_type)
    }

    fn class(&self, object_type: &str, attribute: &str) -> Class {
        let known = self.types.get(object_type);
        match attribute {
            "id_path" | "name_path" | "parent_text" | "parent_id" | "parent_type" | "show_in_tree" => Class::Path,
            "name" if known.is_none_or(|known| known.named) => Class::Own,
            "name" | "object_name" => Class::Composed,
            _ if known.is_some_and(|known| known.derived.contains(attribute)) => Class::Derived,
            _ => Class::Own,
        }
    }

    /// Whether a difference says nothing but that a document is newer.
    fn is_bookkeeping(&self, object_type: &str, unit: &Unit) -> bool {
        unit.kind == UnitKind::Order
            || unit.is_time()
            || self.types.get(object_type).is_some_and(|known| known.versions.contains(&unit.attribute))
    }
}

/// Where an attribute comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// It was fetched.
    Own,
    /// A rule derives it.
    Derived,
    /// It says where the object is.
    Path,
    /// It is put together from other attributes.
    Composed,
}

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was not there before.
    Came,
    /// It is gone.
    Went,
    /// It has another name.
    Renamed(String, String),
    /// Something of it is different.
    Changed,
}

/// What follows from a cause: indexes in the lists of the [`Difference`], sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consequences {
    /// Indexes of objects.
    pub objects: BTreeSet<usize>,
    /// Indexes of links.
    pub links: BTreeSet<usize>,
    /// Indexes of cliques.
    pub cliques: BTreeSet<usize>,
}

impl Consequences {
    /// Number of objects, links and cliques together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len() + self.links.len() + self.cliques.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn take(&mut self, other: &mut Self) {
        self.objects.append(&mut other.objects);
        self.links.append(&mut other.links);
        self.cliques.append(&mut other.cliques);
    }
}

/// An object that changed by itself, and what follows from that.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// The object, by its index in the list of the [`Difference`].
    pub object: usize,
    /// What happened to it.
    pub happening: Happening,
    /// What of it changed by itself; without its name when it was renamed.
    pub units: Vec<Unit>,
    /// What would not differ without it.
    pub consequences: Consequences,
}

/// A difference, sorted by causes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Causes {
    /// Those of types that operators ask for by themselves first, then by type and id.
    pub list: Vec<Cause>,
    /// What follows from something that cannot be told, or is not in the difference.
    pub rest: Consequences,
    /// Objects that are newer, or list the same in another order, and that is all.
    pub newer: BTreeSet<usize>,
}

/// Sorts a difference into causes and what follows from them.
#[must_use]
pub fn causes(difference: &Difference<'_>, known: &TypeFacts) -> Causes {
    find::Finder::new(difference, known).find()
}
