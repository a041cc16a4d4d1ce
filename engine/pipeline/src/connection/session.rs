//! A session of a connection: the result of a login.

use std::{sync::Arc, time::Instant};

use calipso_expr::Frame;
use calipso_model::Value;

use crate::{answer::StepError, connection::Access};

/// Where one session is kept; its lock is held while it is being opened.
pub(crate) type SessionCell = Arc<tokio::sync::Mutex<Option<Result<Arc<Session>, StepError>>>>;

/// A younger session is never renewed because of its age: clocks differ.
///
/// # Units
/// Seconds.
const MIN_AGE_SECS: u64 = 60;
/// How long before its end a session is renewed.
///
/// # Units
/// Seconds.
const EARLY_SECS: i64 = 30;

/// The result of a login.
pub(crate) struct Session {
    /// All names of the connection, `session` and the results of the login steps included.
    pub(crate) frame: Frame,
    /// 0 for the first; one more each time.
    pub(crate) number: u32,
    pub(crate) expires_at: Option<jiff::Timestamp>,
    pub(crate) opened: Instant,
}

impl Session {
    /// Whether it ends soon.
    pub(crate) fn is_old(&self, now: jiff::Timestamp) -> bool {
        let soon = now.checked_add(jiff::SignedDuration::from_secs(EARLY_SECS)).unwrap_or(now);
        self.opened.elapsed().as_secs() >= MIN_AGE_SECS && self.expires_at.is_some_and(|end| end <= soon)
    }

    /// The names of the connection for one request.
    pub(crate) fn request_frame(&self, access: &Access, target: &Value) -> Frame {
        let mut frame = self.frame.clone();
        if let Some(slot) = access.spec.layout.find("target") {
            frame.set(slot, target.clone());
        }
        frame
    }
}
