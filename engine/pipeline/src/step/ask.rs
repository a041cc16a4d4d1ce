//! The verbs that ask: `run`, `http`, `sql`, `lookup`, alone or as a batch.

use std::time::Duration;

use calipso_expr::{
    EvalError, Frame, Fuel, Slot, Tree,
    failed::{self, holds_marker},
};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{Step, Take, Verb};
use calipso_transport::ErrorKind;

use crate::step::{fault, spoiled};
use crate::{
    answer::{Answer, Asked, FailureKind, Outcome, StepError},
    connection::basic_login,
    step::{Done, Machine, Run, collect, lookup::lookup},
    trace::Question,
    world::{HttpAsk, RunAsk, SqlAsk},
};

/// What one element of an asking step came to.
enum One {
    /// A value; with what could not be made of single rows of it.
    Value(Value, Answer, Box<Run>),
    Failed {
        why: StepError,
        negative: bool,
    },
    Fault(EvalError),
}

impl One {
    /// What whoever looks on sees of it.
    fn of(&self, asked: String) -> Question {
        let (outcome, why, value) = match self {
            Self::Value(value @ Value::Null, ..) => ("none", None, Some(value.clone())),
            Self::Value(value, ..) => ("answer", None, Some(value.clone())),
            Self::Failed { why, negative: true } => ("negative answer", Some(why.sentence.clone()), None),
            Self::Failed { why, negative: false } => ("no answer", Some(why.sentence.clone()), None),
            Self::Fault(error) => ("not asked", Some(error.to_string()), None),
        };
        Question { asked, outcome, why, value }
    }
}

/// A request as whoever looks on sees it: headers and body may be anything, and are left out.
fn told_http(ask: &HttpAsk<'_>) -> String {
    let query: Vec<String> = ask.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{} {}{mark}{}", ask.step.method, ask.path, query.join("&"))
}

/// A command as whoever looks on sees it, with the host.
fn told_command(words: &[String], host: Option<&Value>) -> String {
    let field = |name: &str| host.and_then(Value::as_map).and_then(|map| map.get(name)).and_then(Value::as_str);
    let at = field("host").or_else(|| field("id")).map(|host| format!("  at {host}")).unwrap_or_default();
    format!("{}{at}", words.join(" "))
}

/// How often a passing trouble of the server is asked again where a step does not say.
const TRIES_ON_TROUBLE: u32 = 2;
/// Seconds before that.
const TROUBLE_DELAY_SECS: f64 = 1.0;

