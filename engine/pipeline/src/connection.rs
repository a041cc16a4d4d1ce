//! The connections of an environment: forms filled in, sessions opened once, requests made from steps.

mod basic;
mod command;
mod context;
mod database;
mod fields;
mod http;
mod in_session;
mod login;
mod pages;
mod received;
mod rules;
mod session;
mod shell;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::{Duration, Instant},
};

use calipso_expr::{EvalError, Frame};
use calipso_model::{Map, Secret, SecretLocation, Str, Value};
use calipso_spec::checked::{Connection, ConnectionLimits};
use calipso_transport::{Budget, Door, ErrorKind, Means, Route, Scrubber, Stage};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    answer::{Asked, StepError},
    plan::Plan,
    scope_values::ScopeValues,
    world::{HttpAsk, RunAsk, SqlAsk, World},
};

pub use self::fields::{ConfigProblem, filled_in};

pub(crate) use self::{
    basic::basic_login,
    command::Prepared,
    context::RunContext,
    http::{query_pairs, texts},
    received::items_of,
    rules::{rewrite, rule_for},
};

/// Resolves references to secrets.
pub trait SecretSource: Send + Sync {
    /// The secret behind a reference such as `env:NAME` or `file:PATH`, or in a sealed text (`sealed:…`), which opens only in
    /// the place that it was sealed for.
    ///
    /// # Errors
    /// What is missing, as a sentence without any secret.
    fn resolve(&self, reference: &str, place: &SecretLocation) -> Result<Secret, String>;

    /// The file of trusted host keys where a connection names none.
    fn known_hosts(&self) -> PathBuf;
}

/// For replays: every reference resolves to the same harmless text.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

impl SecretSource for NoSecrets {
    fn resolve(&self, _reference: &str, _place: &SecretLocation) -> Result<Secret, String> {
        Ok(Secret::new("not-needed"))
    }

    fn known_hosts(&self) -> PathBuf {
        PathBuf::from("known_hosts")
    }
}

/// What a run needs besides its plan and its secrets to make requests.
pub(crate) struct Asker {
    pub(crate) door: Arc<dyn Door>,
    /// Learns every secret that is met.
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) stage: Stage,
    /// The time at which the run begins.
    pub(crate) now: jiff::Timestamp,
    /// Whether waiting between attempts takes real time.
    pub(crate) waits: bool,
}

/// All sessions of one run over one environment. Nothing outlives the run.
pub(crate) struct Sessions {
    pub(crate) context: RunContext,
    accesses: BTreeMap<Str, Access>,
    /// Bytes of text that the expressions of all its runs made.
    made: AtomicU64,
}

/// One role: its connection, filled in, or what is wrong with it.
pub(crate) struct Access {
    pub(crate) role: Str,
    pub(crate) spec: Arc<Connection>,
    config: Result<Map, Vec<ConfigProblem>>,
    budget: Arc<Budget>,
    /// One for each target, or a single one under the empty name where the login does not depend on the target.
    sessions: Mutex<BTreeMap<String, session::SessionCell>>,
}

impl Access {
    pub(crate) fn new(role: Str, spec: Arc<Connection>, config: Result<Map, Vec<ConfigProblem>>) -> Self {
        let ConnectionLimits { concurrent, per_second, channels_per_host, .. } = spec.limits;
        let budget = Arc::new(Budget::new(concurrent.max(1), per_second, channels_per_host.max(1)));
        Self { role, spec, config, budget, sessions: Mutex::default() }
    }

    /// The filled-in form.
    ///
    /// # Errors
    /// It cannot be used.
    pub(crate) fn config(&self) -> Result<&Map, StepError> {
        self.config.as_ref().map_err(|problems| {
            let sentences: Vec<&str> = problems.iter().map(|problem| problem.sentence.as_str()).collect();
            let sentence = format!("the connection of the role {} cannot be used: {}", self.role, sentences.join("; "));
            StepError::setup(sentence)
        })
    }

    /// What is wrong with the form.
    pub(crate) fn problems(&self) -> &[ConfigProblem] {
        self.config.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }

