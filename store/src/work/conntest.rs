//! Requests to try connections.

use std::time::Duration;

use calipso_model::{Map, Str};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    records::{Backend, Collection, FieldTest, RecordQuery, Records},
    work::{
        row::{self, Row, Versioned, earlier, later, stamp, unstamp},
        scan::Beat,
    },
};

/// Where a request stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// Waits for a worker.
    #[default]
    Request,
    /// A worker has it.
    Running,
    /// The test has run; its result is in the document.
    Response,
}

impl TestStatus {
    /// The word that documents hold.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Running => "running",
            Self::Response => "response",
        }
    }
}

/// One request to try connections of an environment, or of a configuration that is not saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionTest {
    /// Name of the environment.
    pub environment: Str,
    /// Where it stands.
    pub status: TestStatus,
    /// Which roles; all where none is given.
    pub test_targets: Vec<Str>,
    /// Role to its connection (`spec`, `fields` with sealed secrets), in place of the environment's own. Removed with the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targets_configuration: Option<Map>,
    /// Role to whether all of its steps worked.
    pub test_results: Map,
    /// Role to its lines: list of `{name, ok, sentence, kind}`.
    pub lines: Map,
    /// Role to what went wrong; with the empty name what went wrong before any role was tried.
    pub errors: Map,
    /// Name of the user who asked; empty where nobody logs in.
    pub submitted_by: Str,
    /// When it was asked for, RFC 3339.
    pub submit_timestamp: Str,
    /// When the answer was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_timestamp: Option<Str>,
    /// Seconds between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_time: Option<f64>,
    /// The worker that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Str>,
    /// When another worker may take it.
    pub lease_until_millis: i64,
    /// How many workers have begun it.
    pub attempts: u64,
}

impl Row for ConnectionTest {
    const COLLECTION: Collection = Collection::ConnectionTests;
}

/// What a test came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestAnswer {
    /// Role to whether all of its steps worked.
    pub test_results: Map,
    /// Role to its lines: list of `{name, ok, sentence, kind}`.
    pub lines: Map,
    /// Role to what went wrong; with the empty name what went wrong before any role was tried.
    pub errors: Map,
}

/// How long an answer, or a request that nobody answers, is kept: it may hold sealed secrets.
pub const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of workers that may take a request and not come back; then it is given up.
const MOST_ATTEMPTS: u64 = 3;

/// Requests a test. Fields that only workers write are reset, whatever the request has in them.
///
/// # Errors
/// [`StoreError::Invalid`] when it names no environment.
pub async fn submit(
    records: &dyn Records,
    test: ConnectionTest,
    now_millis: i64,
) -> Result<Versioned<ConnectionTest>, StoreError> {
    if test.environment.is_empty() {
        return Err(StoreError::invalid("a connection test needs an environment"));
    }
    let fresh = ConnectionTest {
        environment: test.environment,
        test_targets: test.test_targets,
        targets_configuration: test.targets_configuration,
        submitted_by: test.submitted_by,
        submit_timestamp: stamp(now_millis),
        ..ConnectionTest::default()
    };
    row::insert(records, &row::new_id(now_millis)?, fresh).await
}

/// Takes the oldest request that nobody has, or whose worker has not been heard of for longer than its lease; after three
/// such workers it is answered with an error.
///
/// # Errors
/// Those of the store.
pub async fn claim(
    backend: &dyn Backend,
    worker: &str,
    now_millis: i64,
    ttl: Duration,
) -> Result<Option<Versioned<ConnectionTest>>, StoreError> {
    let open = [TestStatus::Request, TestStatus::Running].map(|status| status.as_str().into());
    let query = RecordQuery::all().and("status", FieldTest::AnyOf(open.into())).ordered("submit_timestamp");
    for mut task in row::all::<ConnectionTest>(backend, &query).await? {
        if task.row.status == TestStatus::Running && task.row.lease_until_millis > now_millis {
            continue;
        }
        if task.row.attempts >= MOST_ATTEMPTS {
            let why = format!("given up after {} workers began it and were not heard of again", task.row.attempts);
            let errors = Map::from_pairs(vec![("".into(), why.into())]);
            let _ = finish(backend, &mut task, TestAnswer { errors, ..TestAnswer::default() }, now_millis).await?;
            continue;
        }
        task.row.status = TestStatus::Running;
        task.row.holder = Some(worker.into());
        task.row.attempts += 1;
        task.row.lease_until_millis = later(now_millis, ttl);
        match task.save(backend).await {
            Ok(()) => return Ok(Some(task)),
            Err(StoreError::Changed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Says that the worker is alive; its lease then lasts longer.
///
/// # Errors
/// Those of the store.
pub async fn beat(
    records: &dyn Records,
    task: &mut Versioned<ConnectionTest>,
    now_millis: i64,
    ttl: Duration,
) -> Result<Beat, StoreError> {
    let mut next = task.clone();
    next.row.lease_until_millis = later(now_millis, ttl);
    save_beat(records, task, next).await
}

/// Gives a request back, to be run by anybody.
///
/// # Errors
/// Those of the store.
pub async fn hand_back(records: &dyn Records, task: &mut Versioned<ConnectionTest>) -> Result<Beat, StoreError> {
    let mut next = task.clone();
    next.row.status = TestStatus::Request;
    next.row.holder = None;
    next.row.attempts = next.row.attempts.saturating_sub(1);
    next.row.lease_until_millis = 0;
    save_beat(records, task, next).await
}

/// Writes the answer, and removes the configuration that was sent with the request. [`Beat::Lost`]: the request is not this
/// worker's any more, and nothing was written.
///
/// # Errors
/// Those of the store.
pub async fn finish(
    records: &dyn Records,
    task: &mut Versioned<ConnectionTest>,
    answer: TestAnswer,
    now_millis: i64,
) -> Result<Beat, StoreError> {
    let mut next = task.clone();
    next.row.status = TestStatus::Response;
    next.row.targets_configuration = None;
    next.row.test_results = answer.test_results;
    next.row.lines = answer.lines;
    next.row.errors = answer.errors;
    next.row.response_timestamp = Some(stamp(now_millis));
    let passed = unstamp(&next.row.submit_timestamp).map(|submitted| now_millis.saturating_sub(submitted).max(0));
    // Milliseconds of any test are far below what a float holds exactly.
    next.row.response_time = passed.map(|millis| millis as f64 / 1000.0);
    next.row.lease_until_millis = 0;
    save_beat(records, task, next).await
}

async fn save_beat(
    records: &dyn Records,
    task: &mut Versioned<ConnectionTest>,
    mut next: Versioned<ConnectionTest>,
) -> Result<Beat, StoreError> {
    match next.save(records).await {
        Ok(()) => {
            *task = next;
            Ok(Beat::Go)
        }
        Err(StoreError::Changed { .. }) => Ok(Beat::Lost),
        Err(error) => Err(error),
    }
}

/// Forgets answers, and requests that nobody answered, that are older than `older_than` ([`KEPT`] unless an operator says
/// otherwise). Returns how many.
///
/// # Errors
/// Those of the store.
pub async fn forget_old(records: &dyn Records, older_than: Duration, now_millis: i64) -> Result<u64, StoreError> {
    let oldest = stamp(earlier(now_millis, older_than));
    let query = RecordQuery::all().and("submit_timestamp", FieldTest::Below(oldest.into()));
    records.remove_all(Collection::ConnectionTests, &query).await
}
