//! HTTP requests.

use std::{
    error::Error as _,
    io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use calipso_model::Value;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, header, redirect::Policy};

use crate::{
    door::{Call, Reply, Request, Tls},
    error::{ErrorKind, FetchError},
    live::{CONNECT_TIMEOUT, too_large},
};

/// How many times a server may send us on to another path of its own.
const MAX_REDIRECTS: usize = 5;

/// By what clients differ: how certificates are checked (not at all where there is no TLS), and a socket file.
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
    pub(super) async fn ask(&self, call: &Call) -> Result<Reply, FetchError> {
        let Request::Http { key, url, headers, body, tls, socket } = &call.request else {
            return Err(FetchError::new(ErrorKind::Setup, call.place(), "not an HTTP request"));
        };
        let place = call.place();
        let setup = |why: String| FetchError::new(ErrorKind::Setup, place.as_str(), why);
        let target = url::Url::parse(url.reveal()).map_err(|why| setup(format!("its URL is wrong: {why}")))?;
        let client = self.client(target.scheme(), tls, socket.as_ref()).map_err(&setup)?;
        let method = Method::from_bytes(key.method.as_bytes())
            .map_err(|_| setup(format!("`{}` is not an HTTP method", key.method)))?;
        let mut request = client.request(method, target);
        let mut typed = false;
        for (name, value) in headers {
            let mut value = header::HeaderValue::from_str(value.reveal())
                .map_err(|_| setup(format!("the value of header {name} cannot be sent")))?;
            value.set_sensitive(true);
            typed |= name.eq_ignore_ascii_case("content-type");
            request = request.header(name.as_str(), value);
        }
        if let Some(body) = body {
            if !typed && matches!(key.body, Some(Value::Map(_) | Value::List(_))) {
                request = request.header(header::CONTENT_TYPE, "application/json");
            }
            request = request.body(body.reveal().to_owned());
        }
        let mut response = request.send().await.map_err(|why| explain(&place, &why))?;
        let status = response.status().as_u16();
        let reply_headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        if response.content_length().is_some_and(|length| length > call.max_bytes) {
            return Err(too_large(&place, call.max_bytes));
        }
        // What is announced is made room for at once: growing step by step takes twice the memory.
        let announced = response.content_length().unwrap_or_default().min(call.max_bytes);
        let mut received: Vec<u8> = Vec::with_capacity(usize::try_from(announced).unwrap_or_default());
        while let Some(chunk) = response.chunk().await.map_err(|why| explain(&place, &why))? {
            received.extend_from_slice(&chunk);
            if received.len() as u64 > call.max_bytes {
                return Err(too_large(&place, call.max_bytes));
            }
        }
        Ok(Reply::Http { status, headers: reply_headers, body: received.into() })
    }

    fn client(&self, scheme: &str, tls: &Tls, socket: Option<&PathBuf>) -> Result<Client, String> {
        if let (Some(socket), false) = (socket, self.sockets) {
            return Err(format!(
                "it leads to the socket file {}, which this server's setting `unix_sockets` does not allow",
                socket.display()
            ));
        }
        let tls = match scheme {
            "http" => None,
            "https" => Some(tls.clone()),
            other => return Err(format!("its URL begins with `{other}`; `http`, `https` and `unix` are known")),
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

fn build(kind: &Kind) -> Result<Client, String> {
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
                    .map_err(|why| format!("the CA certificate cannot be read: {}", root(&why)))?;
                if authorities.is_empty() {
                    return Err("the CA certificate is not in PEM form (BEGIN CERTIFICATE)".to_owned());
                }
                builder = builder.tls_certs_merge(authorities);
            }
            if let Some(client) = &tls.client {
                let pem = format!("{}\n{}\n", client.certificates, client.private_key.reveal());
                // The reason could show parts of the key.
                let identity = Identity::from_pem(pem.as_bytes()).map_err(|_| {
                    "its client certificate cannot be used: `certificates` must be in PEM form (BEGIN CERTIFICATE), `private_key` the key of the first of them in PEM form without passphrase".to_owned()
                })?;
                builder = builder.identity(identity);
            }
        }
    }
    builder.build().map_err(|why| format!("TLS cannot be set up: {}", root(&why)))
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have no socket files")]
fn on_socket(builder: ClientBuilder, socket: &std::path::Path) -> Result<ClientBuilder, String> {
    Ok(builder.unix_socket(socket))
}

#[cfg(not(unix))]
fn on_socket(_: ClientBuilder, socket: &std::path::Path) -> Result<ClientBuilder, String> {
    Err(format!("this system has no socket files such as {}", socket.display()))
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

fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn explain(place: &str, error: &reqwest::Error) -> FetchError {
    let mut kind = if error.is_timeout() && !error.is_connect() {
        ErrorKind::Timeout
    } else if error.is_connect() {
        ErrorKind::Unreachable
    } else if error.is_body() || error.is_decode() {
        ErrorKind::Cut
    } else {
        ErrorKind::Protocol
    };
    let mut why = String::new();
    let mut at = error.source();
    while let Some(source) = at {
        why = source.to_string();
        if let Some(tls) = source.downcast_ref::<rustls::Error>() {
            let hint = match tls {
                rustls::Error::InvalidCertificate(_) => "; give its CA certificate to the connection",
                _ => "",
            };
            return FetchError::new(ErrorKind::Tls, place, format!("{tls}{hint}"));
        }
        let system = source.downcast_ref::<io::Error>();
        let cut = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof];
        if kind != ErrorKind::Unreachable && system.is_some_and(|system| cut.contains(&system.kind())) {
            kind = ErrorKind::Cut;
        }
        // An error within a system error is not its source, but the thing itself.
        at = match system.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => source.source(),
        };
    }
    if kind == ErrorKind::Protocol && why.contains("connection closed before message completed") {
        kind = ErrorKind::Cut;
    }
    if why.is_empty() {
        why = error.to_string();
    }
    FetchError::new(kind, place, why)
}
