//! What tests share: an HTTP client that sends exactly what it is told, and hides nothing of the answer.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Path and query, as they stand on the wire.
    pub target: &'a str,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, without the chunks that it came in.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status, headers and body, for a message or a search.
    #[must_use]
    pub fn whole(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{}\n{headers}\n{}", self.status, self.text())
    }
}

/// Sends a request on a connection of its own, and waits for the whole answer.
///
/// # Errors
/// The connection fails, or what comes back is no HTTP.
pub fn send(to: SocketAddr, request: &Request<'_>) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = &request.body {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    // A server may refuse a body before it has read all of it; then its answer says why.
    let _ = stream.write_all(request.body.as_deref().unwrap_or_default());
    answer(BufReader::new(stream), request.method == "HEAD")
}

fn answer(mut from: BufReader<TcpStream>, bodiless: bool) -> io::Result<Answer> {
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let status = line()?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer has no status"))?;
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = Vec::new();
    if !bodiless {
        from.read_to_end(&mut body)?;
    }
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = joined(&body)?;
    }
    Ok(Answer { status, headers, body })
}

/// The body that came in chunks.
fn joined(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::other("a chunk is broken");
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").ok_or_else(broken)?;
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(|_| broken())?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size).ok_or_else(broken)?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 2 + size + 2..).ok_or_else(broken)?;
    }
}
