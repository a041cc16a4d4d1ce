//! The world of fetchers in spec tests: what a step asks is answered as it is asked, without any connection.

use std::sync::Arc;

use calipso_expr::{EvalError, Fuel};
use calipso_model::{Map, Str};
use calipso_transport::{Call, ExecKey, HttpKey, RequestKey, SqlKey};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    answer::{Asked, FailureKind, Outcome, StepError},
    connection::{Prepared, RunContext, items_of, query_pairs, texts},
    spec_test::door::Noting,
    world::{HttpAsk, RunAsk, SqlAsk, World},
};

/// No login, no pages, no limits.
pub(super) struct OpenWorld {
    context: RunContext,
    door: Arc<Noting>,
}

impl OpenWorld {
    /// A world that the door answers.
    pub(super) fn new(context: RunContext, door: Arc<Noting>) -> Self {
        Self { context, door }
    }

    fn call(&self, role: &Str, key: RequestKey, attempt: u32) -> Call {
        Call { role: role.clone(), stage: self.context.stage, attempt, key, means: None }
    }

    async fn ask_http(&self, ask: HttpAsk<'_>) -> Asked {
        let query = match query_pairs(&ask.query) {
            Ok(query) => query,
            Err(error) => return Asked::nothing(error),
        };
        let key = HttpKey {
            target: texts(&ask.target),
            method: ask.step.method.clone(),
            path: ask.path.clone(),
            query,
            body: ask.body.clone(),
        };
        let call = self.call(&ask.step.via, RequestKey::Http(key), ask.attempt);
        let (asked, _) = self.context.receive(call, &ask, u64::MAX).await;
        let Asked { outcome: Outcome::Answer(body), answer } = asked else { return asked };
        let outcome = match items_of(&body, ask.step.items.as_deref()) {
            Ok(items) => Outcome::Answer(items),
            Err(sentence) => Outcome::Negative(StepError::new(FailureKind::Parse, sentence)),
        };
        Asked { outcome, answer }
    }

    async fn ask_sql(&self, ask: SqlAsk<'_>) -> Result<Asked, EvalError> {
        // An identifier stands for itself where no connection says otherwise.
        let identifiers = ask.text.identifiers().into_iter().map(|(name, ..)| (name.clone(), name)).collect();
        let (text, params) = ask.text.eval(ask.frame, &mut Fuel::default(), &identifiers)?;
        let call = self.call(ask.via, RequestKey::Sql(SqlKey { text, params }), ask.attempt);
        Ok(self.context.receive_rows(call).await)
    }
}

impl World for OpenWorld {
    fn http<'a>(&'a self, ask: HttpAsk<'a>) -> BoxFuture<'a, Asked> {
        self.ask_http(ask).boxed()
    }

    fn sql<'a>(&'a self, ask: SqlAsk<'a>) -> BoxFuture<'a, Result<Asked, EvalError>> {
        self.ask_sql(ask).boxed()
    }

    fn run<'a>(&'a self, ask: RunAsk<'a>) -> BoxFuture<'a, Asked> {
        async move {
            let prepare = |_: &Map, words: &[String], key: ExecKey| {
                self.door.note_words(&key, words);
                let call = self.call(&ask.step.via, RequestKey::Exec(key), ask.attempt);
                Ok(Prepared { call, wrapper: None })
            };
            self.context.run_command(&ask, u64::MAX, prepare).await
        }
        .boxed()
    }
}
