//! The outcomes of asking the world: an answer, a negative answer, or no answer.

use calipso_model::{Map, Str, Value, chain};
use calipso_transport::{ErrorKind, FetchError};

/// The kinds of failures of a step, by who can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Somebody was asked and gave no answer.
    Fetch(ErrorKind),
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
    /// An object has no id or no parent.
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
            // Recordings have another name for it.
            Self::Fetch(ErrorKind::Cut) => "cut",
            Self::Fetch(kind) => kind.as_str(),
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

    /// Whether somebody who was asked gave no answer.
    #[must_use]
    pub fn is_silence(self) -> bool {
        matches!(self, Self::Fetch(_))
    }

    /// Who must act, and on what.
    #[must_use]
    pub fn act(self) -> &'static str {
        match self {
            Self::Fetch(kind) => kind.advice(),
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
        Self::Fetch(kind)
    }
}

/// Why a step has no value, as reports tell it: a sentence without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    /// Which kind of failure.
    pub kind: FailureKind,
    /// Who was asked, if anyone.
    pub host: Option<Str>,
    pub sentence: String,
}

impl StepError {
    pub(crate) fn new(kind: impl Into<FailureKind>, sentence: impl Into<String>) -> Self {
        Self { kind: kind.into(), host: None, sentence: sentence.into() }
    }

    /// The configuration of a connection cannot be used.
    pub(crate) fn setup(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Setup, sentence)
    }

    /// The same, with the host that was asked.
    pub(crate) fn at_host(self, host: &str) -> Self {
        Self { host: Some(host.into()), ..self }
    }
}

impl From<FetchError> for StepError {
    fn from(error: FetchError) -> Self {
        Self { kind: error.kind.into(), sentence: chain(&error), host: Some(error.endpoint) }
    }
}

/// The three outcomes of asking.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Accepted, and as its parser needs it.
    Answer(Value),
    /// A definite "no": it may mean that there is none.
    Negative(StepError),
    /// Nothing is known; nothing may hide that.
    NoAnswer(StepError),
}

/// An outcome with what expressions see of it as `answer`.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) outcome: Outcome,
    pub(crate) answer: Answer,
}

impl Asked {
    /// Nothing is known.
    pub(crate) fn nothing(error: StepError) -> Self {
        Self { outcome: Outcome::NoAnswer(error), answer: Answer::default() }
    }

    pub(crate) fn is_negative(&self) -> bool {
        !matches!(self.outcome, Outcome::Answer(_))
    }
}

/// What expressions see of a reply as `answer`.
///
/// # Shape
/// Texts and values are those of the reply itself: cloning shares them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The parsed content; null where it was not parsed.
    pub(crate) body: Value,
    pub(crate) received_at: Option<Str>,
    pub(crate) details: Details,
}

/// The parts that only replies of one protocol have.
#[derive(Clone, Debug, Default)]
pub(crate) enum Details {
    /// Nothing: rows, or no reply.
    #[default]
    None,
    Http {
        status: u16,
        headers: Map,
    },
    Command {
        exit: i32,
        stdout: Str,
        stderr: Str,
    },
}

impl Answer {
    /// The HTTP status.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.details {
            Details::Http { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The map that expressions see.
    pub(crate) fn value(&self, negative: bool, error: Option<&str>) -> Value {
        let none = || Str::from("");
        let (status, headers) = match &self.details {
            Details::Http { status, headers } => (Value::Int(i64::from(*status)), headers.clone()),
            _ => (Value::Null, Map::new()),
        };
        let (exit_code, stdout, stderr) = match &self.details {
            Details::Command { exit, stdout, stderr } => (Value::Int(i64::from(*exit)), stdout.clone(), stderr.clone()),
            _ => (Value::Null, none(), none()),
        };
        Value::Map(Map::from_pairs(vec![
            ("body".into(), self.body.clone()),
            ("error".into(), Value::from(error)),
            ("exit_code".into(), exit_code),
            ("headers".into(), Value::Map(headers)),
            ("negative".into(), Value::Bool(negative)),
            ("received_at".into(), Value::Str(self.received_at.clone().unwrap_or_else(none))),
            ("status".into(), status),
            ("stderr".into(), Value::Str(stderr)),
            ("stdout".into(), Value::Str(stdout)),
        ]))
    }
}

/// What an HTTP status means: nothing where it is accepted.
pub(crate) fn judge_status(status: u16, accepted: &[u16], endpoint: &str) -> Option<Outcome> {
    let is_accepted = if accepted.is_empty() { (200..300).contains(&status) } else { accepted.contains(&status) };
    if is_accepted {
        return None;
    }
    let error = |kind: FailureKind, predicate: &str| {
        StepError::new(kind, format!("{endpoint} {predicate} (status {status})")).at_host(endpoint)
    };
    let nothing = |kind: ErrorKind, predicate: &str| Some(Outcome::NoAnswer(error(kind.into(), predicate)));
    match status {
        401 | 403 | 407 => nothing(ErrorKind::Denied, "refused the request"),
        408 => nothing(ErrorKind::Timeout, "gave up waiting"),
        429 => nothing(ErrorKind::Busy, "takes no more requests now"),
        400..500 => Some(Outcome::Negative(error(FailureKind::Status, "answered no"))),
        500.. => nothing(ErrorKind::Protocol, "failed by itself"),
        _ => nothing(ErrorKind::Protocol, "gave no final answer"),
    }
}

/// What an exit status means: nothing where it is accepted.
pub(crate) fn judge_exit(exit: i32, accepted: &[i32], host: &str, stderr: &str) -> Option<Outcome> {
    if accepted.contains(&exit) || (accepted.is_empty() && exit == 0) {
        return None;
    }
    let complaint = first_line(stderr);
    let complaint = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
    Some(if (129..160).contains(&exit) {
        let sentence = format!("on {host} the command was ended by signal {}{complaint}", exit - 128);
        Outcome::NoAnswer(StepError::new(ErrorKind::Cut, sentence).at_host(host))
    } else {
        let sentence = format!("on {host} the command ended with status {exit}{complaint}");
        Outcome::Negative(StepError::new(FailureKind::Exit, sentence).at_host(host))
    })
}

/// The first line that is not blank, shortened.
pub(crate) fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut short: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}
