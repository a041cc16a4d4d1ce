//! One SSH session with a host: connecting, through a gateway or not, checking its key, logging in.

use std::{sync::Arc, time::Duration};

use calipso_model::{Secret, Str};
use russh::{
    Disconnect, MethodKind,
    client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse},
    keys::{self, PrivateKeyWithHashAlg, PublicKeyOrCertificate},
};
use tokio::net::TcpStream;

use crate::{
    error::{ErrorKind, FetchError},
    live::{
        CONNECT_TIMEOUT,
        ssh::host_key::{self, HostKeyError},
    },
    means::{KnownHosts, SshServer},
};

/// How long key exchange and login may take, each.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// A session that is logged in.
pub(super) struct Session {
    handle: Handle<Checker>,
    /// The session that carries this one; it must live as long.
    _through: Option<Arc<Session>>,
}

impl Session {
    /// Connects and logs in.
    pub(super) async fn open(server: &SshServer, through: Option<Arc<Session>>) -> Result<Self, FetchError> {
        let endpoint = endpoint(server);
        let checker = Checker { server: server.clone() };
        let config = Arc::new(client::Config {
            keepalive_interval: Some(Duration::from_secs(15)),
            keepalive_max: 3,
            nodelay: true,
            preferred: host_key::preferred(server),
            ..client::Config::default()
        });
        let connected = match (&through, &server.jump) {
            (Some(gateway), Some(jump)) => {
                let port = u32::from(server.port);
                let opening =
                    gateway.handle.channel_open_direct_tcpip(server.address.to_string(), port, "127.0.0.1", 0);
                let channel = match tokio::time::timeout(CONNECT_TIMEOUT, opening).await {
                    Ok(Ok(channel)) => channel,
                    Ok(Err(russh::Error::ChannelOpenFailure(
                        russh::ChannelOpenFailure::AdministrativelyProhibited,
                    ))) => {
                        let why = format!(
                            "the gateway {} does not forward connections; allow it there (AllowTcpForwarding), or \
                             reach the host without gateway",
                            jump.host
                        );
                        return Err(FetchError::new(ErrorKind::Denied, endpoint, why));
                    }
                    Ok(Err(source)) => {
                        let error = NotForwarded { gateway: jump.host.clone(), source };
                        return Err(FetchError::new(ErrorKind::Unreachable, endpoint, error));
                    }
                    Err(_) => return Err(no_connection(&endpoint)),
                };
                timed(&endpoint, client::connect_stream(config, channel.into_stream(), checker)).await?
            }
            _ => {
                let address = (server.address.as_ref(), server.port);
                let socket = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                    Ok(Ok(socket)) => socket,
                    Ok(Err(error)) => return Err(FetchError::new(ErrorKind::Unreachable, endpoint, error)),
                    Err(_) => return Err(no_connection(&endpoint)),
                };
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "A socket keeps delaying small packets.");
                }
                timed(&endpoint, client::connect_stream(config, socket, checker)).await?
            }
        };
        let mut handle = connected.map_err(|failure| failure.explain(&endpoint))?;
        timed(&endpoint, log_in(&mut handle, server, &endpoint)).await??;
        Ok(Self { handle, _through: through })
    }

    /// The session itself.
    pub(super) fn handle(&self) -> &Handle<Checker> {
        &self.handle
    }

    /// Whether it is over.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Closes the connection and all that runs over it.
    pub(super) async fn close(&self) {
        if let Err(error) = self.handle.disconnect(Disconnect::ByApplication, "", "en").await {
            tracing::debug!(%error, "An SSH session did not close cleanly.");
        }
    }
}

/// Host, address and account, for messages.
pub(super) fn endpoint(server: &SshServer) -> String {
    format!("{} (ssh {}@{}:{})", server.host, server.user, server.address, server.port)
}

fn no_connection(endpoint: &str) -> FetchError {
    let why = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
    FetchError::new(ErrorKind::Unreachable, endpoint, why)
}

async fn timed<T>(endpoint: &str, work: impl Future<Output = T>) -> Result<T, FetchError> {
    tokio::time::timeout(LOGIN_TIMEOUT, work).await.map_err(|_| {
        let why = format!("the SSH login did not end within {} s", LOGIN_TIMEOUT.as_secs());
        FetchError::new(ErrorKind::Unreachable, endpoint, why)
    })
}

