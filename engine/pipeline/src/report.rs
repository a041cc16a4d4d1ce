//! What a scan did, what failed and who can act, what is out of date, what changed.

use std::collections::{BTreeMap, BTreeSet};

use calipso_derive::{Dangling, DanglingEnd, Graph, TypeCounts};
use calipso_model::{Map, ObjectKey, Revision, Str, Value};
use calipso_store::{Counts, ReportId};
use calipso_transport::{ErrorKind, SourceStats};

use crate::{
    answer::FailureKind,
    fetch::Fetched,
    identity::shown,
    merge::{Dispute, Stale},
    plan::Plan,
    scan::ScanMode,
};

/// A step that failed, under however many parents.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureReport {
    pub fetcher: Str,
    /// The step's label, if it has one.
    pub step: Option<Str>,
    /// The line of the spec, as `file:line:column`.
    pub at: Str,
    /// Which kind of failure.
    pub kind: FailureKind,
    /// Who was asked, if anyone.
    pub host: Option<Str>,
    pub sentence: String,
    /// The first of the parents under which it happened.
    pub parent: ObjectKey,
    /// How often it happened.
    pub times: usize,
}

/// How many faults of rules a report lists.
const MAX_FAULTS: usize = 1000;

/// How many ends without partner a report lists.
const MAX_DANGLING: usize = 1000;

/// How many came, changed and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// New or changed.
    pub written: usize,
    pub removed: usize,
}

/// The report of one scan.
#[derive(Clone, Debug, Default)]
pub struct ScanReport {
    /// Its number, once it is kept.
    pub id: Option<ReportId>,
    pub environment: Str,
    /// What was scanned: `full`, `partial`, `inventory`, `links`, `cliques`.
    pub mode: Str,
    /// When it began, RFC 3339.
    pub at: Str,
    /// Seconds that it took.
    pub seconds: f64,
    /// The revision before.
    pub revision_before: Revision,
    /// The revision after; the same one when nothing changed.
    pub revision_after: Revision,
    /// How many times fetchers ran.
    pub n_runs: usize,
    /// How many of these were not complete.
    pub n_incomplete: usize,
    /// How many questions of fetchers were answered, be it with a no.
    pub n_answers: usize,
    /// How many were not.
    pub n_silent: usize,
    /// What every source was asked.
    pub sources: Vec<SourceStats>,
    pub failures: Vec<FailureReport>,
    /// Places of failures by fetcher, line and sentence.
    known_failures: BTreeMap<(Str, Str, String), usize>,
    /// Values that the specs do not declare, with the step that emitted them and how often.
    pub remarks: BTreeMap<(Str, String), usize>,
    /// Scopes that are out of date.
    pub(crate) stale: Vec<Stale>,
    /// Objects that are not where their type says.
    pub misplaced: Vec<(ObjectKey, String)>,
    /// Faults of rules that derive, with the line of the spec.
    pub derivation: Vec<(Str, String)>,
    /// Rules that were given up, as they take more than the objects allow; they are among the faults, too.
    pub given_up: Vec<(Str, String)>,
    /// Ends of links that found no partner, of objects that have no link of the type otherwise; at most a thousand.
    pub dangling: Vec<DanglingEnd>,
    /// Objects with more links than their link type allows, with the line of the spec.
    pub cardinality: Vec<(Str, String)>,
    /// Objects by type.
    pub objects: BTreeMap<Str, usize>,
    /// Links by type.
    pub links: BTreeMap<Str, usize>,
    /// Cliques by type.
    pub cliques: BTreeMap<Str, usize>,
    /// Objects that changed.
    pub changed_objects: Changed,
    /// Links that changed.
    pub changed_links: Changed,
    /// Cliques that changed.
    pub changed_cliques: Changed,
    /// What the plan warned of, and what the scan did.
    pub warnings: Vec<String>,
    /// Objects that went back to an older version, by fetcher and type: how many, and the first as a sentence.
    reversals: BTreeMap<(Str, Str), (usize, String)>,
}

