//! Runs the tests beside specs: one spec over inline answers, without a network.

mod connect;
mod cover;
mod door;
mod expect;
pub mod mutate;
mod observe;
mod open_world;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use calipso_model::{Link, Object, Str, Value};
use calipso_parse::Parser;
use calipso_spec::{
    checked::{At, Specs},
    spec_test::{Edit, SpecTest, TestCase, TestOf},
};

use calipso_store::Searched;
use calipso_transport::RecordedEntry;

use crate::{conntest::TestLine, coverage::Coverage};

/// What one case came to, before it is compared with anything.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects that the spec under test brings, with identity and place, by key; folders among them. Of an object type's
    /// test also with derived attributes; of a link or clique type's test all that were given, with theirs.
    pub objects: Vec<Object>,
    /// Of an object type's test: by what search finds its objects.
    pub searched: Searched,
    /// Types of `objects` that are only folders.
    pub folder_types: Vec<Str>,
    pub links: Vec<Link>,
    pub cliques: Vec<calipso_model::Clique>,
    /// Whether the run was complete; of a connection whether everything worked.
    pub complete: bool,
    /// What failed, in sentences.
    pub failures: Vec<String>,
    /// Of a distribution: the words that would run, command by command. Otherwise the commands that were asked for, as the
    /// spec says them.
    pub commands: Vec<Vec<String>>,
    /// What a parser, a connection's request or a distribution's command gave; none: a negative answer.
    pub value: Option<Value>,
    /// Lines of a connection's test.
    pub lines: Vec<TestLine>,
    /// What was sent, in the words of a test's `sent`.
    pub sent: Vec<Value>,
    /// List and number of the inline answers that nothing asked for.
    pub unasked: Vec<(String, usize)>,
    /// Why the environment of the case does not use the spec; none: it does.
    pub unused: Option<String>,
    /// What of the recording of `answers_dir` was asked for.
    pub recorded: Vec<RecordedEntry>,
    /// Of a distribution: its values for the environment.
    pub values: Option<Value>,
    /// Of a distribution: the settings of every fetcher in the environment.
    pub settings: Option<Value>,
    /// Of a distribution: whether it supports the environment.
    pub supported: Option<bool>,
}

/// Something that is not as a case expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedExpectation {
    /// The line of the test that says otherwise.
    pub at: At,
    /// What is the case, in a sentence.
    pub text: String,
    /// What would make the test expect what was found, if it can be said.
    pub mend: Option<Edit>,
    /// Whether the case holds all the same: an answer is left that nothing asked for.
    pub is_idle: bool,
}

impl CaseResult {
    /// Whether something is not as the case expects it.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.problems.iter().any(|problem| !problem.is_idle)
    }
}

/// What cases are run with.
pub struct Bench<'a> {
    pub specs: &'a Specs,
    /// Parsers by name, for tests of parsers.
    pub parsers: &'a BTreeMap<Str, Arc<Parser>>,
    /// The folder that paths of the tests' files lie below, for recordings beside them.
    pub root: Option<&'a Path>,
    pub(crate) coverage: Arc<Coverage>,
}

impl<'a> Bench<'a> {
    /// Nothing has run yet.
    #[must_use]
    pub fn new(specs: &'a Specs, parsers: &'a BTreeMap<Str, Arc<Parser>>, root: Option<&'a Path>) -> Self {
        Self { specs, parsers, root, coverage: Arc::default() }
    }

    /// Runs one case.
    ///
    /// # Errors
    /// The case itself is wrong: it names a spec that does not exist, its answers cannot be read.
    pub async fn observe(&self, of: &TestOf, case: &TestCase) -> Result<Observed, String> {
        observe::observe(self, of, case).await
    }

    /// Runs one case and compares.
    async fn problems(&self, of: &TestOf, case: &TestCase) -> Vec<FailedExpectation> {
        match self.observe(of, case).await {
            Ok(observed) => expect::compare(of, case, &observed),
            Err(text) => vec![FailedExpectation { at: case.at.clone(), text, mend: None, is_idle: false }],
        }
    }
}

/// An object as a test would expect it: without what every object has from its place in the tree.
#[must_use]
pub fn as_expected(object: &Object) -> calipso_model::Map {
    expect::plain(object)
}

/// Runs one case and says what came out; `answers_dir` is a path from here where the case is of no file. Must not be called from within an asynchronous run-time.
///
/// # Errors
/// The case itself is wrong: it names a spec that does not exist, its answers cannot be read.
pub fn observe(specs: &Specs, of: &TestOf, case: &TestCase) -> Result<Observed, String> {
    let parsers = BTreeMap::new();
    let runtime = runtime()?;
    runtime.block_on(Bench::new(specs, &parsers, Some(Path::new(""))).observe(of, case))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| format!("no run-time for the test: {error}"))
}

/// What one case came to.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Kind of the spec under test.
    pub kind: &'static str,
    pub spec: Str,
    pub case: Str,
    /// Where it stands.
    pub at: At,
    /// What is not as expected; nothing: it passed.
    pub problems: Vec<FailedExpectation>,
    /// How long it took.
    pub took: Duration,
}

/// A branch of a spec that no case reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreached {
    /// Kind of the spec.
    pub kind: &'static str,
    pub spec: Str,
    pub at: At,
    /// What was never the case there, such as `step`, `when false` or `alternative 2`.
    pub branch: String,
}

/// What all tests came to.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// Every case, in the order of files.
    pub cases: Vec<CaseResult>,
    /// What no case reached.
    pub unreached: Vec<Unreached>,
    /// How many branches there are.
    pub n_branches: usize,
}

impl TestReport {
    /// Whether something ran and everything that ran passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(|case| case.problems.is_empty())
    }
}

/// Runs tests; of all branches of the catalogue it says which none of them reached. Must not be called from within an
/// asynchronous run-time.
///
/// # Errors
/// No run-time could be made.
pub fn run_spec_tests(
    specs: &Specs,
    parsers: &BTreeMap<Str, Arc<Parser>>,
    tests: &[SpecTest],
    root: Option<&Path>,
    filter: Option<&str>,
) -> Result<TestReport, String> {
    let runtime = runtime()?;
    let bench = Bench::new(specs, parsers, root);
    let mut report = TestReport::default();
    let mut sorted: Vec<&SpecTest> = tests.iter().collect();
    sorted.sort_by(|a, b| a.at.cmp(&b.at));
    for test in sorted {
        let (kind, spec) = test.of.parts();
        if filter.is_some_and(|filter| !spec.contains(filter) && !kind.contains(filter)) {
            continue;
        }
        for case in &test.cases {
            let started = Instant::now();
            let problems = runtime.block_on(bench.problems(&test.of, case));
            report.cases.push(CaseResult {
                kind,
                spec: spec.clone(),
                case: case.name.clone(),
                at: case.at.clone(),
                problems,
                took: started.elapsed(),
            });
        }
    }
    let branches = cover::branches(specs);
    report.n_branches = branches.len();
    report.unreached = branches.into_iter().filter(|branch| !bench.coverage.has(&branch.at, &branch.branch)).collect();
    Ok(report)
}
