//! What can be asked of the outside world, and what comes back.

mod key;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use calipso_model::{Map, Secret, Str, Value};

pub(crate) use key::normal_sql;

use crate::{budget::Budget, error::FetchError, stats::SourceStats};

/// Whoever answers requests: the live world, a recording, or a wrapper around another door.
#[async_trait]
pub trait Door: Send + Sync {
    /// Asks once and waits for the answer.
    ///
    /// # Errors
    /// There is no answer: see [`FetchError`]. An HTTP status or an exit status is an answer.
    async fn ask(&self, call: Call) -> Result<Reply, FetchError>;

    /// What was asked so far, by role.
    fn stats(&self) -> Vec<SourceStats>;

    /// The number of the execution that carried a command which was asked, where several commands can share one.
    fn execution(&self, _call: &Call) -> Option<u64> {
        None
    }

    /// Closes every connection; whoever asks later opens them again.
    async fn close(&self) {}
}

#[async_trait]
impl<D: Door + ?Sized> Door for Arc<D> {
    async fn ask(&self, call: Call) -> Result<Reply, FetchError> {
        (**self).ask(call).await
    }

    fn stats(&self) -> Vec<SourceStats> {
        (**self).stats()
    }

    fn execution(&self, call: &Call) -> Option<u64> {
        (**self).execution(call)
    }

    async fn close(&self) {
        (**self).close().await;
    }
}

/// One request with what it may cost.
#[derive(Clone, Debug)]
pub struct Call {
    /// What fetchers say after `via`.
    pub role: Str,
    /// Name of the connection spec that serves the role.
    pub connection: Str,
    /// What it is asked for.
    pub stage: Stage,
    /// 0 the first time; one more each time that the same logical request is made again on purpose (a retry, a
    /// repetition after a new login, that new login itself). Equal requests with equal attempts are one call.
    pub attempt: u32,
    /// What is asked.
    pub request: Request,
    /// How long the answer may take.
    pub timeout: Duration,
    /// How large the answer may be.
    pub max_bytes: u64,
    /// What the connection may use in all; shared by all its calls.
    pub budget: Arc<Budget>,
}

impl Call {
    /// Who is asked, for messages: the role and the host, never a secret.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.request {
            Request::Http { socket: Some(socket), .. } => format!("{} (unix:{})", self.role, socket.display()),
            Request::Http { url, .. } => match origin(url.reveal()) {
                Some(origin) => format!("{} ({origin})", self.role),
                None => self.role.to_string(),
            },
            Request::Sql { server, .. } => format!("{} ({}:{})", self.role, server.address, server.port),
            Request::Exec { key, .. } => format!("{} ({})", key.host, self.role),
        }
    }
}

fn origin(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

/// What a call is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// To open a session.
    Login,
    /// For a fetcher.
    Work,
    /// To test a connection.
    Test,
}

impl Stage {
    /// `login`, `work` or `test`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Work => "work",
            Self::Test => "test",
        }
    }

    /// The stage of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Login, Self::Work, Self::Test].into_iter().find(|stage| stage.as_str() == name)
    }
}

/// A request: its logical key, by which it is recorded and found again, and what a live door needs to send it.
#[derive(Clone, Debug)]
pub enum Request {
    /// An HTTP request.
    Http {
        /// By what it is known.
        key: HttpKey,
        /// The whole URL.
        url: Secret,
        /// Header fields.
        headers: Vec<(String, Secret)>,
        /// What is sent.
        body: Option<Secret>,
        /// How both sides show who they are.
        tls: Tls,
        /// The socket file of a server on this machine; the host of the URL means nothing then.
        socket: Option<PathBuf>,
    },
    /// A query.
    Sql {
        /// By what it is known; also what is sent.
        key: SqlKey,
        /// Where to.
        server: SqlServer,
    },
    /// A command on a host.
    Exec {
        /// By what it is known.
        key: ExecKey,
        /// What really runs: the words after every rewriting and wrapping.
        words: Vec<String>,
        /// Where.
        server: Box<SshServer>,
    },
}

