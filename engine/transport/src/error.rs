//! Why there is no answer, told to the operator who can change that.

use calipso_model::Str;

/// There is no answer. Every kind means the same to a fetcher: nothing is known.
///
/// # Shape
/// Its text is a sentence that names who was asked and, where something can be done, what; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} {}: {why}", .kind.says())]
pub struct FetchError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who was asked: role and host.
    pub place: Str,
    /// The particulars.
    pub why: String,
}

impl FetchError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: ErrorKind, place: impl Into<Str>, why: impl Into<String>) -> Self {
        Self { kind, place: place.into(), why: why.into() }
    }
}

/// The ways to have no answer, by who can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// No connection. The network or the server has to be mended.
    Unreachable,
    /// The login or the right was refused. The account has to be mended.
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
    /// The server said something that is not an answer.
    Protocol,
    /// The server has no room for another request, even after waiting.
    Busy,
    /// The connection's configuration cannot be used.
    Setup,
    /// The recording holds no such request.
    NotRecorded,
}

impl ErrorKind {
    /// Every kind.
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

    fn says(self) -> &'static str {
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
