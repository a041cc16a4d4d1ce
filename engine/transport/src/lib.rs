//! The one door to the outside world: requests out, bytes and a status back; live, recorded or replayed.

// A contract of other crates: every public item says what its name does not.
#![warn(missing_docs)]

pub mod door;

pub mod budget;
pub mod error;
pub mod fault;
pub mod live;
pub mod once;
pub mod record;
pub mod recording;
pub mod replay;
pub mod scrub;
pub mod stats;

mod words;

pub use budget::Budget;
pub use door::{
    Call, ClientCertificate, Door, ExecKey, HttpKey, KnownHosts, Reply, Request, SqlKey, SqlServer, SshServer, Stage,
    Tls,
};
pub use error::{ErrorKind, FetchError};
pub use fault::{Fault, Faulty};
pub use live::Live;
pub use once::Once;
pub use record::{Meta, RecordError, Recorder};
pub use recording::{Entry, EntryKey, Recording, RecordingError};
pub use replay::Replay;
pub use scrub::Scrubber;
pub use stats::SourceStats;
