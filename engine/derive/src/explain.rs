//! Why a link or a clique is what it is, and what found no partner.

mod reasons;
mod usual;

use calipso_model::{LinkRef, ObjectKey, Str, Value};
use calipso_spec::checked::At;

use crate::{
    cliques::Scratch,
    graph::Graph,
    join::opposite,
    rules::{Candidate, Join, Yield},
};

pub use reasons::{Reason, Stop};
pub use usual::Usual;

/// One end of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// `self` of a derived attribute, `from` of a link rule.
    Near,
    /// `other` of a derived attribute, `to` of a link rule.
    Far,
}

/// Which dangling ends are asked for.
#[derive(Clone, Debug, Default)]
pub struct Dangling {
    /// Of this link type only (`from-to`).
    pub link_type: Option<Str>,
    /// Of this object only.
    pub object: Option<ObjectKey>,
    /// Those of derived attributes, too.
    pub derived: bool,
    /// Maximum number; none: all of them.
    pub limit: Option<usize>,
}

/// A key of one end that met nothing at the other.
#[derive(Clone, Debug, PartialEq)]
pub struct DanglingEnd {
    /// Link type, or `type.attribute` of a derived attribute.
    pub of: Str,
    /// Name of the rule; for a derived attribute its name again.
    pub rule: Str,
    /// Where the rule stands.
    pub at: At,
    /// At which end of the rule the object stands.
    pub end: End,
    /// The object that has the key.
    pub object: ObjectKey,
    /// Type of the objects among which no partner was found.
    pub wanted: Str,
    /// The values of its key, in order.
    pub key: Vec<Value>,
    /// Whether another key or rule gives the object a link of this type all the same.
    pub linked_otherwise: bool,
}

/// An object with more links of a type than the type allows.
#[derive(Clone, Debug, PartialEq)]
pub struct Cardinality {
    /// Name of the link type.
    pub link_type: Str,
    /// Where it stands.
    pub at: At,
    /// At which end one link is allowed.
    pub end: End,
    /// The object that has too many links.
    pub object: ObjectKey,
    /// All that it is linked to.
    pub candidates: Vec<ObjectKey>,
}

/// A rule that makes a link, and the keys by which it does.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleUse {
    /// Name of the rule.
    pub rule: Str,
    /// Where it stands.
    pub at: At,
    /// Keys that met and whose pair fulfils the rule's `when`.
    pub keys: Vec<Vec<Value>>,
}

/// Why a link is there.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkExplanation {
    /// Where the link type stands; none for an implicit link.
    pub at: Option<At>,
    /// The rule that made it, first; then the others that would have made it, too. Empty for an implicit link.
    pub rules: Vec<RuleUse>,
    /// For an implicit link: the explicit links of the shortest chain that it stands for.
    pub chain: Vec<LinkRef>,
}

/// What one step of a clique's path did.
#[derive(Clone, Debug, PartialEq)]
pub struct CliqueStep {
    /// As written in the spec.
    pub step: Str,
    /// Whether a link type of the environment is behind it.
    pub applies: bool,
    /// Objects that it started from.
    pub from: usize,
    /// Links that it took.
    pub taken: usize,
    /// Links that the constraints refused.
    pub refused: usize,
    /// Why it took none: what the first objects that it started from say.
    pub stops: Vec<Stop>,
}

/// Why a clique is what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct CliqueExplanation {
    /// The chosen clique type.
    pub clique_type: Str,
    /// Where it stands.
    pub at: At,
    /// All clique types of the focal point's type, the chosen one first.
    pub candidates: Vec<Candidate>,
    /// Constraint attribute and its value on the focal point.
    pub constraints: Vec<(Str, Value)>,
    /// The steps of its path.
    pub steps: Vec<CliqueStep>,
}

impl Graph {
    /// Keys that met nothing, by link type and rule, each in the order of the objects' ids.
    #[must_use]
    pub fn dangling(&self, asked: &Dangling) -> Vec<DanglingEnd> {
        let limit = asked.limit.unwrap_or(usize::MAX);
        let mut found = Vec::new();
        for (number, links) in self.rules().link_types.iter().enumerate() {
            if asked.link_type.as_ref().is_some_and(|wanted| *wanted != links.name) {
                continue;
            }
            for join in &links.joins {
                self.dangling_of(*join, Some(number), asked, limit, &mut found);
            }
        }
        if asked.derived && asked.link_type.is_none() {
            for (join, rule) in self.rules().joins.iter().enumerate() {
                if matches!(rule.yields, Yield::Value(..)) {
                    self.dangling_of(join, None, asked, limit, &mut found);
                }
            }
        }
        found
    }

