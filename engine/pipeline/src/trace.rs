//! What the steps of one run asked, bound and emitted, for an author who tries a fetcher.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use calipso_model::{Str, Value};
use calipso_spec::checked::{At, Step, Verb};

use crate::step::Done;

/// What one step of a spec did, in all its runs.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    pub verb: &'static str,
    pub name: Option<Str>,
    /// How often it was run; elements of `each` are not counted.
    pub n_runs: usize,
    /// How often its `when` was false.
    pub n_skipped: usize,
    /// What it asked, sorted.
    pub questions: Vec<Question>,
    /// Names that it bound, with their values.
    pub bound: Vec<(Str, Value)>,
    /// How many objects it emitted.
    pub n_emitted: usize,
    /// What went wrong.
    pub failures: Vec<String>,
    /// The outcome of the `stop` that was reached.
    pub stopped: Option<Str>,
}

/// One question and how it went.
#[derive(Clone, Debug)]
pub struct Question {
    /// What was asked.
    pub asked: String,
    /// `answer`, `none`, `negative answer`, `no answer`, or `not asked`.
    pub outcome: &'static str,
    /// Why it is no answer.
    pub why: Option<String>,
    /// The answer as its parser gave it.
    pub value: Option<Value>,
}

/// The steps that ran so far, by their places.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    steps: Mutex<BTreeMap<At, Traced>>,
}

impl Trace {
    /// In the order of the spec.
    pub(crate) fn steps(&self) -> Vec<(At, Traced)> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for traced in steps.values_mut() {
            // Those that were asked at the same time come in any order.
            traced.questions.sort_by(|a, b| a.asked.cmp(&b.asked));
        }
        steps.into_iter().collect()
    }

    fn note(&self, step: &Step, note: impl FnOnce(&mut Traced)) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let traced = steps.entry(step.at.clone()).or_default();
        traced.verb = verb(step);
        traced.name.clone_from(&step.name);
        note(traced);
    }

    pub(crate) fn asked(&self, step: &Step, question: Question) {
        self.note(step, |traced| traced.questions.push(question));
    }

    pub(crate) fn skipped(&self, step: &Step) {
        self.note(step, |traced| traced.n_skipped += 1);
    }

    /// A run of a step has ended; `bound` are the names and values that it leaves.
    pub(crate) fn done(&self, step: &Step, bound: Vec<(Str, Value)>, done: &Done) {
        self.note(step, |traced| {
            traced.n_runs += 1;
            traced.bound.extend(bound);
            let own = |at: &At| *at == step.at;
            traced.n_emitted += done.run.emissions.iter().filter(|emission| own(&emission.at)).count();
            let failures = done.run.failures.iter().filter(|failure| own(&failure.at));
            traced.failures.extend(failures.map(|failure| failure.why.sentence.clone()));
            if let Some(stopped) = done.run.stopped.as_ref().filter(|stopped| own(&stopped.at)) {
                traced.stopped = Some(stopped.outcome.clone());
            }
        });
    }
}

fn verb(step: &Step) -> &'static str {
    match &step.verb {
        Verb::Run(_) => "run",
        Verb::Http(_) => "http",
        Verb::Sql(_) => "sql",
        Verb::Lookup(_) => "lookup",
        Verb::Fetch(_) => "fetch",
        Verb::Let(_) => "let",
        Verb::Emit(_) => "emit",
        Verb::Patch(_) => "patch",
        Verb::Delete(_) => "delete",
        Verb::Stop(_) => "stop",
        Verb::Do(_) => "do",
        Verb::FirstOf(_) => "first_of",
    }
}
