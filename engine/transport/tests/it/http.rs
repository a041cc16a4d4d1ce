//! The live door over HTTP.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
    time::Duration,
};

use calipso_model::{Secret, Value, chain};
use calipso_transport::{Call, ClientCertificate, Door, ErrorKind, FetchError, HttpKey, Live, Reply, Tls};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    calls::{get, http, http_route, means},
    http_server::{page, start},
};

async fn ask(call: Call) -> Result<Reply, FetchError> {
    Live::new().ask(call).await
}

fn body(reply: Reply) -> (u16, String) {
    match reply {
        Reply::Http { status, body, .. } => (status, String::from_utf8(body.to_vec()).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn any_status_is_an_answer() {
    let server = start(|_| Some(page("404 Not Found", "X-One: A\r\nX-Two: b\r\n", b"gone"))).await;
    let reply = ask(get(&format!("{}/x", server.base))).await.unwrap();
    let Reply::Http { status, headers, body } = reply else { panic!() };
    assert_eq!((status, &*body), (404, b"gone".as_slice()));
    assert!(headers.contains(&("x-one".to_owned(), "A".to_owned())), "{headers:?}");
}

#[tokio::test]
async fn method_headers_and_body_are_sent() {
    let server = start(|request| Some(page("201 Created", "", request.to_lowercase().as_bytes()))).await;
    let key =
        HttpKey { method: "POST".into(), body: Some(Value::from_json(r#"{"a": [1]}"#).unwrap()), ..HttpKey::default() };
    let mut call = http(&format!("{}/p?q=1", server.base), key);
    http_route(&mut call).headers.push(("X-Token".to_owned(), Secret::new("t0")));
    let (status, echo) = body(ask(call).await.unwrap());
    assert_eq!(status, 201);
    for part in ["post /p?q=1 http/1.1", "x-token: t0", "content-type: application/json", "{\"a\":[1]}"] {
        assert!(echo.contains(part), "{part} is not in {echo}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_tells_no_secret() {
    let url = "http://user:hidden1@127.0.0.1:1/path?token=hidden2";
    let error = ask(get(url)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    let told = format!("{} {error:?}", chain(&error));
    assert!(told.contains("127.0.0.1:1") && !told.contains("hidden"), "{told}");
}

#[tokio::test]
async fn a_cut_body_is_no_answer() {
    let server = start(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2".to_vec())).await;
    let error = ask(get(&server.base)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cut, "{error}");
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n".to_vec();
    let server = start(move |_| Some(chunked.clone())).await;
    let error = ask(get(&server.base)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cut, "{error}");
}

#[tokio::test]
async fn a_connection_that_ends_without_a_word_is_no_answer() {
    let server = start(|_| Some(Vec::new())).await;
    let error = ask(get(&server.base)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cut, "{error}");
}

#[tokio::test]
async fn text_that_is_not_http_is_no_answer() {
    let server = start(|_| Some(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await;
    let error = ask(get(&server.base)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
}

#[tokio::test]
async fn silence_ends_with_the_time_limit() {
    let server = start(|_| None).await;
    let mut call = get(&server.base);
    means(&mut call).timeout = Duration::from_millis(50);
    let error = ask(call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
}

#[tokio::test]
async fn size_is_limited_while_it_streams() {
    let endless = {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..50 {
            bytes.extend_from_slice(b"3e8\r\n");
            bytes.extend_from_slice(&[b'x'; 1000]);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    };
    let announced = page("200 OK", "", &[b'x'; 20_000]);
    let bomb = page("200 OK", "Content-Encoding: gzip\r\n", include_bytes!("data/zeros.gz"));
    for answer in [endless, announced, bomb] {
        let server = start(move |_| Some(answer.clone())).await;
        let mut call = get(&server.base);
        means(&mut call).max_bytes = 10_000;
        let error = ask(call).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    }
}

#[tokio::test]
async fn compressed_answers_are_unpacked() {
    let answer = page("200 OK", "Content-Encoding: gzip\r\n", include_bytes!("data/zeros.gz"));
    let server = start(move |_| Some(answer.clone())).await;
    let (_, text) = body(ask(get(&server.base)).await.unwrap());
    assert_eq!(text.len(), 200_000);
}

#[tokio::test]
async fn redirects_stay_within_the_origin() {
    let other = start(|_| Some(page("200 OK", "", b"other"))).await;
    let away = format!("Location: {}/there\r\n", other.base);
    let server = start(move |request| {
        Some(if request.starts_with("GET /away") {
            page("302 Found", &away, b"")
        } else if request.starts_with("GET /here") {
            page("302 Found", "Location: /there\r\n", b"")
        } else {
            page("200 OK", "", b"there")
        })
    })
    .await;
    assert_eq!(body(ask(get(&format!("{}/here", server.base))).await.unwrap()), (200, "there".to_owned()));
    assert_eq!(body(ask(get(&format!("{}/away", server.base))).await.unwrap()).0, 302);
    assert_eq!(other.asked(), 0);
}

#[tokio::test]
async fn wrong_configuration_says_so() {
    let error = ask(get("ftp://127.0.0.1/x")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup, "{error}");
    let mut call = get("https://127.0.0.1:1/x");
    http_route(&mut call).tls.ca = Some("not a certificate".to_owned());
    let error = ask(call).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup, "{error}");
    assert!(error.why().contains("PEM"), "{error}");
}

/// A TLS server with the certificate of the test authority; answers every connection alike.
fn start_tls() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = CertificateDer::pem_slice_iter(include_bytes!("data/server.pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/server.key")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    serve_tls(Arc::new(config))
}

fn serve_tls(config: Arc<rustls::ServerConfig>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, socket);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok() {
                let _ = stream.write_all(&page("200 OK", "", b"safe"));
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    base
}

#[tokio::test]
async fn certificates_are_verified_unless_told_otherwise() {
    let base = start_tls();
    let with = |tls: Tls| {
        let mut call = get(&base);
        http_route(&mut call).tls = tls;
        ask(call)
    };
    let error = with(Tls::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Tls, "{error}");
    let ca = Some(include_str!("data/ca.pem").to_owned());
    assert_eq!(body(with(Tls { ca, ..Tls::default() }).await.unwrap()), (200, "safe".to_owned()));
    assert_eq!(body(with(Tls { verify: false, ..Tls::default() }).await.unwrap()), (200, "safe".to_owned()));
}

/// Writes an answer bit by bit, for ever or until the other side has gone.
async fn trickle(head: &'static [u8], bit: &'static [u8], pause: Duration) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let mut sent = socket.write_all(head).await;
            while sent.is_ok() {
                tokio::time::sleep(pause).await;
                sent = socket.write_all(bit).await;
            }
        }
    });
    base
}

#[tokio::test]
async fn an_answer_that_trickles_ends_with_the_time_limit() {
    let slow: &[(&[u8], &[u8])] = &[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: x\r\n"),
    ];
    for (head, bit) in slow {
        let base = trickle(head, bit, Duration::from_millis(20)).await;
        let mut call = get(&base);
        means(&mut call).timeout = Duration::from_millis(400);
        let error = ask(call).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    }
}

#[tokio::test]
async fn chunks_and_headers_without_end_are_cut() {
    let base = trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n", Duration::ZERO).await;
    let error = ask(get(&base)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Protocol | ErrorKind::Cut | ErrorKind::TooLarge), "{error:?}");
    let base =
        trickle(b"HTTP/1.1 200 OK\r\n", b"X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", Duration::ZERO).await;
    let error = ask(get(&base)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Protocol | ErrorKind::Cut), "{error:?}");
    let base =
        trickle(b"HTTP/1.1 200 OK\r\nX: ", b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", Duration::ZERO)
            .await;
    let error = ask(get(&base)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Protocol | ErrorKind::Cut), "{error:?}");
}

#[tokio::test]
async fn redirects_in_a_circle_end() {
    let server = start(|_| Some(page("302 Found", "Location: /again\r\n", b""))).await;
    let error = ask(get(&server.base)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol, "{error}");
    assert!(error.why().contains("redirects") && server.asked() < 10, "{error} {}", server.asked());
}

#[cfg(unix)]
#[tokio::test]
async fn servers_on_socket_files_answer_where_they_are_allowed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let n_bytes = socket.read(&mut request).await.unwrap_or_default();
            let _ = socket.write_all(&page("200 OK", "Connection: close\r\n", &request[..n_bytes])).await;
        }
    });
    let on_socket = |path: &std::path::Path| {
        let mut call = get("http://localhost/v1/info?a=1");
        http_route(&mut call).socket = Some(path.to_owned());
        call
    };
    let (status, echo) = body(ask(on_socket(&path)).await.unwrap());
    assert!(status == 200 && echo.starts_with("GET /v1/info?a=1 HTTP/1.1\r\n"), "{echo}");
    let error = ask(on_socket(&folder.path().join("none.sock"))).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(chain(&error).contains("none.sock"), "{error}");
    let error = Live::with_sockets(false).ask(on_socket(&path)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Setup, "{error}");
    assert!(error.why().contains("unix_sockets"), "{error}");
}

/// A TLS server that wants a certificate of the test authority.
fn start_strict_tls() -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(include_bytes!("data/client_ca.pem")) {
        roots.add(authority.unwrap()).unwrap();
    }
    let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = CertificateDer::pem_slice_iter(include_bytes!("data/server.pem")).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("data/server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    serve_tls(Arc::new(config))
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let base = start_strict_tls();
    let with = |client: Option<ClientCertificate>| {
        let mut call = get(&base);
        http_route(&mut call).tls = Tls { ca: Some(include_str!("data/ca.pem").to_owned()), client, ..Tls::default() };
        ask(call)
    };
    let certificate = |certificates: &str, key: &str| {
        Some(ClientCertificate { certificates: certificates.to_owned(), private_key: Secret::new(key) })
    };
    assert!(with(None).await.is_err());
    let (pem, key) = (include_str!("data/client.pem"), include_str!("data/client.key"));
    assert_eq!(body(with(certificate(pem, key)).await.unwrap()), (200, "safe".to_owned()));
    for wrong in [certificate("no certificate", key), certificate(pem, "hidden-key")] {
        let error = with(wrong).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Setup, "{error}");
        assert!(error.why().contains("client certificate") && !chain(&error).contains("hidden"), "{error}");
    }
}
