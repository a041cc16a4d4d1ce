//! The rules of one environment: joins, derived attributes in order, link types, one clique type per focal point.

mod choose;
mod compile;
mod order;

use std::collections::BTreeMap;

use calipso_expr::{Each, Expr, Frame, Slot, Tree};
use calipso_model::{Environment, Str};
use calipso_spec::{
    Specs,
    checked::{At, Take},
};

use crate::{bounds::Meter, nodes::attribute_bit};

pub use choose::Candidate;

/// Why the rules of an environment cannot be put together. `check` finds both before.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// Derived attributes that wait for each other.
    #[error("these derived attributes wait for each other: {}", .attributes.join(", "))]
    DeriveCircle { attributes: Vec<String> },
    /// A rule that joins two objects without saying by what.
    #[error("{at}: `{rule}` joins two objects, but one end has no key")]
    NoKey {
        /// Where the rule stands in its file.
        at: At,
        /// Name of the rule.
        rule: String,
    },
    /// The environment's distribution is not among the specs.
    #[error("no distribution spec is named `{0}`")]
    UnknownDistribution(Str),
}

/// Everything that derives in one environment.
#[derive(Debug)]
pub struct Rules {
    pub(crate) types: Vec<TypeRules>,
    pub(crate) type_ids: BTreeMap<Str, usize>,
    pub(crate) joins: Vec<Join>,
    /// By index: the join that makes its keys.
    pub(crate) indexes: Vec<usize>,
    pub(crate) attributes: Vec<Attribute>,
    /// Derived attributes, those of a level read only earlier levels.
    pub(crate) levels: Vec<Vec<usize>>,
    /// In the order of their names.
    pub(crate) link_types: Vec<LinkRules>,
    /// One per focal point type, in the order of the types' names.
    pub(crate) cliques: Vec<Plan>,
    /// Every attribute that constrains cliques.
    pub(crate) constraints: Vec<Str>,
    pub(crate) implicit: bool,
}

/// What rules know of one object type.
#[derive(Debug)]
pub(crate) struct TypeRules {
    pub(crate) name: Str,
    /// Attributes that rules read or derive, to their numbers: columns of records, and bits in masks.
    pub(crate) numbers: BTreeMap<Str, usize>,
    /// Its derived attributes with their numbers, in the order of their names.
    pub(crate) derived: Vec<(Str, usize)>,
    /// Whether a rule reads whole objects of this type.
    pub(crate) whole: bool,
}

impl TypeRules {
    /// The bit of an attribute; those that no rule names share one.
    pub(crate) fn bit(&self, attribute: &str) -> u64 {
        attribute_bit(self.numbers.get(attribute).copied().unwrap_or(usize::MAX))
    }
}

/// One end of a join.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) type_id: usize,
    /// Where the object stands in the frame.
    pub(crate) slot: Slot,
    /// Whether expressions read the whole document; else they read numbered attributes only.
    pub(crate) whole: bool,
    pub(crate) each: Option<Each>,
    pub(crate) when: Option<Expr>,
    pub(crate) key: Expr,
    /// Generator slots that expressions on pairs read.
    pub(crate) binds: Vec<Slot>,
    /// Number of its keys: ends with one number have the same keys.
    pub(crate) keys: usize,
    /// The names that generators bind, in order.
    pub(crate) generators: Vec<Slot>,
    /// What the keys are made of, in words that are equal where the keys are.
    pub(crate) signature: String,
    /// Attributes that the keys depend on.
    pub(crate) reads: u64,
    /// Derived attributes that expressions over the whole document must not see.
    pub(crate) hides: Vec<Str>,
}

/// What a pair yields.
#[derive(Debug)]
pub(crate) enum Yield {
    /// A value of a derived attribute.
    Value(Tree, Take),
    Link(Box<LinkParts>),
}

/// What a rule says of its links.
#[derive(Debug)]
pub(crate) struct LinkParts {
    pub(crate) name: Option<Tree>,
    /// By side: numbers of the attributes that name the link where the rule gives no name.
    pub(crate) names: [[usize; 2]; 2],
    pub(crate) state: Option<Tree>,
    pub(crate) host: Option<Tree>,
    /// By side: number of the attribute that tells the host where the rule does not.
    pub(crate) hosts: [usize; 2],
    pub(crate) switch: Option<Tree>,
    pub(crate) attributes: Vec<(Str, Tree)>,
}

/// A rule that joins two types. Side 0 is `self` or `from`, side 1 is `other` or `to`.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) at: At,
    /// Name of the rule, or `type.attribute`.
    pub(crate) name: Str,
    /// Number of its index; joins with the same ends share one.
    pub(crate) index: usize,
    pub(crate) ends: [End; 2],
    pub(crate) when: Option<Expr>,
    /// Attributes of each side that expressions on pairs read.
    pub(crate) pair_reads: [u64; 2],
    pub(crate) yields: Yield,
    /// With `env` and `dist` set.
    pub(crate) frame: Frame,
}

