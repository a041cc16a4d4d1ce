//! In which order the fetchers of an environment run: stages, from what they declare that they read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_model::Str;

use crate::checked::Fetcher;

/// Why one fetcher runs after another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// The other one emits the objects under which it runs.
    Parent(Str),
    /// The other one adds this attribute to them, and it reads it.
    Attribute(Str),
    /// It looks up objects of this type, which the other one emits or extends.
    Lookup(Str),
}

/// Fetchers in stages, each after all that it needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageOrder {
    /// Names of fetchers per stage; those of one stage run at the same time.
    pub stages: Vec<Vec<Str>>,
    /// Fetcher to the ones before it, with the reason.
    pub after: BTreeMap<Str, BTreeMap<Str, Because>>,
}

/// Fetchers that wait for each other, in order; the first one waits for the last.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("fetchers wait for each other: {}", .0.join(" → "))]
pub struct Circle(pub Vec<Str>);

/// The fetchers that write to each type.
type Writers<'f> = BTreeMap<Str, Vec<&'f Fetcher>>;

fn of<'f>(writers: &Writers<'f>, name: &Str) -> Vec<&'f Fetcher> {
    writers.get(name).cloned().unwrap_or_default()
}

/// Which of these fetchers runs after which.
#[must_use]
pub fn after(fetchers: &[Arc<Fetcher>]) -> BTreeMap<Str, BTreeMap<Str, Because>> {
    let (mut emitters, mut extenders) = (Writers::new(), Writers::new());
    for fetcher in fetchers {
        for (writers, types) in [(&mut emitters, &fetcher.emits), (&mut extenders, &fetcher.extends)] {
            types.iter().for_each(|name| writers.entry(name.clone()).or_default().push(fetcher));
        }
    }

    let mut after: BTreeMap<Str, BTreeMap<Str, Because>> = BTreeMap::new();
    for fetcher in fetchers {
        // The first reason counts: the parent before what is looked up, that before attributes.
        let mut reasons: Vec<(&Fetcher, Because)> = Vec::new();
        let parents = of(&emitters, &fetcher.under);
        reasons.extend(parents.into_iter().map(|other| (other, Because::Parent(fetcher.under.clone()))));
        for read in &fetcher.reads {
            let mut others = of(&emitters, read);
            if !fetcher.extends.contains(read) {
                others.extend(of(&extenders, read));
            }
            reasons.extend(others.into_iter().map(|other| (other, Because::Lookup(read.clone()))));
        }
        let reads = parent_attributes(fetcher);
        if !fetcher.extends.contains(&fetcher.under) {
            for other in of(&extenders, &fetcher.under) {
                let read = match attributes_written(other, &fetcher.under) {
                    Some(written) => reads.iter().find(|name| written.contains(*name)),
                    None => reads.iter().next(),
                };
                reasons.extend(read.map(|read| (other, Because::Attribute(read.clone()))));
            }
        }
        let entry = after.entry(fetcher.head.name.clone()).or_default();
        for (other, reason) in reasons.into_iter().filter(|(other, _)| other.head.name != fetcher.head.name) {
            entry.entry(other.head.name.clone()).or_insert(reason);
        }
    }
    after
}

/// Puts fetchers into stages.
///
/// # Errors
/// A circle among them.
pub fn schedule(fetchers: &[Arc<Fetcher>]) -> Result<StageOrder, Circle> {
    let after = after(fetchers);
    let mut stages = Vec::new();
    let mut done: BTreeSet<Str> = BTreeSet::new();
    while done.len() < after.len() {
        let stage: Vec<Str> = after
            .iter()
            .filter(|(name, before)| !done.contains(*name) && before.keys().all(|other| done.contains(other)))
            .map(|(name, _)| name.clone())
            .collect();
        if stage.is_empty() {
            return Err(circle(&after, &done));
        }
        done.extend(stage.iter().cloned());
        stages.push(stage);
    }
    Ok(StageOrder { stages, after })
}

fn circle(after: &BTreeMap<Str, BTreeMap<Str, Because>>, done: &BTreeSet<Str>) -> Circle {
    let waits =
        |name: &Str| after.get(name).and_then(|before| before.keys().find(|other| !done.contains(*other))).cloned();
    let mut path: Vec<Str> = after.keys().find(|name| !done.contains(*name)).cloned().into_iter().collect();
    while let Some(next) = path.last().and_then(waits) {
        if let Some(first) = path.iter().position(|known| *known == next) {
            path.drain(..first);
            break;
        }
        path.push(next);
    }
    Circle(path)
}

/// The attributes of `parent` that a fetcher reads by name.
fn parent_attributes(fetcher: &Fetcher) -> BTreeSet<Str> {
    let Some(slot) = fetcher.layout.find("parent") else { return BTreeSet::new() };
    let mut exprs: Vec<&calipso_expr::Expr> = fetcher.when.iter().collect();
    fetcher.steps.iter().for_each(|step| crate::check::exprs::of_step(step, &mut exprs));
    exprs
        .into_iter()
        .flat_map(|expr| expr.uses())
        .filter(|used| used.slot == slot)
        .filter_map(|used| used.path.first().cloned())
        .collect()
}

/// The attributes that a fetcher writes to objects of a type; none: unknown, because of a copy.
fn attributes_written(fetcher: &Fetcher, object_type: &Str) -> Option<BTreeSet<Str>> {
    let mut steps = Vec::new();
    crate::check::walk(&fetcher.steps, &mut steps);
    let mut written = BTreeSet::new();
    for step in steps {
        if let crate::checked::Verb::Emit(emit) = &step.verb
            && emit.object_type == *object_type
        {
            if emit.copy.is_some() {
                return None;
            }
            // What names the object is no news about it.
            written
                .extend(emit.set.iter().filter(|(_, tree)| !names_parent(fetcher, tree)).map(|(name, _)| name.clone()));
        }
    }
    Some(written)
}

/// Whether a value only repeats an attribute of the parent.
fn names_parent(fetcher: &Fetcher, tree: &calipso_expr::Tree) -> bool {
    let calipso_expr::Tree::Expr(expr) = tree else { return false };
    let uses = expr.uses();
    uses.len() == 1
        && uses.first().is_some_and(|used| {
            Some(used.slot) == fetcher.layout.find("parent") && expr.source().len() == used.end - used.start
        })
}
