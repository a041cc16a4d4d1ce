//! HTTP requests.

use std::{
    error::Error,
    fmt, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use calipso_model::Value;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, header, redirect::Policy};

use crate::{
    error::{ErrorKind, FetchError},
    key::HttpKey,
    live::{CONNECT_TIMEOUT, too_large},
    means::{HttpRoute, Tls},
    reply::Reply,
};

/// How many times a server may send us on to another path of its own.
const MAX_REDIRECTS: usize = 5;

/// What distinguishes clients: how certificates are checked (not at all where there is no TLS), and a socket file.
#[derive(Clone, PartialEq)]
struct Kind {
    tls: Option<Tls>,
    socket: Option<PathBuf>,
}

/// One client for each kind; there are few.
pub(super) struct Http {
    clients: Mutex<Vec<(Kind, Client)>>,
    /// Whether socket files of this machine may be opened.
    sockets: bool,
}

impl Http {
    pub(super) fn new(sockets: bool) -> Self {
        Self { clients: Mutex::default(), sockets }
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn ask(
        &self,
        endpoint: &str,
        key: &HttpKey,
        route: &HttpRoute,
        max_bytes: u64,
    ) -> Result<Reply, FetchError> {
        let setup = |error: SetupError| FetchError::new(ErrorKind::Setup, endpoint, error);
        let target = url::Url::parse(route.url.reveal()).map_err(|source| setup(SetupError::Url { source }))?;
        let client = self.client(target.scheme(), &route.tls, route.socket.as_ref()).map_err(setup)?;
        let method = Method::from_bytes(key.method.as_bytes())
            .map_err(|_| setup(SetupError::Method { method: key.method.to_string() }))?;
        let mut request = client.request(method, target);
        let mut has_content_type = false;
        for (name, value) in &route.headers {
            let mut value = header::HeaderValue::from_str(value.reveal())
                .map_err(|_| setup(SetupError::Header { name: name.clone() }))?;
            value.set_sensitive(true);
            has_content_type |= name.eq_ignore_ascii_case("content-type");
            request = request.header(name.as_str(), value);
        }
        if let Some(body) = &route.body {
            if !has_content_type && matches!(key.body, Some(Value::Map(_) | Value::List(_))) {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            request = request.body(body.reveal().to_owned());
        }
        let mut response = request.send().await.map_err(|error| explain(endpoint, error))?;
        let status = response.status().as_u16();
        let reply_headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        if response.content_length().is_some_and(|length| length > max_bytes) {
            return Err(too_large(endpoint, max_bytes));
        }
        // What is announced is made room for at once: growing step by step takes twice the memory.
        let announced = response.content_length().unwrap_or_default().min(max_bytes);
        let mut received: Vec<u8> = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while let Some(chunk) = response.chunk().await.map_err(|error| explain(endpoint, error))? {
            received.extend_from_slice(&chunk);
            if received.len() as u64 > max_bytes {
                return Err(too_large(endpoint, max_bytes));
            }
        }
        Ok(Reply::Http { status, headers: reply_headers, body: received.into() })
    }

    fn client(&self, scheme: &str, tls: &Tls, socket: Option<&PathBuf>) -> Result<Client, SetupError> {
        if let (Some(socket), false) = (socket, self.sockets) {
            return Err(SetupError::SocketNotAllowed { socket: socket.clone() });
        }
        let tls = match scheme {
            "http" => None,
            "https" => Some(tls.clone()),
            other => return Err(SetupError::Scheme { scheme: other.to_owned() }),
        };
        let kind = Kind { tls, socket: socket.cloned() };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| *known == kind) {
            return Ok(client.clone());
        }
        let client = build(&kind)?;
        clients.push((kind, client.clone()));
        Ok(client)
    }
}

/// Why a request cannot be made with the configuration of the connection.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    #[error("its URL is wrong")]
    Url { source: url::ParseError },
    #[error("its URL begins with `{scheme}`; `http`, `https` and `unix` are known")]
    Scheme { scheme: String },
    #[error("`{method}` is not an HTTP method")]
    Method { method: String },
    #[error("the value of header {name} cannot be sent")]
    Header { name: String },
    #[error("it leads to the socket file {}, which this server's setting `unix_sockets` does not allow", .socket.display())]
    SocketNotAllowed { socket: PathBuf },
    #[cfg(not(unix))]
    #[error("this system has no socket files such as {}", .socket.display())]
    NoSockets { socket: PathBuf },
    #[error("the CA certificate cannot be read")]
    Ca { source: Innermost },
    #[error("the CA certificate is not in PEM form (BEGIN CERTIFICATE)")]
    CaNotPem,
    /// Without a cause: the message of the library could show parts of the key.
    #[error(
        "its client certificate cannot be used: `certificates` must be in PEM form (BEGIN CERTIFICATE), `private_key` the key of the first of them in PEM form without passphrase"
    )]
    ClientCertificate,
    #[error("TLS cannot be set up")]
    Tls { source: Innermost },
}

