//! Facts about attributes: which ones objects of a type can have, and who emits them.

use std::collections::{BTreeMap, BTreeSet};

use calipso_expr::shape::Shape;
use calipso_model::Str;

use super::{Catalogue, shapes};
use crate::{
    checked::{At, Attribute, AttributeType},
    decode::MOST_ENTRIES,
};

/// Fields that the engine gives every object.
pub(super) const COMMON: &[&str] = &[
    "environment",
    "type",
    "id",
    "name",
    "object_name",
    "parent_type",
    "parent_id",
    "id_path",
    "name_path",
    "show_in_tree",
    "host",
];

/// One `emit` of a fetcher.
#[derive(Clone, Debug)]
pub(super) struct Emit {
    pub fetcher: Str,
    pub at: At,
    pub object_type: Str,
    /// Keys that are written; what a copy brings is unknown when `open`.
    pub keys: BTreeSet<Str>,
    pub open: bool,
    /// Keys whose value is the constant text given.
    pub constants: BTreeMap<Str, Str>,
}

/// What is known of one type.
#[derive(Clone, Debug, Default)]
pub(super) struct TypeFacts {
    pub fetched: BTreeMap<Str, Shape>,
    pub derived: BTreeMap<Str, Shape>,
    pub open: bool,
}

/// What is known of all types.
pub(super) struct Facts {
    pub types: BTreeMap<Str, TypeFacts>,
    pub emits: Vec<Emit>,
    /// Places among `emits`, by type.
    by_type: BTreeMap<Str, Vec<usize>>,
}

impl Facts {
    pub fn new(catalogue: &Catalogue<'_>) -> Self {
        let emits = shapes::emits(catalogue);
        let mut by_type: BTreeMap<Str, Vec<usize>> = BTreeMap::new();
        for (number, emit) in emits.iter().enumerate() {
            by_type.entry(emit.object_type.clone()).or_default().push(number);
        }
        let mut types = BTreeMap::new();
        for (name, object_type) in &catalogue.specs.object_types {
            let mut facts = TypeFacts::default();
            for (key, attribute) in &object_type.attributes {
                facts.fetched.insert(key.clone(), of_attribute(attribute));
            }
            let mut emitted = false;
            for emit in by_type.get(name).into_iter().flatten().filter_map(|number| emits.get(*number)) {
                emitted = true;
                facts.open |= emit.open;
                // With thousands of attributes this is skipped: each read would compare with all of them.
                if facts.fetched.len() > MOST_ENTRIES {
                    facts.open = true;
                    continue;
                }
                for key in &emit.keys {
                    facts.fetched.entry(key.clone()).or_insert(Shape::Any);
                }
            }
            facts.open = (facts.open && object_type.other_attributes)
                || !emitted
                || catalogue.is_broken_spec("object_type", name);
            for rule in &object_type.derive {
                facts.derived.insert(rule.attribute.clone(), Shape::Any);
            }
            types.insert(name.clone(), facts);
        }
        Self { types, emits, by_type }
    }

    /// The emits of a type, in the order of the fetchers.
    pub fn emits_of(&self, object_type: &str) -> impl Iterator<Item = &Emit> {
        self.by_type.get(object_type).into_iter().flatten().filter_map(|number| self.emits.get(*number))
    }

    /// An object with its derived attributes.
    pub fn with_derived(&self, object_type: &str) -> Shape {
        let Some(facts) = self.types.get(object_type) else { return Shape::Any };
        let mut known: BTreeMap<Str, (Shape, bool)> =
            COMMON.iter().map(|name| (Str::from(*name), (Shape::Any, false))).collect();
        for (key, shape) in facts.fetched.iter().chain(&facts.derived) {
            known.insert(key.clone(), (shape.clone(), false));
        }
        Shape::Map { known, open: facts.open }
    }

    /// An object while fetchers run: what is derived is not known yet.
    pub fn while_fetching(&self, object_type: &str) -> Shape {
        let mut shape = self.with_derived(object_type);
        if let (Shape::Map { known, .. }, Some(facts)) = (&mut shape, self.types.get(object_type)) {
            for name in facts.derived.keys().filter(|name| !facts.fetched.contains_key(*name)) {
                known.insert(name.clone(), (Shape::Late, false));
            }
        }
        shape
    }

    /// Whether an attribute is derived, and not fetched as well.
    pub fn is_derived(&self, object_type: &str, attribute: &str) -> bool {
        self.types
            .get(object_type)
            .is_some_and(|facts| facts.derived.contains_key(attribute) && !facts.fetched.contains_key(attribute))
    }

    /// The attribute of which an unknown one is probably a misspelling, where objects may have others.
    pub fn likely_meant(&self, object_type: &str, attribute: &str) -> Option<String> {
        let facts = self.types.get(object_type)?;
        let known =
            || facts.fetched.keys().chain(facts.derived.keys()).map(AsRef::as_ref).chain(COMMON.iter().copied());
        if known().any(|name| name == attribute) {
            return None;
        }
        calipso_expr::misspelt(attribute, known()).map(|near| format!("did you mean `{near}`?"))
    }

    /// Whether objects of a type can have an attribute.
    pub fn has(&self, object_type: &str, attribute: &str) -> bool {
        COMMON.contains(&attribute)
            || self.types.get(object_type).is_none_or(|facts| {
                facts.open || facts.fetched.contains_key(attribute) || facts.derived.contains_key(attribute)
            })
    }

    /// All attributes known of a type.
    pub fn names(&self, object_type: &str) -> Vec<Str> {
        self.types
            .get(object_type)
            .map(|facts| facts.fetched.keys().chain(facts.derived.keys()).cloned().collect())
            .unwrap_or_default()
    }
}

/// The shape of a declared attribute.
pub(super) fn of_attribute(attribute: &Attribute) -> Shape {
    match attribute.attribute_type {
        AttributeType::List => match attribute.of {
            Some(AttributeType::Text) => Shape::list(words(attribute)),
            of => Shape::list(of.map_or(Shape::Any, of_type)),
        },
        AttributeType::Text => words(attribute),
        other => of_type(other),
    }
}

/// Text, or one of the words that it can be.
fn words(attribute: &Attribute) -> Shape {
    if attribute.one_of.is_empty() || attribute.other_values {
        Shape::Text
    } else {
        Shape::Words(attribute.one_of.clone().into())
    }
}

/// The shape of a type's values.
pub(super) fn of_type(attribute_type: AttributeType) -> Shape {
    match attribute_type {
        AttributeType::Text | AttributeType::Ip | AttributeType::Mac | AttributeType::Timestamp => Shape::Text,
        AttributeType::Integer => Shape::Int,
        AttributeType::Number => Shape::Num,
        AttributeType::Bool => Shape::Bool,
        AttributeType::List => Shape::list(Shape::Any),
        AttributeType::Map => Shape::Map { known: BTreeMap::new(), open: true },
        AttributeType::Any => Shape::Any,
    }
}
