//! The interface between steps and the world that they ask.

use std::{sync::atomic::AtomicU64, time::Duration};

use calipso_expr::{EvalError, Frame, SqlText};
use calipso_model::{Map, Str, Value};
use calipso_spec::checked::{HttpStep, RunStep};
use futures::future::BoxFuture;

use crate::answer::Asked;

/// Answers steps: the sessions of an environment, a connection that is just being opened, or the answers of a spec test.
pub(crate) trait World: Send + Sync {
    /// Sends a request, and those for the pages that follow.
    fn http<'a>(&'a self, ask: HttpAsk<'a>) -> BoxFuture<'a, Asked>;

    /// Asks a database.
    fn sql<'a>(&'a self, ask: SqlAsk<'a>) -> BoxFuture<'a, Result<Asked, EvalError>>;

    /// Bytes of text that expressions of a whole scan made so far, where that is counted.
    fn made(&self) -> Option<&AtomicU64> {
        None
    }

    /// Runs a command on a host.
    fn run<'a>(&'a self, ask: RunAsk<'a>) -> BoxFuture<'a, Asked>;
}

/// An HTTP step with its values filled in.
pub(crate) struct HttpAsk<'a> {
    pub(crate) step: &'a HttpStep,
    pub(crate) target: Map,
    pub(crate) path: String,
    pub(crate) query: Map,
    pub(crate) headers: Map,
    pub(crate) body: Option<Value>,
    pub(crate) base: Option<Value>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt: u32,
}

/// A query; its identifiers are filled in by the connection.
pub(crate) struct SqlAsk<'a> {
    pub(crate) via: &'a Str,
    pub(crate) text: &'a SqlText,
    pub(crate) frame: &'a Frame,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt: u32,
}

/// A command with its values filled in.
pub(crate) struct RunAsk<'a> {
    pub(crate) step: &'a RunStep,
    /// The host object; none: the step names no host.
    pub(crate) host: Option<Value>,
    pub(crate) words: Vec<String>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempt: u32,
}
