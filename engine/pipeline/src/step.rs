//! Runs a list of steps: asks the world, binds what it says, collects what is emitted and what failed.
//!
//! What could not be found out is bound as the marker of the expression crate. Whatever touches it is left out, and
//! nothing else: that is the data flow by which a failed element spoils only what depends on it.

mod ask;
mod collect;
mod each;
mod effort;
mod flow;
mod lookup;
mod lost;

use calipso_expr::{
    EvalError, Expr, Frame, Fuel, Layout, Slot, Tree,
    failed::{self, holds_marker},
};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{At, Block, EmitStep, Step, StopStep, Verb};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    answer::{FailureKind, StepError},
    coverage::Coverage,
    known::Known,
    trace::Trace,
    world::World,
};

use self::flow::groups;
pub(crate) use self::{effort::Effort, flow::reads, lost::Lost};

/// One run of a step list.
pub(crate) struct Machine<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) world: &'a dyn World,
    pub(crate) known: &'a Known,
    pub(crate) coverage: Option<&'a Coverage>,
    /// Who looks on.
    pub(crate) trace: Option<&'a Trace>,
    /// What its expressions did so far.
    pub(crate) effort: Effort<'a>,
    /// Whether waiting between attempts takes real time.
    pub(crate) waits: bool,
}

/// An object that a step found.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) object_type: Str,
    pub(crate) attributes: Map,
    pub(crate) at: At,
    pub(crate) step: Option<Str>,
}

/// A step, or one element of it, that found nothing out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepFailure {
    pub(crate) at: At,
    pub(crate) step: Option<Str>,
    pub(crate) why: StepError,
}

/// A `stop` that was reached.
#[derive(Clone, Debug)]
pub(crate) struct Stopped {
    pub(crate) outcome: Str,
    pub(crate) because: Option<String>,
    pub(crate) at: At,
    /// Whether it would be reached is not known.
    pub(crate) perhaps: bool,
}

/// What a list of steps came to.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) emissions: Vec<Emission>,
    pub(crate) failures: Vec<StepFailure>,
    pub(crate) stopped: Option<Stopped>,
    /// Something was left out because it depends on what failed.
    pub(crate) spoiled: bool,
    /// Types of which an object may have been left out.
    pub(crate) lost: Lost,
    /// Somebody who was asked gave no answer.
    pub(crate) unanswered: bool,
    /// How many questions to the world were answered, be it with a no.
    pub(crate) n_answers: usize,
    /// How many were not.
    pub(crate) n_silent: usize,
}

impl Run {
    /// Whether everything was found out.
    pub(crate) fn is_whole(&self) -> bool {
        let stopped_early = self.stopped.as_ref().is_some_and(|stop| stop.outcome.as_ref() == "incomplete");
        self.failures.is_empty() && !self.spoiled && !stopped_early
    }

    fn join(&mut self, other: Run) {
        self.emissions.extend(other.emissions);
        self.failures.extend(other.failures);
        self.spoiled |= other.spoiled;
        self.lost.join(other.lost);
        self.unanswered |= other.unanswered;
        self.n_answers += other.n_answers;
        self.n_silent += other.n_silent;
        if self.stopped.is_none() {
            self.stopped = other.stopped;
        }
    }

    /// Counts a question to the world; what is known already was not asked.
    fn asked(&mut self, step: &Step, answered: bool) {
        if matches!(step.verb, Verb::Lookup(_)) {
            return;
        }
        self.n_answers += usize::from(answered);
        self.n_silent += usize::from(!answered);
    }

    fn fail(&mut self, step: &Step, why: StepError) {
        let failure = StepFailure { at: step.at.clone(), step: step.name.clone(), why };
        if self.failures.last() != Some(&failure) {
            self.failures.push(failure);
        }
    }

    /// Notes that an object of a type was left out.
    fn lose(&mut self, step: &Step) {
        self.lost.all_of(step);
        self.spoiled = true;
    }

    /// Notes that an expression gave no value: quietly when that follows from an earlier failure.
    fn fault(&mut self, step: &Step, error: &EvalError) {
        if error.is_failed() {
            self.spoiled = true;
        } else {
            let sentence = match &error.source_text {
                Some(source) if !error.is_whole() => format!("{error} in `{}`", source.trim()),
                _ => error.to_string(),
            };
            self.fail(step, StepError::new(FailureKind::Expression, sentence));
        }
    }
}

/// What one step came to: what it binds, and the rest.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) binds: Vec<(Slot, Value)>,
    pub(crate) run: Run,
    /// A negative answer that nothing declared to mean "none".
    pub(crate) negative: bool,
    /// How many answers are missing or negative.
    pub(crate) missed: usize,
    /// How many answers there are.
    pub(crate) answered: usize,
}

