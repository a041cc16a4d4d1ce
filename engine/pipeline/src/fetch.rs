//! Runs one fetcher under one parent, and turns what it emits into members of its scopes.

use std::{collections::BTreeMap, sync::Arc};

use calipso_expr::{Frame, Fuel};
use calipso_model::{Map, ObjectKey, Str, Value};
use calipso_spec::checked::Fetcher;
use calipso_store::ScopeKey;

use crate::{
    answer::{FailureKind, Why},
    coverage::Coverage,
    identity::{Identities, checked},
    known::Known,
    merge::{Answered, Contribution, Members},
    scope_values::ScopeValues,
    step::{Effort, Emission, Machine, Run, StepFailure},
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
    pub(crate) waits: bool,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    pub(crate) members: BTreeMap<Str, Members>,
    pub(crate) failures: Vec<StepFailure>,
    /// Values that are none of the declared ones, with the step.
    pub(crate) remarks: Vec<(Str, String)>,
    /// Why the run is not complete.
    pub(crate) problem: Option<String>,
}

impl Fetched {
    pub(crate) fn n_objects(&self) -> usize {
        self.members.values().map(BTreeMap::len).sum()
    }

    /// The answers by scope, one for each type that the fetcher can bring.
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
                (key, Answered::new(members, self.problem.clone()))
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
        if let Some(slot) = layout.find(name) {
            frame.set(slot, value);
        }
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
            let why = Why::new(FailureKind::Expression, format!("`when` of the fetcher has no value: {error}"));
            let failure = StepFailure { at: fetcher.head.at.clone(), step: None, why };
            return Fetched {
                problem: Some(failure.why.sentence.clone()),
                failures: vec![failure],
                ..Fetched::default()
            };
        }
    }
    let machine = Machine {
        layout,
        world: asking.world,
        known: asking.known,
        coverage: asking.coverage.map(|coverage| &**coverage),
        effort: Effort::new(asking.world),
        waits: asking.waits,
    };
    let (mut run, _) = machine.steps(&fetcher.steps, &mut frame, false).await;
    if let Some(stopped) = &run.stopped
        && stopped.outcome.as_ref() == "incomplete"
        && (stopped.because.is_some() || run.failures.is_empty())
    {
        let because =
            stopped.because.clone().unwrap_or_else(|| "the spec says that the answer is not whole".to_owned());
        let why = Why::new(FailureKind::Stopped, because);
        run.failures.push(StepFailure { at: stopped.at.clone(), step: None, why });
    }
    collected(asking, run)
}

/// Gives everything emitted its key and sorts it by type.
fn collected(asking: &Asking<'_>, mut run: Run) -> Fetched {
    let mut fetched = Fetched::default();
    for emission in std::mem::take(&mut run.emissions) {
        let Emission { object_type, attributes, at, step } = emission;
        let shown_at: Str = at.to_string().into();
        let fail = |run: &mut Run, why: Why| {
            run.failures.push(StepFailure { at: at.clone(), step: step.clone(), why });
        };
        if let Some(known) = asking.ids.types.get(&object_type) {
            match checked(known, &attributes) {
                Ok(remarks) => fetched.remarks.extend(remarks.into_iter().map(|remark| (shown_at.clone(), remark))),
                Err(why) => {
                    fail(&mut run, why);
                    continue;
                }
            }
        }
        let key = match asking.ids.key(&object_type, &attributes) {
            Ok(key) => key,
            Err(why) => {
                fail(&mut run, why);
                continue;
            }
        };
        if asking.narrow.iter().any(|(name, wanted)| narrowed_away(asking, &object_type, name, wanted, &attributes)) {
            continue;
        }
        let asserts = asking.fetcher.emits.contains(&object_type);
        let members = fetched.members.entry(object_type).or_default();
        match members.get(&key) {
            Some(known) if known.attributes == attributes => {}
            Some(known) => {
                let sentence = format!("{key} was emitted twice with different attributes, first at {}", known.at);
                fail(&mut run, Why::new(FailureKind::Duplicate, sentence));
            }
            None => {
                members.insert(key, Contribution { attributes, asserts, at: shown_at });
            }
        }
    }
    fetched.remarks.sort();
    fetched.remarks.dedup();
    if !run.is_whole() || !run.failures.is_empty() {
        let first = run.failures.first().map(|failure| format!("{}: {}", failure.at, failure.why.sentence));
        fetched.problem = Some(first.unwrap_or_else(|| "a step could not be completed".to_owned()));
    }
    fetched.failures = run.failures;
    fetched
}

/// Whether an object of a narrowed type is not among those asked for.
fn narrowed_away(asking: &Asking<'_>, object_type: &Str, name: &Str, wanted: &Value, attributes: &Map) -> bool {
    asking.fetcher.narrow_by.get(object_type).is_some_and(|by| by.contains(name))
        && attributes.get(name) != Some(wanted)
}