/// Why a scan could not look at anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// Every login, or every right, was refused.
    Denied,
    /// Nobody could be reached.
    Unreachable,
    /// No connection can be used as it is configured.
    Setup,
    /// For several reasons.
    Mixed,
}

impl Blind {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Unreachable => "unreachable",
            Self::Setup => "setup",
            Self::Mixed => "mixed",
        }
    }
}

/// A scope that is out of date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleScope {
    pub fetcher: Str,
    /// Type of the objects.
    pub object_type: Str,
    /// Below which object.
    pub parent: ObjectKey,
    /// Since when, RFC 3339.
    pub since: Str,
    pub problem: Str,
    /// How many objects are known of it.
    pub n_objects: usize,
}

impl ScanReport {
    pub(crate) fn new(plan: &Plan, mode: &ScanMode, at: Str) -> Self {
        Self {
            environment: plan.environment.name.clone(),
            mode: mode.as_str().into(),
            at,
            warnings: plan.warnings.clone(),
            ..Self::default()
        }
    }

    /// Whether every source gave a complete answer, and every rule was followed to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.n_incomplete == 0 && self.given_up.is_empty()
    }

    /// Whether the scan could not look: it asked, and nobody answered anything. Then nothing that it tells is new.
    #[must_use]
    pub fn blind(&self) -> Option<Blind> {
        if self.n_answers > 0 || self.n_silent == 0 {
            return None;
        }
        // What follows from that is no reason of its own.
        let silent = self.failures.iter().filter_map(|failure| match failure.kind {
            FailureKind::Fetch(kind) => Some(kind),
            _ => None,
        });
        let kinds: BTreeSet<ErrorKind> = silent.collect();
        let all = |wanted: &[ErrorKind]| !kinds.is_empty() && kinds.iter().all(|kind| wanted.contains(kind));
        Some(if all(&[ErrorKind::Denied]) {
            Blind::Denied
        } else if all(&[ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::Cut, ErrorKind::Busy]) {
            Blind::Unreachable
        } else if all(&[ErrorKind::Setup]) {
            Blind::Setup
        } else {
            Blind::Mixed
        })
    }

    /// Scopes that are out of date.
    #[must_use]
    pub fn stale_scopes(&self) -> Vec<StaleScope> {
        let stale = self.stale.iter().map(|stale| StaleScope {
            fetcher: stale.key.fetcher.clone(),
            object_type: stale.key.object_type.clone(),
            parent: stale.key.parent.clone(),
            since: stale.since.clone(),
            problem: stale.problem.clone(),
            n_objects: stale.n_objects,
        });
        stale.collect()
    }

    pub(crate) fn add_run(&mut self, fetcher: &Str, parent: &ObjectKey, fetched: &Fetched) {
        self.n_runs += 1;
        self.n_answers += fetched.answers_and_silences.0;
        self.n_silent += fetched.answers_and_silences.1;
        self.n_incomplete += usize::from(fetched.problem.is_some());
        for failure in &fetched.failures {
            let report = FailureReport {
                fetcher: fetcher.clone(),
                step: failure.step.clone(),
                at: failure.at.to_string().into(),
                kind: failure.why.kind,
                host: failure.why.host.clone(),
                sentence: failure.why.sentence.clone(),
                parent: parent.clone(),
                times: 1,
            };
            let same = (report.fetcher.clone(), report.at.clone(), report.sentence.clone());
            match self.known_failures.get(&same).and_then(|place| self.failures.get_mut(*place)) {
                Some(known) => known.times += 1,
                None => {
                    self.known_failures.insert(same, self.failures.len());
                    self.failures.push(report);
                }
            }
        }
        for remark in &fetched.remarks {
            *self.remarks.entry(remark.clone()).or_default() += 1;
        }
    }

    /// Notes that an object went back to an older version.
    pub(crate) fn add_reversal(&mut self, fetcher: &Str, object: &ObjectKey, from: &Value, to: &Value) {
        let first = || format!("{object} from {} to {}", shown(from), shown(to));
        let noted = self.reversals.entry((fetcher.clone(), object.object_type.clone())).or_insert_with(|| (0, first()));
        noted.0 += 1;
    }

    /// Tells what single runs noted, once all have run.
    pub(crate) fn close_runs(&mut self) {
        for ((fetcher, object_type), (times, first)) in std::mem::take(&mut self.reversals) {
            self.warnings.push(format!(
                "{times} objects of the type {object_type} went back to an older version ({first}): a complete answer of \
                 {fetcher}, asked for after the newer one had come, says so; was a database restored?"
            ));
        }
    }

    /// Tells where two runs of one fetcher say different things of one object.
    pub(crate) fn add_disputes(&mut self, disputes: Vec<Dispute>) {
        let mut by_fetcher: BTreeMap<(Str, Str), (usize, Dispute)> = BTreeMap::new();
        for dispute in disputes {
            let of = (dispute.fetcher.clone(), dispute.object.object_type.clone());
            by_fetcher.entry(of).or_insert((0, dispute)).0 += 1;
        }
        for ((fetcher, object_type), (times, first)) in by_fetcher {
            let more = if times > 1 {
                format!("; so it is with {times} objects of the type {object_type}")
            } else {
                String::new()
            };
            self.warnings.push(format!(
                "{fetcher} says two things of {}: `{}` is {} below {}, and {} below {}, which counts because it comes last{more}",
                first.object,
                first.attribute,
                shown(&first.values.0),
                first.parents.0,
                shown(&first.values.1),
                first.parents.1,
            ));
        }
    }

    pub(crate) fn read_graph(&mut self, graph: &Graph) {
        for given_up in graph.exceeded() {
            self.given_up.push((given_up.at.to_string().into(), format!("{}: {}", given_up.rule, given_up.message)));
        }
        self.derivation.extend(self.given_up.iter().cloned());
        let faults = graph.faults();
        let n_more = faults.len().saturating_sub(MAX_FAULTS);
        for fault in faults.into_iter().take(MAX_FAULTS) {
            let other = fault.other.as_ref().map(|other| format!(" with {other}")).unwrap_or_default();
            let sentence = format!("{}: {}{other}: {}", fault.rule, fault.object, fault.message);
            self.derivation.push((fault.at.to_string().into(), sentence));
        }
        if n_more > 0 {
            self.derivation.push(("rules".into(), format!("and {n_more} more faults of rules")));
        }
        let asked = Dangling { limit: Some(MAX_DANGLING), ..Dangling::default() };
        self.dangling = graph.dangling(&asked).into_iter().filter(|end| !end.linked_otherwise).collect();
        for many in graph.cardinality() {
            let candidates: Vec<String> = many.candidates.iter().map(ToString::to_string).collect();
            let sentence = format!("{}: {} is linked to {}", many.link_type, many.object, candidates.join(" and "));
            self.cardinality.push((many.at.to_string().into(), sentence));
        }
    }

    /// Tells how much there is.
    pub(crate) fn count(&mut self, counts: TypeCounts) {
        self.objects = counts.objects;
        self.links = counts.links;
        self.cliques = counts.cliques;
    }

    /// Tells what a commit changed.
    pub(crate) fn count_changes(&mut self, written: Counts, removed: Counts) {
        let changed = |written: u64, removed: u64| Changed { written: written as usize, removed: removed as usize };
        self.changed_objects = changed(written.objects, removed.objects);
        self.changed_links = changed(written.links, removed.links);
        self.changed_cliques = changed(written.cliques, removed.cliques);
    }

    /// The report as it is kept and printed.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let revision = |n: Revision| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let key = |key: &ObjectKey| Value::from(key.to_string());
        let counts = |counts: &BTreeMap<Str, usize>| -> Value {
            Value::Map(counts.iter().map(|(name, n)| (name.clone(), number(*n))).collect())
        };
        let changed =
            |changed: Changed| map([("written", number(changed.written)), ("removed", number(changed.removed))]);
        let sources = self.sources.iter().map(source);
        let failures = self.failures.iter().map(|failure| {
            map([
                ("fetcher", Value::Str(failure.fetcher.clone())),
                ("step", Value::from(failure.step.clone())),
                ("at", Value::Str(failure.at.clone())),
                ("kind", Value::text(failure.kind.as_str())),
                ("host", Value::from(failure.host.clone())),
                ("sentence", Value::text(&failure.sentence)),
                ("act", Value::text(failure.kind.act())),
                ("parent", key(&failure.parent)),
                ("times", number(failure.times)),
            ])
        });
        let stale = self.stale_scopes().into_iter().map(|stale| {
            map([
                ("fetcher", Value::Str(stale.fetcher)),
                ("type", Value::Str(stale.object_type)),
                ("parent", key(&stale.parent)),
                ("since", Value::Str(stale.since)),
                ("problem", Value::Str(stale.problem)),
                ("objects", number(stale.n_objects)),
            ])
        });
        let misplaced = self
            .misplaced
            .iter()
            .map(|(object, sentence)| map([("object", key(object)), ("sentence", Value::text(sentence))]));
        let derivation = self
            .derivation
            .iter()
            .map(|(at, sentence)| map([("at", Value::Str(at.clone())), ("sentence", Value::text(sentence))]));
        let dangling = self.dangling.iter().map(|end| {
            map([
                ("link_type", Value::Str(end.of.clone())),
                ("rule", Value::Str(end.rule.clone())),
                ("at", Value::from(end.at.to_string())),
                ("object", key(&end.object)),
                ("wanted", Value::Str(end.wanted.clone())),
                ("key", Value::list(end.key.clone())),
            ])
        });
        let cardinality = self
            .cardinality
            .iter()
            .map(|(at, sentence)| map([("at", Value::Str(at.clone())), ("sentence", Value::text(sentence))]));
        let remarks = self.remarks.iter().map(|((at, sentence), times)| {
            map([("at", Value::Str(at.clone())), ("sentence", Value::text(sentence)), ("times", number(*times))])
        });
        map([
            ("environment", Value::Str(self.environment.clone())),
            ("mode", Value::Str(self.mode.clone())),
            ("at", Value::Str(self.at.clone())),
            ("seconds", Value::Float((self.seconds * 1000.0).round() / 1000.0)),
            ("revision_before", revision(self.revision_before)),
            ("revision_after", revision(self.revision_after)),
            ("complete", Value::Bool(self.is_complete())),
            ("runs", number(self.n_runs)),
            ("incomplete_runs", number(self.n_incomplete)),
            ("answers", number(self.n_answers)),
            ("missing_answers", number(self.n_silent)),
            ("could_not_look", Value::from(self.blind().map(Blind::as_str))),
            ("sources", Value::list(sources.collect())),
            ("failures", Value::list(failures.collect())),
            ("stale", Value::list(stale.collect())),
            ("misplaced", Value::list(misplaced.collect())),
            ("derivation", Value::list(derivation.collect())),
            ("dangling", Value::list(dangling.collect())),
            ("cardinality", Value::list(cardinality.collect())),
            ("remarks", Value::list(remarks.collect())),
            ("objects", counts(&self.objects)),
            ("links", counts(&self.links)),
            ("cliques", counts(&self.cliques)),
            ("changed_objects", changed(self.changed_objects)),
            ("changed_links", changed(self.changed_links)),
            ("changed_cliques", changed(self.changed_cliques)),
            ("warnings", Value::list(self.warnings.iter().map(|warning| Value::text(warning)).collect())),
        ])
    }
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(Map::from_pairs(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()))
}

fn source(stats: &SourceStats) -> Value {
    let number = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    map([
        ("role", Value::Str(stats.role.clone())),
        ("calls", number(stats.calls)),
        ("cached", number(stats.cached)),
        ("executions", number(stats.executions)),
        ("bytes", number(stats.bytes)),
        ("seconds", Value::Float((stats.seconds * 1000.0).round() / 1000.0)),
    ])
}
