//! What asking the world came to: an answer, a negative answer, or no answer.

use calipso_model::{Map, Str, Value};
use calipso_transport::{ErrorKind, FetchError};

/// Why something was not found out, by who can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// No connection.
    Unreachable,
    /// The login or the right was refused.
    Denied,
    /// It took too long.
    Timeout,
    /// It was larger than the connection allows.
    TooLarge,
    /// The answer ended in the middle.
    Cut,
    /// The server's SSH key is unknown or another one.
    HostKey,
    /// The server's certificate is not trusted.
    Tls,
    /// The server said something that is not an answer, or failed itself.
    Protocol,
    /// The server has no room for another request.
    Busy,
    /// The connection's configuration cannot be used.
    Setup,
    /// The recording holds no such request.
    NotRecorded,
    /// A list that did not end: a page seen twice, or too many pages.
    Pages,
    /// A definite refusal by status.
    Status,
    /// A definite refusal by exit status.
    Exit,
    /// The answer is not as its parser needs it.
    Parse,
    /// Another number of rows than there has to be.
    Take,
    /// What was waited for did not come.
    Until,
    /// A known object that has to be there is not.
    Missing,
    /// An expression met an undefined name, a wrong type or its limits.
    Expression,
    /// An attribute is not of its declared type.
    Attribute,
    /// An object got no id or no place.
    Identity,
    /// One id was found twice with different attributes.
    Duplicate,
    /// The spec itself said that the answer is not whole.
    Stopped,
}

impl FailureKind {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Cut => "cut",
            Self::HostKey => "host_key",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Busy => "busy",
            Self::Setup => "setup",
            Self::NotRecorded => "not_recorded",
            Self::Pages => "pages",
            Self::Status => "status",
            Self::Exit => "exit",
            Self::Parse => "parse",
            Self::Take => "take",
            Self::Until => "until",
            Self::Missing => "missing",
            Self::Expression => "expression",
            Self::Attribute => "attribute",
            Self::Identity => "identity",
            Self::Duplicate => "duplicate",
            Self::Stopped => "stopped",
        }
    }

    /// Whether it means that somebody who was asked gave no answer.
    #[must_use]
    pub fn is_silence(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::Denied
                | Self::Timeout
                | Self::TooLarge
                | Self::Cut
                | Self::HostKey
                | Self::Tls
                | Self::Protocol
                | Self::Busy
                | Self::Setup
                | Self::NotRecorded
        )
    }

    /// Who must act, and on what.
    #[must_use]
    pub fn act(self) -> &'static str {
        match self {
            Self::Unreachable => "check the network and that the server runs",
            Self::Denied => "check the account: its password or key, and its rights",
            Self::Timeout => "check the load of the server, or raise timeout_secs",
            Self::TooLarge => "raise max_bytes of the connection, if such an answer is expected",
            Self::Cut | Self::Busy => "scan again; if it stays, check the server",
            Self::HostKey => "compare the host's key with a trusted copy and add it to the known hosts",
            Self::Tls => "give the connection the certificate authority that signed the server's certificate",
            Self::Protocol => "check the server's own log",
            Self::Setup => "correct the connection of the environment",
            Self::NotRecorded => "make the recording again with the same specs",
            Self::Pages => "check the page rules of the connection spec against this server",
            Self::Status | Self::Exit | Self::Parse | Self::Take | Self::Until | Self::Missing => {
                "compare the answer with what the spec's step expects"
            }
            Self::Expression | Self::Attribute | Self::Identity | Self::Duplicate => "mend the spec at this line",
            Self::Stopped => "see the reason that the spec gives",
        }
    }
}

impl From<ErrorKind> for FailureKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::TooLarge => Self::TooLarge,
            ErrorKind::Cut => Self::Cut,
            ErrorKind::HostKey => Self::HostKey,
            ErrorKind::Tls => Self::Tls,
            ErrorKind::Protocol => Self::Protocol,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Setup => Self::Setup,
            ErrorKind::NotRecorded => Self::NotRecorded,
        }
    }
}

/// Why there is no value, in a sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Which kind of failure.
    pub kind: FailureKind,
    /// Who was asked, if anyone.
    pub host: Option<Str>,
    /// What happened.
    pub sentence: String,
}

