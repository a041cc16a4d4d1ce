//! The way to the outside world: calls out, replies back; live, recorded or replayed.

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

pub mod door;

pub mod budget;
pub mod digest;
pub mod error;
pub mod fault;
pub mod key;
pub mod live;
pub mod means;
pub mod once;
pub mod record;
pub mod recording;
pub mod replay;
pub mod reply;
pub mod scrub;
pub mod stats;

mod words;

pub use budget::Budget;
pub use door::{Call, Door, Exchange, Execution, Stage};
pub use error::{ErrorKind, FetchError};
pub use fault::{Fault, Faulty};
pub use key::{ExecKey, HttpKey, RequestKey, SqlKey};
pub use live::Live;
pub use means::{ClientCertificate, HttpRoute, KnownHosts, Means, Route, SqlServer, SshRoute, SshServer, Tls};
pub use once::Once;
pub use record::{Meta, RecordError, Recorder};
pub use recording::{EntryKey, RecordedEntry, Recording, RecordingError};
pub use replay::Replay;
pub use reply::Reply;
pub use scrub::Scrubber;
pub use stats::{Counted, SourceStats};
