//! One shell on a host: it is given the waiting commands, a few ahead, until there are none.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use calipso_model::Str;
use russh::{ChannelMsg, client::Msg};

use crate::{
    door::Execution,
    error::{ErrorKind, FetchCause, FetchError},
    live::{
        ssh::{
            Command,
            frames::{self, Event, Frames},
            host::{Host, Waiting},
            session::{self, Session},
        },
        timed_out, too_large,
    },
    reply::Reply,
};

/// Number of commands that the shell is given beyond the one that it runs, so that it never waits for the network.
const AHEAD: usize = 3;

/// How long a shell without work stays open, for the command that follows from the last answer.
const LINGER: Duration = Duration::from_millis(60);

/// How much longer than its own time limit a command may take before we stop waiting for the other side to end it.
const GRACE: Duration = Duration::from_secs(3);

/// How long a server may take to open a channel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);

/// Exit status of `timeout` when the time was over. A command may also end with it by itself. The two cannot be told apart by
/// the time taken, which is not known exactly: the next command begins before the answer of the one before has been read.
const TIMED_OUT: i32 = 124;

/// Exit status of a command that was killed, by `timeout` or by others.
const KILLED: i32 = 137;

/// Why a shell ended although commands may still be waiting.
pub(super) enum Stopped {
    /// The server opens no further channel.
    Refused,
    /// Nothing can be run there.
    Failed(FetchError),
}

/// The host took a command and ran no shell.
#[derive(Debug, thiserror::Error)]
#[error("no shell")]
struct NoShell(#[source] FetchCause);

/// Opens a shell and runs commands until none is waiting. Those that could not be run are back in the queue.
pub(super) async fn run(host: &Host, session: &Session) -> Result<(), Stopped> {
    let endpoint = session::endpoint(&host.server);
    let channel = match tokio::time::timeout(OPEN_TIMEOUT, session.handle().channel_open_session()).await {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(_))) => return Err(Stopped::Refused),
        // The session broke: the caller opens another one; commands fail only when that breaks, too.
        Ok(Err(error)) => return broken(host, &session::explain(&endpoint, error)),
        Err(_) => {
            session.close().await;
            return broken(host, &timed_out(&endpoint, OPEN_TIMEOUT));
        }
    };
    let execution = Execution::Shared(host.next_shell());
    let nonce =
        frames::nonce().map_err(|why| Stopped::Failed(FetchError::new(ErrorKind::Setup, endpoint.as_str(), why)))?;
    let (mut reader, writer) = channel.split();
    let mut shell = Shell {
        host,
        execution,
        endpoint,
        fed: VecDeque::new(),
        stdout: Stream::new(&nonce),
        stderr: Stream::new(&nonce),
        n_fed: 0,
        since: Instant::now(),
        has_timeout: false,
        is_ready: false,
    };
    let outcome = match start(&writer, &nonce).await {
        Ok(()) => shell.work(&mut reader, &writer).await,
        Err(error) => Err(session::explain(&shell.endpoint, error)),
    };
    // The server counts a channel that is not closed among those that it allows.
    if outcome.is_err() {
        let _ = tokio::time::timeout(Duration::from_secs(1), writer.close()).await;
    }
    shell.end(outcome)
}

/// Counts a broken session against the first waiting command: that one fails the second time, so nothing is tried for ever.
fn broken(host: &Host, error: &FetchError) -> Result<(), Stopped> {
    match host.take() {
        Some(first) if first.n_broken > 0 => first.answer(Err(error.clone()), Execution::None),
        Some(mut first) => {
            first.n_broken += 1;
            host.give_back(std::iter::once(first));
        }
        None => {}
    }
    Ok(())
}

type Writer = russh::ChannelWriteHalf<Msg>;

async fn start(writer: &Writer, nonce: &str) -> Result<(), russh::Error> {
    writer.exec(true, frames::SHELL).await?;
    writer.data_bytes(frames::preamble(nonce).into_bytes()).await
}

/// One of the two output streams.
struct Stream {
    frames: Frames,
    /// Commands whose end was seen, with status and output, that wait for the other stream.
    ended: VecDeque<(u64, i32, Vec<u8>)>,
}

impl Stream {
    fn new(nonce: &str) -> Self {
        Self { frames: Frames::new(nonce), ended: VecDeque::new() }
    }

    fn push(&mut self, data: &[u8]) {
        self.frames.push(data);
        while let Some(event) = self.frames.next() {
            if let Event::End(number, exit) = event {
                self.ended.push_back((number, exit, std::mem::take(&mut self.frames.output)));
            }
        }
    }
}

struct Shell<'a> {
    host: &'a Host,
    execution: Execution,
    endpoint: String,
    fed: VecDeque<(u64, Waiting)>,
    stdout: Stream,
    stderr: Stream,
    n_fed: u64,
    /// When the shell began with the first of `fed`, as far as we know.
    since: Instant,
    has_timeout: bool,
    is_ready: bool,
}