fn build(kind: &Kind) -> Result<Client, SetupError> {
    let mut builder: ClientBuilder =
        Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().redirect(same_origin());
    if let Some(socket) = &kind.socket {
        builder = on_socket(builder, socket)?;
    }
    match &kind.tls {
        // No certificate is ever looked at: only plain servers get this client, and redirects stay with the server.
        None => builder = builder.tls_danger_accept_invalid_certs(true),
        Some(tls) => {
            if !tls.verify {
                builder = builder.tls_danger_accept_invalid_certs(true);
            }
            if let Some(pem) = &tls.ca {
                let authorities = Certificate::from_pem_bundle(pem.as_bytes())
                    .map_err(|error| SetupError::Ca { source: Innermost(error) })?;
                if authorities.is_empty() {
                    return Err(SetupError::CaNotPem);
                }
                builder = builder.tls_certs_merge(authorities);
            }
            if let Some(client) = &tls.client {
                let pem = format!("{}\n{}\n", client.certificates, client.private_key.reveal());
                let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| SetupError::ClientCertificate)?;
                builder = builder.identity(identity);
            }
        }
    }
    builder.build().map_err(|error| SetupError::Tls { source: Innermost(error) })
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no socket files")]
fn on_socket(builder: ClientBuilder, socket: &std::path::Path) -> Result<ClientBuilder, SetupError> {
    Ok(builder.unix_socket(socket))
}

#[cfg(not(unix))]
fn on_socket(_: ClientBuilder, socket: &std::path::Path) -> Result<ClientBuilder, SetupError> {
    Err(SetupError::NoSockets { socket: socket.to_owned() })
}

/// Follows redirects within one origin; another origin must not see our headers, so the redirect itself is the answer.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let first = attempt.previous().first().map(url::Url::origin);
        if first != Some(attempt.url().origin()) {
            attempt.stop()
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else {
            attempt.follow()
        }
    })
}

/// An error of the client, told by the innermost of its causes: the others only say through which of its parts it came.
#[derive(Debug)]
struct Innermost(reqwest::Error);

impl fmt::Display for Innermost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match causes(&self.0).last() {
            Some(cause) => write!(out, "{cause}"),
            None => write!(out, "{}", self.0),
        }
    }
}

impl Error for Innermost {}

/// All that lies below an error, from the outside in.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    fn below<'e>(error: &&'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
        let error = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            // An error within a system error is not its source, but the thing itself.
            Some(inner) => Some(inner),
            None => error.source(),
        }
    }
    std::iter::successors(error.source(), below)
}

fn explain(endpoint: &str, error: reqwest::Error) -> FetchError {
    // A URL may hold a secret.
    let error = error.without_url();
    if let Some(tls) = causes(&error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        let hint = match tls {
            rustls::Error::InvalidCertificate(_) => "; give its CA certificate to the connection",
            _ => "",
        };
        return FetchError::new(ErrorKind::Tls, endpoint, format!("{tls}{hint}"));
    }
    FetchError::new(kind(&error), endpoint, Innermost(error))
}

fn kind(error: &reqwest::Error) -> ErrorKind {
    let is_cut = |cause: &(dyn Error + 'static)| {
        let cut = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof];
        cause.downcast_ref::<io::Error>().is_some_and(|system| cut.contains(&system.kind()))
            || cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message)
    };
    if error.is_timeout() && !error.is_connect() {
        ErrorKind::Timeout
    } else if error.is_connect() {
        ErrorKind::Unreachable
    } else if error.is_body() || error.is_decode() || causes(error).any(is_cut) {
        ErrorKind::Cut
    } else {
        ErrorKind::Protocol
    }
}
