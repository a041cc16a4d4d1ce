//! The ways to an environment's sources: forms filled in, sessions opened once, requests made of steps.

mod basic;
mod database;
mod fields;
mod http;
mod login;
mod pages;
mod rules;
mod shell;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use calipso_expr::{EvalError, Frame};
use calipso_model::{Map, Secret, SecretLocation, Str, Value};
use calipso_spec::checked::{CommandRule, Connection, ConnectionLimits};
use calipso_transport::{Budget, Door, Scrubber, Stage};
use futures::future::{BoxFuture, FutureExt};

use crate::{
    answer::{Asked, FailureKind, Why},
    coverage::Coverage,
    scope_values::ScopeValues,
    world::{HttpAsk, RunAsk, SqlAsk, World},
};

pub use self::fields::{ConfigProblem, filled_in};

pub(crate) use self::{
    basic::basic_login,
    rules::{rewrite, rule_for},
};

/// Where references to secrets lead.
pub trait SecretSource: Send + Sync {
    /// The secret behind a reference such as `env:NAME` or `file:PATH`, or in a sealed text (`sealed:…`), which opens only in
    /// the place that it was sealed for.
    ///
    /// # Errors
    /// A sentence that says what is missing, without any secret.
    fn resolve(&self, reference: &str, place: &SecretLocation) -> Result<Secret, String>;

    /// The file of good host keys where a connection names none.
    fn known_hosts(&self) -> PathBuf;
}

/// For replays: every reference leads to the same harmless text.
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

/// All sessions of one run over one environment. Nothing outlives the run.
pub(crate) struct Sessions {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) values: ScopeValues,
    pub(crate) rules: Vec<Arc<Vec<CommandRule>>>,
    pub(crate) stage: Stage,
    pub(crate) clock: jiff::Timestamp,
    pub(crate) started: Instant,
    pub(crate) waits: bool,
    pub(crate) known_hosts: PathBuf,
    pub(crate) coverage: Option<Arc<Coverage>>,
    accesses: BTreeMap<Str, Access>,
    /// Bytes of text that the expressions of all its runs made.
    made: AtomicU64,
    /// Requests are answered without any connection, as the inline answers of spec tests are.
    open: bool,
}

/// One role: its connection, filled in, or why it cannot be used.
pub(crate) struct Access {
    pub(crate) role: Str,
    pub(crate) spec: Arc<Connection>,
    pub(crate) config: Result<Map, String>,
    pub(crate) budget: Arc<Budget>,
    cells: std::sync::Mutex<BTreeMap<String, login::Cell>>,
}

impl Access {
    pub(crate) fn new(role: Str, spec: Arc<Connection>, config: Result<Map, String>) -> Self {
        let ConnectionLimits { concurrent, per_second, channels_per_host, .. } = spec.limits;
        let budget = Arc::new(Budget::new(concurrent.max(1), per_second, channels_per_host.max(1)));
        Self { role, spec, config, budget, cells: std::sync::Mutex::default() }
    }

    pub(crate) fn config(&self) -> Result<&Map, Why> {
        self.config.as_ref().map_err(|sentence| Why::new(FailureKind::Setup, sentence.clone()))
    }

    /// How much memory the values of all pages of a list may take together.
    pub(crate) fn max_list_memory(&self) -> u64 {
        self.spec.limits.max_bytes.saturating_mul(16).max(MIN_MEMORY)
    }

    pub(crate) fn timeout(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or_else(|| Duration::from_secs(self.spec.limits.timeout_secs.max(1)))
    }

    /// The names that every expression of the connection sees.
    pub(crate) fn frame(&self, values: &ScopeValues, target: Value) -> Result<Frame, Why> {
        let layout = &self.spec.layout;
        let mut frame = Frame::new(layout.len());
        values.set(layout, &mut frame);
        frame.bind(layout, "config", Value::Map(self.config()?.clone()));
        frame.bind(layout, "target", target);
        Ok(frame)
    }
}

/// Values of small answers are not worth counting.
const MIN_MEMORY: u64 = 1 << 20;

/// How much memory the values of one answer may take: with its text it takes no more than four times the limit.
pub(crate) fn max_memory(max_bytes: u64) -> u64 {
    max_bytes.saturating_mul(3).max(MIN_MEMORY)
}

/// An answer, or a list of many pages, whose values would take more memory than the limit allows.
pub(crate) fn too_many_values(place: &str, allowed: u64, max_bytes: u64) -> Why {
    let sentence = format!(
        "{place} sent too much: its values would take more than the {allowed} bytes of memory that a `max_bytes` of {max_bytes} allows; the connection's limit `max_bytes` can be raised"
    );
    Why::new(FailureKind::TooLarge, sentence).of_host(place)
}

/// What [`Sessions::new`] needs besides the accesses.
pub(crate) struct Setting {
    pub(crate) door: Arc<dyn Door>,
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) values: ScopeValues,
    pub(crate) rules: Vec<Arc<Vec<CommandRule>>>,
    pub(crate) stage: Stage,
    pub(crate) clock: jiff::Timestamp,
    pub(crate) waits: bool,
    pub(crate) known_hosts: PathBuf,
    pub(crate) coverage: Option<Arc<Coverage>>,
}

impl Sessions {
    pub(crate) fn new(setting: Setting, accesses: Vec<Access>) -> Self {
        let Setting { door, scrubber, values, rules, stage, clock, waits, known_hosts, coverage } = setting;
        let accesses = accesses.into_iter().map(|access| (access.role.clone(), access)).collect();
        Self {
            door,
            scrubber,
            values,
            rules,
            stage,
            clock,
            started: Instant::now(),
            waits,
            known_hosts,
            coverage,
            accesses,
            made: AtomicU64::new(0),
            open: false,
        }
    }

    /// Sessions that need no connection at all.
    pub(crate) fn open(setting: Setting) -> Self {
        Self { open: true, ..Self::new(setting, Vec::new()) }
    }

    pub(crate) fn access(&self, role: &str) -> Result<&Access, Why> {
        self.accesses.get(role).ok_or_else(|| {
            let sentence = format!("the environment has no connection for the role {role}");
            Why::new(FailureKind::Setup, sentence)
        })
    }

    /// The time now: that of the start plus what passed since.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        let passed = jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or_default();
        self.clock.checked_add(passed).unwrap_or(self.clock)
    }

    pub(crate) fn cover(&self, at: &calipso_spec::checked::At, branch: &str) {
        if let Some(coverage) = &self.coverage {
            coverage.reach(at, branch);
        }
    }
}

impl World for Sessions {
    fn http<'a>(&'a self, ask: HttpAsk<'a>) -> BoxFuture<'a, Asked> {
        if self.open { self.open_http(ask).boxed() } else { self.ask_http(ask).boxed() }
    }

    fn sql<'a>(&'a self, ask: SqlAsk<'a>) -> BoxFuture<'a, Result<Asked, EvalError>> {
        self.ask_sql(ask).boxed()
    }

    fn made(&self) -> Option<&AtomicU64> {
        Some(&self.made)
    }

    fn run<'a>(&'a self, ask: RunAsk<'a>) -> BoxFuture<'a, Asked> {
        self.ask_run(ask).boxed()
    }
}