/// By what an HTTP request is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpKey {
    /// What the step chose among the targets of the connection.
    pub target: BTreeMap<Str, Str>,
    /// `GET`, `POST`, …
    pub method: Str,
    /// Path below the connection's base; the whole path, with its query, of an absolute URL that a page named.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// What is sent, before secrets are filled in or with them: they are scrubbed before a key is kept.
    pub body: Option<Value>,
}

/// By what a query is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SqlKey {
    /// One statement, with `?` for each parameter.
    pub text: String,
    /// Parameters: scalars.
    pub params: Vec<Value>,
}

/// By what a command is known.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecKey {
    /// Name of the host.
    pub host: Str,
    /// The words as the fetcher says them, before rewriting and wrapping.
    pub words: Vec<String>,
}

/// How the certificate of a server is checked, and which one is shown to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates in PEM form that are trusted besides those of the system.
    pub ca: Option<String>,
    /// False: any certificate will do. Only where the operator says so.
    pub verify: bool,
    /// The certificate that is shown to a server that asks for one.
    pub client: Option<ClientCertificate>,
}

impl Default for Tls {
    fn default() -> Self {
        Self { ca: None, verify: true, client: None }
    }
}

/// A certificate of our own with its key, both in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, followed by those that lead to its authority.
    pub certificates: String,
    /// Its private key, without passphrase.
    pub private_key: Secret,
}

/// A database server and its account.
#[derive(Clone, Debug)]
pub struct SqlServer {
    /// Name or address.
    pub address: Str,
    /// TCP port.
    pub port: u16,
    /// Account.
    pub user: Str,
    /// Its password.
    pub password: Secret,
    /// Database that unqualified names are looked up in.
    pub database: Option<Str>,
}

/// A host that is reached over SSH, and its account.
#[derive(Clone, Debug)]
pub struct SshServer {
    /// Name of the host, for messages.
    pub host: Str,
    /// Name or address that is connected to, as seen from the gateway if there is one.
    pub address: Str,
    /// TCP port.
    pub port: u16,
    /// Account.
    pub user: Str,
    /// Its password.
    pub password: Option<Secret>,
    /// Its private key, in any form that OpenSSH writes, without passphrase. Tried before the password.
    pub private_key: Option<Secret>,
    /// Which host keys are good.
    pub known_hosts: KnownHosts,
    /// The host through which this one is reached.
    pub jump: Option<Box<SshServer>>,
}

/// Which host keys are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownHosts {
    /// Those in a file of OpenSSH's `known_hosts` form.
    File(PathBuf),
    /// Any key will do. Only where the operator says so.
    Insecure,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Of an HTTP request, whatever its status.
    Http {
        /// Status code.
        status: u16,
        /// Header fields; names in lower case.
        headers: Vec<(String, String)>,
        /// The whole body.
        body: Arc<[u8]>,
    },
    /// Of a query.
    Rows(Vec<Map>),
    /// Of a command, whatever its exit status.
    Exec {
        /// Exit status; 128 + n when signal n ended it.
        exit: i32,
        /// What it wrote.
        stdout: Str,
        /// What it complained.
        stderr: Str,
    },
}

impl Reply {
    /// How many bytes of content it has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        fn of(value: &Value) -> usize {
            match value {
                Value::Str(text) => text.len(),
                Value::List(items) => items.iter().map(of).sum(),
                Value::Map(map) => map.iter().map(|(key, value)| key.len() + of(value)).sum(),
                _ => 8,
            }
        }
        let n_bytes = match self {
            Self::Http { body, .. } => body.len(),
            Self::Rows(rows) => rows.iter().flat_map(Map::iter).map(|(_, value)| of(value)).sum(),
            Self::Exec { stdout, stderr, .. } => stdout.len() + stderr.len(),
        };
        n_bytes as u64
    }
}
