//! Plans and runs scans: asks the sources of an environment, keeps what is known, derives and commits.

pub mod plan;

pub mod connection;

pub mod answer;
pub mod conntest;
pub mod report;
pub mod scan;
pub mod spec_test;
pub mod work;

mod compact;
mod coverage;
mod environment;
mod fetch;
mod identity;
mod known;
mod merge;
mod scope_values;
mod step;
mod trace;
mod trial;
mod world;

pub use connection::{ConfigProblem, NoSecrets, SecretSource};
pub use conntest::{TestLine, test_connections};
pub use environment::{Residents, parts};
pub use plan::{Choice, Plan, PlanError, PlannedConnection, PlannedFetcher, plan};
pub use report::{FailureReport, ScanReport, StaleScope};
pub use scan::{Observer, Phase, Quiet, ScanError, ScanMode, ScanRequest, scan};
pub use spec_test::{TestReport, run_spec_tests};
pub use tokio_util::sync::CancellationToken;
pub use trace::{Question, Traced};
pub use trial::{Trial, TrialError, TrialRequest, try_fetcher};
pub use work::{Clock, Doors, LayeredSpecs, SpecSource, Worker, WorkerSettings, own_specs};
