//! What workers and their clients agree on: requests for scans, schedules, connection tests, messages.
//!
//! Each is a document of [`crate::Records`], changed by compare-and-set: a request belongs to the worker that managed to
//! write its name into it, as long as it keeps writing; a worker that stops loses it to another, and its late writes are
//! refused because the version has moved on.

pub mod conntest;
pub mod message;
pub mod row;
pub mod scan;
pub mod schedule;
pub mod spec;

pub use conntest::{ConnectionTest, TestAnswer, TestStatus};
pub use message::{Level, Message, MessageFilter};
pub use row::{Row, Versioned, all, get, insert, list, new_id, stamp, unstamp};
pub use scan::{Beat, EnvironmentState, Progress, ScanOnly, ScanStatus, ScanTask};
pub use schedule::{FieldProblem, Recurrence, Schedule, ScheduleStatus};
pub use spec::SpecRow;

/// Id of the document, among the settings, that names the last writer of an environment.
#[must_use]
pub fn last_writer(environment: &str) -> String {
    format!("last_writer/{environment}")
}
