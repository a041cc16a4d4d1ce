//! Changes specs one place at a time and says which changes no test notices.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use calipso_model::{Environment, Str};
use calipso_spec::{
    Layer, Loaded, Mutation, SpecTest,
    checked::At,
    spec_test::{TestCase, TestOf, Unnoticed},
};
use calipso_transport::digest::sha256;

use crate::spec_test::{Bench, runtime};

/// Which changes are tried.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Chooses among all changes: the same seed chooses the same ones, wherever their lines are.
    pub seed: u64,
    /// How many; none: all.
    pub count: Option<usize>,
    /// After this long no further one is begun.
    pub time: Option<Duration>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `check` refuses it: it counts for nothing.
    Refused,
    /// A case fails with it: which.
    Noticed(At),
    /// Every case that touches the spec passes.
    Unnoticed,
}

/// An entry of `unnoticed` that is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Where it stands.
    pub at: At,
    pub change: Str,
    /// What is the case.
    pub why: String,
}

/// What came of all changes.
#[derive(Clone, Debug, Default)]
pub struct MutationReport {
    /// Those of the sample that were tried, in the order of files.
    pub tried: Vec<(Mutation, Fate)>,
    /// Those that a test lists as unnoticed and that the sample left out: tried as well, and counted nowhere, since they
    /// would weigh more in a small sample than among all changes.
    pub beside: Vec<(Mutation, Fate)>,
    /// Why the tests need not notice a change, by its kind of spec, spec and name.
    pub reasons: BTreeMap<(&'static str, Str, String), Str>,
    /// Entries that do not apply any more.
    pub stale: Vec<Stale>,
    /// How many changes there are in all.
    pub n_all: usize,
    /// How many of the chosen ones the time was too short for.
    pub n_left: usize,
}

impl MutationReport {
    /// Why a change need not be noticed, if its test says so.
    #[must_use]
    pub fn reason(&self, change: &Mutation) -> Option<&Str> {
        self.reasons.get(&(change.kind, change.spec.clone(), change.name()))
    }

    /// How many were noticed, and how many count.
    #[must_use]
    pub fn score(&self) -> (usize, usize) {
        let noticed = self.tried.iter().filter(|(_, fate)| matches!(fate, Fate::Noticed(_))).count();
        let counted = self.tried.iter().filter(|(_, fate)| *fate != Fate::Refused).count();
        (noticed, counted)
    }
}

/// Tries changes, each against the tests that touch its spec. Must not be called from within an asynchronous run-time.
///
/// # Shape
/// Changes that a test lists as unnoticed are always tried, too.
/// # Errors
/// A test does not even pass without a change; no run-time could be made.
pub fn run_mutations(
    layers: &[Layer],
    loaded: &Loaded,
    root: Option<&Path>,
    all: Vec<Mutation>,
    sample: &Sample,
) -> Result<MutationReport, String> {
    let touching = touching(loaded, root)?;
    // The tests are known; reading them again for every change would take a third of the time.
    let layers: Vec<Layer> = layers
        .iter()
        .map(|layer| {
            let files = layer.files.iter().filter(|(path, _)| !path.ends_with(".test.yaml")).cloned().collect();
            Layer { files, ..layer.clone() }
        })
        .collect();
    let mut report = MutationReport { n_all: all.len(), ..MutationReport::default() };
    let listed = listed(loaded, &all, &mut report);
    let (chosen, n_sampled) = choose(all, sample, &listed);
    let fates: Mutex<BTreeMap<usize, Fate>> = Mutex::default();
    let problems: Mutex<Vec<String>> = Mutex::default();
    let (next, began) = (AtomicUsize::new(0), Instant::now());
    let work = || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(problem) => return problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem),
        };
        loop {
            if sample.time.is_some_and(|time| began.elapsed() >= time) {
                return;
            }
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(change) = chosen.get(number) else { return };
            let fate = fate(&runtime, &layers, root, change, &touching);
            fates.lock().unwrap_or_else(PoisonError::into_inner).insert(number, fate);
        }
    };
    std::thread::scope(|scope| {
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(16);
        for _ in 0..n_threads {
            scope.spawn(work);
        }
    });
    if let Some(problem) = problems.into_inner().unwrap_or_else(PoisonError::into_inner).pop() {
        return Err(problem);
    }
    let fates = fates.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.n_left = chosen.len() - fates.len();
    for (number, change) in chosen.into_iter().enumerate() {
        let Some(fate) = fates.get(&number) else { continue };
        let why = match fate {
            Fate::Refused => Some("`check` refuses this change, so that nobody needs to notice it".to_owned()),
            Fate::Noticed(by) => Some(format!("the case at {by} notices it")),
            Fate::Unnoticed => None,
        };
        if let (Some(entry), Some(why)) = (listed.get(&(change.kind, change.spec.clone(), change.name())), why) {
            report.stale.push(Stale { at: entry.at.clone(), change: entry.change.clone(), why });
        }
        let list = if number < n_sampled { &mut report.tried } else { &mut report.beside };
        list.push((change, fate.clone()));
    }
    report.stale.sort_by(|a, b| a.at.cmp(&b.at));
    for list in [&mut report.tried, &mut report.beside] {
        list.sort_by(|(a, _), (b, _)| (&a.at.file, a.at.line).cmp(&(&b.at.file, b.at.line)));
    }
    Ok(report)
}

