//! How a live door makes a call: where to, with which credentials, within which limits. Recordings know nothing of it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use calipso_model::{Secret, Str};

use crate::budget::Budget;

/// How a live door makes a call.
#[derive(Clone, Debug)]
pub struct Means {
    /// Where it goes, and what is sent besides the key.
    pub route: Route,
    /// How long the answer may take.
    pub timeout: Duration,
    /// How large the answer may be.
    pub max_bytes: u64,
    /// What the connection may use in all; shared by all its calls.
    pub budget: Arc<Budget>,
}

impl Means {
    /// The server, for messages; none where the URL cannot be read. Never a secret.
    pub(crate) fn address(&self) -> Option<String> {
        match &self.route {
            Route::Http(HttpRoute { socket: Some(socket), .. }) => Some(format!("unix:{}", socket.display())),
            Route::Http(http) => origin(http.url.reveal()),
            Route::Sql(server) => Some(format!("{}:{}", server.address, server.port)),
            Route::Ssh(ssh) => Some(format!("{}:{}", ssh.server.address, ssh.server.port)),
        }
    }
}

fn origin(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{host}{port}", url.scheme()))
}

/// Where a call goes.
#[derive(Clone, Debug)]
pub enum Route {
    /// To an HTTP server.
    Http(HttpRoute),
    /// To a database.
    Sql(SqlServer),
    /// To a host over SSH.
    Ssh(SshRoute),
}

/// Where an HTTP request goes, and what is sent.
#[derive(Clone, Debug)]
pub struct HttpRoute {
    /// The whole URL.
    pub url: Secret,
    /// Header fields that are sent; some may be secret.
    pub headers: Vec<(String, Secret)>,
    /// What is sent.
    pub body: Option<Secret>,
    /// How both sides show who they are.
    pub tls: Tls,
    /// The socket file of a server on this machine; the host of the URL means nothing then.
    pub socket: Option<PathBuf>,
}

/// Where a command runs.
#[derive(Clone, Debug)]
pub struct SshRoute {
    /// What really runs: the words of the key after every rewriting and wrapping.
    pub words: Vec<String>,
    /// The host that runs the command.
    pub server: Box<SshServer>,
}

/// How the certificate of a server is checked, and which one is shown to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates in PEM form that are trusted besides those of the system.
    pub ca: Option<String>,
    /// False: any certificate is accepted. Only where the operator says so.
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

/// A database server and the account to use there.
#[derive(Clone, Debug)]
pub struct SqlServer {
    /// Name or address.
    pub address: Str,
    /// TCP port of the server.
    pub port: u16,
    /// The account that logs in.
    pub user: Str,
    /// What the account logs in with.
    pub password: Secret,
    /// Database that unqualified names are looked up in.
    pub database: Option<Str>,
}

/// A host that is reached over SSH, and the account to use there.
#[derive(Clone, Debug)]
pub struct SshServer {
    /// Name of the host, for messages.
    pub host: Str,
    /// Name or address that is connected to, as seen from the gateway if there is one.
    pub address: Str,
    /// TCP port of the server.
    pub port: u16,
    /// The account that logs in.
    pub user: Str,
    /// What the account logs in with, where a key is not enough.
    pub password: Option<Secret>,
    /// Its private key, in any form that OpenSSH writes, without passphrase. Tried before the password.
    pub private_key: Option<Secret>,
    /// Which host keys are trusted.
    pub known_hosts: KnownHosts,
    /// The gateway through which the host is reached.
    pub jump: Option<Box<SshServer>>,
}

/// Which host keys are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownHosts {
    /// Those in a file of OpenSSH's `known_hosts` form.
    File(PathBuf),
    /// Any key. Only where the operator says so.
    Insecure,
}