/// How a list of steps ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// There was a negative answer, which lets another list be tried.
    pub(crate) negative: bool,
    /// How many answers were missing or negative.
    pub(crate) missed: usize,
    /// How many answers there were.
    pub(crate) answered: usize,
}

impl Done {
    /// A step whose result is not known: everything that it binds is marked.
    fn spoil(mut self, step: &Step) -> Self {
        self.run.spoiled = true;
        self.binds.clear();
        self.binds.extend(step.bind.map(|slot| (slot, failed::marker())));
        if let Verb::Http(http) = &step.verb {
            self.binds.extend(http.answer_as.map(|slot| (slot, failed::marker())));
        }
        self
    }
}

impl<'a> Machine<'a> {
    /// Runs steps in order; those that ask and do not depend on each other ask at the same time.
    ///
    /// `alternative`: a negative answer ends the list at once, because another list can be tried. Not so when another answer
    /// is missing: what that would have said is not known, and another list does not tell it.
    pub(crate) fn steps<'s>(
        &'s self,
        steps: &'s [Step],
        frame: &'s mut Frame,
        alternative: bool,
    ) -> BoxFuture<'s, (Run, Ending)> {
        async move {
            let mut run = Run::default();
            let mut ending = Ending::default();
            for group in groups(steps) {
                let done = if let [step] = group {
                    vec![self.step(step, frame.clone()).await]
                } else {
                    futures::future::join_all(group.iter().map(|step| self.step(step, frame.clone()))).await
                };
                let is_told = !run.unanswered && !done.iter().any(|done| done.run.unanswered);
                for done in done {
                    ending.missed += done.missed;
                    ending.answered += done.answered;
                    if done.negative && is_told {
                        ending.negative = true;
                        if alternative {
                            return (run, ending);
                        }
                    }
                    for (slot, value) in done.binds {
                        frame.set(slot, value);
                    }
                    run.join(done.run);
                    if run.stopped.is_some() {
                        return (run, ending);
                    }
                }
            }
            (run, ending)
        }
        .boxed()
    }

    /// Runs one step over names bound so far.
    pub(crate) fn step<'s>(&'s self, step: &'s Step, mut frame: Frame) -> BoxFuture<'s, Done> {
        async move {
            if step.each.is_none()
                && let Some(when) = &step.when
            {
                match when.holds(&frame, &mut Fuel::default()) {
                    Ok(true) => self.cover(&step.at, "when true"),
                    Ok(false) => {
                        self.cover(&step.at, "when false");
                        if let Some(trace) = self.trace {
                            trace.skipped(step);
                        }
                        return Done::default();
                    }
                    Err(error) => {
                        let mut done = Done::default();
                        done.run.fault(step, &error);
                        done.run.lose(step);
                        if let Verb::Stop(_) = &step.verb {
                            // Whether the rest may run is not known.
                            done.run.stopped = Some(perhaps(step));
                        }
                        return done.spoil(step);
                    }
                }
            }
            if step.each.is_none() {
                self.cover(&step.at, "step");
            }
            let done = match &step.verb {
                Verb::Let(value) => self.let_value(step, value, &mut frame),
                Verb::Emit(emit) => self.emit(step, emit, &mut frame),
                Verb::Stop(stop) => self.stop(step, stop, &mut frame),
                Verb::Do(block) => self.group(step, block, frame).await,
                Verb::FirstOf(blocks) => self.first_of(step, blocks, frame).await,
                Verb::Run(_) | Verb::Http(_) | Verb::Sql(_) | Verb::Lookup(_) => self.ask(step, frame).await,
                Verb::Fetch(_) | Verb::Patch(_) | Verb::Delete(_) => {
                    let mut done = Done::default();
                    done.run.fail(step, StepError::new(FailureKind::Expression, "this verb works only in workflows"));
                    done.spoil(step)
                }
            };
            self.tell(step, &done);
            done
        }
        .boxed()
    }

    /// Shows what a step came to, if anybody looks on.
    fn tell(&self, step: &Step, done: &Done) {
        let Some(trace) = self.trace else { return };
        let named = |(slot, value): &(Slot, Value)| Some((self.layout.name(*slot)?.clone(), value.clone()));
        trace.done(step, done.binds.iter().filter_map(named).collect(), done);
    }

    pub(crate) fn cover(&self, at: &At, branch: &str) {
        if let Some(coverage) = self.coverage {
            coverage.reach(at, branch);
        }
    }

    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        self.layout.find(name)
    }

    fn let_value(&self, step: &Step, value: &Tree, frame: &mut Frame) -> Done {
        let mut done = Done::default();
        let Some(each) = &step.each else {
            match self.parts(step, value, frame, &mut done.run) {
                Ok(value) => done.binds.extend(step.bind.map(|slot| (slot, value))),
                Err(error) => {
                    done.run.fault(step, &error);
                    return done.spoil(step);
                }
            }
            return done;
        };
        let mut items = collect::Items::new(step);
        let walked = self.walk(step, each, frame, &mut |frame, state| {
            let item = match state {
                Ok(()) => self.parts(step, value, frame, &mut done.run),
                Err(error) => Err(error),
            };
            items.add(frame, item, &mut done.run, step);
        });
        if let Err(error) = walked {
            done.run.fault(step, &error);
            return done.spoil(step);
        }
        match items.finish(step.take, &mut done.run, step) {
            Ok(value) => done.binds.extend(step.bind.map(|slot| (slot, value))),
            Err(why) => {
                done.run.fail(step, why);
                return done.spoil(step);
            }
        }
        done
    }

    /// A value, of which a part that has none costs only what reads that part.
    fn parts(&self, step: &Step, value: &Tree, frame: &Frame, run: &mut Run) -> Result<Value, EvalError> {
        let mut faults = Vec::new();
        let found = self.effort.eval(|fuel| value.eval_parts(frame, fuel, &mut faults));
        faults.iter().for_each(|error| run.fault(step, error));
        found
    }

    fn emit(&self, step: &Step, emit: &EmitStep, frame: &mut Frame) -> Done {
        let mut done = Done::default();
        let made = |frame: &Frame| {
            self.effort.eval(|fuel| document(emit.copy.as_ref(), &emit.without, &emit.set, frame, fuel))
        };
        let mut one = |frame: &Frame| match made(frame) {
            Ok(attributes) => done.run.emissions.push(Emission {
                object_type: emit.object_type.clone(),
                attributes,
                at: step.at.clone(),
                step: step.name.clone(),
            }),
            Err(error) => {
                done.run.fault(step, &error);
                done.run.lose(step);
            }
        };
        let Some(each) = &step.each else {
            one(frame);
            return done;
        };
        let mut faults = Vec::new();
        let walked = self.walk(step, each, frame, &mut |frame, state| match state {
            Ok(()) => one(frame),
            Err(error) => faults.push(error),
        });
        for error in faults.into_iter().chain(walked.err()) {
            done.run.fault(step, &error);
            done.run.lose(step);
        }
        done
    }

    fn stop(&self, step: &Step, stop: &StopStep, frame: &mut Frame) -> Done {
        let mut done = Done::default();
        let Some(each) = &step.each else {
            done.run.stopped = Some(self.stopped(step, stop, frame));
            return done;
        };
        let mut faults = Vec::new();
        let walked = self.walk(step, each, frame, &mut |frame, state| match state {
            Ok(()) if done.run.stopped.is_none() => done.run.stopped = Some(self.stopped(step, stop, frame)),
            Ok(()) => {}
            Err(error) => faults.push(error),
        });
        let is_certain = done.run.stopped.is_some();
        for error in faults.into_iter().chain(walked.err()).take_while(|_| !is_certain) {
            done.run.fault(step, &error);
            done.run.stopped = Some(perhaps(step));
        }
        done
    }

    /// The `stop` of a step or of its `missing`.
    fn stopped(&self, step: &Step, stop: &StopStep, frame: &Frame) -> Stopped {
        let because = stop.because.as_ref().map(|because| match because.eval(frame, &mut Fuel::default()) {
            Ok(Value::Str(text)) => text.to_string(),
            Ok(other) => other.to_string(),
            Err(error) => error.to_string(),
        });
        Stopped { outcome: stop.outcome.clone(), because, at: step.at.clone(), perhaps: false }
    }

    /// `do`: once, or once for each element.
    async fn group(&self, step: &Step, block: &Block, mut frame: Frame) -> Done {
        let mut done = Done::default();
        let Some(each) = &step.each else {
            let (run, _) = self.steps(&block.steps, &mut frame, false).await;
            done.run.join(run);
            return self.block_value(step, block, &frame, done);
        };
        let mut elements = Vec::new();
        let walked = self.walk(step, each, &mut frame, &mut |frame, state| elements.push((frame.clone(), state)));
        if let Err(error) = walked {
            done.run.fault(step, &error);
            done.run.lose(step);
            return done.spoil(step);
        }
        let runs = elements.into_iter().map(|(mut frame, state)| async move {
            let mut run = Run::default();
            let value = match state {
                Ok(()) => {
                    let (mut inner, _) = self.steps(&block.steps, &mut frame, false).await;
                    if inner.stopped.as_ref().is_some_and(|stopped| stopped.perhaps) {
                        // What this element would have gone on to do is not known; the others go on.
                        inner.stopped = None;
                        inner.lose(step);
                    }
                    run.join(inner);
                    match &block.value {
                        Some(value) => self.effort.eval(|fuel| value.eval(&frame, fuel)),
                        None => Ok(Value::Null),
                    }
                }
                Err(error) => {
                    run.lose(step);
                    Err(error)
                }
            };
            (frame, run, value)
        });
        let mut items = collect::Items::new(step);
        for (frame, run, value) in futures::future::join_all(runs).await {
            done.run.join(run);
            items.add(&frame, value, &mut done.run, step);
        }
        match items.finish(step.take, &mut done.run, step) {
            Ok(value) => done.binds.extend(step.bind.map(|slot| (slot, value))),
            Err(why) => {
                done.run.fail(step, why);
                return done.spoil(step);
            }
        }
        done
    }

    fn block_value(&self, step: &Step, block: &Block, frame: &Frame, mut done: Done) -> Done {
        let Some(value) = &block.value else { return done };
        match self.effort.eval(|fuel| value.eval(frame, fuel)) {
            Ok(value) => {
                done.run.spoiled |= holds_marker(&value);
                done.binds.extend(step.bind.map(|slot| (slot, value)));
                done
            }
            Err(error) => {
                done.run.fault(step, &error);
                done.spoil(step)
            }
        }
    }

    /// `first_of`: the first block without a negative answer; the last one counts as it is.
    async fn first_of(&self, step: &Step, blocks: &[Block], frame: Frame) -> Done {
        let mut done = Done::default();
        let mut open = Vec::new();
        for (place, block) in blocks.iter().enumerate() {
            match block.when.as_ref().map_or(Ok(true), |when| when.holds(&frame, &mut Fuel::default())) {
                Ok(true) => open.push((place, block)),
                Ok(false) => {}
                Err(error) => {
                    done.run.fault(step, &error);
                    done.run.lose(step);
                    return done.spoil(step);
                }
            }
        }
        let n_open = open.len();
        // The block of those given up that brought something, and how much it missed.
        let mut partly: Option<(usize, usize, &Block)> = None;
        for (n_tried, (place, block)) in open.into_iter().enumerate() {
            let has_next = n_tried + 1 < n_open;
            let mut inner = frame.clone();
            let (run, ending) = self.steps(&block.steps, &mut inner, has_next).await;
            if has_next && ending.negative {
                if ending.answered > 0 && partly.is_none_or(|(missed, ..)| ending.missed < missed) {
                    partly = Some((ending.missed, place, block));
                }
                continue;
            }
            if let Some((missed, place, block)) = partly
                && ending.missed > missed
            {
                // The last one knows less than one before it: what was answered there is not lost to one bad element.
                let mut inner = frame.clone();
                let (run, _) = self.steps(&block.steps, &mut inner, false).await;
                self.cover(&step.at, &format!("alternative {}", place + 1));
                done.run.join(run);
                return self.block_value(step, block, &inner, done);
            }
            self.cover(&step.at, &format!("alternative {}", place + 1));
            done.run.join(run);
            return self.block_value(step, block, &inner, done);
        }
        done.run.lose(step);
        done.run.fail(step, StepError::new(FailureKind::Missing, "no alternative applies"));
        done.spoil(step)
    }
}

