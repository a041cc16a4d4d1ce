//! A door that fails on purpose, for tests of what a failure does.

use std::sync::Arc;

use async_trait::async_trait;
use calipso_model::{Map, Value};

use crate::{
    door::{Call, Door, Exchange},
    error::{ErrorKind, FetchError},
    key::RequestKey,
    reply::Reply,
};

/// A fault of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It never comes.
    Timeout,
    /// Access is refused: status 403 of HTTP, a refusal elsewhere.
    Forbidden,
    /// The server fails: status 500 of HTTP, a server error elsewhere.
    ServerError,
    /// The first half comes, well framed: half a body of HTTP. Elsewhere the connection ends in the middle.
    CutPage,
    /// It is JSON of another shape.
    WrongJson,
    /// It is empty: an empty body of HTTP. Elsewhere the connection ends before the answer.
    EmptyBody,
    /// The connection ends in the middle.
    Reset,
    /// It is text that no parser takes.
    Garbage,
    /// There is no connection.
    Unreachable,
}

impl Fault {
    /// All faults, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Timeout,
        Self::Forbidden,
        Self::ServerError,
        Self::CutPage,
        Self::WrongJson,
        Self::EmptyBody,
        Self::Reset,
        Self::Garbage,
        Self::Unreachable,
    ];

    fn apply(self, call: &Call, reply: Result<Reply, FetchError>) -> Result<Reply, FetchError> {
        let fail = |kind, why: &str| Err(FetchError::new(kind, call.endpoint(), format!("{why} (injected)")));
        let is_http = matches!(call.key, RequestKey::Http(_));
        match self {
            Self::Timeout => fail(ErrorKind::Timeout, "no answer"),
            Self::Unreachable => fail(ErrorKind::Unreachable, "no route to host"),
            Self::Reset => fail(ErrorKind::Cut, "connection reset by peer"),
            Self::Forbidden if is_http => Ok(page(403, br#"{"forbidden": {"message": "injected"}}"#)),
            Self::Forbidden => fail(ErrorKind::Denied, "access denied"),
            Self::ServerError if is_http => Ok(page(500, b"injected")),
            Self::ServerError => fail(ErrorKind::Protocol, "internal error"),
            Self::CutPage | Self::EmptyBody if !is_http => fail(ErrorKind::Cut, "the connection was closed"),
            Self::CutPage => {
                reply.map(|reply| rewrite(reply, |body| body.get(..body.len() / 2).unwrap_or_default().into()))
            }
            Self::EmptyBody => reply.map(|reply| rewrite(reply, |_| Arc::from([]))),
            Self::WrongJson => reply.map(|reply| rewrite(reply, |_| Arc::from(*br#"[[{"injected": 7}], 42]"#))),
            Self::Garbage => {
                reply.map(|reply| rewrite(reply, |_| Arc::from(*b"\x01]}>>> injected <<<{[ \t= : ,\n\x02%\n")))
            }
        }
    }
}

fn page(status: u16, body: &[u8]) -> Reply {
    Reply::Http { status, headers: Vec::new(), body: body.into() }
}

fn rewrite(reply: Reply, change: impl Fn(&[u8]) -> Arc<[u8]>) -> Reply {
    match reply {
        Reply::Http { status, headers, body } => Reply::Http { status, headers, body: change(&body) },
        Reply::Rows(_) => {
            let text = String::from_utf8_lossy(&change(b"")).into_owned();
            Reply::Rows(vec![Map::from_pairs(vec![("injected".into(), Value::from(text))])])
        }
        Reply::Exec { exit, stdout, stderr } => {
            let text = String::from_utf8_lossy(&change(stdout.as_bytes())).into_owned();
            Reply::Exec { exit, stdout: text.into(), stderr }
        }
    }
}

type Matches = Box<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// Passes calls on to the door inside, and spoils the answers of those that are picked.
pub struct Faulty<D> {
    inner: D,
    pick: Matches,
}

impl<D: Door> Faulty<D> {
    /// Wraps a door; `pick` chooses the fault of each call, if any.
    #[must_use]
    pub fn new(inner: D, pick: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self { inner, pick: Box::new(pick) }
    }
}

#[async_trait]
impl<D: Door> Door for Faulty<D> {
    async fn exchange(&self, call: Call) -> Exchange {
        match (self.pick)(&call) {
            None => self.inner.exchange(call).await,
            Some(fault) => {
                let exchange = self.inner.exchange(call.clone()).await;
                Exchange { reply: fault.apply(&call, exchange.reply), ..exchange }
            }
        }
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
