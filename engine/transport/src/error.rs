//! Why there is no answer, for the operator who can change that.

use std::{error::Error, fmt, sync::Arc};

use calipso_model::{Str, chain};

/// There is no answer. Every kind means the same to a fetcher: nothing is known.
///
/// # Shape
/// Its text names who was asked and what is wrong; its source is the cause. [`chain()`] gives both as one sentence, which names,
/// where something can be done, what; it never holds a secret.
#[derive(Clone, Debug)]
pub struct FetchError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who was asked: role and host.
    pub endpoint: Str,
    /// What it comes from.
    pub cause: FetchCause,
}

/// What an error comes from: an error of a library, or a sentence of ours. Shared, as all who made the same call get the same
/// error.
pub type FetchCause = Arc<dyn Error + Send + Sync>;

impl FetchError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: ErrorKind, endpoint: impl Into<Str>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, endpoint: endpoint.into(), cause: cause.into().into() }
    }

    /// The causes as one sentence.
    #[must_use]
    pub fn why(&self) -> String {
        chain(&*self.cause)
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.endpoint, self.kind.predicate())
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// The ways to have no answer, by who can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// No connection. The network or the server has to be repaired.
    Unreachable,
    /// The login or the right was refused. The account has to be corrected.
    Denied,
    /// It took too long.
    Timeout,
    /// It was larger than the connection allows.
    TooLarge,
    /// The connection ended in the middle of the answer.
    Cut,
    /// The server's SSH key is unknown or another one. The operator has to look at it.
    HostKey,
    /// The server's certificate is not trusted. The operator has to look at it.
    Tls,
    /// The server said something that is not an answer, or failed itself.
    Protocol,
    /// The server has no room for another request, even after waiting.
    Busy,
    /// The connection's configuration cannot be used.
    Setup,
    /// The recording holds no such request.
    NotRecorded,
}

impl ErrorKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Unreachable,
        Self::Denied,
        Self::Timeout,
        Self::TooLarge,
        Self::Cut,
        Self::HostKey,
        Self::Tls,
        Self::Protocol,
        Self::Busy,
        Self::Setup,
        Self::NotRecorded,
    ];

    /// The name in recordings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Cut => "reset",
            Self::HostKey => "host_key",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Busy => "busy",
            Self::Setup => "setup",
            Self::NotRecorded => "not_recorded",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
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
        }
    }

    /// The end of a sentence that begins with who was asked.
    fn predicate(self) -> &'static str {
        match self {
            Self::Unreachable => "cannot be reached",
            Self::Denied => "refused access",
            Self::Timeout => "did not answer in time",
            Self::TooLarge => "sent too much",
            Self::Cut => "broke off",
            Self::HostKey => "showed an SSH host key that is not trusted",
            Self::Tls => "showed a certificate that is not trusted",
            Self::Protocol => "gave no usable answer",
            Self::Busy => "is busy",
            Self::Setup => "cannot be asked with this configuration",
            Self::NotRecorded => "has no such answer in the recording",
        }
    }
}
