//! The door, tried from outside: against servers that this process runs, and against recordings.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod calls;
mod http;
mod http_server;
mod once;
mod plant;
mod recordings;
mod secrets;
mod sql;
mod ssh;
mod ssh_server;