/// A rule that computes from the object alone.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) at: At,
    pub(crate) slot: Slot,
    /// Whether expressions read the whole document; else they read numbered attributes only.
    pub(crate) whole: bool,
    /// Number among the rules of this kind.
    pub(crate) number: usize,
    pub(crate) name: Str,
    pub(crate) each: Option<Each>,
    pub(crate) when: Vec<Expr>,
    pub(crate) value: Tree,
    pub(crate) take: Take,
    pub(crate) reads: u64,
    pub(crate) hides: Vec<Str>,
    pub(crate) frame: Frame,
}

/// One rule of a derived attribute.
#[derive(Debug)]
pub(crate) enum AttributeRule {
    /// From the object alone.
    Own(Box<Own>),
    /// A join, by its number.
    Join(usize),
}

impl AttributeRule {
    /// Its number among all rules.
    pub(crate) fn number(&self, rules: &Rules) -> usize {
        match self {
            Self::Own(own) => rules.joins.len() + own.number,
            Self::Join(join) => *join,
        }
    }
}

impl Attribute {
    /// Whether one of its rules was given up.
    pub(crate) fn is_over(&self, rules: &Rules, meter: &Meter) -> bool {
        self.rules.iter().any(|rule| meter.is_over(rule.number(rules)))
    }
}

impl LinkRules {
    /// Whether one of its rules was given up.
    pub(crate) fn is_over(&self, meter: &Meter) -> bool {
        self.joins.iter().any(|join| meter.is_over(*join))
    }
}

/// A derived attribute of one type.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) type_id: usize,
    pub(crate) name: Str,
    /// Its number in the type.
    pub(crate) number: usize,
    pub(crate) rules: Vec<AttributeRule>,
}

/// A link type that applies.
#[derive(Debug)]
pub(crate) struct LinkRules {
    pub(crate) at: At,
    pub(crate) name: Str,
    pub(crate) ends: [usize; 2],
    pub(crate) first: bool,
    /// At most one link per object of that side.
    pub(crate) one: [bool; 2],
    /// Joins, by number.
    pub(crate) joins: Vec<usize>,
    /// Attributes of each side that expressions on pairs read.
    pub(crate) pair_reads: [u64; 2],
    /// Attributes of each side that anything of it reads.
    pub(crate) reads: [u64; 2],
}

/// One entry of a clique path.
#[derive(Debug)]
pub(crate) struct PathStep {
    pub(crate) written: Str,
    /// Type of the objects it starts from, as walked.
    pub(crate) from: usize,
    /// Type of the objects it reaches.
    pub(crate) to: usize,
    /// The link type, by number; none when it does not apply here.
    pub(crate) links: Option<usize>,
    /// Walked from target to source.
    pub(crate) backwards: bool,
}

/// The chosen clique type of one focal point type.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) at: At,
    pub(crate) name: Str,
    pub(crate) focal: usize,
    pub(crate) steps: Vec<PathStep>,
    /// Numbers in [`Rules::constraints`], and numbers of these attributes in the focal type.
    pub(crate) constraints: Vec<(usize, usize)>,
    /// Bits of the constraint attributes on the focal type.
    pub(crate) reads: u64,
    pub(crate) implicit: bool,
    /// Every clique type of this focal point, best first.
    pub(crate) candidates: Vec<Candidate>,
}

impl Rules {
    /// Puts together what applies to an environment.
    ///
    /// # Errors
    /// [`RulesError`]; none after a successful check of the specs and the environment.
    pub fn new(specs: &Specs, environment: &Environment) -> Result<Self, RulesError> {
        compile::rules(specs, environment)
    }

    /// Names of the link types that apply, sorted.
    pub fn link_types(&self) -> impl Iterator<Item = &Str> {
        self.link_types.iter().map(|links| &links.name)
    }

    /// Focal point type and name of the clique type chosen for it.
    pub fn clique_types(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.cliques.iter().map(|plan| (&self.types[plan.focal].name, &plan.name))
    }

    /// Every clique type of a focal point type, best first, with what decided.
    #[must_use]
    pub fn candidates(&self, focal_point: &str) -> &[Candidate] {
        self.cliques
            .iter()
            .find(|plan| *self.types[plan.focal].name == *focal_point)
            .map_or(&[], |plan| plan.candidates.as_slice())
    }

    /// Derived attributes as `type.attribute`, in the order in which they are computed.
    #[must_use]
    pub fn derived(&self) -> Vec<String> {
        let attributes = self.levels.iter().flatten().map(|number| &self.attributes[*number]);
        attributes.map(|attribute| format!("{}.{}", self.types[attribute.type_id].name, attribute.name)).collect()
    }
}