impl Why {
    pub(crate) fn new(kind: FailureKind, sentence: impl Into<String>) -> Self {
        Self { kind, host: None, sentence: sentence.into() }
    }

    pub(crate) fn of_host(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }
}

impl From<FetchError> for Why {
    fn from(error: FetchError) -> Self {
        Self { kind: error.kind.into(), sentence: error.to_string(), host: Some(error.place) }
    }
}

/// The three outcomes of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Accepted, and as its parser needs it.
    Answer(Value),
    /// A definite "no": it may mean that there is none.
    Negative(Why),
    /// Nothing is known; nothing may hide that.
    NoAnswer(Why),
}

/// An outcome with what expressions see of it as `answer`.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) outcome: Outcome,
    pub(crate) answer: AnswerView,
}

impl Asked {
    pub(crate) fn nothing(why: Why) -> Self {
        Self { outcome: Outcome::NoAnswer(why), answer: AnswerView::default() }
    }
}

/// What `answer` holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerView {
    pub(crate) exit_code: Option<i64>,
    pub(crate) stdout: Option<Str>,
    pub(crate) stderr: Option<Str>,
    pub(crate) status: Option<i64>,
    pub(crate) headers: Map,
    pub(crate) body: Value,
    pub(crate) received_at: Option<Str>,
    /// Bytes of memory that the values may take; no expression sees it.
    pub(crate) memory: u64,
}

impl AnswerView {
    /// The map that expressions see.
    pub(crate) fn value(&self, negative: bool, error: Option<&str>) -> Value {
        let text = |text: &Option<Str>| text.as_ref().map_or_else(|| Value::text(""), |text| Value::Str(text.clone()));
        let mut pairs: Vec<(Str, Value)> = vec![
            ("body".into(), self.body.clone()),
            ("headers".into(), Value::Map(self.headers.clone())),
            ("negative".into(), Value::Bool(negative)),
            ("received_at".into(), text(&self.received_at)),
            ("stderr".into(), text(&self.stderr)),
            ("stdout".into(), text(&self.stdout)),
        ];
        pairs.push(("error".into(), Value::from(error)));
        pairs.push(("exit_code".into(), self.exit_code.map_or(Value::Null, Value::Int)));
        pairs.push(("status".into(), self.status.map_or(Value::Null, Value::Int)));
        Value::Map(Map::from_pairs(pairs))
    }
}

/// What an HTTP status means.
pub(crate) fn judge_status(status: u16, accepted: &[u16], place: &str) -> Option<Outcome> {
    let good = if accepted.is_empty() { (200..300).contains(&status) } else { accepted.contains(&status) };
    if good {
        return None;
    }
    let why = |kind, says: &str| Why::new(kind, format!("{place} {says} (status {status})")).of_host(place);
    Some(match status {
        401 | 403 | 407 => Outcome::NoAnswer(why(FailureKind::Denied, "refused the request")),
        408 => Outcome::NoAnswer(why(FailureKind::Timeout, "gave up waiting")),
        429 => Outcome::NoAnswer(why(FailureKind::Busy, "takes no more requests now")),
        400..500 => Outcome::Negative(why(FailureKind::Status, "answered no")),
        500.. => Outcome::NoAnswer(why(FailureKind::Protocol, "failed by itself")),
        _ => Outcome::NoAnswer(why(FailureKind::Protocol, "gave no final answer")),
    })
}

/// What an exit status means. `refused` is the word that a wrapper begins its own complaints with.
pub(crate) fn judge_exit(exit: i32, accepted: &[i32], host: &str, said: &str) -> Option<Outcome> {
    if accepted.contains(&exit) || (accepted.is_empty() && exit == 0) {
        return None;
    }
    let said = first_line(said);
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Some(if (129..160).contains(&exit) {
        let sentence = format!("on {host} the command was ended by signal {}{said}", exit - 128);
        Outcome::NoAnswer(Why::new(FailureKind::Cut, sentence).of_host(host))
    } else {
        let sentence = format!("on {host} the command ended with status {exit}{said}");
        Outcome::Negative(Why::new(FailureKind::Exit, sentence).of_host(host))
    })
}

/// The first line that says something, shortened.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