/// A `stop` of which it is not known whether it would be reached.
fn perhaps(step: &Step) -> Stopped {
    Stopped { outcome: "incomplete".into(), because: None, at: step.at.clone(), perhaps: true }
}

/// The document of an `emit` or `patch`: a copy, less some keys, with others written over it.
pub(crate) fn document(
    copy: Option<&Expr>,
    without: &[Str],
    set: &[(Str, Tree)],
    frame: &Frame,
    fuel: &mut Fuel,
) -> Result<Map, EvalError> {
    let mut document = match copy.map(|copy| copy.eval(frame, fuel)).transpose()? {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Map(map)) => map,
        Some(other) => return Err(fault(format!("copy needs a map, found {}", other.kind()))),
    };
    for key in without {
        document.remove(key);
    }
    for (key, tree) in set {
        match tree.eval(frame, fuel)? {
            Value::Null => {
                document.remove(key);
            }
            value => document.insert(key.clone(), value),
        }
    }
    if document.iter().any(|(_, value)| holds_marker(value)) {
        return Err(spoiled());
    }
    Ok(document)
}

/// A fault that is not at any place of an expression.
pub(crate) fn fault(message: impl Into<String>) -> EvalError {
    EvalError::new(message)
}

/// What depends on a step that failed.
pub(crate) fn spoiled() -> EvalError {
    EvalError::failed()
}