/// Whether some test fails with the change.
fn fate(
    runtime: &tokio::runtime::Runtime,
    layers: &[Layer],
    root: Option<&Path>,
    change: &Mutation,
    touching: &Touching,
) -> Fate {
    let loaded = calipso_spec::load(&change.applied(layers));
    if loaded.has_errors() {
        return Fate::Refused;
    }
    let bench = Bench::new(&loaded.specs, &loaded.parsers, root);
    let none = Vec::new();
    for (of, case) in touching.get(&(change.kind, change.spec.clone())).unwrap_or(&none) {
        if !runtime.block_on(bench.problems(of, case)).is_empty() {
            return Fate::Noticed(case.at.clone());
        }
    }
    Fate::Unnoticed
}

/// The cases that touch a spec, those of its own tests first.
type Touching = BTreeMap<(&'static str, Str), Vec<(TestOf, TestCase)>>;

fn touching(loaded: &Loaded, root: Option<&Path>) -> Result<Touching, String> {
    let runtime = runtime()?;
    let files = spec_files(loaded);
    let (mut own, mut others): (Touching, Touching) = Default::default();
    for test in &loaded.tests {
        let (kind, name) = test.of.parts();
        for case in &test.cases {
            let bench = Bench::new(&loaded.specs, &loaded.parsers, root);
            let problems = runtime.block_on(bench.problems(&test.of, case));
            if !problems.is_empty() {
                return Err(format!("{}: the case `{}` fails without any change", case.at, case.name));
            }
            own.entry((kind, name.clone())).or_default().push((test.of.clone(), case.clone()));
            for key in touched(loaded, &files, &bench.coverage.files(), &test.of, &case.environment) {
                if key != (kind, name.clone()) {
                    others.entry(key).or_default().push((test.of.clone(), case.clone()));
                }
            }
        }
    }
    for (key, mut cases) in others {
        own.entry(key).or_default().append(&mut cases);
    }
    Ok(own)
}

/// The specs that a case used: those of which it reached something, its distribution, the parsers that its fetcher names.
fn touched(
    loaded: &Loaded,
    files: &BTreeMap<Str, (&'static str, Str)>,
    reached: &BTreeSet<Str>,
    of: &TestOf,
    environment: &Environment,
) -> BTreeSet<(&'static str, Str)> {
    let mut found: BTreeSet<(&'static str, Str)> = reached.iter().filter_map(|file| files.get(file).cloned()).collect();
    if !environment.distribution.is_empty() {
        found.insert(("distribution", environment.distribution.clone()));
    }
    if let TestOf::Fetcher(name) = of
        && let Some(fetcher) = loaded.specs.fetchers.get(name)
        && let Some(text) = loaded.files.get(fetcher.head.at.file.as_ref())
    {
        let named = loaded.parsers.keys().filter(|parser| text.contains(&format!("named: {parser}")));
        found.extend(named.map(|parser| ("parser", parser.clone())));
    }
    found
}

/// Kind and name of every spec by its file.
fn spec_files(loaded: &Loaded) -> BTreeMap<Str, (&'static str, Str)> {
    let mut files = BTreeMap::new();
    let specs = &loaded.specs;
    let mut add = |kind: &'static str, head: &calipso_spec::checked::Head| {
        files.insert(head.at.file.clone(), (kind, head.name.clone()));
    };
    specs.connections.values().for_each(|spec| add("connection", &spec.head));
    specs.object_types.values().for_each(|spec| add("object_type", &spec.head));
    specs.fetchers.values().for_each(|spec| add("fetcher", &spec.head));
    specs.link_types.values().for_each(|spec| add("link_type", &spec.head));
    specs.clique_types.values().for_each(|spec| add("clique_type", &spec.head));
    files
}

type Listed<'a> = BTreeMap<(&'static str, Str, String), &'a Unnoticed>;

/// What the tests list as unnoticed; entries that name no change are stale.
fn listed<'a>(loaded: &'a Loaded, all: &[Mutation], report: &mut MutationReport) -> Listed<'a> {
    let known: BTreeSet<(&str, &Str, String)> =
        all.iter().map(|change| (change.kind, &change.spec, change.name())).collect();
    let changed: BTreeSet<(&str, &Str)> = all.iter().map(|change| (change.kind, &change.spec)).collect();
    let mut listed = Listed::new();
    for (test, entry) in loaded.tests.iter().flat_map(|test: &SpecTest| test.unnoticed.iter().map(move |e| (test, e))) {
        let (kind, name) = test.of.parts();
        // Of specs that are not changed now nothing can be said.
        if !changed.contains(&(kind, name)) {
            continue;
        }
        if known.contains(&(kind, name, entry.change.to_string())) {
            let key = (kind, name.clone(), entry.change.to_string());
            report.reasons.insert(key.clone(), entry.because.clone());
            listed.insert(key, entry);
        } else {
            let near = calipso_expr::nearest(
                &entry.change,
                all.iter()
                    .filter(|change| (change.kind, &change.spec) == (kind, name))
                    .map(|change| change.path.as_str()),
            );
            let near = near.map(|near| format!("; something at {near} is")).unwrap_or_default();
            let why = format!("no such change is made{near}");
            report.stale.push(Stale { at: entry.at.clone(), change: entry.change.clone(), why });
        }
    }
    listed
}

/// So many of the changes as the sample says, and how many these are; behind them all others that are listed.
fn choose(all: Vec<Mutation>, sample: &Sample, listed: &Listed<'_>) -> (Vec<Mutation>, usize) {
    let mut rated: Vec<([u8; 32], Mutation)> = all
        .into_iter()
        .map(|change| {
            let text = format!("{}\n{}\n{}\n{}", sample.seed, change.kind, change.spec, change.name());
            (sha256(text.as_bytes()), change)
        })
        .collect();
    rated.sort_by_key(|(rate, _)| *rate);
    let n_sampled = sample.count.map_or(rated.len(), |count| count.min(rated.len()));
    let is_listed = |change: &Mutation| listed.contains_key(&(change.kind, change.spec.clone(), change.name()));
    let chosen = rated.into_iter().enumerate().filter(|(number, (_, change))| *number < n_sampled || is_listed(change));
    (chosen.map(|(_, (_, change))| change).collect(), n_sampled)
}
