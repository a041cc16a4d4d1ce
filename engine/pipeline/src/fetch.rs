//! Runs one fetcher under one parent, and turns what it emits into members of its scopes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, ObjectKey, Str, Value, same::same_map};
use calipso_spec::checked::{At, Fetcher};
use calipso_store::ScopeKey;

use crate::{
    answer::{FailureKind, StepError},
    coverage::Coverage,
    identity::{Identities, checked, is_newer, shown},
    known::Known,
    merge::{Answered, Contribution, Members},
    scope_values::ScopeValues,
    step::{Effort, Emission, Lost, Machine, Run, StepFailure},
    trace::Trace,
    world::World,
};

/// What a run needs to know.
pub(crate) struct Asking<'a> {
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) settings: &'a Map,
    pub(crate) document: &'a Value,
    pub(crate) narrow: &'a Map,
    pub(crate) values: &'a ScopeValues,
    pub(crate) world: &'a dyn World,
    pub(crate) known: &'a Known,
    pub(crate) ids: &'a Identities,
    pub(crate) coverage: Option<&'a Arc<Coverage>>,
    /// Who looks on.
    pub(crate) trace: Option<&'a Trace>,
    pub(crate) waits: bool,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) members: BTreeMap<Str, Members>,
    pub(crate) failures: Vec<StepFailure>,
    /// Values that are none of the declared ones where others are allowed, with the step.
    pub(crate) remarks: Vec<(Str, String)>,
    /// Objects that were found but cannot be taken as they were found, and why.
    pub(crate) refused: BTreeMap<ObjectKey, String>,
    /// Types of which an object may be missing.
    pub(crate) lost: Lost,
    /// Why the run is not complete.
    pub(crate) problem: Option<String>,
    /// How many questions to the world were answered, and how many were not.
    pub(crate) answers_and_silences: (usize, usize),
}

impl Fetched {
    pub(crate) fn n_objects(&self) -> usize {
        self.members.values().map(BTreeMap::len).sum()
    }

    /// The answers by scope, one for each type that the fetcher can bring.
    ///
    /// # Shape
    /// A type of which an object may be missing gets a part of an answer; every other one gets a whole answer, less the
    /// objects that were refused.
    pub(crate) fn answers(
        mut self,
        fetcher: &Fetcher,
        parent: &ObjectKey,
        narrowing: &Value,
    ) -> Vec<(ScopeKey, Answered)> {
        let types = fetcher.emits.iter().chain(fetcher.extends.iter().filter(|name| !fetcher.emits.contains(name)));
        types
            .map(|object_type| {
                let key = ScopeKey {
                    fetcher: fetcher.head.name.clone(),
                    object_type: object_type.clone(),
                    parent: parent.clone(),
                    narrowing: narrowing.clone(),
                };
                let members = self.members.remove(object_type).unwrap_or_default();
                let of_type = self.refused.iter().filter(|(key, _)| key.object_type == *object_type);
                let refused = of_type.map(|(key, why)| (key.clone(), why.clone())).collect();
                let problem = self.problem.clone().filter(|_| self.lost.holds(object_type));
                (key, Answered::new(members, refused, problem))
            })
            .collect()
    }
}

