//! An HTTP server that says exactly what a test wants, byte by byte.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A running server; ends with the test's runtime.
pub struct Server {
    /// `http://127.0.0.1:PORT`.
    pub base: String,
    /// How many requests came.
    pub n_requests: Arc<AtomicUsize>,
}

impl Server {
    /// How many requests came so far.
    pub fn asked(&self) -> usize {
        self.n_requests.load(Ordering::SeqCst)
    }
}

/// Starts a server. What `answer` returns for the text of a request is sent as it is, then the connection is closed;
/// `None` keeps the connection open and silent.
pub async fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let n_requests = Arc::new(AtomicUsize::new(0));
    let (counter, answer) = (Arc::clone(&n_requests), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (counter, answer) = (Arc::clone(&counter), Arc::clone(&answer));
            tokio::spawn(serve(socket, counter, answer));
        }
    });
    Server { base, n_requests }
}

async fn serve(
    mut socket: TcpStream,
    counter: Arc<AtomicUsize>,
    answer: Arc<impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static>,
) {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(n_bytes) => request.extend_from_slice(&chunk[..n_bytes]),
        }
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            break;
        }
    }
    counter.fetch_add(1, Ordering::SeqCst);
    match answer(&String::from_utf8_lossy(&request)) {
        Some(bytes) => {
            // The client may have gone away: that is its test's affair.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        None => std::future::pending().await,
    }
}

/// A well-formed answer.
pub fn page(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