    /// How a call goes out over this connection.
    fn means(&self, route: Route, timeout: Option<Duration>) -> Means {
        Means {
            route,
            timeout: timeout.unwrap_or_else(|| Duration::from_secs(self.spec.limits.timeout_secs.max(1))),
            max_bytes: self.spec.limits.max_bytes,
            budget: Arc::clone(&self.budget),
        }
    }

    /// How much memory the values of all pages of a list may take together, in bytes.
    pub(crate) fn max_list_memory(&self) -> u64 {
        self.spec.limits.max_bytes.saturating_mul(16).max(MIN_MEMORY)
    }

    /// The names that every expression of the connection sees.
    pub(crate) fn frame(&self, values: &ScopeValues, target: Value) -> Result<Frame, StepError> {
        let layout = &self.spec.layout;
        let mut frame = Frame::new(layout.len());
        values.set(layout, &mut frame);
        frame.bind(layout, "config", Value::Map(self.config()?.clone()));
        frame.bind(layout, "target", target);
        Ok(frame)
    }
}

/// Small answers may always take this much memory.
///
/// # Units
/// Bytes.
const MIN_MEMORY: u64 = 1 << 20;

/// How much memory the values of one answer may take: three times the limit, so that with its text it takes at most four times
/// as much.
///
/// # Units
/// Bytes.
pub(crate) fn max_memory(max_bytes: u64) -> u64 {
    max_bytes.saturating_mul(3).max(MIN_MEMORY)
}

/// An answer, or a list of many pages, whose values would take more memory than the limit allows.
pub(crate) fn too_many_values(endpoint: &str, allowed: u64, max_bytes: u64) -> StepError {
    let sentence = format!(
        "{endpoint} sent too much: its values would take more than the {allowed} bytes of memory that a `max_bytes` of {max_bytes} allows; the connection's limit `max_bytes` can be raised"
    );
    StepError::new(ErrorKind::TooLarge, sentence).at_host(endpoint)
}

impl Sessions {
    pub(crate) fn new(context: RunContext, accesses: Vec<Access>) -> Self {
        let accesses = accesses.into_iter().map(|access| (access.role.clone(), access)).collect();
        Self { context, accesses, made: AtomicU64::new(0) }
    }

    /// The sessions of a planned environment.
    pub(crate) fn for_plan(plan: &Plan, secrets: &dyn SecretSource, asker: Asker) -> Self {
        let Asker { door, scrubber, stage, now, waits } = asker;
        let access = |(role, planned): (&Str, &crate::plan::PlannedConnection)| {
            let place = SecretLocation::role(plan.environment.name.clone(), role.clone());
            let config = filled_in(&planned.spec, &planned.config, &place, secrets, &scrubber);
            Access::new(role.clone(), Arc::clone(&planned.spec), config)
        };
        let accesses = plan.connections.iter().map(access).collect();
        let context = RunContext {
            door,
            scrubber,
            values: plan.values(),
            rules: Arc::clone(&plan.commands),
            stage,
            began: (now, Instant::now()),
            waits,
            known_hosts: secrets.known_hosts(),
            coverage: None,
        };
        Self::new(context, accesses)
    }

    pub(crate) fn access(&self, role: &str) -> Result<&Access, StepError> {
        self.accesses.get(role).ok_or_else(|| {
            let sentence = format!("the environment has no connection for the role {role}");
            StepError::setup(sentence)
        })
    }
}

impl World for Sessions {
    fn http<'a>(&'a self, ask: HttpAsk<'a>) -> BoxFuture<'a, Asked> {
        self.ask_http(ask).boxed()
    }

    fn sql<'a>(&'a self, ask: SqlAsk<'a>) -> BoxFuture<'a, Result<Asked, EvalError>> {
        self.ask_sql(ask).boxed()
    }

    fn made(&self) -> Option<&AtomicU64> {
        Some(&self.made)
    }

    fn run<'a>(&'a self, ask: RunAsk<'a>) -> BoxFuture<'a, Asked> {
        async move {
            match self.access(&ask.step.via) {
                Ok(access) => self.run_over(access, ask, self.context.stage).await,
                Err(error) => Asked::nothing(error),
            }
        }
        .boxed()
    }
}