/// Runs a fetcher.
pub(crate) async fn fetch(asking: &Asking<'_>) -> Fetched {
    let fetcher = asking.fetcher;
    let layout = &*fetcher.layout;
    let mut frame = Frame::new(layout.len());
    asking.values.set(layout, &mut frame);
    let names = [
        ("parent", asking.document.clone()),
        ("narrow", Value::Map(asking.narrow.clone())),
        ("settings", Value::Map(asking.settings.clone())),
    ];
    for (name, value) in names {
        frame.bind(layout, name, value);
    }
    let cover = |branch: &str| {
        if let Some(coverage) = asking.coverage {
            coverage.reach(&fetcher.head.at, branch);
        }
    };
    match fetcher.when.as_ref().map_or(Ok(true), |when| when.holds(&frame, &mut Fuel::default())) {
        Ok(true) => cover("when true"),
        Ok(false) => {
            cover("when false");
            return Fetched::default();
        }
        Err(error) => {
            let why = StepError::new(FailureKind::Expression, format!("`when` of the fetcher has no value: {error}"));
            let failure = StepFailure { at: fetcher.head.at.clone(), step: None, why };
            let mut fetched = Fetched { problem: Some(failure.why.sentence.clone()), ..Fetched::default() };
            fetched.lost.everything();
            fetched.failures.push(failure);
            return fetched;
        }
    }
    let machine = Machine {
        layout,
        world: asking.world,
        known: asking.known,
        coverage: asking.coverage.map(|coverage| &**coverage),
        trace: asking.trace,
        effort: Effort::new(asking.world),
        waits: asking.waits,
    };
    let (mut run, _) = machine.steps(&fetcher.steps, &mut frame, false).await;
    if let Some(stopped) = &run.stopped
        && stopped.outcome.as_ref() == "incomplete"
    {
        // What would have come after it is not known.
        run.lost.everything();
    }
    if let Some(stopped) = &run.stopped
        && stopped.outcome.as_ref() == "incomplete"
        && (stopped.because.is_some() || run.failures.is_empty())
    {
        let because =
            stopped.because.clone().unwrap_or_else(|| "the spec says that the answer is not whole".to_owned());
        let why = StepError::new(FailureKind::Stopped, because);
        run.failures.push(StepFailure { at: stopped.at.clone(), step: None, why });
    }
    collected(asking, run)
}

/// Gives everything emitted its key and sorts it by type.
fn collected(asking: &Asking<'_>, mut run: Run) -> Fetched {
    let mut fetched = Fetched::default();
    let mut truths: BTreeMap<ObjectKey, Vec<Truth>> = BTreeMap::new();
    for emission in std::mem::take(&mut run.emissions) {
        let Emission { object_type, attributes, at, step } = emission;
        let shown_at: Str = at.to_string().into();
        let known = asking.ids.types.get(&object_type);
        let refusal = match known.map(|known| checked(known, &attributes)) {
            Some(Ok(remarks)) => {
                fetched.remarks.extend(remarks.into_iter().map(|remark| (shown_at.clone(), remark)));
                None
            }
            Some(Err(refusal)) => Some(refusal),
            None => None,
        };
        let key = match (asking.ids.key(&object_type, &attributes), &refusal) {
            (Ok(key), None) => key,
            // A value that is none can be part of the identity, which then is none.
            (Ok(key), Some(refusal)) => {
                let mut others = attributes.clone();
                others.remove(&refusal.attribute);
                let is_known = asking.ids.key(&object_type, &others).is_ok_and(|without| without == key);
                let mut why = refusal.why.clone();
                if is_known {
                    why.sentence = format!("{key}: {}; what was known of it stays", why.sentence);
                    fetched.refused.insert(key, why.sentence.clone());
                } else {
                    run.lost.one(&object_type);
                }
                run.failures.push(StepFailure { at, step, why });
                continue;
            }
            (Err(why), refusal) => {
                run.lost.one(&object_type);
                let why = refusal.as_ref().map_or(why, |refusal| refusal.why.clone());
                run.failures.push(StepFailure { at, step, why });
                continue;
            }
        };
        if asking.narrow.iter().any(|(name, wanted)| narrowed_away(asking, &object_type, name, wanted, &attributes)) {
            continue;
        }
        let asserts = asking.fetcher.emits.contains(&object_type);
        let found = truths.entry(key).or_default();
        if !found.iter().any(|known| same_map(&known.contribution.attributes, &attributes)) {
            found.push(Truth { contribution: Contribution { attributes, asserts, at: shown_at }, at, step });
        }
    }
    for (key, found) in truths {
        let contribution = match one_of(asking.ids, &key, found) {
            Ok(contribution) => contribution,
            Err((failure, contribution)) => {
                fetched.refused.insert(key.clone(), failure.why.sentence.clone());
                run.failures.push(failure);
                contribution
            }
        };
        fetched.members.entry(key.object_type.clone()).or_default().insert(key, contribution);
    }
    fetched.remarks.sort();
    fetched.remarks.dedup();
    if !run.is_whole() || !run.failures.is_empty() {
        let first = run.failures.first().map(|failure| format!("{}: {}", failure.at, failure.why.sentence));
        fetched.problem = Some(first.unwrap_or_else(|| "a step could not be completed".to_owned()));
    }
    fetched.answers_and_silences = (run.n_answers, run.n_silent);
    fetched.lost = run.lost;
    fetched.failures = run.failures;
    fetched
}

