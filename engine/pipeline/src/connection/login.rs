//! Sessions: opened once for all requests, renewed before they expire or when the server refuses them.

use std::{sync::Arc, time::Instant};

use calipso_expr::{EvalError, Fuel};
use calipso_model::{Map, Value};
use calipso_spec::checked::Step;
use calipso_transport::{SqlKey, Stage};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    answer::{Asked, FailureKind, StepError},
    connection::{Access, Sessions, http::Conditions, session::Session},
    known::Known,
    step::{Effort, Machine},
    world::{HttpAsk, RunAsk, SqlAsk, World},
};

impl Sessions {
    /// The session for a target.
    pub(crate) async fn session(&self, access: &Access, target: &Value) -> Result<Arc<Session>, StepError> {
        self.renewed(access, target, None).await
    }

    /// A session other than the given one, which was refused.
    pub(crate) async fn renewed(
        &self,
        access: &Access,
        target: &Value,
        refused: Option<u32>,
    ) -> Result<Arc<Session>, StepError> {
        let cell = {
            let mut cells = access.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Arc::clone(cells.entry(access.session_key(target)).or_default())
        };
        let mut held = cell.lock().await;
        let former = match &*held {
            None => None,
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(session)) => {
                let is_refused = refused.is_some_and(|number| session.number <= number);
                if !is_refused && !session.is_old(self.context.now()) {
                    return Ok(Arc::clone(session));
                }
                Some((Arc::clone(session), is_refused))
            }
        };
        let made = match &former {
            Some((session, false)) if !access.spec.refresh.is_empty() => {
                match self.log_in(access, target, &access.spec.refresh, Some(session)).await {
                    Ok(session) => Ok(session),
                    Err(_) => self.log_in(access, target, &access.spec.login, Some(session)).await,
                }
            }
            Some((session, _)) => self.log_in(access, target, &access.spec.login, Some(session)).await,
            None => self.log_in(access, target, &access.spec.login, None).await,
        };
        *held = Some(made.clone());
        made
    }

    async fn log_in(
        &self,
        access: &Access,
        target: &Value,
        steps: &[Step],
        former: Option<&Arc<Session>>,
    ) -> Result<Arc<Session>, StepError> {
        let spec = &access.spec;
        let mut frame = access.frame(&self.context.values, target.clone())?;
        let is_refresh = !std::ptr::eq(steps, spec.login.as_slice());
        let number = former.map_or(0, |former| former.number + 1);
        if let (Some(former), Some(slot), true) = (former, spec.layout.find("session"), is_refresh)
            && let Some(session) = former.frame.get(slot)
        {
            frame.set(slot, session.clone());
        }
        let world = LoginWorld { sessions: self, access, target, session: former.filter(|_| is_refresh), number };
        let known = Known::default();
        let machine = Machine {
            layout: &spec.layout,
            world: &world,
            known: &known,
            coverage: self.context.coverage.as_deref(),
            trace: None,
            effort: Effort::new(&world),
            waits: self.context.waits,
        };
        let (run, _) = machine.steps(steps, &mut frame, false).await;
        if let Some(failure) = run.failures.into_iter().next() {
            let StepError { kind, host, sentence } = failure.why;
            let sentence = format!("logging in to {} failed ({}): {sentence}", access.role, failure.at);
            return Err(StepError { kind, host, sentence });
        }
        let fault = |error: EvalError| {
            let sentence = format!("the login of {} left no session: {error}", spec.head.at);
            StepError::new(FailureKind::Expression, sentence)
        };
        let mut values = Map::new();
        for value in &spec.session {
            let found = value.value.eval(&frame, &mut Fuel::default()).map_err(fault)?;
            if value.secret
                && let Some(secret) = found.as_str()
            {
                self.context.scrubber.register(secret);
            }
            values.insert(value.name.clone(), found);
        }
        frame.bind(&spec.layout, "session", Value::Map(values));
        let expires_at = match &spec.expires_at {
            Some(expires_at) => timestamp(&expires_at.eval(&frame, &mut Fuel::default()).map_err(fault)?),
            None => None,
        };
        Ok(Arc::new(Session { frame, number, expires_at, opened: Instant::now() }))
    }
}

impl Access {
    /// Targets share a session unless the login looks at them.
    fn session_key(&self, target: &Value) -> String {
        let Some(slot) = self.spec.layout.find("target") else { return String::new() };
        let steps = self.spec.login.iter().chain(&self.spec.refresh);
        let by_steps = steps.flat_map(crate::step::reads).any(|used| used == slot);
        let by_values = self.spec.session.iter().flat_map(|value| value.value.uses()).any(|used| used.slot == slot);
        if by_steps || by_values { target.to_json() } else { String::new() }
    }
}

/// A timestamp text or seconds since 1970.
fn timestamp(value: &Value) -> Option<jiff::Timestamp> {
    match value {
        Value::Str(text) => text.parse().ok(),
        Value::Int(seconds) => jiff::Timestamp::from_second(*seconds).ok(),
        Value::Float(seconds) => jiff::Timestamp::from_second(*seconds as i64).ok(),
        _ => None,
    }
}

/// The world of login steps: their own connection, without a session or with the one that is being renewed.
struct LoginWorld<'a> {
    sessions: &'a Sessions,
    access: &'a Access,
    target: &'a Value,
    session: Option<&'a Arc<Session>>,
    number: u32,
}

impl World for LoginWorld<'_> {
    fn http<'a>(&'a self, mut ask: HttpAsk<'a>) -> BoxFuture<'a, Asked> {
        ask.attempt += self.number;
        async move {
            let frame = match self.session {
                Some(session) => session.frame.clone(),
                None => match self.access.frame(&self.sessions.context.values, self.target.clone()) {
                    Ok(frame) => frame,
                    Err(error) => return Asked::nothing(error),
                },
            };
            let conditions = Conditions {
                access: self.access,
                frame: &frame,
                stage: Stage::Login,
                sends_headers: self.session.is_some(),
            };
            self.sessions.context.exchange(&conditions, &ask, ask.query.clone(), None).await.asked
        }
        .boxed()
    }

    fn sql<'a>(&'a self, mut ask: SqlAsk<'a>) -> BoxFuture<'a, Result<Asked, EvalError>> {
        ask.attempt += self.number;
        async move {
            let identifiers = std::collections::BTreeMap::new();
            let (text, params) = ask.text.eval(ask.frame, &mut Fuel::default(), &identifiers)?;
            let frame = match self.access.frame(&self.sessions.context.values, self.target.clone()) {
                Ok(frame) => frame,
                Err(error) => return Ok(Asked::nothing(error)),
            };
            Ok(self.sessions.query(self.access, &frame, Stage::Login, SqlKey { text, params }, &ask).await)
        }
        .boxed()
    }

    fn run<'a>(&'a self, ask: RunAsk<'a>) -> BoxFuture<'a, Asked> {
        self.sessions.run_over(self.access, ask, Stage::Login).boxed()
    }
}