impl Machine<'_> {
    pub(crate) async fn ask(&self, step: &Step, mut frame: Frame) -> Done {
        let mut done = Done::default();
        let Some(each) = &step.each else {
            let one = self.ask_one(step, &mut frame).await;
            return self.bound(step, &frame, one);
        };
        let mut elements = Vec::new();
        let walked = self.walk(step, each, &mut frame, &mut |frame, state| elements.push((frame.clone(), state)));
        if let Err(error) = walked {
            done.run.fault(step, &error);
            return done.spoil(step);
        }
        let asks = elements.into_iter().map(|(mut frame, state)| async move {
            let one = match state {
                Ok(()) => self.ask_one(step, &mut frame).await,
                Err(error) => One::Fault(error),
            };
            (frame, one)
        });
        let mut items = collect::Items::new(step);
        for (frame, one) in futures::future::join_all(asks).await {
            let item = match one {
                One::Value(value, ..) => {
                    done.answered += 1;
                    done.run.asked(step, true);
                    Ok(value)
                }
                One::Fault(error) => Err(error),
                One::Failed { why, negative } => {
                    done.negative |= negative;
                    done.missed += 1;
                    done.run.asked(step, negative);
                    done.run.unanswered |= !negative;
                    done.run.fail(step, why);
                    Ok(failed::marker())
                }
            };
            items.add(&frame, item, &mut done.run, step);
        }
        match items.finish(step.take, &mut done.run, step) {
            Ok(value) => done.binds.extend(step.bind.map(|slot| (slot, value))),
            Err(why) => {
                done.negative = true;
                done.missed += 1;
                done.run.fail(step, why);
                return done.spoil(step);
            }
        }
        done
    }

    /// Binds the result of a step without `each`.
    fn bound(&self, step: &Step, frame: &Frame, one: One) -> Done {
        let mut done = Done::default();
        match one {
            One::Value(value, answer, run) => {
                done.run.join(*run);
                done.answered = 1;
                done.run.asked(step, true);
                if let Verb::Lookup(lookup) = &step.verb
                    && let Some(missing) = &lookup.missing
                    && is_none_found(&value)
                {
                    done.run.stopped = Some(self.stopped(step, missing, frame));
                    return done;
                }
                done.binds.extend(step.bind.map(|slot| (slot, value)));
                if let Verb::Http(http) = &step.verb {
                    done.binds.extend(http.answer_as.map(|slot| (slot, answer.value(false, None))));
                }
                done
            }
            One::Failed { why, negative } => {
                done.negative = negative;
                done.missed = 1;
                done.run.asked(step, negative);
                done.run.unanswered = !negative;
                done.run.fail(step, why);
                done.spoil(step)
            }
            One::Fault(error) => {
                done.run.fault(step, &error);
                done.spoil(step)
            }
        }
    }

    /// Asks for one element, with its repetitions.
    async fn ask_one(&self, step: &Step, frame: &mut Frame) -> One {
        let retry = step.retry.as_ref();
        let mut attempt = 0;
        loop {
            let mut asked = String::new();
            let one = match self.attempt(step, frame, attempt, &mut asked).await {
                Ok(answered) => self.judged(step, frame, answered),
                Err(error) => One::Fault(error),
            };
            if let Some(trace) = self.trace {
                trace.asked(step, one.of(asked));
            }
            let (more, delay_secs) = match (retry, &one) {
                (Some(retry), One::Failed { negative: false, .. }) => (attempt < retry.times, retry.delay_secs),
                (Some(retry), One::Value(value, ..)) => match &retry.until {
                    None => (false, 0.0),
                    Some(until) => {
                        if let Some(slot) = self.slot("result") {
                            frame.set(slot, value.clone());
                        }
                        match until.holds(frame, &mut Fuel::default()) {
                            Ok(true) => (false, 0.0),
                            Ok(false) if attempt < retry.times => (true, retry.delay_secs),
                            Ok(false) => {
                                let sentence = format!("what is waited for did not come in {} attempts", attempt + 1);
                                return One::Failed {
                                    why: StepError::new(FailureKind::Until, sentence),
                                    negative: true,
                                };
                            }
                            Err(error) => return One::Fault(error),
                        }
                    }
                },
                (None, One::Failed { why, negative: false }) if is_passing(why.kind) => {
                    (attempt + 1 < TRIES_ON_TROUBLE, TROUBLE_DELAY_SECS)
                }
                _ => (false, 0.0),
            };
            if !more {
                return one;
            }
            attempt += 1;
            if self.waits && delay_secs > 0.0 {
                tokio::time::sleep(Duration::from_secs_f64(delay_secs)).await;
            }
        }
    }

    /// Sends what the step says once.
    async fn attempt(&self, step: &Step, frame: &Frame, attempt: u32, asked: &mut String) -> Result<Asked, EvalError> {
        let mut tell = |text: &dyn Fn() -> String| {
            if self.trace.is_some() {
                *asked = text();
            }
        };
        let timeout = step.timeout_secs.map(Duration::from_secs);
        match &step.verb {
            Verb::Http(http) => {
                let mut fuel = Fuel::default();
                let mut headers = map_of(&http.headers, frame)?;
                if let Some(basic) = &http.basic {
                    headers.insert("Authorization", basic_login(basic, frame)?);
                }
                let body = http.body.as_ref().map(|body| body.eval(frame, &mut fuel)).transpose()?;
                let form = if http.form.is_empty() { None } else { Some(Value::Map(map_of(&http.form, frame)?)) };
                let ask = HttpAsk {
                    step: http,
                    target: map_of(&http.target, frame)?,
                    path: http.path.eval(frame, &mut fuel)?,
                    query: map_of(&http.query, frame)?,
                    headers,
                    body: form.or(body),
                    base: http.base.as_ref().map(|base| base.eval(frame, &mut fuel)).transpose()?,
                    timeout,
                    attempt,
                };
                if ask.body.as_ref().is_some_and(holds_marker) {
                    return Err(spoiled());
                }
                tell(&|| told_http(&ask));
                Ok(self.world.http(ask).await)
            }
            Verb::Run(run) => {
                let mut fuel = Fuel::default();
                let host = run.at.as_ref().map(|at| at.eval(frame, &mut fuel)).transpose()?;
                let words = run.words.eval(frame, &mut fuel)?;
                tell(&|| told_command(&words, host.as_ref()));
                Ok(self.world.run(RunAsk { step: run, host, words, timeout, attempt }).await)
            }
            Verb::Sql(sql) => {
                tell(&|| sql.text.shown());
                self.world.sql(SqlAsk { via: &sql.via, text: &sql.text, frame, timeout, attempt }).await
            }
            Verb::Lookup(step) => {
                tell(&|| step.object_type.to_string());
                let found = lookup(step, self.known, frame)?;
                Ok(Asked { outcome: Outcome::Answer(Value::list(found)), answer: Answer::default() })
            }
            _ => Err(fault("this verb asks nothing".to_owned())),
        }
    }

    /// Applies `key`, `take` and `none_if` to an outcome.
    fn judged(&self, step: &Step, frame: &mut Frame, asked: Asked) -> One {
        let Asked { outcome, answer } = asked;
        let why = match outcome {
            Outcome::NoAnswer(why) => return One::Failed { why, negative: false },
            Outcome::Negative(why) => why,
            Outcome::Answer(value) => match self.shaped(step, frame, value) {
                Ok(Ok((value, run))) => return One::Value(value, answer, Box::new(run)),
                Ok(Err(why)) => why,
                Err(error) => return One::Fault(error),
            },
        };
        if let Some(none_if) = &step.none_if {
            if let Some(slot) = self.slot("answer") {
                frame.set(slot, answer.value(true, Some(&why.sentence)));
            }
            let none = none_if.holds(frame, &mut Fuel::default());
            if let Some(slot) = self.slot("answer") {
                frame.clear(slot);
            }
            match none {
                Ok(true) => {
                    self.cover(&step.at, "none");
                    return One::Value(Value::Null, answer, Box::default());
                }
                Ok(false) => {}
                Err(error) => return One::Fault(error),
            }
        }
        One::Failed { why, negative: true }
    }

    /// The rows of an answer by `key`, or less of them by `take`. With `each`, both concern the batch instead.
    fn shaped(
        &self,
        step: &Step,
        frame: &mut Frame,
        value: Value,
    ) -> Result<Result<(Value, Run), StepError>, EvalError> {
        let mut run = Run::default();
        if step.each.is_some() {
            return Ok(Ok((value, run)));
        }
        let missing_row = matches!(&step.verb, Verb::Lookup(lookup) if lookup.missing.is_some());
        if step.key.is_none() {
            let taken = match (value, step.take) {
                (Value::List(rows), Take::One) if rows.is_empty() && missing_row => Ok(Value::Null),
                (Value::List(rows), take) if take != Take::All => collect::taken(rows.to_vec(), take, false),
                (value, _) => Ok(value),
            };
            return Ok(taken.map(|value| (value, run)));
        }
        let rows = match value {
            Value::List(rows) => rows,
            Value::Null => return Ok(Ok((Value::Null, run))),
            other => return Err(fault(format!("key needs rows, found {}", other.kind()))),
        };
        let row_slot: Option<Slot> = self.slot("row");
        let mut items = collect::Items::new(step);
        for row in rows.iter() {
            if let Some(slot) = row_slot {
                frame.set(slot, row.clone());
            }
            items.add(frame, Ok(row.clone()), &mut run, step);
        }
        if let Some(slot) = row_slot {
            frame.clear(slot);
        }
        Ok(items.finish(step.take, &mut run, step).map(|value| (value, run)))
    }
}

/// Values by name; those that are null are left out.
fn map_of(pairs: &[(Str, Tree)], frame: &Frame) -> Result<Map, EvalError> {
    let mut values = Vec::with_capacity(pairs.len());
    for (name, tree) in pairs {
        let value = tree.eval(frame, &mut Fuel::default())?;
        if holds_marker(&value) {
            return Err(spoiled());
        }
        if !value.is_null() {
            values.push((name.clone(), value));
        }
    }
    Ok(Map::from_pairs(values))
}

fn is_none_found(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

/// Troubles that often pass by themselves.
fn is_passing(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Fetch(ErrorKind::Cut | ErrorKind::Busy))
}