/// One way in which an object was found.
struct Truth {
    contribution: Contribution,
    at: At,
    step: Option<Str>,
}

/// What counts where an object was found in several ways: the one that its type calls the newest, else none of them.
///
/// # Errors
/// None can be preferred. With the one that stands for the object where nothing was known of it: the first in the order of
/// their values, so that it does not depend on the order of an answer.
fn one_of(
    ids: &Identities,
    key: &ObjectKey,
    mut found: Vec<Truth>,
) -> Result<Contribution, (StepFailure, Contribution)> {
    let order = |a: &Truth, b: &Truth| {
        let value = |truth: &Truth| Value::Map(truth.contribution.attributes.clone());
        value(a).total_cmp(&value(b)).then_with(|| value(a).to_json().cmp(&value(b).to_json()))
    };
    let places: Vec<String> = found.iter().map(|truth| truth.at.to_string()).collect();
    let (at, step) = found.last().map(|truth| (truth.at.clone(), truth.step.clone())).unwrap_or_default();
    found.sort_by(order);
    let versions: Vec<Option<Value>> =
        found.iter().map(|truth| ids.version(&key.object_type, &truth.contribution.attributes)).collect();
    let newest = (0..found.len()).find(|place| {
        let Some(Some(mine)) = versions.get(*place) else { return false };
        let others = versions.iter().enumerate().filter(|(other, _)| other != place);
        others.into_iter().all(|(_, other)| other.as_ref().is_some_and(|other| is_newer(mine, other)))
    });
    let sentence = || {
        let mut names: BTreeSet<&Str> = found.iter().flat_map(|truth| truth.contribution.attributes.keys()).collect();
        names.retain(|name| {
            let mut values = found.iter().map(|truth| truth.contribution.attributes.get(name));
            let first = values.next().flatten();
            values.any(|value| value != first)
        });
        let differ = names.iter().take(MAX_SHOWN).map(|name| {
            let values = found.iter().take(MAX_SHOWN).map(|truth| match truth.contribution.attributes.get(name) {
                Some(value) => shown(value),
                None => "nothing".to_owned(),
            });
            format!("`{name}` is {}", values.collect::<Vec<_>>().join(" and "))
        });
        let differ: Vec<String> = differ.collect();
        let more = names.len().saturating_sub(MAX_SHOWN);
        let more = if more > 0 { format!(", and {more} more differ") } else { String::new() };
        let mut places = places.clone();
        places.dedup();
        format!(
            "{key} was emitted {} with different attributes: {}{more} (at {}); what was known of it stays",
            if found.len() == 2 { "twice".to_owned() } else { format!("{} times", found.len()) },
            differ.join(", "),
            places.join(" and "),
        )
    };
    let failure = (newest.is_none() && found.len() > 1).then(|| StepFailure {
        at,
        step,
        why: StepError::new(FailureKind::Duplicate, sentence()),
    });
    let chosen = found.swap_remove(newest.unwrap_or(0)).contribution;
    match failure {
        None => Ok(chosen),
        Some(failure) => Err((failure, chosen)),
    }
}

/// How many differences a message shows.
const MAX_SHOWN: usize = 3;

/// Whether an object of a narrowed type is not among those asked for.
fn narrowed_away(asking: &Asking<'_>, object_type: &Str, name: &Str, wanted: &Value, attributes: &Map) -> bool {
    asking.fetcher.narrow_by.get(object_type).is_some_and(|by| by.contains(name))
        && attributes.get(name) != Some(wanted)
}
