//! HTTP requests in a session: for the target of the step, and once more when the server wants a new login.

use std::sync::Arc;

use calipso_expr::Fuel;
use calipso_model::{Map, Value};
use url::Url;

use crate::{
    answer::{FailureKind, StepError},
    connection::{
        Access, Sessions,
        http::{Conditions, Exchanged},
        session::Session,
    },
    world::HttpAsk,
};

impl Sessions {
    /// The step's choice with the defaults of the connection.
    pub(super) fn target(&self, access: &Access, chosen: &Map) -> Result<Map, StepError> {
        let error = |sentence: String| StepError::setup(sentence);
        let frame = access.frame(&self.context.values, Value::Map(chosen.clone()))?;
        let mut target = chosen.clone();
        for (name, field) in &access.spec.target {
            if !target.contains_key(name)
                && let Some(default) = &field.default
            {
                let value = default.eval(&frame, &mut Fuel::default()).map_err(|fault| {
                    error(format!("the target {name} of {} has no default here: {fault}", access.role))
                })?;
                target.insert(name.clone(), value);
            }
            if let Some(value) = target.get(name)
                && !field.one_of.is_empty()
                && !field.one_of.contains(value)
            {
                return Err(error(format!("{} has no target {name} of the value {value}", access.role)));
            }
        }
        Ok(target)
    }

    /// Sends one request; when the server wants a new login, logs in and sends it once more.
    pub(super) async fn exchange_in_session(
        &self,
        access: &Access,
        target: &Value,
        session: &mut Arc<Session>,
        ask: &HttpAsk<'_>,
        query: Map,
        next: Option<Url>,
    ) -> Exchanged {
        let mut frame = session.request_frame(access, target);
        let stage = self.context.stage;
        let conditions = Conditions { access, frame: &frame, stage, sends_headers: true };
        let first = self.context.exchange(&conditions, ask, query.clone(), next.clone()).await;
        let (Some(again), Some(slot)) = (&access.spec.login_again_if, access.spec.layout.find("answer")) else {
            return first;
        };
        if first.asked.answer.status().is_none() {
            return first;
        }
        frame.set(slot, first.asked.answer.value(first.asked.is_negative(), None));
        match again.holds(&frame, &mut Fuel::default()) {
            Ok(true) => {}
            Ok(false) => return first,
            Err(error) => {
                let sentence = format!("login_again_if of {} has no value: {error}", access.spec.head.at);
                return Exchanged::nothing(StepError::new(FailureKind::Expression, sentence));
            }
        }
        *session = match self.renewed(access, target, Some(session.number)).await {
            Ok(session) => session,
            Err(error) => return Exchanged::nothing(error),
        };
        let frame = session.request_frame(access, target);
        let conditions = Conditions { access, frame: &frame, stage, sends_headers: true };
        let ask = HttpAsk {
            target: ask.target.clone(),
            path: ask.path.clone(),
            query: ask.query.clone(),
            headers: ask.headers.clone(),
            body: ask.body.clone(),
            base: ask.base.clone(),
            attempt: ask.attempt + 1,
            ..*ask
        };
        self.context.exchange(&conditions, &ask, query, next).await
    }
}