    fn dangling_of(
        &self,
        join: usize,
        link_type: Option<usize>,
        asked: &Dangling,
        limit: usize,
        found: &mut Vec<DanglingEnd>,
    ) {
        // What met is not known of a rule that was given up.
        if self.gave_up(join) {
            return;
        }
        let rule = &self.rules().joins[join];
        let index = self.index(join);
        let evaluator = self.evaluator();
        for side in 0..2 {
            let type_id = rule.ends[side].type_id;
            let nodes = self.nodes_of(type_id);
            let objects = match &asked.object {
                Some(key) if key.object_type != nodes.name => continue,
                Some(key) => nodes.find(&key.id).into_iter().collect(),
                None => nodes.in_order(),
            };
            for object in objects {
                let mut keys: Option<Vec<Vec<Value>>> = None;
                for row in index.rows_of(side, object).filter(|row| !index.meets(side, *row)) {
                    let keys = keys.get_or_insert_with(|| evaluator.keys(join, side, object));
                    if found.len() >= limit {
                        return;
                    }
                    let of = link_type.map_or(&rule.name, |number| &self.rules().link_types[number].name);
                    found.push(DanglingEnd {
                        of: of.clone(),
                        rule: rule.name.clone(),
                        at: rule.at.clone(),
                        end: if side == 0 { End::Near } else { End::Far },
                        object: nodes.key(object),
                        wanted: self.nodes_of(rule.ends[opposite(side)].type_id).name.clone(),
                        key: keys.get(index.row(side, row).order as usize).cloned().unwrap_or_default(),
                        linked_otherwise: match link_type {
                            Some(number) => !self.links_at(number).of(side, object).is_empty(),
                            None => index.rows_of(side, object).any(|row| index.meets(side, row)),
                        },
                    });
                }
            }
        }
    }

    /// Objects that have more links than their link type allows, with all candidates.
    #[must_use]
    pub fn cardinality(&self) -> Vec<Cardinality> {
        let mut found = Vec::new();
        for (number, known) in self.rules().link_types.iter().enumerate() {
            let links = self.links_at(number);
            for side in (0..2).filter(|side| known.one[*side]) {
                let nodes = self.nodes_of(known.ends[side]);
                let others = self.nodes_of(known.ends[opposite(side)]);
                for object in nodes.in_order() {
                    let several = links.of(side, object);
                    if several.len() > 1 {
                        let other = |number: &u32| others.key(links.step(*number).ends[opposite(side)]);
                        found.push(Cardinality {
                            link_type: known.name.clone(),
                            at: known.at.clone(),
                            end: if side == 0 { End::Near } else { End::Far },
                            object: nodes.key(object),
                            candidates: several.iter().map(other).collect(),
                        });
                    }
                }
            }
        }
        found
    }

    /// Why a link is there; none when it is not.
    #[must_use]
    pub fn explain_link(&self, link: &LinkRef) -> Option<LinkExplanation> {
        let (links, entry, types) = self.entry(link)?;
        let ends = links.step(entry).ends;
        let Some(made_by) = links.rule(entry) else {
            return Some(LinkExplanation { at: None, rules: Vec::new(), chain: self.shortest_chain(types, ends) });
        };
        let rules = self.rules();
        let known = rules.link_types.iter().find(|known| known.joins.contains(&(made_by as usize)))?;
        let mut uses: Vec<(bool, RuleUse)> = Vec::new();
        for join in &known.joins {
            let index = self.index(*join);
            let evaluator = self.evaluator();
            let all = evaluator.keys(*join, 0, ends[0]);
            let mut keys = Vec::new();
            for row in index.rows_of(0, ends[0]) {
                let key = index.row(0, row).key;
                let met = index.rows_with(1, key).find(|other| index.row(1, *other).object == ends[1]);
                if let Some(other) = met
                    && evaluator.meets(*join, [row, other])
                {
                    keys.extend(all.get(index.row(0, row).order as usize).cloned());
                }
            }
            if !keys.is_empty() {
                let rule: &Join = &rules.joins[*join];
                uses.push((*join != made_by as usize, RuleUse { rule: rule.name.clone(), at: rule.at.clone(), keys }));
            }
        }
        uses.sort_by_key(|(other, _)| *other);
        let uses = uses.into_iter().map(|(_, used)| used).collect();
        Some(LinkExplanation { at: Some(known.at.clone()), rules: uses, chain: Vec::new() })
    }

    /// Why a clique is what it is; none when no clique type is for this object, or there is no such object.
    #[must_use]
    pub fn explain_clique(&self, focal_point: &ObjectKey) -> Option<CliqueExplanation> {
        let rules = self.rules();
        let (number, object) = self.plan_of(focal_point)?;
        let plan = &rules.cliques[number];
        let mut counts = Vec::new();
        let found = Scratch::default().walk(&self.view(), number, object, Some(&mut counts));
        let steps: Vec<CliqueStep> = plan
            .steps
            .iter()
            .zip(counts)
            .map(|(step, count)| CliqueStep {
                step: step.written.clone(),
                applies: step.links.is_some(),
                from: count.from,
                taken: count.taken,
                refused: count.refused,
                stops: if count.taken == 0 { self.stops(step, count.from, &found) } else { Vec::new() },
            })
            .collect();
        let constraints =
            found.limits.into_iter().map(|limit| (rules.constraints[limit.constraint].clone(), limit.value));
        Some(CliqueExplanation {
            clique_type: plan.name.clone(),
            at: plan.at.clone(),
            candidates: plan.candidates.clone(),
            constraints: constraints.collect(),
            steps,
        })
    }
}