impl Shell<'_> {
    async fn work(&mut self, reader: &mut russh::ChannelReadHalf, writer: &Writer) -> Result<(), FetchError> {
        let mut idle_since = Instant::now();
        loop {
            self.feed(writer).await?;
            if !self.fed.is_empty() {
                idle_since = Instant::now();
            }
            let until = match self.fed.front() {
                Some((_, first)) => self.since + first.command.timeout + GRACE,
                None => idle_since + LINGER,
            };
            tokio::select! {
                message = reader.wait() => match message {
                    Some(ChannelMsg::Data { data }) => self.stdout.push(&data),
                    Some(ChannelMsg::ExtendedData { data, ext: 1 }) => self.stderr.push(&data),
                    Some(ChannelMsg::Failure) => {
                        return Err(FetchError::new(ErrorKind::Protocol, self.endpoint.as_str(), "it runs no commands"));
                    }
                    Some(_) => {}
                    None => {
                        let noise = String::from_utf8_lossy(&self.stderr.frames.noise).trim().to_owned();
                        let why = if noise.is_empty() { "the connection was closed".to_owned() } else { noise };
                        return Err(FetchError::new(ErrorKind::Cut, self.endpoint.as_str(), why));
                    }
                },
                () = tokio::time::sleep_until(until.into()) => match self.fed.pop_front() {
                    Some((_, first)) => {
                        let error = timed_out(&first.command.endpoint, first.command.timeout);
                        first.answer(Err(error.clone()), self.execution);
                        return Err(error);
                    }
                    None => {
                        let ended = writer.eof().await;
                        return ended.map_err(|error| session::explain(&self.endpoint, error));
                    }
                },
                () = self.host.added.notified(), if self.fed.len() <= AHEAD => {}
            }
            self.deliver();
            self.check_size()?;
        }
    }

    /// Sends waiting commands to the shell, as long as few are ahead.
    async fn feed(&mut self, writer: &Writer) -> Result<(), FetchError> {
        while self.fed.len() <= AHEAD {
            let Some(next) = self.host.take() else { break };
            self.n_fed += 1;
            match frames::line(self.n_fed, next.command.timeout, &next.command.words) {
                Err(why) => {
                    let error = FetchError::new(ErrorKind::Setup, next.command.endpoint.as_str(), why);
                    next.answer(Err(error), Execution::None);
                }
                Ok(line) => {
                    if self.fed.is_empty() {
                        self.since = Instant::now();
                    }
                    self.fed.push_back((self.n_fed, next));
                    let sent = writer.data_bytes(line.into_bytes()).await;
                    sent.map_err(|error| session::explain(&self.endpoint, error))?;
                }
            }
        }
        Ok(())
    }

    /// Answers every command of which both streams have ended.
    fn deliver(&mut self) {
        while let (Some((number, ..)), Some((other, ..))) = (self.stdout.ended.front(), self.stderr.ended.front()) {
            if number != other {
                // One stream skipped a frame, which no shell does: drop the older and let the time limit speak.
                if number < other {
                    self.stdout.ended.pop_front()
                } else {
                    self.stderr.ended.pop_front()
                };
                continue;
            }
            let (Some((number, exit, stdout)), Some((_, _, stderr))) =
                (self.stdout.ended.pop_front(), self.stderr.ended.pop_front())
            else {
                return;
            };
            if number == 0 {
                self.is_ready = true;
                self.has_timeout = exit == 1;
                self.since = Instant::now();
                continue;
            }
            let Some((_, waiting)) = self.fed.pop_front_if(|(first, _)| *first == number) else { continue };
            let took = self.since.elapsed();
            self.since = Instant::now();
            let Command { endpoint, max_bytes, timeout, .. } = &waiting.command;
            let (max_bytes, timeout) = (*max_bytes, *timeout);
            let reply = if (stdout.len() + stderr.len()) as u64 > max_bytes {
                Err(too_large(endpoint, max_bytes))
            } else if self.has_timeout
                && (exit == TIMED_OUT || exit == KILLED && took + Duration::from_millis(100) >= timeout)
            {
                Err(timed_out(endpoint, timeout))
            } else {
                let text = |bytes: &[u8]| Str::from(String::from_utf8_lossy(bytes).as_ref());
                Ok(Reply::Exec { exit, stdout: text(&stdout), stderr: text(&stderr) })
            };
            waiting.answer(reply, self.execution);
        }
    }

    /// Ends the shell when the command that it runs has written too much.
    fn check_size(&mut self) -> Result<(), FetchError> {
        let of_ended = |stream: &Stream| stream.ended.front().map_or(0, |(.., output)| output.len());
        let n_bytes =
            self.stdout.frames.len() + self.stderr.frames.len() + of_ended(&self.stdout) + of_ended(&self.stderr);
        match self.fed.pop_front_if(|(_, first)| n_bytes as u64 > first.command.max_bytes.saturating_add(1024)) {
            Some((_, first)) => {
                let error = too_large(&first.command.endpoint, first.command.max_bytes);
                first.answer(Err(error.clone()), self.execution);
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Puts back the commands without an answer. The one that ran when the connection was lost is tried once more.
    fn end(mut self, outcome: Result<(), FetchError>) -> Result<(), Stopped> {
        let Err(error) = outcome else { return Ok(()) };
        match error.kind {
            // The command that caused it has its answer already.
            ErrorKind::Timeout | ErrorKind::TooLarge => {}
            ErrorKind::Protocol => {
                self.host.give_back(self.fed.drain(..).map(|(_, command)| command));
                return Err(Stopped::Failed(error));
            }
            _ => {
                if let Some((_, mut first)) = self.fed.pop_front() {
                    if first.n_broken > 0 {
                        let cause = if self.is_ready { error.cause } else { Arc::new(NoShell(error.cause)) };
                        let endpoint = first.command.endpoint.as_str().into();
                        first.answer(Err(FetchError { kind: error.kind, endpoint, cause }), self.execution);
                    } else {
                        first.n_broken += 1;
                        self.fed.push_front((0, first));
                    }
                }
            }
        }
        self.host.give_back(self.fed.drain(..).map(|(_, command)| command));
        Ok(())
    }
}
