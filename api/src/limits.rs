//! What requests may cost.

use std::time::Duration;

/// What requests may cost.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum size of a body, in bytes.
    pub body_bytes: usize,
    /// Maximum number of items of a page.
    pub page_size: usize,
    /// Maximum length of a query string, in bytes.
    pub query_bytes: usize,
    /// How long an answer may take to begin.
    pub time: Duration,
    /// Streams of `/events`.
    pub news: Pace,
}

/// How often streams of `/events` do what they repeat.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Time between two questions to the store: one question for each environment, however many listen.
    pub poll: Duration,
    /// Time after which a silent stream shows that it lives.
    pub heartbeat: Duration,
    /// Time after which the login is checked again: a stream ends with the token that opened it.
    pub recheck: Duration,
    /// Maximum number of open streams.
    pub streams: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            recheck: Duration::from_secs(15),
            streams: 2_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            page_size: 1_000,
            query_bytes: 16 << 10,
            time: Duration::from_secs(60),
            news: Pace::default(),
        }
    }
}
