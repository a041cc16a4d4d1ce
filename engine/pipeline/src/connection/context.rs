//! What all requests of one run share: who answers them, the values and command rules of the environment, the time.

use std::{path::PathBuf, sync::Arc, time::Instant};

use calipso_spec::checked::{At, CommandRule};
use calipso_transport::{Door, Scrubber, Stage};

use crate::{coverage::Coverage, scope_values::ScopeValues};

/// What all requests of one run share.
pub(crate) struct RunContext {
    pub(crate) door: Arc<dyn Door>,
    /// Learns every secret that is met.
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) values: ScopeValues,
    /// Rules of the distribution for commands.
    pub(crate) rules: Arc<Vec<CommandRule>>,
    /// What the requests are for; those of logins have a stage of their own.
    pub(crate) stage: Stage,
    /// The time at which the run began, by the world and by this machine's clock.
    pub(crate) began: (jiff::Timestamp, Instant),
    /// Whether waiting between attempts takes real time.
    pub(crate) waits: bool,
    /// The file of trusted host keys where a connection names none.
    pub(crate) known_hosts: PathBuf,
    pub(crate) coverage: Option<Arc<Coverage>>,
}

impl RunContext {
    /// The time now: that of the begin plus what passed since.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        let (began, instant) = self.began;
        let passed = jiff::SignedDuration::try_from(instant.elapsed()).unwrap_or_default();
        began.checked_add(passed).unwrap_or(began)
    }

    /// Notes that a test reached a branch of a spec.
    pub(crate) fn cover(&self, at: &At, branch: &str) {
        if let Some(coverage) = &self.coverage {
            coverage.reach(at, branch);
        }
    }
}
