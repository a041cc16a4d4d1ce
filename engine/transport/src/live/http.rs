//! HTTP requests.

use std::{
    collections::BTreeMap,
    error::Error as _,
    io,
    sync::{Mutex, PoisonError},
};

use calipso_model::Value;
use reqwest::{Certificate, Client, ClientBuilder, Method, header, redirect::Policy};

use crate::{
    door::{Call, Reply, Request, Tls},
    error::{ErrorKind, FetchError},
    live::{CONNECT_TIMEOUT, too_large},
};

/// How many times a server may send us on to another path of its own.
const MAX_REDIRECTS: usize = 5;

/// One client for each way to check certificates; `None` is for servers without TLS.
#[derive(Default)]
pub(super) struct Http {
    clients: Mutex<BTreeMap<Option<Tls>, Client>>,
}

impl Http {
    /// Sends one request and reads the whole answer.
    pub(super) async fn ask(&self, call: &Call) -> Result<Reply, FetchError> {
        let Request::Http { key, url, headers, body, tls } = &call.request else {
            return Err(FetchError::new(ErrorKind::Setup, call.place(), "not an HTTP request"));
        };
        let place = call.place();
        let setup = |why: String| FetchError::new(ErrorKind::Setup, place.as_str(), why);
        let target = url::Url::parse(url.reveal()).map_err(|why| setup(format!("its URL is wrong: {why}")))?;
        let client = self.client(target.scheme(), tls).map_err(&setup)?;
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
        let mut received: Vec<u8> = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|why| explain(&place, &why))? {
            received.extend_from_slice(&chunk);
            if received.len() as u64 > call.max_bytes {
                return Err(too_large(&place, call.max_bytes));
            }
        }
        Ok(Reply::Http { status, headers: reply_headers, body: received.into() })
    }

    fn client(&self, scheme: &str, tls: &Tls) -> Result<Client, String> {
        let key = match scheme {
            "http" => None,
            "https" => Some(tls.clone()),
            other => return Err(format!("its URL begins with `{other}`; `http` and `https` are known")),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(key.as_ref())?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn build(tls: Option<&Tls>) -> Result<Client, String> {
    let mut builder: ClientBuilder =
        Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().redirect(same_origin());
    match tls {
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
        }
    }
    builder.build().map_err(|why| format!("TLS cannot be set up: {}", root(&why)))
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