async fn log_in(handle: &mut Handle<Checker>, server: &SshServer, endpoint: &str) -> Result<(), FetchError> {
    let user = server.user.to_string();
    let mut tried: Vec<&str> = Vec::new();
    let mut offered: Vec<&'static str> = Vec::new();
    let broken = |error: russh::Error| explain(endpoint, error);
    if let Some(key) = &server.private_key {
        tried.push("private key");
        let key = private_key(key).map_err(|why| FetchError::new(ErrorKind::Setup, endpoint, why))?;
        let hash = if key.algorithm().is_rsa() {
            // Servers that do not say what they take are old, but none is so old that it lacks SHA-256.
            let best = handle.best_supported_rsa_hash().await.map_err(broken)?;
            best.unwrap_or(Some(keys::HashAlg::Sha256))
        } else {
            None
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        match handle.authenticate_publickey(user.clone(), key).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => offered = names(&remaining_methods),
        }
    }
    if let Some(password) = &server.password {
        tried.push("password");
        match handle.authenticate_password(user.clone(), password.reveal()).await.map_err(broken)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => {
                offered = names(&remaining_methods);
                let ask = remaining_methods.contains(&MethodKind::KeyboardInteractive);
                if ask && answer_prompts(handle, &user, password).await.map_err(broken)? {
                    return Ok(());
                }
            }
        }
    }
    if tried.is_empty() {
        let why = "neither a password nor a private key is configured for this host";
        return Err(FetchError::new(ErrorKind::Setup, endpoint, why));
    }
    let why = format!(
        "the {} of user {user} was not accepted (the server takes: {})",
        tried.join(" and the "),
        if offered.is_empty() { "nothing else".to_owned() } else { offered.join(", ") }
    );
    Err(FetchError::new(ErrorKind::Denied, endpoint, why))
}

/// Gives the password to whatever the server asks for in this way.
async fn answer_prompts(handle: &mut Handle<Checker>, user: &str, password: &Secret) -> Result<bool, russh::Error> {
    let mut response = handle.authenticate_keyboard_interactive_start(user.to_owned(), None).await?;
    for _ in 0..4 {
        match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = prompts.iter().map(|_| password.reveal().to_owned()).collect();
                response = handle.authenticate_keyboard_interactive_respond(answers).await?;
            }
        }
    }
    Ok(false)
}

fn names(methods: &[MethodKind]) -> Vec<&'static str> {
    methods.iter().map(Into::into).collect()
}

fn private_key(key: &Secret) -> Result<keys::PrivateKey, &'static str> {
    match keys::decode_secret_key(key.reveal(), None) {
        Ok(key) if key.is_encrypted() => Err("the private key has a passphrase; give one without"),
        Ok(key) => Ok(key),
        Err(keys::Error::KeyIsEncrypted) => Err("the private key has a passphrase; give one without"),
        // The library's text may quote the key: it is not passed on.
        Err(_) => Err("the private key cannot be read; it must be the text of an OpenSSH or PEM key file"),
    }
}

/// What went wrong in the protocol.
pub(super) fn explain(endpoint: &str, error: russh::Error) -> FetchError {
    let kind = match &error {
        russh::Error::Disconnect
        | russh::Error::HUP
        | russh::Error::SendError
        | russh::Error::RecvError
        | russh::Error::KeepaliveTimeout
        | russh::Error::IO(_) => ErrorKind::Cut,
        russh::Error::ConnectionTimeout | russh::Error::InactivityTimeout | russh::Error::Elapsed(_) => {
            ErrorKind::Timeout
        }
        russh::Error::ChannelOpenFailure(_) => ErrorKind::Busy,
        _ => ErrorKind::Protocol,
    };
    FetchError::new(kind, endpoint, error)
}

/// Checks the key of the server.
pub(super) struct Checker {
    server: SshServer,
}

/// The gateway did not open a connection to the host.
#[derive(Debug, thiserror::Error)]
#[error("through the gateway {gateway}")]
struct NotForwarded {
    gateway: Str,
    source: russh::Error,
}

/// Why a session could not begin.
#[derive(Debug)]
pub(super) enum Failure {
    Ssh(russh::Error),
    HostKey(Box<HostKeyError>),
}

impl From<russh::Error> for Failure {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl Failure {
    fn explain(self, endpoint: &str) -> FetchError {
        match self {
            Self::HostKey(error) => FetchError::new(ErrorKind::HostKey, endpoint, error),
            Self::Ssh(error) => {
                let mut error = explain(endpoint, error);
                if error.kind == ErrorKind::Cut {
                    error.kind = ErrorKind::Unreachable;
                }
                error
            }
        }
    }
}

impl client::Handler for Checker {
    type Error = Failure;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Failure> {
        match (&self.server.known_hosts, key) {
            (KnownHosts::Insecure, _) => Ok(true),
            (KnownHosts::File(file), PublicKeyOrCertificate::PublicKey { key, .. }) => {
                host_key::check(&self.server, file, key).map_err(Failure::HostKey)?;
                Ok(true)
            }
            (KnownHosts::File(_), PublicKeyOrCertificate::Certificate(_)) => {
                Err(Failure::HostKey(Box::new(HostKeyError::Certificate)))
            }
        }
    }
}
