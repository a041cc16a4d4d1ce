//! What strangers do to a server: connections that say nothing, or too little, and more of them than it has files.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::serve::{Home, Server};

/// What a connection may begin with and never go on.
const BEGINNINGS: &[&[u8]] = &[
    b"",
    b"G",
    b"PRI * HT",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /api/v1/version HTTP/1.1\r\nhost: x\r\n",
    b"\x16\x03\x01",
];

fn silent(server: &Server, beginning: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(server.address).ok()?;
    // It may be refused at once; then there is nothing to begin.
    let _ = stream.write_all(beginning);
    Some(stream)
}

#[test]
fn connections_that_do_not_begin_are_closed() {
    let mut home = Home::new();
    home.set("CALIPSO_HEAD_SECS", "1");
    let server = home.serve();
    let waiting: Vec<_> = BEGINNINGS.iter().map(|beginning| (beginning, silent(&server, beginning))).collect();
    for (beginning, stream) in waiting {
        let mut stream = stream.expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit can be set");
        if let Err(error) = stream.read_to_end(&mut Vec::new()) {
            let gone = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted);
            assert!(gone, "{:?} is waited for: {error}", String::from_utf8_lossy(beginning));
        }
    }
    assert_eq!(server.send("GET", "/api/v1/version", &[], None).status, 200);
}

#[test]
fn a_crowd_keeps_nobody_out() {
    let mut home = Home::new();
    // Nothing ends by time here.
    home.set("CALIPSO_HEAD_SECS", "3600");
    let server = home.serve_with_files(256);
    let mut crowd = Vec::new();
    for n in 0..300 {
        crowd.extend(silent(&server, BEGINNINGS[n % BEGINNINGS.len()]));
        if n % 50 == 49 {
            assert_eq!(server.send("GET", "/api/v1/version", &[], None).status, 200, "after {n}");
        }
    }
    assert!(crowd.len() > 250, "{}", crowd.len());
    assert_eq!(server.send("GET", "/api/v1/version", &[], None).status, 200);
    let said = server.said();
    assert!(said.contains("Too many connections to the REST interface"), "{said}");
    assert!(said.matches("Too many connections").count() < 5, "not for each of them: {said}");
    assert!(!said.contains("ERROR"), "{said}");
}
